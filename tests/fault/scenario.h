/* What is done while something fails: files as they are before, and one operation on the file a.db. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ERROR_BYTES = 600 };

/* Bytes that were made while preparing, and that an operation is given. */
typedef struct gift {
    void *data;
    int bytes;
} gift;

/* How an operation ended. */
typedef struct ending {
    int code;               /* SQLITE_OK, or an extended code */
    char text[ERROR_BYTES]; /* of the error */
    uint64_t result;        /* a digest of what it gave */
} ending;

typedef struct scenario {
    const char *name;
    bool plain;  /* the extension is not loaded */
    bool warm;   /* the connection has read the metadata before a fault comes */
    bool steps;  /* several transactions: what was committed before the fault stays */
    bool renews; /* the file takes another id, and perhaps one more if it is not known whether it has */
    bool utf16;  /* texts are */
    bool host;   /* inside a transaction of the caller's, who commits what is his after an error */
    /* Makes a.db in the current directory, and the gift. Nothing fails then. */
    void (*prepare)(gift *g, bool wal);
    void (*run)(sqlite3 *db, const gift *g, ending *e);
} scenario;

extern const scenario scenarios[];
extern const int scenario_count;

/* Preparing went wrong: ends the program. */
_Noreturn void scenario_give_up(const char *what, const char *why);

/* Opens a file of the current directory; both end the program where they fail. */
sqlite3 *scenario_open(const char *name, bool plain);
void scenario_exec(sqlite3 *db, const char *sql);

/* FNV-1a 64, going on from `hash`. */
uint64_t scenario_digest(uint64_t hash, const void *data, size_t bytes);

#endif
