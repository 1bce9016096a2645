/* A copy of another file's tables made a file of its own. */
#include "sqlite.h"

#include "clone_internal.h"
#include "operation.h"
#include "sql_text.h"

#include <string.h>

/* What SQLite itself keeps of AUTOINCREMENT is no table of anybody. */
static const char strange_sql[] =
    "SELECT s.type || ' ' || s.name FROM main.sqlite_schema AS s WHERE s.name <> 'sqlite_sequence'"
    " AND NOT (s.type IN ('table', 'index') AND s.rootpage > 0 AND " SYNC_CLONE_KEPT ") LIMIT 1";

/* Is nothing in it but what a copy is made of? */
static int check_copy(sync_loader *l)
{
    sqlite3_stmt *stmt = NULL;
    int64_t format = 0;
    if (sqlite3_table_column_metadata(l->db, "main", "sync_table", "tid", NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK) {
        return sync_fail(l->error, SYNC_CORRUPT, "it tracks no table");
    }
    int rc = sync_query_int(l->s, &format, 0, l->error, "SELECT format FROM main.sync_meta");
    if (rc == SYNC_OK && format != SYNC_META_FORMAT) {
        return sync_fail(l->error, SYNC_FORMAT,
                         "its metadata are of version %lld, and those of this program of version %d",
                         (long long)format, SYNC_META_FORMAT);
    }
    rc = rc == SYNC_OK && sqlite3_prepare_v2(l->db, strange_sql, -1, &stmt, NULL) != SQLITE_OK
             ? sync_clone_fail(l->db, l->error, "its schema cannot be read")
             : rc;
    int step = rc == SYNC_OK ? sqlite3_step(stmt) : SQLITE_DONE;
    if (step == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        rc = sync_fail(l->error, SYNC_CORRUPT, "it has %.100s, which is of no tracked table",
                       name ? name : "something");
    } else if (step != SQLITE_DONE) {
        rc = sync_clone_fail(l->db, l->error, "its schema cannot be read");
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* All that the other file had written is here: of its journal, which goes on from there, nothing has to come again. */
static int note_cursors(sync_loader *l, uint32_t former)
{
    sync_matrix cursors = {0};
    int64_t newest = 0;
    int rc = sync_query_int(l->s, &newest, 0, l->error, "SELECT max(seq) FROM main.sync_journal");
    rc = rc == SYNC_OK ? sync_engine_cursors(l->s, &cursors, l->error) : rc;
    for (uint32_t t = 0; rc == SYNC_OK && newest > 0 && t < l->s->table_count; t++) {
        sync_matrix_raise(&cursors, t, former, (uint64_t)newest);
    }
    rc = rc == SYNC_OK ? sync_engine_save_cursors(l->s, &cursors, l->error) : rc;
    sync_matrix_free(&cursors);
    return rc == SYNC_OK ? sync_engine_save(l->s, l->error) : rc;
}

/* The copy becomes another file. Its triggers are made anew by what every writing operation does first. */
static int leave(sync_loader *l)
{
    sync_operation o = {0};
    int64_t former = 0, untold = 0;
    int rc = sync_query_int(l->s, &former, 0, l->error, "SELECT site FROM main.sync_meta");
    rc = rc == SYNC_OK
             ? sync_query_int(l->s, &untold, 0, l->error,
                              "SELECT count(*) FROM main.sync_journal WHERE seq > (SELECT folded FROM"
                              " main.sync_meta) AND NOT (op = 0 AND k1 IS NULL)")
             : rc;
    if (rc == SYNC_OK && untold != 0) {
        return sync_fail(l->error, SYNC_CORRUPT, "its journal is not folded");
    }
    rc = rc == SYNC_OK
             ? sync_exec(l->s, l->error, "%s", strstr(sql_meta, "CREATE TRIGGER sync_conflict_held"))
             : rc;
    rc = rc == SYNC_OK ? sync_operation_write(l->s, &o, NULL, l->error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = o.renewed ? SYNC_OK : sync_site_renew(l->s, &o.outside, l->error);
    o.renewed = true;
    if (rc == SYNC_OK && (former < 1 || former >= (int64_t)l->s->sites.count)) {
        rc = sync_fail(l->error, SYNC_CORRUPT, "its metadata name no file");
    }
    rc = rc == SYNC_OK ? note_cursors(l, (uint32_t)former) : rc;
    /* what it took along is the other file's, which goes on under that id, and so is what that one's tables were called */
    rc = rc == SYNC_OK ? sync_exec(l->s, l->error,
                                   "UPDATE main.sync_site SET own = 0; UPDATE main.sync_table SET options ="
                                   " json_remove(options, '$.formerly', '$.unseen')")
                       : rc;
    return sync_operation_end(l->s, &o, rc, l->error);
}

/* Notes where views and triggers are, in the order in which they were sent. */
static int find_later(sync_loader *l, sync_span *span)
{
    int rc = SYNC_OK;
    uint64_t count = sync_span_varint(span);
    for (uint64_t i = 0; i < count && rc == SYNC_OK; i++) {
        sync_object o = {0};
        sync_span from = *span;
        rc = sync_clone_object(l, span, &o);
        rc = rc == SYNC_OK && o.kind >= KIND_VIEW ? sync_clone_note(l, &o, &from) : rc;
    }
    return rc == SYNC_OK && span->bad ? sync_clone_corrupt(l) : rc;
}

static int adopt(sync_loader *l, sync_span *span)
{
    sync_span all = *span;
    sync_clone_head h = {0};
    int rc = sync_clone_read_head(l, span, &h);
    rc = rc == SYNC_OK ? find_later(l, span) : rc;
    rc = rc == SYNC_OK ? check_copy(l) : rc;
    rc = rc == SYNC_OK ? leave(l) : rc;
    rc = rc == SYNC_OK ? sync_clone_exec(l, "BEGIN IMMEDIATE") : rc;
    rc = rc == SYNC_OK ? sync_clone_later(l, &all, KIND_VIEW) : rc;
    rc = rc == SYNC_OK ? sync_clone_later(l, &all, KIND_TRIGGER) : rc;
    return rc == SYNC_OK ? sync_clone_exec(l, "COMMIT") : rc;
}

int sync_clone_adopt(sqlite3 *db, const void *schema, size_t bytes, sync_clone_left_out *left_out,
                     void *context, sync_error *error)
{
    sync_loader l = {.db = db, .left_out = left_out, .context = context, .error = error};
    return sync_clone_run(db, adopt, sync_span_of(schema, bytes), &l);
}
