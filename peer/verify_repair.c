/* Rows that differ although no clock says so: noted while both files are read, set right afterwards, as A has them.
**
** Which rows those are: an exchange would leave them as they are. That is certain where the clocks of both files agree, and where the files have nothing to
** give each other at all: a row that came or went behind the triggers' back has a clock on one side only. Rows that are held differ by right.
**
** A touch in A makes such a row news for B. That is not enough where B has lost the row but has its clock, which says that it is shown: what comes for a row
** that is gone behind the triggers' back is not shown until that is recorded, and then it is a delete. So the row is put back the way it went. Where B has no
** clock of it, it would become a row from before the tracking: with identity `key` the touch supersedes that, with identity `row` it can be another row, so
** there the touch has to do.
*/
#include "verify_internal.h"

#include "log.h"
#include "message.h"
#include "peer_limits.h"
#include "sync_ext.h"

#include <stdlib.h>
#include <string.h>

/* note: a row of table tbl that is touched in A. lost: the INSERT that puts it back into B, with the values in `cell`; NULL: nothing does. */
static const char schema_sql[] = "CREATE TABLE note(id INTEGER PRIMARY KEY, tbl, key, json, lost);"
                                 "CREATE TABLE cell(at INTEGER PRIMARY KEY, value);"
                                 "CREATE TABLE refused(id INTEGER PRIMARY KEY); BEGIN";

/* Cells of one note follow each other: SQLite has fewer columns. */
enum { CELLS_MAX = 1 << 16 };

struct peer_repair {
    const peer_file *files; /* two; borrowed */
    sqlite3 *notes;         /* a file that goes with the connection: there may be any number of rows */
    sqlite3_stmt *note, *cell;
    int64_t version; /* of B, as it was read */
    bool in_step;    /* neither file has anything for the other */
};

static bool fail_notes(const peer_repair *r, peer_failure *f, int rc)
{
    return peer_fail(f, peer_exit_of(rc), "a temporary file for what is to be touched: %s",
                     r->notes != NULL ? sqlite3_errmsg(r->notes) : sqlite3_errstr(rc));
}

/* Has `from` rows that a file lacks which holds `seen`? */
static bool has_rows(const peer_file *from, const void *seen, size_t bytes, bool *rows, peer_failure *f)
{
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    size_t part_bytes;
    int last = 0;
    int rc = sync_stream_open(from->db, seen, bytes, PEER_PART_BYTES, 1, &stream, &error);
    *rows = false;
    if (rc == SQLITE_OK) { /* parts may bear no row */
        do {
            rc = sync_stream_next(stream, &part, &part_bytes, &last, &error);
            *rows = rc == SQLITE_ROW && sync_stream_rows(stream) > 0;
        } while (rc == SQLITE_ROW && !*rows && !last);
    }
    sync_stream_close(stream);
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
        peer_fail(f, peer_exit_of(rc), "%s: %s", from->name, error != NULL ? error : sqlite3_errstr(rc));
    }
    sqlite3_free(error);
    return f->code == PEER_EXIT_OK;
}

static bool look_for_rows(const peer_file *from, const peer_file *to, bool *rows, peer_failure *f)
{
    sqlite3_stmt *stmt = peer_file_prepare(to, f, "SELECT sync_seen()");
    bool good = stmt != NULL && peer_file_step(to, stmt, f) == SQLITE_ROW;
    const void *seen = good ? sqlite3_column_blob(stmt, 0) : NULL;
    size_t bytes = seen != NULL ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;
    good = good && (seen != NULL || peer_fail(f, PEER_EXIT_ERROR, "out of memory")) &&
           has_rows(from, seen, bytes, rows, f);
    sqlite3_finalize(stmt);
    return good;
}

static int prepare(peer_repair *r, const char *sql, sqlite3_stmt **stmt)
{
    return sqlite3_prepare_v2(r->notes, sql, -1, stmt, NULL);
}

