/* The engine's state on one connection, and the SQL helpers that the spine shares. */
#ifndef SYNC_ENGINE_H
#define SYNC_ENGINE_H

#include "arena.h"
#include "clock.h"
#include "codec.h"
#include "env.h"
#include "limits.h"
#include "sqlite.h"
#include "status.h"
#include "vector.h"

/* Version of the metadata in a file. A newer one is refused. */
#define SYNC_META_FORMAT 2

/* Operation codes of the journal; see sql/meta.sql. */
enum {
    SYNC_OP_LOOK = 0,
    SYNC_OP_INSERT = -1,
    SYNC_OP_DELETE = -2,
    SYNC_OP_MOVE_FROM = -3,
    SYNC_OP_MOVE_TO = -4,
    SYNC_OP_HINT = -5,
    SYNC_OP_MEND = -6
};

/* sync_column.present of a former name: this plus the id of the column that it stands for; negative while values that waited under it are
** not moved there yet. */
#define SYNC_SAME_COLUMN 3

/* sync_column.present of a column that has just gone, until the end of the operation that notices. */
#define SYNC_COLUMN_LOST (-1)
#define SYNC_COLUMN_LEFT (-2)

/* journal.tid = table id | column group << SYNC_GROUP_SHIFT */
#define SYNC_GROUP_SHIFT 24
#define SYNC_TID_MASK    ((1 << SYNC_GROUP_SHIFT) - 1)

typedef struct sync_column {
    char *name;
    bool present;  /* in the base table, and known to the triggers */
    bool late;     /* in the base table, not yet known to the triggers */
    bool learned;  /* present, but unknown to the triggers when the tail was written */
    char affinity; /* of present and late columns: 'i' 't' 'r' 'n' 'b' */
    char *preset;  /* the DEFAULT as an expression, or NULL */
    bool filled;   /* NOT NULL */
    char *former;  /* a program renamed it since sync_column was written: what it was called there, or NULL */
    uint32_t same; /* this is but another name of column same - 1; 0: it is a column */
    bool absorb;   /* values that waited under this name are still to be moved there */
    bool lost;     /* it was there, and is gone with the values of its cells */
    bool left;     /* sync_alter() dropped it: its values are in the clocks */
} sync_column;

/* One secondary UNIQUE index. */
typedef struct sync_unique {
    char *name;
    bool plain;     /* on columns, of all rows: not partial, no expressions */
    bool computed;  /* an expression or a generated column is among its terms: any column may count */
    uint32_t count; /* terms; 0 where they cannot be told */
    char **cols;    /* NULL for an expression */
    char **terms;   /* the expression's text; NULL for a column */
    char **collations;
    char *where; /* of a partial index: its condition; else NULL */
} sync_unique;

/* One foreign key from a tracked table to a tracked table. */
typedef struct sync_fk {
    uint32_t child_tid;
    uint32_t parent_tid;
    uint32_t count;
    bool to_key;  /* refers to exactly the parent's primary key */
    bool to_row;  /* refers to the number of a row table: travels as an identity */
    bool rigid;   /* its column cannot follow the parent to another number */
    bool soft;    /* not declared by the schema, but by the option `references`: followed, not enforced */
    bool derived; /* not declared: follows from others, and is met where these are */
    char **from;  /* child column names */
    char **to;    /* parent column names */
    uint32_t from_col;         /* to_row: child's column id, or SYNC_REF_KEY + key index */
    sqlite3_stmt *parent_stmt; /* is there a parent row? prepared when first needed */
} sync_fk;

