/* Error codes and error text of the engine's leaves. */
#ifndef SYNC_STATUS_H
#define SYNC_STATUS_H

#include "limits.h"

/* Result codes. Values below 256 equal SQLite's primary codes, so a SQLite result can be passed through. */
enum {
    SYNC_OK = 0,
    SYNC_ERROR = 1,
    SYNC_BUSY = 5,
    SYNC_NOMEM = 7,
    SYNC_READONLY = 8,
    SYNC_IOERR = 10,
    SYNC_CORRUPT = 11,
    SYNC_FULL = 13,
    SYNC_TOOBIG = 18,
    SYNC_CONSTRAINT = 19,
    SYNC_MISUSE = 21,
    SYNC_ROW = 100,
    SYNC_DONE = 101,
    SYNC_BEHIND = 1001, /* a changeset presumes more than this file holds: ask again, with sync_seen() */
    SYNC_EARLY = 1002,  /* a stamp is too far ahead of the wall clock: ask again later */
    SYNC_FORMAT = 1003, /* written by a newer version of this program */
    SYNC_SCHEMA = 1004, /* key columns or identity of a table differ between the files */
    SYNC_BARRED =
        1005, /* rows have become what their author may not make of them: again without these (gate.h) */
};

/* One error: a code and a text for people. Owned by the caller, no allocation behind it. */
typedef struct sync_error {
    int code;
    char text[SYNC_ERROR_BYTES];
} sync_error;

/* Sets `error` (printf-like, text cut at its size) unless it already holds one, and returns `code`.
** The first error wins: later ones are consequences. Never fails. `code` must not be SYNC_OK. */
int sync_fail(sync_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Makes `error` empty (SYNC_OK, ""). */
void sync_error_clear(sync_error *error);

#endif
