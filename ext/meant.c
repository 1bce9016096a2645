#include "meant.h"

#include "base.h"

enum { MEANT = 0x52, OTHER_BLOB = 0x00 };

/* ---- parts ---- */

bool sync_meant_part(sync_arena *arena, int64_t birth, sync_stamp born, sync_value *part)
{
    sync_buf buf = {0};
    sync_buf_put_u8(&buf, MEANT);
    sync_buf_put_zigzag(&buf, birth);
    sync_stamp_put(&buf, born, 0);
    sync_value made = {.type = SYNC_BLOB, .bytes = buf.len, .data = buf.data};
    bool kept = !buf.oom && sync_arena_value(arena, &made, part);
    sync_buf_free(&buf);
    return kept;
}

bool sync_meant_get(const sync_db *s, const sync_value *part, int64_t *birth, sync_stamp *born)
{
    sync_span span = sync_span_of(part->data, part->type == SYNC_BLOB ? part->bytes : 0);
    bool meant = sync_span_u8(&span) == MEANT;
    *birth = sync_span_zigzag(&span);
    *born = sync_stamp_get(&span, 0, s->sites.count);
    return meant && !span.bad && span.at == span.end;
}

/* What is no number refers to nobody, and is known as it is; a blob is marked, so that it cannot be taken for a part. */
static bool keep_other(sync_arena *arena, const sync_value *v, sync_value *part)
{
    sync_buf buf = {0};
    if (v->type != SYNC_BLOB) {
        return sync_arena_value(arena, v, part);
    }
    sync_buf_put_u8(&buf, OTHER_BLOB);
    sync_buf_put(&buf, v->data, v->bytes);
    sync_value made = {.type = SYNC_BLOB, .bytes = buf.len, .data = buf.data};
    bool kept = !buf.oom && sync_arena_value(arena, &made, part);
    sync_buf_free(&buf);
    return kept;
}

/* ---- numbers ---- */

static void build_gone(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM main.sync_hidden_%u WHERE k1 = ?1", t->tid);
}

static void build_gone_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "SELECT clock FROM temp.sync_hidden_%u WHERE k1 = ?1 UNION ALL SELECT clock FROM "
                        "main.sync_hidden_%u WHERE k1 = ?1 AND NOT EXISTS (SELECT 1 FROM temp.sync_hidden_%u "
                        "WHERE k1 = ?1) AND NOT EXISTS (SELECT 1 FROM temp.sync_row_%u WHERE k1 = ?1)",
                        t->tid, t->tid, t->tid, t->tid);
}

int sync_meant_deleted(sync_db *s, sync_table *parent, sync_place place, int64_t number, uint64_t born_by,
                       bool *found, sync_stamp *born, int64_t *birth, sync_error *error)
{
    sqlite3_stmt *stmt;
    sync_stamp last = SYNC_STAMP_NONE;
    sync_row row = {0};
    *found = false;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, parent, SYNC_STMT_MEANT_GONE, build_gone, &stmt, error)
                 : sync_table_stmt(s, parent, SYNC_STMT_MEANT_GONE_TEMP, build_gone_temp, &stmt, error);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, number)) {
        rc = sync_fail_db(s, error, NULL);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    while ((rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, parent, &clock, &row);
        if (rc != SYNC_OK) {
            rc = sync_fail(error, rc, "sync_hidden_%u: a clock is damaged", parent->tid);
            break;
        }
        bool ours = row.stamp.site == s->own_site || row.stamp.site == s->told_before_sid;
        if (!sync_row_alive(&row) && ours && row.born.hlc <= born_by &&
            sync_stamp_compare(&s->sites, row.stamp, last) > 0) {
            *found = true;
            last = row.stamp;
            *born = row.born;
            *birth = row.moved ? row.birth : number;
        }
    }
    sync_row_free(&row);
    return sync_reset_read(stmt, rc == SQLITE_DONE ? SYNC_OK : rc, error);
}