/* Statements kept per table; each module prepares its own when first needed. */
typedef enum sync_stmt_slot {
    SYNC_STMT_FOLD_READ,
    SYNC_STMT_FOLD_READ_TEMP,
    SYNC_STMT_FOLD_KEYS,
    SYNC_STMT_FOLD_LOOK,
    SYNC_STMT_CLOCK_INSERT,
    SYNC_STMT_CLOCK_INSERT_TEMP,
    SYNC_STMT_CLOCK_UPDATE,
    SYNC_STMT_CLOCK_DELETE,
    SYNC_STMT_CLOCK_DELETE_TEMP,
    SYNC_STMT_HIDDEN_INSERT,
    SYNC_STMT_HIDDEN_INSERT_TEMP,
    SYNC_STMT_HIDDEN_DELETE,
    SYNC_STMT_HIDDEN_HIGHEST,
    SYNC_STMT_HIDDEN_HIGHEST_TEMP,
    SYNC_STMT_HIDDEN_FIND,
    SYNC_STMT_HIDDEN_CLOCKS,
    SYNC_STMT_HIDDEN_CLOCKS_TEMP,
    SYNC_STMT_CLOCK_BULK,
    SYNC_STMT_CLOCK_FIND,
    SYNC_STMT_OVERLAY_KNOWS,
    SYNC_STMT_OVERLAY_SHOWN,
    SYNC_STMT_OVERLAY_HIDDEN,
    SYNC_STMT_ADOPT,
    SYNC_STMT_ADOPT_GONE,
    SYNC_STMT_ADOPT_HIDDEN,
    SYNC_STMT_DOUBTS,
    SYNC_STMT_CHANGES_READ,
    SYNC_STMT_CHANGES_READ_HIDDEN,
    SYNC_STMT_CHANGES_READ_HIDDEN_TEMP,
    SYNC_STMT_CHANGES_ROWS,
    SYNC_STMT_CHANGES_SCAN,
    SYNC_STMT_CHANGES_SCAN_HIDDEN,
    SYNC_STMT_CHANGES_READ_TEMP,
    SYNC_STMT_CHANGES_CHOSEN,
    SYNC_STMT_CHANGES_CHOSEN_TEMP,
    SYNC_STMT_GENESIS_READ,
    SYNC_STMT_GENESIS_READ_TEMP,
    SYNC_STMT_NAME,
    SYNC_STMT_NAMED,
    SYNC_STMT_PARENT_FIND,
    SYNC_STMT_PARENT_FIND_TEMP,
    SYNC_STMT_MOVES_AT,
    SYNC_STMT_MEANT_HIDDEN,
    SYNC_STMT_MEANT_GONE,
    SYNC_STMT_MEANT_GONE_TEMP,
    SYNC_STMT_BASE_FIND,
    SYNC_STMT_BASE_INSERT,
    SYNC_STMT_BASE_DELETE,
    SYNC_STMT_BASE_UPDATE,
    SYNC_STMT_COUNT
} sync_stmt_slot;

/* A table that is not tracked, and that the key of a tracked one refers to. */
typedef struct sync_outer {
    const char *name;
    const struct sync_outer *next;
} sync_outer;

/* One tracked table. Owned by the sync_db; pointers stay valid until the next reload. */
typedef struct sync_table {
    uint32_t tid;
    char *name;
    sync_identity identity;
    char *options;  /* JSON */
    uint64_t epoch; /* hlc of the genesis stamp; also the origin of hlc differences in clocks */
    uint32_t genesis_site;
    uint32_t genesis_covers;
    int64_t genesis_max; /* identity row: the highest number in use when it was tracked */
    bool genesis_own;    /* identity row: rows from before tracking are this file's alone */
    int64_t genesis_seq;
    int64_t pending; /* rows that carry values of columns that are not here */
    uint64_t lives;  /* identity key: what is not known has lived up to here, perhaps */
    uint32_t key_count;
    char **key_names;
    char **key_collations;
    char *key_affinity; /* one letter per key column, zero-terminated */
    bool rowid_alias;
    bool meant;              /* identity key, and part of the key is a number of a row table; see meant.h */
    uint32_t *key_parents;   /* meant: tid of that table for each part of the key, or 0 */
    const sync_outer *outer; /* identity key */
    bool missing;            /* dropped, or rebuilt with another key: nothing is exchanged */
    char *
        moved_to; /* missing, but only renamed: what it is called now (its own name: the key's columns were); else NULL */
    bool unseen;        /* one of those that tell of each write is gone */
    bool untriggered;   /* its triggers are gone, or do not know an index: made anew by the next real fold */
    bool late;          /* has columns that the triggers do not know yet */
    bool user_triggers; /* somebody's trigger hangs on it */
    bool clauses;       /* its declaration has ON CONFLICT clauses, which a merge overrides */
    bool linked;        /* a foreign key leads from or to it, perhaps of or to a table that is not tracked */
    bool hints;         /* a UNIQUE index: BEFORE triggers note what REPLACE may displace */
    uint32_t unique_count;
    sync_unique *uniques;
    bool in_overlay;    /* the overlay has entries of it */
    bool doubted;       /* a virtual fold: the journal and the table differ about a row, so far */
    bool normal_keys;   /* every key collation has a normal form (sync_key_normal) */
    bool all_present;   /* columns 0 .. col_count-1 are all in the base table */
    uint32_t col_count; /* stable column ids, present or not */
    uint32_t col_room;  /* of cols */
    sync_column *cols;
    sqlite3_stmt *stmts[SYNC_STMT_COUNT]; /* finalised at reload */
    uint64_t
        update_mask; /* columns that stmts[SYNC_STMT_BASE_UPDATE] sets; for tables of up to 62 column ids */
    uint64_t insert_mask; /* the same of SYNC_STMT_BASE_INSERT */
} sync_table;

