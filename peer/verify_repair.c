/* Rows that differ although no clock says so: noted while both files are read, touched in A afterwards.
**
** Which rows those are: an exchange would leave them as they are. That is certain where the clocks of both files agree, and where the files have nothing to
** give each other at all: a row that came or went behind the triggers' back has a clock on one side only. Rows that are held differ by right.
*/
#include "verify_internal.h"

#include "log.h"
#include "message.h"
#include "peer_limits.h"
#include "sync_ext.h"

#include <stdlib.h>

struct peer_repair {
    sqlite3 *notes; /* a file that goes with the connection: there may be any number of rows */
    sqlite3_stmt *insert;
    bool in_step; /* neither file has anything for the other */
};

static bool fail_notes(peer_repair *r, peer_failure *f, int rc)
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

peer_repair *peer_repair_new(const peer_file files[PEER_BOTH], peer_failure *f)
{
    peer_repair *r = peer_new(sizeof *r);
    bool of_a = false, of_b = false;
    int rc = sqlite3_open_v2("", &r->notes, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL);
    rc = rc == SQLITE_OK
             ? sqlite3_exec(r->notes, "CREATE TABLE note(tbl, key, json); BEGIN", NULL, NULL, NULL)
             : rc;
    rc = rc == SQLITE_OK
             ? sqlite3_prepare_v2(r->notes, "INSERT INTO note VALUES(?1, ?2, ?3)", -1, &r->insert, NULL)
             : rc;
    if ((rc == SQLITE_OK || fail_notes(r, f, rc)) &&
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
        sqlite3_finalize(r->insert);
        sqlite3_close(r->notes);
        free(r);
    }
}

bool peer_repair_note(peer_repair *r, const peer_difference *d, bool *left, peer_failure *f)
{
    *left = false;
    if (d->kind == PEER_CLOCKS || d->held[PEER_A] || d->held[PEER_B]) {
        return true;
    }
    if (!d->clocks_agree && !r->in_step) {
        *left = true;
        return true;
    }
    sqlite3_stmt *row = d->row[PEER_A] != NULL ? d->row[PEER_A] : d->row[PEER_B];
    int rc = sqlite3_bind_text(r->insert, 1, d->pair->table[PEER_A], -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) { /* sync_touch() takes a key of one column as it is */
        rc = d->pair->keys == 1
                 ? sqlite3_bind_value(r->insert, 2, sqlite3_column_value(row, 1))
                 : sqlite3_bind_text64(r->insert, 2, d->key, d->key_bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    rc = rc == SQLITE_OK
             ? sqlite3_bind_text64(r->insert, 3, d->key, d->key_bytes, SQLITE_TRANSIENT, SQLITE_UTF8)
             : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(r->insert) : rc;
    sqlite3_reset(r->insert);
    return rc == SQLITE_DONE || fail_notes(r, f, rc);
}

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

/* What has been done is said when it is done. */
static bool report_notes(peer_repair *r, const peer_report *report, peer_failure *f)
{
    sqlite3_stmt *note = NULL;
    int rc =
        sqlite3_prepare_v2(r->notes, "SELECT tbl, json FROM note ORDER BY rowid LIMIT ?1", -1, &note, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(note, 1, report->limit) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(note)) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(note, 0),
                   *key = (const char *)sqlite3_column_text(note, 1);
        rc = table != NULL && key != NULL ? SQLITE_OK : SQLITE_NOMEM;
        if (rc == SQLITE_OK) {
            peer_report_touched(report, table, key, (size_t)sqlite3_column_bytes(note, 1));
        }
    }
    sqlite3_finalize(note);
    return rc == SQLITE_DONE || fail_notes(r, f, rc);
}

bool peer_repair_do(peer_repair *r, const peer_file *a, const peer_report *report, int64_t *touched,
                    peer_failure *f)
{
    sqlite3_stmt *note = NULL, *call = NULL;
    *touched = 0;
    int rc = sqlite3_prepare_v2(r->notes, "SELECT tbl, key FROM note ORDER BY rowid", -1, &note, NULL);
    bool good = (rc == SQLITE_OK || fail_notes(r, f, rc)) && peer_file_run(a, "BEGIN IMMEDIATE", f);
    if (good) {
        call = peer_file_prepare(a, f, "SELECT sync_touch(?1, ?2)");
        good = call != NULL;
        while (good && (rc = sqlite3_step(note)) == SQLITE_ROW) {
            good = touch(note, call, a, f);
            *touched += good;
        }
        good = good && (rc == SQLITE_DONE || fail_notes(r, f, rc));
        sqlite3_finalize(call);
        good = peer_file_run(a, good && *touched > 0 ? "COMMIT" : "ROLLBACK", f) && good;
    }
    sqlite3_finalize(note);
    *touched = good ? *touched : 0;
    return good && report_notes(r, report, f);
}
