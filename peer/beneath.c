#include "beneath.h"

#include "log.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*open_call)(const char *path, int flags, int mode);

static open_call system_open; /* what SQLite opened files with before */
static bool has_openat2;
static bool is_hooked;
static pthread_once_t hooked = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    char *path; /* of the folder, without links; NULL: nothing is confined */
    int fd;     /* of the folder, while there is a path */
    bool refused;
    char why[512];
} confined;

static int call_openat2(int folder, const char *name, int flags, int mode)
{
    struct open_how how = {.flags = (unsigned)flags,
                           .mode = (flags & O_CREAT) != 0 ? (unsigned)mode & 07777 : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

/* Without openat2 a name must be one: then O_NOFOLLOW, and a folder that is held open, come to the same. */
static int open_in(int folder, const char *name, int flags, int mode)
{
    if (has_openat2) {
        return call_openat2(folder, name, flags, mode);
    }
    if (strchr(name, '/') != NULL || strcmp(name, "..") == 0) {
        errno = EXDEV;
        return -1;
    }
    return openat(folder, name, flags | O_NOFOLLOW, mode);
}

static void refuse(int error, const char *path)
{
    const char *what = error == ELOOP   ? "is a symbolic link, and none is followed there"
                       : error == EXDEV ? "is not in the folder, and nothing outside is opened"
                                        : "is no ordinary file, and nothing else is opened there";
    confined.refused = true;
    (void)snprintf(confined.why, sizeof confined.why, "%s %s", path, what);
}

/* Opens what has this name in a folder, or the folder itself ("", which SQLite syncs); `path` is for people. A pipe is refused, for it would keep
** whoever opens or reads it waiting. */
static int open_ordinary(int folder, const char *name, const char *path, int flags, int mode)
{
    struct stat st;
    int fd = open_in(folder, *name != 0 ? name : ".", flags | O_NONBLOCK, mode);
    int error = fd < 0 || fstat(fd, &st) != 0                ? errno
                : S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? 0
                                                             : ENXIO;
    if (error == ELOOP || error == EXDEV || error == ENXIO) {
        refuse(error, path);
    }
    if (error != 0 && fd >= 0) {
        close(fd);
    }
    errno = error;
    return error != 0 ? -1 : fd;
}

/* What SQLite needs beside the room's files: temporary ones, which are new, and two devices. A journal may name any other file; it is not read. */
static bool may_elsewhere(const char *path, int flags)
{
    return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || strcmp(path, "/dev/urandom") == 0 ||
           strcmp(path, "/dev/null") == 0;
}

static int open_for_sqlite(const char *path, int flags, int mode)
{
    size_t bytes = confined.path != NULL ? strlen(confined.path) : 0;
    if (bytes > 0 && strncmp(path, confined.path, bytes) == 0 && (path[bytes] == '/' || path[bytes] == 0)) {
        return open_ordinary(confined.fd, path + bytes + (path[bytes] == '/'), path, flags, mode);
    }
    if (bytes == 0 || may_elsewhere(path, flags)) {
        return system_open(path, flags, mode);
    }
    refuse(EXDEV, path);
    errno = EXDEV;
    return -1;
}

/* Before any room of a folder is opened, on one thread. */
static void hook(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    int fd = call_openat2(AT_FDCWD, ".", O_PATH | O_CLOEXEC, 0);
    has_openat2 = fd >= 0 || (errno != ENOSYS && errno != EPERM);
    if (fd >= 0) {
        close(fd);
    } else if (!has_openat2) {
        peer_notice("openat2 cannot be used here (%s): files of rooms are opened with O_NOFOLLOW",
                    strerror(errno));
    }
    if (vfs == NULL || vfs->iVersion < 3 || vfs->xSetSystemCall == NULL) {
        return;
    }
    sqlite3_syscall_ptr before = vfs->xGetSystemCall(vfs, "open");
    system_open = (open_call)before;
    is_hooked =
        before != NULL && vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_for_sqlite) == SQLITE_OK;
}

bool peer_beneath_enter(const char *folder, peer_failure *f)
{
    if (folder == NULL) {
        return true;
    }
    pthread_once(&hooked, hook);
    if (!is_hooked) {
        return peer_fail(f, PEER_EXIT_ERROR, "this SQLite cannot be kept to a folder (it has no VFS unix)");
    }
    char *path = realpath(folder, NULL);
    int fd = path != NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        int error = errno;
        free(path);
        return peer_fail(f, error == EACCES ? PEER_EXIT_READONLY : PEER_EXIT_MISSING,
                         "%s cannot be opened: %s%s", folder, strerror(error), peer_remedy(error));
    }
    confined.path = path;
    confined.fd = fd;
    confined.refused = false;
    return true;
}

void peer_beneath_leave(void)
{
    if (confined.path != NULL) {
        close(confined.fd);
        free(confined.path);
        confined.path = NULL;
    }
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

char *peer_beneath_path(const char *file)
{
    return confined.path != NULL ? peer_format("%s/%s", confined.path, last_part(file))
                                 : realpath(file, NULL);
}

FILE *peer_beneath_read(const char *path, peer_failure *f)
{
    const char *name = last_part(path);
    char *folder = name == path ? peer_strdup(".") : peer_format("%.*s", (int)(name - path), path);
    pthread_once(&hooked, hook);
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = at >= 0 ? open_ordinary(at, name, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    int error = errno;
    if (file == NULL && fd >= 0) {
        close(fd);
    }
    if (at >= 0) {
        close(at);
    }
    free(folder);
    if (file == NULL) {
        const char *why = peer_beneath_refused();
        why != NULL ? peer_fail(f, PEER_EXIT_MISSING, "%s", why)
                    : peer_fail(f, PEER_EXIT_MISSING, "%s: %s%s", path, strerror(error), peer_remedy(error));
    }
    return file;
}

const char *peer_beneath_refused(void)
{
    bool refused = confined.refused;
    confined.refused = false;
    return refused ? confined.why : NULL;
}
