/* Files of rooms stay beneath their folder: on a thread that has entered one, SQLite opens ordinary files in it and nothing else, whatever links somebody
** has put there, or a journal names. Linux: openat2; where the kernel has none, O_NOFOLLOW. Each function is about the thread that calls it: a worker's. */
#ifndef PEER_BENEATH_H
#define PEER_BENEATH_H

#include "database.h"

#include <stdio.h>

/* Enters a folder, which may be reached by links itself: from now on SQLite opens on this thread only what is in it, and new temporary files. `folder` is not
** kept. NULL: nothing is confined. False, with a failure: it cannot be opened, and nothing is confined. */
bool peer_beneath_enter(const char *folder, peer_failure *f);

/* Nothing is confined any more. Fine where nothing was. */
void peer_beneath_leave(void);

/* The absolute path of `file` as it is to be given to SQLite, free()d by the caller: where a folder has been entered, that of the folder with the last part
** of `file`, which is not followed if it is a link; else what `file` leads to. NULL: see errno. */
char *peer_beneath_path(const char *file);

/* Opens a file for reading, whose folder is trusted and whose last part is not: an ordinary file. NULL: *f says why not. */
FILE *peer_beneath_read(const char *path, peer_failure *f);

/* What SQLite was kept from opening on this thread since this was asked last, and why, in words; NULL: nothing. Valid until the next open. */
const char *peer_beneath_refused(void);

#endif