typedef struct sync_overlay {
    bool valid;
    int64_t folded; /* journal position it reaches */
    int64_t base;   /* sync_meta.folded and count when it was begun */
    uint64_t count;
    uint64_t hlc;
    int64_t entries; /* in it */
    bool nulls;      /* some of them have no key, which a real fold counts */
} sync_overlay;

/* A statement without a table of its own, see sync_borrow. */
typedef struct sync_kept {
    sqlite3_stmt *stmt;
    uint32_t hash; /* of its text */
    bool lent;
    uint64_t used; /* greater: more recently */
} sync_kept;

/* What is open, and should not be. SQLite lets nothing run on a connection that lacked memory until the host's statement has ended. */
typedef enum sync_left {
    SYNC_LEFT_NOTHING,
    SYNC_LEFT_READING, /* a transaction of ours that has read */
    SYNC_LEFT_WRITING, /* a transaction of ours that has written: it can only be rolled back */
    SYNC_LEFT_INSIDE   /* the caller's transaction with half a thing in it: the same */
} sync_left;

/* A write that rolled the transaction back, see rollbacks.h. */
typedef struct sync_rollback {
    uint32_t tid;
    int how;
    bool met;               /* a conflict did it, and not RAISE */
    int64_t schema_version; /* under another one the trigger may be gone */
    sync_buf key;
    char *why;
} sync_rollback;

typedef struct sync_db {
    sqlite3 *db;
    char *path; /* of the main database; NULL for in-memory and temporary ones */
    bool has_meta;
    int format; /* of the metadata */
    int64_t schema_version;
    /* The schema under which this connection last tried to show what is held; 0: not yet. */
    int64_t tried_version;
    bool try_held; /* the next real fold tries all of it */
    bool deciding; /* an entry is being settled by hand: nothing but the tail is tried before */
    int64_t generation;
    bool unsettled; /* what was loaded may be of the open transaction's making ... */
    bool stale;     /* ... and was taken back: both numbers may come again, for something else */
    /* sync_meta's row, as of the operation's start */
    uint32_t own_site;
    uint64_t hlc;
    int64_t folded;
    uint64_t count;
    uint64_t device, inode;
    /* sites by local number: index 0 is nobody */
    sync_sites sites;
    uint8_t (*site_ids)[SYNC_SITE_BYTES];
    uint32_t site_room;           /* of site_ids, so that many new ones take no more memory than they are */
    struct sync_catalog *catalog; /* see catalog.h */
    sync_arena metadata;          /* sites, tables, columns, keys: everything that a reload replaces */
    uint32_t table_count;
    sync_table *tables;
    uint32_t fk_count;
    sync_fk *fks;
    bool wide;  /* the file stores text as UTF-16 */
    bool unfit; /* the last write of a base row was refused because it does not, see sync_base_fits */
    bool outer_children; /* tables that are not tracked refer to tracked ones: their cascades are SQLite's */
    bool moves_refused;  /* numbers that nothing can refuse were (moves.c): the file is damaged */
    sync_overlay overlay;
    bool overlay_made;       /* its tables are of this schema ... */
    int64_t overlay_objects; /* ... and TEMP had so many objects when they were made */
    sync_buf
        superseded; /* journal entries (u64) that no clock names any more, once the overlay's are the file's */
    sqlite3_stmt *meta_stmt;
    sqlite3_stmt *schema_stmt;
    sqlite3_stmt *save_stmt;
    sqlite3_stmt *journal_delete_stmt;
    sqlite3_stmt *journal_runs_stmt;
    sync_encoder *encoder;
    uint8_t forsaken_site
        [SYNC_SITE_BYTES]; /* the witness that made us take the id forsaken_for: it says nothing new */
    uint8_t forsaken_for[SYNC_SITE_BYTES]; /* another id is in force: that was rolled back */
    uint64_t forsaken_count;
    uint8_t told_site
        [SYNC_SITE_BYTES]; /* journal entries up to `told` may have left the file under this id: their stamps are fixed */
    uint64_t told;
    uint32_t
        told_before_sid; /* a new id was taken while entries up to told_before waited to be folded, told of under this one; 0: none */
    uint64_t told_before;
    int failed;    /* the code of the SQL function that failed last, before sync_host_code() */
    char boot[40]; /* of the machine, read once */
    bool boot_read;
    sync_buf anew;        /* (u64) what sync_engine_ask_anew() noted */
    sync_left left;       /* by an operation that ended without memory enough even for its ROLLBACK */
    int left_depth;       /* SYNC_LEFT_INSIDE: the savepoint that it could not roll back */
    int depth;            /* the innermost savepoint, as the keeper is told while it takes part; -1: none */
    bool stamped;         /* stamps were given that the witness knows nothing of */
    bool witness_written; /* by this connection: close cleanly */
    bool witness_complained;
    const struct sync_chunk *chunk; /* being written, see chunk.h */
    uint32_t chunk_keys;
    bool registered; /* all functions and virtual tables are there */
    bool kept;       /* see keeper.h */
    sync_kept kept_stmts[SYNC_KEPT_STATEMENTS];
    uint64_t kept_uses;
    uint64_t undone; /* how often sync_exec took changes back (ROLLBACK, ROLLBACK TO) */
    uint32_t rollback_count;
    bool rollback_met; /* of the one that is about to be noted */
    sync_rollback *rollbacks;
} sync_db;

