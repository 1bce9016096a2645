/* What writing and reading a schema share. */
#ifndef SYNC_CLONE_INTERNAL_H
#define SYNC_CLONE_INTERNAL_H

#include "clone.h"

enum { SYNC_CLONE_VERSION = 2, SYNC_CLONE_WITH_NUMBERS = 2, SYNC_CLONE_ENCODINGS = 3 };

typedef enum object_kind { KIND_TABLE, KIND_INDEX, KIND_VIEW, KIND_TRIGGER, KIND_VIRTUAL, KINDS } object_kind;

/* As PRAGMA encoding calls them, by the number that is sent. */
extern const char *const sync_clone_encodings[SYNC_CLONE_ENCODINGS];

/* The connection's last error, and what it happened to. */
int sync_clone_fail(sqlite3 *db, sync_error *error, const char *what);

#endif
