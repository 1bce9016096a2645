/* Hears of writes to a database file through inotify. */
#include "watch.h"

#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct peer_watch {
    int fd;
    int dir;    /* watch descriptors; -1: none */
    int file;   /* written directly in rollback mode, and by checkpoints */
    int wal;    /* written by every commit in WAL mode */
    int beside; /* of another folder, see peer_watch_folder_of */
    char *path; /* of the file */
    char *wal_path;
    const char *name; /* last part of path */
};

static void watch_names(peer_watch *w)
{
    /* adding a watch that exists already gives the same descriptor; a new file of that name gives a new one */
    w->file = inotify_add_watch(w->fd, w->path, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
    w->wal = inotify_add_watch(w->fd, w->wal_path, IN_MODIFY);
}

/* The caller frees it; NULL: out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash != path ? strndup(path, (size_t)(slash - path))
                                          : strdup(slash != NULL ? "/" : ".");
}

peer_watch *peer_watch_new(const char *path)
{
    peer_watch *w = peer_new(sizeof *w);
    w->beside = -1;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->path = peer_strdup(path);
    w->wal_path = peer_format("%s-wal", path);
    const char *slash = strrchr(w->path, '/');
    w->name = slash != NULL ? slash + 1 : w->path;
    char *dir = folder_of(w->path);
    w->dir =
        dir != NULL && w->fd >= 0
            ? inotify_add_watch(w->fd, dir, IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
            : -1;
    free(dir);
    if (w->dir < 0) {
        int saved = errno;
        peer_watch_free(w);
        errno = saved;
        return NULL;
    }
    watch_names(w);
    return w;
}

void peer_watch_folder_of(peer_watch *w, const char *path)
{
    char *folder = w != NULL ? folder_of(path) : NULL;
    if (folder != NULL) { /* the file's own folder may be the same, and have a watch already */
        w->beside = inotify_add_watch(w->fd, folder,
                                      IN_MASK_ADD | IN_ONLYDIR | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB);
    }
    free(folder);
}

void peer_watch_free(peer_watch *w)
{
    if (w != NULL) {
        if (w->fd >= 0) {
            close(w->fd);
        }
        free(w->path);
        free(w->wal_path);
        free(w);
    }
}

int peer_watch_fd(const peer_watch *w)
{
    return w != NULL ? w->fd : -1;
}

/* A name in the directory: ours, or ours with -wal, -shm or -journal behind it. */
static bool is_ours(const peer_watch *w, const char *name)
{
    size_t bytes = strlen(w->name);
    return strncmp(name, w->name, bytes) == 0 &&
           (name[bytes] == 0 || strcmp(name + bytes, "-wal") == 0 || strcmp(name + bytes, "-shm") == 0 ||
            strcmp(name + bytes, "-journal") == 0);
}

bool peer_watch_read(peer_watch *w)
{
    _Alignas(struct inotify_event) char events[4096];
    bool changed = false, names = false;
    for (ssize_t got; (got = read(w->fd, events, sizeof events)) > 0;) {
        const struct inotify_event *event;
        for (char *at = events; at < events + got; at += sizeof *event + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            if (event->wd == w->dir && w->dir != w->beside) {
                names = names || (event->len > 0 && is_ours(w, event->name));
            } else {
                changed = true;
                names = names || event->wd == w->dir;
            }
            if ((event->mask & IN_Q_OVERFLOW) != 0) {
                changed = names = true;
            }
        }
    }
    if (names) {
        watch_names(w);
    }
    return changed || names;
}