/* ---- SQL helpers: all texts are sqlite3_mprintf formats (%w quotes identifiers inside "...", %Q values) ---------------------- */

/* The same texts come again with each operation, and preparing one costs more than running it: a statement is kept by its text, so what
** varies is best bound. Lends one, prepared where it is not there; sync_return resets it, whatever came of it. */
int sync_borrow(sync_db *s, sqlite3_stmt **stmt, sync_error *error, const char *format, ...);
void sync_return(sync_db *s, sqlite3_stmt *stmt); /* may be NULL */
void sync_finalize_kept(sync_db *s);

/* Runs statements, each borrowed if it stands alone; results are passed over. */
int sync_exec(sync_db *s, sync_error *error, const char *format, ...);

/* Prepares a statement to be kept. *stmt is NULL on error. */
int sync_prepare(sync_db *s, sqlite3_stmt **stmt, sync_error *error, const char *format, ...);
int sync_prepare_text(sync_db *s, sqlite3_stmt **stmt, sync_error *error,
                      char *owned_sql); /* frees owned_sql */

/* Steps; SQLITE_ROW, SQLITE_DONE, or an error with the database's message in `error`. */
int sync_step(sync_db *s, sqlite3_stmt *stmt, sync_error *error);

/* Steps a statement without results and resets it; SYNC_OK or an error. */
int sync_run(sync_db *s, sqlite3_stmt *stmt, sync_error *error);

/* First column of the first row as an integer, or `otherwise`. */
int sync_query_int(sync_db *s, int64_t *out, int64_t otherwise, sync_error *error, const char *format, ...);

/* The same for a text with one parameter. */
int sync_query_bound(sync_db *s, int64_t *out, int64_t otherwise, int64_t bound, sync_error *error,
                     const char *sql);

/* Result code of the connection with its message. */
int sync_fail_db(sync_db *s, sync_error *error, const char *what);

/* What `why` says, with the table's name where SQL over it could not be prepared: its schema needs a function or a collation that this
** program lacks. */
int sync_fail_table(const sync_table *t, const sync_error *why, sync_error *error);

/* The code that a host is given for an error, whose text says the rest: SQLite's own, extended; SQLITE_ERROR for ours. Neither
** SQLITE_CORRUPT, which would make SQLite distrust the whole database and end the caller's transaction, nor SQLITE_SCHEMA, after which it runs
** the statement again. */
int sync_host_code(int code);

/* Here, so that it is seen never to return SYNC_OK. */
static inline int sync_fail_nomem(sync_error *error)
{
    (void)sync_fail(error, SYNC_NOMEM, "out of memory");
    return SYNC_NOMEM;
}

