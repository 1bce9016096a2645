/* sync_ext: any SQLite file, written by any program, keeps itself in step with other files.
**
** Public interface for programs that link the engine (sync-peer does). Programs that load the extension use
** SQL functions:
** sync_ext(3), or the README. All functions are called on the thread that owns the connection.
*/
#ifndef SYNC_EXT_H
#define SYNC_EXT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Results beside SQLite's own. */
#define SYNC_EXT_BEHIND                                                                                      \
    1001 /* the changeset presumes more than this file holds: ask again with sync_seen() */
#define SYNC_EXT_EARLY  1002 /* a stamp is too far ahead of this machine's clock: ask again later */
#define SYNC_EXT_FORMAT 1003 /* written by a newer version */
#define SYNC_EXT_SCHEMA 1004 /* key columns or identity of a table differ */

/* Why the SQL function that failed last on this connection failed, as the C functions say it: SQLite is told SQLITE_ERROR in place of
** SQLITE_CORRUPT (this file, its metadata or a changeset is damaged) and of the results above. SQLITE_OK: none has failed. */
int sync_failed_with(sqlite3 *db);

struct sqlite3_api_routines;

/* Registers all functions and virtual tables on `db`. Linked statically, `api` is ignored and may be NULL.
** On error *error (sqlite3_malloc'd, may be NULL) says why. */
int sqlite3_syncext_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api);

/* What may be seen and changed of one table: SQL expressions over a row's columns and :user, which are true for a row that may. */
typedef struct sync_rule {
    const char *table; /* its name, or "*": every one that no rule before it names */
    const char *read;  /* NULL: every row may be seen */
    const char *write; /* what a row must satisfy before and after it is changed; NULL: as `read` */
} sync_rule;

/* All of somebody's. Of tables that no rule names nothing may be seen or changed. Borrowed by the functions below for the time of the call, or until the stream is closed. */
typedef struct sync_rules {
    const sync_rule *list;
    size_t count;
    const char *user; /* bound to :user; NULL: NULL */
} sync_rules;

/* What a receiver has been sent by such rules, so that it is sent what changes, and told what it may not have any more. For one receiver, and one set of rules. NULL: no
** memory. */
typedef struct sync_selection sync_selection;
sync_selection *sync_selection_new(void);
void sync_selection_free(sync_selection *had); /* NULL is fine */

/* It is not known what has arrived: the next stream has everything that may be seen. */
void sync_selection_reset(sync_selection *had);

/* A snapshot delta in parts of bounded size, read in one read transaction of `db`. Between calls the
** connection must not write
** or end the transaction. */
typedef struct sync_stream sync_stream;

/* `seen`: the receiver's sync_seen() blob; NULL: everything. part_bytes_max, part_rows_max: a part ends at
** the row that
** reaches either. On success *out must be closed. On error *out is NULL and *error is a sqlite3_malloc'd
** text. */
int sync_stream_open(sqlite3 *db, const void *seen, size_t seen_bytes, size_t part_bytes_max,
                     uint32_t part_rows_max, sync_stream **out, char **error);

/* The same for a receiver that may see some rows only. What it has merged of it lets it claim nothing. `had` is brought up to date as parts are read: where one does not arrive
** it is to be reset. */
int sync_stream_select(sqlite3 *db, const sync_rules *rules, sync_selection *had, const void *seen,
                       size_t seen_bytes, size_t part_bytes_max, uint32_t part_rows_max, sync_stream **out,
                       char **error);

/* SQLITE_ROW: *part (borrowed until the next call) is the next changeset, *last says whether it is the last.
** SQLITE_DONE: nothing
** (more) to send; if the first call says so the receiver lacks nothing. Anything else: an error, text in
**error. */
int sync_stream_next(sync_stream *s, const void **part, size_t *bytes, int *last, char **error);

/* Rows in the parts so far. A last part may bear none: it only moves the receiver's cursor past entries it needs nothing of. */
uint64_t sync_stream_rows(const sync_stream *s);

/* About how many rows and journal entries are still to be looked at, for people. The first call may count rows. SQLITE_OK, or a code with
** *error. */
int sync_stream_left(sync_stream *s, uint64_t *left, char **error);

/* After the last part: the receiver's sync_seen() as it will be once it has merged all parts;
** sqlite3_malloc'd, to be handed to the
** next sync_stream_open. */
int sync_stream_seen(sync_stream *s, void **seen, size_t *bytes);
void sync_stream_close(sync_stream *s); /* ends the read transaction; NULL is fine */

/* sync_fold() a little at a time, each call a short transaction, where there is something to fold: about as many entries as are `enough` (2 or
** more), unless they must be folded together. *entries: folded; `enough` or more: call again. SQLITE_OK, or a code with *error, a
** sqlite3_malloc'd text. */
int sync_fold_some(sqlite3 *db, int64_t enough, int64_t *entries, char **error);

/* Does of the next sync_fold() or merge on this connection what only reads: works the journal's tail, if it has at most `most` entries, into
** clocks in the TEMP schema. The fold then takes those over, and so holds the write lock for a fraction of the time. Outside a transaction
** only. *entries: how many are to be folded. SQLITE_OK, also where it has to be left to the fold, or a code with *error. */
int sync_fold_ahead(sqlite3 *db, int64_t most, int64_t *entries, char **error);

/* sync_apply() with its result code: SQLITE_OK with *changed rows, a SQLite code, or one of the above with
 * *error. */
int sync_merge_changeset(sqlite3 *db, const void *changeset, size_t bytes, int64_t *changed, char **error);

/* The same of a changeset whose author may change some rows only: rows that he may not change are left out, and what is left is merged. *refused: how many were; what they are is kept
** for him in the same transaction (sync_refused_next). *blind: he wrote to a row that has ended meanwhile or is hidden from him now, and keeps it,
** since he would not let it be withdrawn until this was merged: the next selection for him is to come whole (sync_selection_reset). */
int sync_merge_ruled(sqlite3 *db, const sync_rules *rules, const void *changeset, size_t bytes,
                     int64_t *changed, int64_t *refused, bool *blind, char **error);

/* Gives rows that are held for their number another one, whoever gave them theirs: where rules keep who did from being told of the row that has it. *rows: how many journal entries
** that made. */
int sync_renumber_held(sqlite3 *db, int64_t *entries, char **error);

/* What has been refused of the changes of the file `author` (16 bytes) and it may not know yet. Begin with *at and *id 0; each call gives the next: *id is 0 behind the last. *report is
** sqlite3_malloc'd, for sync_note_refused() at the author's; who knows of it is forgotten by sync_refused_known(). */
int sync_refused_next(sqlite3 *db, const void *author, int64_t *at, int64_t *id, void **report, size_t *bytes,
                      char **error);
int sync_refused_known(sqlite3 *db, const void *author, int64_t id, char **error);

/* Lists in sync_conflict what another file refused of this one's changes. *rows: how many. */
int sync_note_refused(sqlite3 *db, const void *report, size_t bytes, const char *why, int64_t *rows,
                      char **error);

/* One changeset of several, and how many rows it changed. */
typedef struct sync_incoming {
    const void *changeset;
    size_t bytes;
    int64_t changed;
} sync_incoming;

/* The same for several, in this order, all or none: in one transaction, and without a savepoint for each. */
int sync_merge_changesets(sqlite3 *db, sync_incoming *const *list, size_t count, char **error);

#ifdef __cplusplus
}
#endif

#endif
