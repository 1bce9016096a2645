#include "identity.h"

#include "beneath.h"
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The inode of FILE-wal or FILE-shm; 0: there is none. */
static ino_t inode_beside(const peer_database *d, const char *suffix)
{
    struct stat st;
    char *path = peer_format("%s%s", d->path, suffix);
    ino_t inode = stat(path, &st) == 0 && st.st_dev == d->device ? st.st_ino : 0;
    free(path);
    return inode;
}

/* May the file be written, and its directory, where SQLite keeps its journals? */
static bool is_allowed(const char *path)
{
    char *dir = peer_strdup(path);
    char *slash = strrchr(dir, '/');
    slash[slash == dir] = 0;
    bool allowed = access(path, R_OK | W_OK) == 0 && access(dir, W_OK | X_OK) == 0;
    free(dir);
    return allowed;
}

/* The path is absolute, has no link in it, and leads to a regular file. */
bool peer_identity_take(peer_database *d, const char *file, peer_failure *f)
{
    struct stat st;
    char *real = peer_beneath_path(file);
    if (real == NULL || lstat(real, &st) != 0) {
        int saved = errno;
        free(real);
        return peer_fail(f, saved == EACCES ? PEER_EXIT_READONLY : PEER_EXIT_MISSING,
                         "%s cannot be opened: %s", file, strerror(saved));
    }
    d->path = real;
    d->device = st.st_dev;
    d->inode = st.st_ino;
    if (!S_ISREG(st.st_mode)) {
        return peer_fail(f, PEER_EXIT_NOTADB, "%s is %s, not a SQLite database", file,
                         S_ISDIR(st.st_mode)   ? "a directory"
                         : S_ISLNK(st.st_mode) ? "a symbolic link"
                                               : "no ordinary file");
    }
    return is_allowed(real) || peer_database_fail(d, f, "open", SQLITE_READONLY);
}

/* Does the path still lead to the file that was opened? */
static bool is_same_file(const peer_database *d, peer_failure *f)
{
    struct stat st;
    if (stat(d->path, &st) != 0) {
        return peer_fail(f, PEER_EXIT_REPLACED, "%s was deleted or moved away while it was in use", d->path);
    }
    if (st.st_dev != d->device || st.st_ino != d->inode) {
        return peer_fail(f, PEER_EXIT_REPLACED, "%s was replaced by another file while it was in use",
                         d->path);
    }
    return true;
}

/* SQLite leaves WAL and index alone when the file was moved or replaced. Left there, they would be replayed into whatever comes to stand at
** the path, so what is in them goes into the file that they belong to, wherever that is, and they go. Another file's are not touched. */
bool peer_identity_left(peer_database *d)
{
    peer_failure ignored = {0};
    if (d->db == NULL || is_same_file(d, &ignored)) {
        return false;
    }
    if (d->wal_inode != 0 && inode_beside(d, "-wal") == d->wal_inode) {
        char *wal = peer_format("%s-wal", d->path), *shm = peer_format("%s-shm", d->path);
        peer_checkpoint_last(d);
        unlink(wal);
        unlink(shm);
        free(wal);
        free(shm);
    }
    return true;
}

/* Was it cut to nothing? SQLite never does that, and in WAL mode goes on with what it remembers. */
static bool is_emptied(peer_database *d, peer_failure *f)
{
    struct stat st;
    bool empty = stat(d->path, &st) == 0 && st.st_size == 0;
    d->filled = d->filled || !empty;
    if (empty && d->filled) {
        peer_fail(f, PEER_EXIT_REPLACED, "%s was emptied while it was in use", d->path);
        return true;
    }
    return false;
}

/* ... and do its WAL and index? Others who open the file otherwise use new ones, and neither sees what the other does. */
static bool has_journals(const peer_database *d)
{
    return d->wal_inode == 0 ||
           (inode_beside(d, "-wal") == d->wal_inode && inode_beside(d, "-shm") == d->shm_inode);
}

bool peer_database_same(peer_database *d, peer_failure *f)
{
    return is_same_file(d, f) && !is_emptied(d, f) &&
           (has_journals(d) ||
            peer_fail(f, PEER_EXIT_REPLACED, "%s-wal or -shm was deleted or replaced while it was in use",
                      d->path));
}

void peer_identity_journals(peer_database *d)
{
    peer_failure ignored = {0};
    (void)is_emptied(d, &ignored); /* it may still be as it was made: without a byte */
    d->wal_inode = inode_beside(d, "-wal");
    d->shm_inode = inode_beside(d, "-shm");
}
