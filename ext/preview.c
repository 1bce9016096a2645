/* A dry run: the merge itself, in a savepoint. Its journal entries say which rows it wrote; what they are after it is noted, then the
** savepoint is rolled back, and what they were before is read beside the notes. */
#include "preview.h"

#include "apply.h"
#include "base.h"
#include "json.h"
#include "merging.h"

#include <string.h>

typedef struct preview {
    sync_db *s;
    sync_error *error;
    size_t bytes_max;
    sync_buf after; /* one note a row: table, key as the journal has it, is there a row, its values */
    sync_buf *json;
    bool any; /* items in json */
} preview;

static int check_size(const preview *p, const sync_buf *buf)
{
    if (buf->oom) {
        return sync_fail_nomem(p->error);
    }
    return buf->len <= p->bytes_max
               ? SYNC_OK
               : sync_fail(p->error, SYNC_TOOBIG,
                           "sync_apply: what would change is more than a text of this connection may hold "
                           "(SQLITE_LIMIT_LENGTH)");
}

/* Columns of sync_base_seek: the key's, then the present ones in order of id. */
static uint32_t count_values(const sync_table *t)
{
    uint32_t count = t->key_count;
    for (uint32_t c = 0; c < t->col_count; c++) {
        count += t->cols[c].present;
    }
    return count;
}

/* ---- after the merge ---- */

static int note_row(preview *p, sync_table *t, const sync_value *key)
{
    sqlite3_stmt *row = NULL;
    bool exists = false;
    int rc = sync_base_seek(p->s, t, key, &row, &exists, p->error);
    if (rc != SYNC_OK) {
        return rc;
    }
    sync_buf_put_varint(&p->after, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(&p->after, &key[i]);
    }
    sync_buf_put_u8(&p->after, exists);
    for (uint32_t i = 0; exists && i < count_values(t); i++) {
        sync_value v = sync_column_value(row, (int)i);
        sync_value_put(&p->after, &v);
    }
    rc = sync_reset_read(row, rc, p->error);
    return rc == SYNC_OK ? check_size(p, &p->after) : rc;
}

/* The rows that journal entries above `before` name, each once. */
static int note_table(preview *p, sync_table *t, int64_t before)
{
    sqlite3_stmt *stmt;
    sqlite3_str *sql = sqlite3_str_new(p->s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_journal WHERE seq > %lld AND tid & %d = %u GROUP BY ",
                        (long long)before, SYNC_TID_MASK, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d COLLATE \"%w\"", i ? ", " : "", (int)i + 1, t->key_collations[i]);
    }
    sqlite3_str_appendall(sql, " ORDER BY min(seq)");
    int rc = sync_prepare_text(p->s, &stmt, p->error, sqlite3_str_finish(sql));
    while (rc == SYNC_OK && (rc = sync_step(p->s, stmt, p->error)) == SQLITE_ROW) {
        sync_value key[SYNC_KEY_COLUMNS_MAX];
        for (uint32_t i = 0; i < t->key_count; i++) {
            key[i] = sync_column_value(stmt, (int)i);
        }
        rc = note_row(p, t, key);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static void put(sync_buf *buf, const char *text)
{
    sync_buf_put(buf, text, strlen(text));
}

static void put_name(sync_buf *buf, const char *name)
{
    size_t bytes = strlen(name);
    sync_value as_text = {.type = SYNC_TEXT, .data = name, .bytes = bytes};
    sync_json_value(buf, &as_text);
}

static void begin_item(preview *p, const char *table)
{
    put(p->json, p->any ? "," : "");
    p->any = true;
    put(p->json, "{\"tbl\":");
    put_name(p->json, table);
    put(p->json, ",\"key\":");
}

/* Text of a column that is JSON already, or null. */
static void put_json_column(sync_buf *buf, const char *label, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    put(buf, label);
    put(buf, text ? text : "null");
}

/* What the merge put aside: entries of sync_conflict that were not there before. */
static int put_aside(preview *p)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        p->s, &stmt, p->error,
        "SELECT tbl, key, held, reason, detail, ours, theirs FROM main.sync_conflict AS c WHERE NOT EXISTS"
        " (SELECT 1 FROM temp.sync_conflict_before AS b WHERE b.id = c.id AND b.tid = c.tid AND"
        " b.clock_key = c.clock_key AND b.reason = c.reason AND b.ours IS c.ours AND b.theirs IS c.theirs)"
        " ORDER BY id");
    while (rc == SYNC_OK && (rc = sync_step(p->s, stmt, p->error)) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(stmt, 0);
        const char *reason = (const char *)sqlite3_column_text(stmt, 3);
        const char *detail = (const char *)sqlite3_column_text(stmt, 4);
        begin_item(p, table ? table : "");
        put_json_column(p->json, "", stmt, 1);
        put(p->json,
            sqlite3_column_int(stmt, 2) ? ",\"op\":\"hold\",\"reason\":" : ",\"op\":\"lose\",\"reason\":");
        put_name(p->json, reason ? reason : "");
        put(p->json, ",\"detail\":");
        put_name(p->json, detail ? detail : "");
        put_json_column(p->json, ",\"ours\":", stmt, 5);
        put_json_column(p->json, ",\"theirs\":", stmt, 6);
        put(p->json, "}");
        rc = check_size(p, p->json);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* ---- before it ---- */

static const char *value_name(const sync_table *t, uint32_t at)
{
    if (at < t->key_count) {
        return t->key_names[at];
    }
    uint32_t left = at - t->key_count, c = 0;
    for (; c < t->col_count && (!t->cols[c].present || left > 0); c++) {
        left -= t->cols[c].present;
    }
    return t->cols[c].name;
}

/* One side of a row as an object: of an update only what differs from the other side, and no key that is merely repeated. */
static void put_side(sync_buf *buf, const char *label, const sync_table *t, const sync_value *side,
                     const sync_value *other, uint32_t count)
{
    bool first = true;
    put(buf, label);
    for (uint32_t i = 0; i < count; i++) {
        if (other ? !sync_value_same(&side[i], &other[i]) : i >= t->key_count) {
            put(buf, first ? "{" : ",");
            put_name(buf, value_name(t, i));
            put(buf, ":");
            sync_json_value(buf, &side[i]);
            first = false;
        }
    }
    put(buf, first ? "{}" : "}");
}

static void put_row(preview *p, const sync_table *t, const sync_value *key, const sync_value *old,
                    const sync_value *new)
{
    uint32_t count = count_values(t);
    bool differs = !old || !new;
    for (uint32_t i = 0; !differs && i < count; i++) {
        differs = !sync_value_same(&old[i], &new[i]);
    }
    if ((!old && !new) || !differs) {
        return; /* only its clock changed */
    }
    begin_item(p, t->name);
    sync_json_key(p->json, new ? new : key, t->key_count);
    put(p->json, !old ? ",\"op\":\"insert\"" : !new ? ",\"op\":\"delete\"" : ",\"op\":\"update\"");
    if (old) {
        put_side(p->json, ",\"old\":", t, old, new, count);
    }
    if (new) {
        put_side(p->json, ",\"new\":", t, new, old, count);
    }
    put(p->json, "}");
}

/* One note beside what the row is now that the merge is taken back. `values` has room for two rows. */
static int compare_row(preview *p, sync_table *t, sync_span *notes, sync_value *values)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX], at[SYNC_KEY_COLUMNS_MAX], *old = values,
                                                                    *new = values + count_values(t);
    sqlite3_stmt *row = NULL;
    bool existed = false;
    for (uint32_t i = 0; i < t->key_count; i++) {
        key[i] = sync_value_get(notes);
    }
    bool exists = sync_span_u8(notes) != 0;
    for (uint32_t i = 0; exists && i < count_values(t); i++) {
        new[i] = sync_value_get(notes);
    }
    sync_merging m = {.s = p->s, .error = p->error};
    bool there = true;
    int rc = t->meant ? sync_find_key(&m, t, key, at, &there)
                      : SYNC_OK; /* what is hidden now was shown under numbers */
    rc = rc == SYNC_OK ? sync_base_seek(p->s, t, t->meant ? at : key, &row, &existed, p->error) : rc;
    existed = existed && there;
    for (uint32_t i = 0; rc == SYNC_OK && existed && i < count_values(t); i++) {
        old[i] = sync_column_value(row, (int)i);
    }
    if (rc == SYNC_OK) {
        put_row(p, t, t->meant ? at : key, existed ? old : NULL, exists ? new : NULL);
        rc = check_size(p, p->json);
    }
    sync_row_free(&m.other);
    sync_arena_free(&m.arena);
    return row ? sync_reset_read(row, rc, p->error) : rc;
}

