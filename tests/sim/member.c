#include "member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int member_sql(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int64_t member_int(sqlite3 *db, const char *sql, int64_t otherwise)
{
    sqlite3_stmt *stmt = NULL;
    int64_t got = otherwise;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        got = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return got;
}

static int open_one(sim_member *m, bool engine, sqlite3 **to)
{
    sim_here = m->machine;
    char *error = NULL;
    int rc =
        sqlite3_open_v2(m->path, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK && engine) {
        rc = sqlite3_syncext_init(*to, &error, NULL);
        sqlite3_free(error);
    }
    char sql[200];
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=1024; PRAGMA temp_store=memory; PRAGMA synchronous=%s; "
             "PRAGMA foreign_keys=%d; PRAGMA recursive_triggers=%d",
             m->full ? "FULL" : "NORMAL", m->foreign_keys, m->recursive);
    return rc == SQLITE_OK ? member_sql(*to, sql) : rc;
}

int member_open(sim_member *m)
{
    sqlite3_randomness(0, NULL);
    int rc = open_one(m, true, &m->engine);
    if (rc == SQLITE_OK && m->wal) {
        rc = member_sql(m->engine, "PRAGMA journal_mode=wal");
    }
    return rc == SQLITE_OK ? open_one(m, false, &m->app) : rc;
}

sqlite3 *member_either(sim_member *m, sim_dice *dice)
{
    if (dice_percent(dice, 50)) {
        return m->engine;
    }
    if (m->second == NULL && open_one(m, true, &m->second) != SQLITE_OK) {
        (void)sqlite3_close(m->second);
        m->second = NULL;
    }
    return m->second;
}

void member_schema_changed(sim_member *m)
{
    for (int i = 0; i < 2; i++) {
        for (int t = 0; t < SIM_TABLES; t++) {
            sqlite3_finalize(m->dump[i][t]);
            m->dump[i][t] = NULL;
        }
    }
}

void member_close(sim_member *m)
{
    sim_here = m->machine;
    member_schema_changed(m);
    (void)sqlite3_close(m->app);
    (void)sqlite3_close(m->engine);
    (void)sqlite3_close(m->second);
    m->app = m->engine = m->second = NULL;
}

void save_free(sim_save *s)
{
    image_free(&s->db);
    image_free(&s->wal);
    s->there = false;
}

void member_free(sim_member *m)
{
    member_close(m);
    draft_free(&m->draft);
    save_free(&m->backup);
    free(m->history);
    m->history = NULL;
}

/* ---- dumps ---- */

static sqlite3_stmt *dump_statement(sim_member *m, const sim_schema *schema, sqlite3 *db, int table)
{
    sqlite3_stmt **stmt = &m->dump[db == m->engine][table];
    if (*stmt) {
        return *stmt;
    }
    const sim_table *t = &schema->table[table];
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, t->keys == 2 ? "SELECT k, l" : "SELECT k");
    for (int c = 0; c < t->count; c++) {
        if (!t->column[c].late || m->late[table][c]) {
            sqlite3_str_appendf(sql, ", %s", t->column[c].name);
        }
    }
    sqlite3_str_appendf(sql, " FROM %s", t->name);
    char *text = sqlite3_str_finish(sql);
    (void)sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    sqlite3_free(text);
    return *stmt;
}

static size_t put_hex(char *to, size_t room, const uint8_t *from, size_t bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < bytes && at + 3 < room; i++) {
        at += (size_t)snprintf(to + at, room - at, "%02x", from[i]);
    }
    return at;
}

/* As sync_conflict writes keys: JSON. NOCASE texts in lower case. */
static size_t key_text(sqlite3_stmt *stmt, int col, bool nocase, char *to, size_t room)
{
    size_t at = 0;
    switch (sqlite3_column_type(stmt, col)) {
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return (size_t)snprintf(to, room, "%s", sqlite3_column_text(stmt, col));
    case SQLITE_BLOB:
        at = (size_t)snprintf(to, room, "{\"$blob\":\"");
        at += put_hex(to + at, room - at - 3, sqlite3_column_blob(stmt, col),
                      (size_t)sqlite3_column_bytes(stmt, col));
        return at + (size_t)snprintf(to + at, room - at, "\"}");
    default:
        at = (size_t)snprintf(to, room, "\"%s\"", sqlite3_column_text(stmt, col));
        for (size_t i = 0; nocase && i < at; i++) {
            to[i] = (char)(to[i] >= 'A' && to[i] <= 'Z' ? to[i] + 32 : to[i]);
        }
        return at;
    }
}

static bool is_nocase(const sim_table *t, int key)
{
    return t->kind == KIND_NOCASE || (t->kind == KIND_PAIR_WITHOUT_ROWID && key == 1);
}

const char *member_key(const sim_table *t, const char *json)
{
    char *text = ledger_keep(json, strlen(json));
    const char *last = strrchr(text, ',');
    for (char *at = text; *at && is_nocase(t, t->keys - 1); at++) {
        bool lower = *at >= 'A' && *at <= 'Z' && (t->keys == 1 || at > last);
        *at = (char)(lower ? *at + 32 : *at);
    }
    return text;
}

