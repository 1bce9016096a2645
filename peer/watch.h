/* Hears of writes to a database file through inotify: its WAL (or the file itself), and its directory for names that come
** and go. A hint only: what has been committed, PRAGMA data_version knows. One per room, on the worker's thread. */
#ifndef PEER_WATCH_H
#define PEER_WATCH_H

#include <stdbool.h>

typedef struct peer_watch peer_watch;

/* Watches `path` (absolute, no symbolic link). NULL: the system refuses (errno); the slow poll has to do. */
peer_watch *peer_watch_new(const char *path);
void peer_watch_free(peer_watch *w); /* NULL is fine */

/* Hears of everything in the folder of that path, too, as far as the system allows it: where scripts are. w NULL is fine. */
void peer_watch_folder_of(peer_watch *w, const char *path);

/* Readable when there is something to read; -1 if w is NULL. */
int peer_watch_fd(const peer_watch *w);

/* Reads what has happened, without waiting. True: the file, its WAL or its journal changed, came or went. */
bool peer_watch_read(peer_watch *w);

#endif