/* A value of the row that the statement stands on, borrowed until the next step or reset. A text for whose conversion SQLite has no memory is empty: the
** next step says so, or sync_reset_read, one of which must follow before anything is made of it for good. */
sync_value sync_column_value(sqlite3_stmt *stmt, int column);
int sync_reset_read(sqlite3_stmt *stmt, int rc, sync_error *error); /* rc, if that is an error already */
/* Text of a column, borrowed likewise; NULL only where it is NULL. SYNC_NOMEM where it cannot be converted. */
int sync_column_text(sqlite3_stmt *stmt, int column, const char **text, sync_error *error);
int sync_bind_value(sqlite3_stmt *stmt, int index,
                    const sync_value *value); /* not copied: valid until reset */

/* The table's statement in `slot`, prepared from `build` (which appends its text) when first needed; reset and ready to bind.
** Owned by the table. */
typedef void sync_build(const sync_db *s, const sync_table *t, sqlite3_str *sql);
int sync_table_stmt(sync_db *s, sync_table *t, sync_stmt_slot slot, sync_build *build, sqlite3_stmt **stmt,
                    sync_error *error);

/* ---- statement texts ------------------------------------------------------------------------------------------------------ */

/* Append one item per key column, separated by `between`. `format` holds one %w for the column's name, or one %d for its number
** from 1 (the journal's and the clock's k1, k2, ...). */
void sync_str_keys(sqlite3_str *str, const sync_table *t, const char *format, const char *between);
void sync_str_numbers(sqlite3_str *str, const sync_table *t, const char *format, const char *between);

/* Appends `a.k1 = b.k1 AND ...` between two of ours, or `a."id" = b.k1 AND ...` between a base table and one of ours. */
void sync_str_match(sqlite3_str *str, const sync_table *t, const char *a, const char *b);
void sync_str_match_base(sqlite3_str *str, const sync_table *t, const char *base, const char *b);

/* ---- the operation frame ---------------------------------------------------------------------------------------------------- */

typedef enum sync_mode { SYNC_READ, SYNC_WRITE } sync_mode;

/* An operation on the file: one snapshot, metadata fresh. Zero-initialise. */
typedef struct sync_op {
    sync_mode mode;
    bool open;
    bool transaction; /* ours to commit; otherwise a savepoint in the caller's */
    bool joined;      /* sync_keeper takes part, and tells what becomes of it; nothing is written before */
    int depth;        /* of that savepoint */
    int64_t rowid;    /* the host's last_insert_rowid(), given back at the end */
    bool unenforced;  /* PRAGMA foreign_keys was switched off for it: the engine checks references itself */
} sync_op;

/* Opens a savepoint (which is a transaction where there is none), loads or refreshes the metadata. SYNC_WRITE takes the write lock first, so
** that the snapshot is the newest. On error nothing is open. A file without metadata gives s->has_meta false, no error. */
int sync_op_begin(sync_db *s, sync_op *op, sync_mode mode, sync_error *error);

/* Ends it: commits (releases) if result is SYNC_OK, rolls back otherwise. Returns result, or the commit's failure. */
int sync_op_end(sync_db *s, sync_op *op, int result, sync_error *error);

/* ---- metadata ---------------------------------------------------------------------------------------------------------------- */

/* Loads tables, columns, sites afresh if the schema or the generation moved since the last time. */
int sync_engine_refresh(sync_db *s, sync_error *error);
int sync_engine_load_sites(sync_db *s, sync_error *error);
void sync_engine_forget(sync_db *s); /* drops everything loaded; the next operation loads again */

/* The birth of rows without a clock: none (copies of a file agree on them), or the genesis stamp itself. */
sync_stamp sync_engine_genesis_born(const sync_table *t);

sync_table *sync_engine_table(sync_db *s, const char *name); /* by name, case folded; NULL if not tracked */
sync_table *sync_engine_tid(sync_db *s, uint32_t tid);       /* NULL if unknown */

/* Local number of a site id; 0 if this file does not know it. */
uint32_t sync_engine_find_site(const sync_db *s, const uint8_t id[SYNC_SITE_BYTES]);

/* The same, adding it to the file if it is new (write operation). 0 on error. */
uint32_t sync_engine_site(sync_db *s, const uint8_t id[SYNC_SITE_BYTES], sync_error *error);