/* Of a text that is a number as of that number; another one otherwise. */
static uint64_t worth_of(sqlite3_stmt *stmt, int col, uint64_t exact)
{
    char to[40], *end = NULL;
    bool blob = sqlite3_column_type(stmt, col) == SQLITE_BLOB;
    const char *text = blob ? NULL : (const char *)sqlite3_column_text(stmt, col);
    int bytes = sqlite3_column_bytes(stmt, col);
    double number = text && bytes > 0 ? strtod(text, &end) : 0;
    if (end == NULL || end != text + bytes) {
        return exact;
    }
    int length = snprintf(to, sizeof to, "%.15g", number);
    return sim_hash(SIM_HASH_START, to, (size_t)length) | 1;
}

static void cell(sqlite3_stmt *stmt, int col, uint64_t *value, const char **text)
{
    char to[80];
    size_t at = 1;
    int type = sqlite3_column_type(stmt, col);
    size_t bytes = 0;
    const void *raw = NULL;
    to[0] = "?irtbn"[type];
    double real = 0;
    if (type == SQLITE_INTEGER) {
        at += (size_t)snprintf(to + 1, sizeof to - 1, "%lld", (long long)sqlite3_column_int64(stmt, col));
    } else if (type == SQLITE_FLOAT) {
        real = sqlite3_column_double(stmt, col);
        at += (size_t)snprintf(to + 1, sizeof to - 1, "%.17g", real);
    } else if (type != SQLITE_NULL) {
        raw = sqlite3_column_blob(stmt, col);
        bytes = (size_t)sqlite3_column_bytes(stmt, col);
        if (type == SQLITE_BLOB) {
            at += put_hex(to + 1, sizeof to - 1, raw, bytes);
        } else {
            size_t shown = bytes < sizeof to - 1 ? bytes : sizeof to - 1;
            memcpy(to + 1, raw ? raw : "", shown);
            at += shown;
        }
    }
    uint64_t h = sim_hash(SIM_HASH_START, to, at);
    *value = (raw ? sim_hash(h, raw, bytes) : h) | 1;
    *text = ledger_keep(to, at);
}

static int by_key(const void *a, const void *b)
{
    const sim_row *x = a;
    const sim_row *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void read_row(const sim_member *m, const sim_table *t, int table, sqlite3_stmt *stmt, sim_row *row)
{
    char text[200];
    size_t at = 0;
    text[at++] = '[';
    for (int k = 0; k < t->keys; k++) {
        if (k) {
            text[at++] = ',';
        }
        at += key_text(stmt, k, is_nocase(t, k), text + at, sizeof text - at - 2);
    }
    text[at++] = ']';
    memset(row, 0, sizeof *row);
    row->key = sim_hash(SIM_HASH_START, text, at);
    row->key_text = ledger_keep(text, at);
    int col = t->keys;
    for (int c = 0; c < t->count; c++) {
        if (!t->column[c].late || m->late[table][c]) {
            cell(stmt, col, &row->cell[c], &row->text[c]);
            row->worth[c] = schema_converts(t, c) ? worth_of(stmt, col, row->cell[c]) : row->cell[c];
            col++;
        }
    }
}

#define ROWS_MAX 256

int member_dump(sim_member *m, const sim_schema *schema, sqlite3 *db, sim_dump *to)
{
    static sim_row rows[ROWS_MAX];
    sim_here = m->machine;
    memset(to, 0, sizeof *to);
    for (int t = 0; t < schema->count; t++) {
        sqlite3_stmt *stmt = dump_statement(m, schema, db, t);
        int rc = stmt ? SQLITE_OK : sqlite3_errcode(db);
        int count = 0;
        while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && count < ROWS_MAX) {
            read_row(m, &schema->table[t], t, stmt, &rows[count++]);
            rc = SQLITE_OK;
        }
        sqlite3_reset(stmt);
        if (rc != SQLITE_DONE) {
            return rc == SQLITE_OK ? SQLITE_ERROR : rc;
        }
        qsort(rows, (size_t)count, sizeof *rows, by_key);
        to->count[t] = count;
        to->row[t] = ledger_alloc((size_t)count * sizeof *rows);
        memcpy(to->row[t], rows, (size_t)count * sizeof *rows);
    }
    return SQLITE_OK;
}

void member_columns(sim_member *m, const sim_schema *schema)
{
    for (int t = 0; t < schema->count; t++) {
        for (int c = 0; c < schema->table[t].count; c++) {
            char sql[120];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'",
                     schema->table[t].name, schema->table[t].column[c].name);
            m->late[t][c] = schema->table[t].column[c].late && member_int(m->app, sql, 0) > 0;
        }
    }
    member_schema_changed(m);
}

/* ---- copies ---- */

int member_save(sim_member *m, sim_save *to)
{
    char wal[32];
    snprintf(wal, sizeof wal, "%s-wal", m->path);
    const sim_node *log = disk_find(m->machine, wal);
    const sim_node *db = disk_find(m->machine, m->path);
    static const sim_image none;
    if (db == NULL || image_set(&to->db, &db->now) != 0 ||
        image_set(&to->wal, log ? &log->now : &none) != 0) {
        return -1;
    }
    to->there = true;
    to->tail =
        member_int(m->app, "SELECT max(seq) > (SELECT folded FROM sync_meta) FROM sync_journal", 0) != 0;
    to->note = m->machine->note;
    to->knew = m->knows;
    to->mark = m->mark;
    memcpy(to->late, m->late, sizeof to->late);
    memcpy(to->tracked, m->tracked, sizeof to->tracked);
    return 0;
}
