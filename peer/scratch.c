#include "scratch.h"

#include "message.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "sync-peer-" /* then the process's number, then letters by chance */

static const char *parent(void)
{
    const char *tmp = getenv("TMPDIR");
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : tmp != NULL ? tmp : "/tmp";
}

/* Flat: there are no folders in it. */
static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *e = folder != NULL ? readdir(folder) : NULL; e != NULL; e = readdir(folder)) {
        (void)unlinkat(dirfd(folder), e->d_name, 0); /* "." and ".." are none of those */
    }
    if (folder != NULL) {
        closedir(folder);
    }
    (void)rmdir(path);
}

/* Of a process that is no more, and of this user: nobody else could have it in use. */
static bool is_left(const char *path, const char *name)
{
    struct stat st;
    long pid = strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? strtol(name + strlen(PREFIX), NULL, 10) : 0;
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH && lstat(path, &st) == 0 &&
           S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static void remove_left(const char *in)
{
    DIR *folder = opendir(in);
    for (struct dirent *e = folder != NULL ? readdir(folder) : NULL; e != NULL; e = readdir(folder)) {
        char *path = peer_format("%s/%s", in, e->d_name);
        if (is_left(path, e->d_name)) {
            remove_folder(path);
        }
        free(path);
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

char *peer_scratch_new(char **why)
{
    const char *in = parent();
    char *path = peer_format("%s/" PREFIX "%ld-XXXXXX", in, (long)getpid());
    remove_left(in);
    if (mkdtemp(path) == NULL) { /* for nobody but this user */
        *why = peer_format("no folder for rooms in memory can be made in %s: %s", in, strerror(errno));
        free(path);
        return NULL;
    }
    return path;
}

void peer_scratch_free(char *path)
{
    if (path != NULL) {
        remove_folder(path);
        free(path);
    }
}
