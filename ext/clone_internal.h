/* What writing and reading a schema share, and what both ways of reading one do. */
#ifndef SYNC_CLONE_INTERNAL_H
#define SYNC_CLONE_INTERNAL_H

#include "capture.h"
#include "clone.h"

enum { SYNC_CLONE_VERSION = 2, SYNC_CLONE_WITH_NUMBERS = 2, SYNC_CLONE_ENCODINGS = 3 };

typedef enum object_kind { KIND_TABLE, KIND_INDEX, KIND_VIEW, KIND_TRIGGER, KIND_VIRTUAL, KINDS } object_kind;

/* As PRAGMA encoding calls them, by the number that is sent. */
extern const char *const sync_clone_encodings[SYNC_CLONE_ENCODINGS];

/* The connection's last error, and what it happened to. */
int sync_clone_fail(sqlite3 *db, sync_error *error, const char *what);

/* ---- reading */

/* A schema that is being read, and what of it waits. */
typedef struct sync_loader {
    sqlite3 *db;
    sync_db *s;
    sync_clone_left_out *left_out;
    void *context;
    sync_error *error;
    uint8_t version;
    sync_arena arena; /* texts of the object in hand */
    sync_buf later;   /* (sync_span) views and triggers, from where they were sent */
    sync_arena wish_arena;
    uint32_t wish_count;
    sync_wish *wishes;
} sync_loader;

/* One object as it was sent; zero-terminated copies in the sync_loader's arena. */
typedef struct sync_object {
    object_kind kind;
    char *name;
    char *table;
    char *sql;
} sync_object;

typedef struct sync_clone_head {
    uint8_t encoding;
    int64_t user_version, application_id;
} sync_clone_head;

/* Does `work` on `db`, if that has sync_ext, with the span before what is to be read; rolls back what it leaves open, and frees what the loader has. */
int sync_clone_run(sqlite3 *db, int (*work)(sync_loader *l, sync_span *span), sync_span span, sync_loader *l);

/* SYNC_CORRUPT: the bytes are no schema. */
int sync_clone_corrupt(sync_loader *l);

/* Runs SQL of our own. */
int sync_clone_exec(sync_loader *l, const char *sql);

int sync_clone_read_head(sync_loader *l, sync_span *span, sync_clone_head *h);
int sync_clone_object(sync_loader *l, sync_span *span, sync_object *o);

/* No table and no index: noted for later, or left out. `from`: where it was sent. */
int sync_clone_note(sync_loader *l, const sync_object *o, const sync_span *from);

/* Makes what was noted of one kind, as far as it works here, and leaves out the rest. `all`: the schema from its beginning. In a transaction. */
int sync_clone_later(sync_loader *l, const sync_span *all, object_kind kind);

#endif