peer_repair *peer_repair_new(const peer_file files[PEER_BOTH], peer_failure *f)
{
    peer_repair *r = peer_new(sizeof *r);
    bool of_a = false, of_b = false;
    r->files = files;
    int rc = sqlite3_open_v2("", &r->notes, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL);
    rc = rc == SQLITE_OK ? sqlite3_exec(r->notes, schema_sql, NULL, NULL, NULL) : rc;
    rc = rc == SQLITE_OK
             ? prepare(r, "INSERT INTO note(tbl, key, json, lost) VALUES(?1, ?2, ?3, ?4)", &r->note)
             : rc;
    rc = rc == SQLITE_OK ? prepare(r, "INSERT INTO cell VALUES(?1, ?2)", &r->cell) : rc;
    if ((rc == SQLITE_OK || fail_notes(r, f, rc)) &&
        peer_file_ask(&files[PEER_B], "SELECT sync_version()", &r->version, f) &&
        look_for_rows(&files[PEER_A], &files[PEER_B], &of_a, f) &&
        look_for_rows(&files[PEER_B], &files[PEER_A], &of_b, f)) {
        r->in_step = !of_a && !of_b;
        return r;
    }
    peer_repair_free(r);
    return NULL;
}

void peer_repair_free(peer_repair *r)
{
    if (r != NULL) {
        sqlite3_finalize(r->note);
        sqlite3_finalize(r->cell);
        sqlite3_close(r->notes);
        free(r);
    }
}

/* ---- while the files are read */

/* The values of the row as A has it, in the order of insert_of(). */
static int note_cells(peer_repair *r, const peer_difference *d)
{
    const int64_t first = sqlite3_last_insert_rowid(r->notes) * CELLS_MAX;
    int rc = SQLITE_DONE;
    for (size_t i = 0; rc == SQLITE_DONE && i < d->pair->keys + d->pair->columns; i++) {
        rc = sqlite3_bind_int64(r->cell, 1, first + (int64_t)i);
        rc = rc == SQLITE_OK
                 ? sqlite3_bind_value(r->cell, 2, sqlite3_column_value(d->row[PEER_A], (int)(1 + i)))
                 : rc;
        rc = rc == SQLITE_OK ? sqlite3_step(r->cell) : rc;
        sqlite3_reset(r->cell);
    }
    return rc;
}