int sync_meant_number(sync_db *s, sync_table *parent, sync_place place, int64_t number, sync_stamp *born,
                      int64_t *birth, sync_error *error)
{
    sync_stamp last_born = SYNC_STAMP_NONE;
    int64_t last_birth = 0;
    bool known = false, exists = false, deleted = false;
    int rc = sync_clocks_shown(s, parent, place, number, born, birth, &known, error);
    if (rc != SYNC_OK || known || parent->missing) {
        return rc;
    }
    rc = sync_meant_deleted(s, parent, place, number, UINT64_MAX, &deleted, &last_born, &last_birth, error);
    if (rc == SYNC_OK && deleted) {
        const sync_value key = {.type = SYNC_INTEGER, .i = number};
        rc = sync_base_exists(s, parent, &key, &exists, error);
    }
    if (rc == SYNC_OK && deleted && !exists) {
        *born = last_born;
        *birth = last_birth;
    }
    return rc;
}

/* ---- keys ---- */

int sync_meant_known(sync_db *s, sync_table *t, sync_place place, const sync_value *shown, sync_value *known,
                     sync_arena *arena, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        sync_table *parent = t->key_parents[i] ? sync_engine_tid(s, t->key_parents[i]) : NULL;
        sync_stamp born;
        int64_t birth;
        bool kept;
        if (parent && shown[i].type == SYNC_INTEGER) {
            rc = sync_meant_number(s, parent, place, shown[i].i, &born, &birth, error);
            kept = rc != SYNC_OK || sync_meant_part(arena, birth, born, &known[i]);
        } else {
            kept = parent ? keep_other(arena, &shown[i], &known[i])
                          : sync_arena_value(arena, &shown[i], &known[i]);
        }
        rc = rc == SYNC_OK && !kept ? sync_fail_nomem(error) : rc;
    }
    return rc;
}

int sync_meant_arrived(const sync_table *t, const sync_value *key, const sync_row *row, sync_value *known,
                       sync_arena *arena, sync_error *error)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        bool kept;
        if (t->key_parents[i] && key[i].type == SYNC_INTEGER) {
            sync_stamp born = SYNC_STAMP_NONE;
            for (uint32_t r = 0; r < row->ref_count; r++) {
                born = row->refs[r].col == SYNC_REF_KEY + i ? row->refs[r].born : born;
            }
            kept = sync_meant_part(arena, key[i].i, born, &known[i]);
        } else {
            kept = t->key_parents[i] ? keep_other(arena, &key[i], &known[i])
                                     : sync_arena_value(arena, &key[i], &known[i]);
        }
        if (!kept) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

int sync_meant_birth(const sync_db *s, const sync_table *t, const sync_value *known, sync_value *birth,
                     sync_row *row, sync_error *error)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_ref ref = {.col = SYNC_REF_KEY + i};
        bool has = false;
        birth[i] = known[i];
        if (!t->key_parents[i] || known[i].type != SYNC_BLOB) {
            continue;
        }
        if (!sync_meant_get(s, &known[i], &ref.number, &ref.born)) {
            bool marked = known[i].bytes && *(const uint8_t *)known[i].data == OTHER_BLOB;
            birth[i].bytes -= marked;
            birth[i].data = (const uint8_t *)known[i].data + marked;
            continue;
        }
        birth[i] = (sync_value){.type = SYNC_INTEGER, .i = ref.number};
        for (uint32_t r = 0; row && r < row->ref_count; r++) {
            has = has || row->refs[r].col == ref.col;
        }
        if (row && !has && !sync_stamp_is_none(ref.born) && sync_row_add_ref(row, ref) != SYNC_OK) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

int sync_meant_before(sync_db *s, sync_table *parent, sync_place place, int64_t number, const sync_value *now,
                      uint64_t hlc, bool *passed, bool *anybody, sync_value *was, sync_arena *arena,
                      sync_error *error)
{
    sync_stamp born;
    int64_t birth;
    *anybody = false;
    *passed = sync_meant_get(s, now, &birth, &born) && born.hlc > hlc;
    if (!*passed) {
        return SYNC_OK;
    }
    born = sync_engine_genesis_born(parent);
    birth = number;
    int rc = sync_meant_deleted(s, parent, place, number, hlc, anybody, &born, &birth, error);
    return rc == SYNC_OK && !sync_meant_part(arena, birth, born, was) ? sync_fail_nomem(error) : rc;
}

void sync_meant_strip(const sync_table *t, sync_row *row)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        bool key = row->refs[i].col >= SYNC_REF_KEY && t->meant;
        if (!key) {
            row->refs[kept++] = row->refs[i];
        }
    }
    row->ref_count = kept;
}