static int compare(preview *p)
{
    sync_span notes = sync_span_of(p->after.data, p->after.len);
    uint32_t widest = 1;
    for (uint32_t i = 0; i < p->s->table_count; i++) {
        uint32_t count = count_values(&p->s->tables[i]);
        widest = count > widest ? count : widest;
    }
    sync_value *values = sync_alloc(2 * (size_t)widest * sizeof *values);
    int rc = values ? SYNC_OK : sync_fail_nomem(p->error);
    while (rc == SYNC_OK && sync_span_left(&notes)) {
        sync_table *t = sync_engine_tid(p->s, (uint32_t)sync_span_varint(&notes));
        rc = t ? compare_row(p, t, &notes, values)
               : sync_fail(p->error, SYNC_ERROR, "sync_apply: a table went while it was looked at");
    }
    sync_free(values);
    return rc;
}

int sync_preview(sync_db *s, const void *changeset, size_t bytes, sync_buf *json, sync_error *error)
{
    preview p = {.s = s,
                 .error = error,
                 .bytes_max = (size_t)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, -1),
                 .json = json};
    int64_t before = 0, changed = 0;
    put(json, "[");
    int rc = sync_query_int(s, &before, 0, error, "SELECT max(seq) FROM main.sync_journal");
    rc = rc == SYNC_OK ? sync_exec(s, error,
                                   "SAVEPOINT sync_preview; CREATE TEMP TABLE sync_conflict_before AS"
                                   " SELECT id, tid, clock_key, reason, ours, theirs FROM main.sync_conflict")
                       : rc;
    rc = rc == SYNC_OK ? sync_apply(s, changeset, bytes, &changed, error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        rc = s->tables[i].missing ? SYNC_OK : note_table(&p, &s->tables[i], before);
    }
    sync_buf aside = {0};
    p.json = &aside;
    rc = rc == SYNC_OK ? put_aside(&p) : rc;
    p.json = json;
    p.any = false;
    rc = rc == SYNC_OK ? sync_exec(s, error, "ROLLBACK TO sync_preview; RELEASE sync_preview") : rc;
    rc = rc == SYNC_OK ? compare(&p) : rc;
    put(json, p.any && aside.len ? "," : "");
    sync_buf_put(json, aside.data, aside.len);
    put(json, "]");
    rc = rc == SYNC_OK ? check_size(&p, json) : rc;
    bool oom = aside.oom;
    sync_buf_free(&aside);
    sync_buf_free(&p.after);
    return rc == SYNC_OK && oom ? sync_fail_nomem(error) : rc;
}