/* What a constraint of B refuses is left. sqlite3_malloc'd; NULL: out of memory. */
static char *insert_of(const peer_pair *p)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendf(sql, "INSERT OR IGNORE INTO main.\"%w\"(", p->table[PEER_B]);
    peer_put_columns(sql, p->key[PEER_B], p->keys, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, p->columns > 0 ? ", " : "");
    peer_put_columns(sql, p->column[PEER_B], p->columns, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, ") VALUES(");
    for (size_t i = 0; i < p->keys + p->columns; i++) {
        sqlite3_str_appendall(sql, i > 0 ? ", ?" : "?");
    }
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static int note_row(peer_repair *r, const peer_difference *d, const char *lost)
{
    sqlite3_stmt *row = d->row[PEER_A] != NULL ? d->row[PEER_A] : d->row[PEER_B];
    int rc = sqlite3_bind_text(r->note, 1, d->pair->table[PEER_A], -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) { /* sync_touch() takes a key of one column as it is */
        rc = d->pair->keys == 1
                 ? sqlite3_bind_value(r->note, 2, sqlite3_column_value(row, 1))
                 : sqlite3_bind_text64(r->note, 2, d->key, d->key_bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    rc = rc == SQLITE_OK
             ? sqlite3_bind_text64(r->note, 3, d->key, d->key_bytes, SQLITE_TRANSIENT, SQLITE_UTF8)
             : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(r->note, 4, lost, -1, SQLITE_TRANSIENT) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(r->note) : rc;
    sqlite3_reset(r->note);
    return rc;
}

/* Has B lost a row that only A shows, so that it is to be put back? */
static bool look_for_loss(const peer_repair *r, const peer_difference *d, bool *lost, peer_failure *f)
{
    *lost = d->kind == PEER_ONLY_A;
    if (!*lost || d->pair->row_tid == 0) {
        return true;
    }
    const peer_file *b = &r->files[PEER_B];
    sqlite3_stmt *stmt = peer_file_prepare(b, f, "SELECT 1 FROM main.sync_row_%lld WHERE k1 = ?1",
                                           (long long)d->pair->row_tid);
    int rc = stmt != NULL && sqlite3_bind_value(stmt, 1, sqlite3_column_value(d->row[PEER_A], 1)) == SQLITE_OK
                 ? peer_file_step(b, stmt, f)
                 : SQLITE_ERROR;
    *lost = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ||
           fail_notes(r, f, SQLITE_NOMEM); /* said already, but this */
}

bool peer_repair_note(peer_repair *r, const peer_difference *d, bool *left, peer_failure *f)
{
    bool is_lost = false;
    *left = false;
    if (d->kind == PEER_CLOCKS || d->held[PEER_A] || d->held[PEER_B]) {
        return true;
    }
    if (!d->clocks_agree && !r->in_step) {
        *left = true;
        return true;
    }
    if (!look_for_loss(r, d, &is_lost, f)) {
        return false;
    }
    char *lost = is_lost ? insert_of(d->pair) : NULL;
    int rc = is_lost && lost == NULL ? SQLITE_NOMEM : note_row(r, d, lost);
    rc = rc == SQLITE_DONE && is_lost ? note_cells(r, d) : rc;
    sqlite3_free(lost);
    return rc == SQLITE_DONE || fail_notes(r, f, rc);
}

/* ---- afterwards */

/* One row, in the transaction of A. */
static bool touch(sqlite3_stmt *note, sqlite3_stmt *call, const peer_file *a, peer_failure *f)
{
    int rc = sqlite3_bind_value(call, 1, sqlite3_column_value(note, 0));
    rc = rc == SQLITE_OK ? sqlite3_bind_value(call, 2, sqlite3_column_value(note, 1)) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(call) : rc;
    bool good = rc == SQLITE_ROW || peer_file_fail(a, f, "cannot be touched", rc);
    sqlite3_reset(call);
    return good;
}

static bool touch_all(peer_repair *r, const peer_file *a, peer_repaired *done, peer_failure *f)
{
    sqlite3_stmt *note = NULL, *call = peer_file_prepare(a, f, "SELECT sync_touch(?1, ?2)");
    int rc = prepare(r, "SELECT tbl, key FROM note ORDER BY id", &note);
    bool good = call != NULL && (rc == SQLITE_OK || fail_notes(r, f, rc));
    while (good && (rc = sqlite3_step(note)) == SQLITE_ROW) {
        good = touch(note, call, a, f);
        done->touched += good;
    }
    good = good && (rc == SQLITE_DONE || fail_notes(r, f, rc));
    sqlite3_finalize(call);
    sqlite3_finalize(note);
    return good;
}

static bool refuse(peer_repair *r, int64_t id, peer_failure *f)
{
    char *sql = sqlite3_mprintf("INSERT INTO refused VALUES(%lld)", id);
    int rc = sql != NULL ? sqlite3_exec(r->notes, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc == SQLITE_OK || fail_notes(r, f, rc);
}

/* One row, in the transaction of B. */
static bool put_back(peer_repair *r, sqlite3_stmt *insert, int64_t id, sqlite3_stmt *cells,
                     const peer_file *b, peer_repaired *done, peer_failure *f)
{
    int place = 1, rc = sqlite3_bind_int64(cells, 1, id * CELLS_MAX);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(cells, 2, (id + 1) * CELLS_MAX) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(cells)) == SQLITE_ROW) {
        rc = sqlite3_bind_value(insert, place++, sqlite3_column_value(cells, 0));
    }
    sqlite3_reset(cells);
    if (rc != SQLITE_DONE) {
        return fail_notes(r, f, rc);
    }
    bool good = peer_file_step(b, insert, f) == SQLITE_DONE;
    bool refused = good && sqlite3_changes(b->db) == 0;
    sqlite3_reset(insert);
    done->restored += good && !refused;
    done->refused += refused;
    return good && (!refused || refuse(r, id, f));
}

static bool put_all_back(peer_repair *r, const peer_file *b, peer_repaired *done, peer_failure *f)
{
    sqlite3_stmt *note = NULL, *cells = NULL, *insert = NULL;
    int rc = prepare(r, "SELECT id, lost FROM note WHERE lost IS NOT NULL ORDER BY id", &note);
    rc = rc == SQLITE_OK ? prepare(r, "SELECT value FROM cell WHERE at >= ?1 AND at < ?2 ORDER BY at", &cells)
                         : rc;
    bool good = rc == SQLITE_OK || fail_notes(r, f, rc);
    while (good && (rc = sqlite3_step(note)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(note, 1);
        if (sql != NULL && (insert == NULL || strcmp(sqlite3_sql(insert), sql) != 0)) { /* the next table */
            sqlite3_finalize(insert);
            insert = peer_file_prepare(b, f, "%s", sql);
        }
        good = (sql != NULL && insert != NULL) || fail_notes(r, f, SQLITE_NOMEM);
        good = good && put_back(r, insert, sqlite3_column_int64(note, 0), cells, b, done, f);
    }
    good = good && (rc == SQLITE_DONE || fail_notes(r, f, rc));
    sqlite3_finalize(insert);
    sqlite3_finalize(cells);
    sqlite3_finalize(note);
    return good;
}

/* Is B still what it was when it was read? What a program has deleted since is not to come back. */
static bool check_version(const peer_repair *r, const peer_file *b, peer_failure *f)
{
    int64_t now;
    return peer_file_ask(b, "SELECT sync_version()", &now, f) &&
           (now == r->version ||
            peer_fail(f, PEER_EXIT_BUSY, "%s was written to meanwhile; try again", b->name));
}

static bool in_transaction(const peer_file *file, bool good, peer_failure *f)
{
    return peer_file_run(file, good ? "COMMIT" : "ROLLBACK", f) && good;
}

/* What has been done is said when it is done. */
static bool report_notes(peer_repair *r, const peer_report *report, peer_failure *f)
{
    sqlite3_stmt *note = NULL;
    int rc = prepare(r,
                     "SELECT tbl, json, lost IS NOT NULL AND id NOT IN (SELECT id FROM refused) FROM note"
                     " ORDER BY id LIMIT ?1",
                     &note);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(note, 1, report->limit) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(note)) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(note, 0),
                   *key = (const char *)sqlite3_column_text(note, 1);
        rc = table != NULL && key != NULL ? SQLITE_OK : SQLITE_NOMEM;
        if (rc == SQLITE_OK) {
            peer_report_repaired(report, table, key, (size_t)sqlite3_column_bytes(note, 1),
                                 sqlite3_column_int(note, 2) != 0);
        }
    }
    sqlite3_finalize(note);
    return rc == SQLITE_DONE || fail_notes(r, f, rc);
}

/* Has a query a row? */
static bool is_any(peer_repair *r, const char *sql, bool *any, peer_failure *f)
{
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(r, sql, &stmt);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    *any = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE || fail_notes(r, f, rc);
}

bool peer_repair_do(peer_repair *r, const peer_report *report, peer_repaired *done, peer_failure *f)
{
    const peer_file *a = &r->files[PEER_A], *b = &r->files[PEER_B];
    bool touches = false, losses = false;
    *done = (peer_repaired){0};
    bool good = is_any(r, "SELECT 1 FROM note LIMIT 1", &touches, f) &&
                is_any(r, "SELECT 1 FROM note WHERE lost IS NOT NULL LIMIT 1", &losses, f);
    if (good && losses) {
        good = peer_file_run(b, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE", f);
        if (good) {
            sqlite3_db_config(b->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
            good = in_transaction(b, check_version(r, b, f) && put_all_back(r, b, done, f), f);
            sqlite3_db_config(b->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
        }
    }
    if (good && touches) {
        good = peer_file_run(a, "BEGIN IMMEDIATE", f) && in_transaction(a, touch_all(r, a, done, f), f);
    }
    return good && report_notes(r, report, f);
}