/* Sites, tables or columns have changed (write operation): every connection reads them anew before its next operation; this one does not if
** `followed`, because the change was made in memory, too, unless it is rolled back. */
int sync_engine_changed(sync_db *s, bool followed, sync_error *error);

/* Rows of the table carry values of columns that are not here (write operation). */
int sync_engine_set_pending(sync_db *s, sync_table *t, sync_error *error);

/* Writes hlc, folded, count+1 back. */
int sync_engine_save(sync_db *s, sync_error *error);

/* Columns of a pending name: gives a column id to a name that the base table lacks. SYNC_COLUMNS_MAX bounds it. */
int sync_engine_add_column(sync_db *s, sync_table *t, const char *name, uint32_t *cid, sync_error *error);

/* The file's vectors, tables in s->tables order, sites by local number; own site = s->hlc. Caller frees. */
int sync_engine_seen(sync_db *s, sync_matrix *seen, sync_error *error);
int sync_engine_save_seen(sync_db *s, const sync_matrix *seen, sync_error *error);
int sync_engine_cursors(sync_db *s, sync_matrix *cursors,
                        sync_error *error); /* column: the journal of that site */
int sync_engine_save_cursors(sync_db *s, const sync_matrix *cursors, sync_error *error);

/* Which deletes have been forgotten, as the highest stamps of them; zero where none. Where it is above what the file holds, others have been asked for the table
** anew, here or where the floor comes from: then it is what had been held. */
int sync_engine_floor(sync_db *s, sync_matrix *floor, sync_error *error);
int sync_engine_save_floor(sync_db *s, const sync_matrix *floor, sync_error *error);

/* Is who holds `held` of a site below the floor there? `seen`: what this file holds. A floor above that says nothing of it: nobody may be able to come up to it, and whoever
** asked anew has put a mark of its own into the floor, above all that it had told of (site.c). */
static inline bool sync_below_floor(uint64_t floor, uint64_t seen, uint64_t held)
{
    return floor > held && floor <= seen;
}

/* The highest stamps of what has come ahead of `seen`, in a part of a delta whose end has not come. */
int sync_engine_met(sync_db *s, sync_matrix *met, sync_error *error);
int sync_engine_save_met(sync_db *s, const sync_matrix *met, sync_error *error);

/* A matrix of the file (tables in s->tables order, sites by local number) as it is stored, and the reverse. */
int sync_engine_pack(const sync_db *s, const sync_matrix *m, sync_buf *to, sync_error *error);
int sync_engine_unpack(sync_db *s, const void *blob, size_t bytes, sync_matrix *m, sync_error *error);

/* What the table's rows of which nothing is known may have lived up to. */
int sync_engine_set_lives(sync_db *s, sync_table *t, uint64_t lives, sync_error *error);

/* The causal length of a row's next life under identity key, after one of length cl (0: of which nothing is known). */
static inline uint64_t sync_next_life(const sync_table *t, uint64_t cl)
{
    return (cl > t->lives ? cl : t->lives) + 1;
}

/* Notes for sync_site_anew: what others have of a table (0: of none) is to be asked for again; `elsewhere`: what this file wrote is under a name
** that it has no more, so it needs a new site id. */
int sync_engine_ask_anew(sync_db *s, uint32_t tid, bool elsewhere, sync_error *error);

/* The table has its name again: takes back that it was elsewhere, where this was noted behind the first `since` bytes of the notes. */
int sync_engine_ask_no_more(sync_db *s, uint32_t tid, size_t since, sync_error *error);

/* Gives a long operation a page cache that does not thrash: *before is what sync_engine_cache_restore wants back (0: nothing changed). */
int sync_engine_cache_widen(sync_db *s, int64_t *before, sync_error *error);
int sync_engine_cache_restore(sync_db *s, int64_t before, sync_error *error);

/* Type name of the pointer that the SQL function sync_engine() fills. */
#define SYNC_ENGINE_POINTER "sync_engine"

/* The engine of a connection: *s is NULL if sqlite3_syncext_init was not called on it, or after SQLITE_NOMEM. Returns a SQLite code. */
int sync_engine_of(sqlite3 *db, sync_db **s);

sync_db *sync_engine_new(sqlite3 *db);
void sync_engine_free(void *engine);

#endif
