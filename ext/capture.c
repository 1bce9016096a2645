#include "capture.h"

#include "hints.h"
#include "schema.h"
#include "sql_text.h"

#include <string.h>

/* ---- trigger texts ---- */

enum { TEMPLATE_VARS_MAX = 16 };

typedef struct template_vars {
    int count;
    const char *name[TEMPLATE_VARS_MAX];
    char *value[TEMPLATE_VARS_MAX]; /* owned; NULL when out of memory */
} template_vars;

static void var_set(template_vars *vars, const char *name, char *owned)
{
    vars->name[vars->count] = name;
    vars->value[vars->count++] = owned;
}

static void vars_free(template_vars *vars)
{
    for (int i = 0; i < vars->count; i++) {
        sqlite3_free(vars->value[i]);
    }
    vars->count = 0;
}

/* The text, which may be empty; NULL when out of memory. */
static char *finish(sqlite3_str *str)
{
    bool oom = sqlite3_str_errcode(str) != SQLITE_OK;
    char *text = sqlite3_str_finish(str);
    return text || oom ? text : sqlite3_mprintf("");
}

/* Replaces {name} by its value; an unknown name stays as it is. NULL when out of memory. */
static char *template_fill(sync_db *s, const char *text, const template_vars *vars)
{
    sqlite3_str *out = sqlite3_str_new(s->db);
    while (*text) {
        const char *open = strchr(text, '{');
        if (open == NULL) {
            break;
        }
        int hit = -1;
        for (int i = 0; i < vars->count; i++) {
            size_t n = strlen(vars->name[i]);
            if (strncmp(open + 1, vars->name[i], n) == 0 && open[1 + n] == '}') {
                hit = i;
            }
        }
        sqlite3_str_append(out, text, (int)(open - text));
        if (hit < 0) {
            sqlite3_str_append(out, "{", 1);
            text = open + 1;
        } else if (vars->value[hit] == NULL) { /* it could not be made */
            sqlite3_free(sqlite3_str_finish(out));
            return NULL;
        } else {
            sqlite3_str_appendall(out, vars->value[hit]);
            text = open + 2 + strlen(vars->name[hit]);
        }
    }
    sqlite3_str_appendall(out, text);
    return finish(out);
}

/* The text between the leading comment lines and the end: comments are for readers of the file, not of the schema. */
static const char *template_body(const char *text)
{
    while (strncmp(text, "--", 2) == 0) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

static char *keys_text(sync_db *s, const sync_table *t, const char *format, const char *between)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    sync_str_keys(str, t, format, between);
    return finish(str);
}

static char *numbers_text(sync_db *s, const sync_table *t)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    sync_str_numbers(str, t, "k%d", ", ");
    return finish(str);
}

/* OLD and NEW key equal: bytewise (and by type where that can differ), or as the key's own collation sees it. */
static void key_equal(sqlite3_str *str, const sync_table *t, bool bytes)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        const char *name = t->key_names[i], *collation = bytes ? "BINARY" : t->key_collations[i];
        sqlite3_str_appendf(str, "%sOLD.\"%w\" IS NEW.\"%w\" COLLATE \"%w\"", i ? " AND " : "", name, name,
                            collation);
        if (bytes && t->key_affinity[i] == 'b') {
            sqlite3_str_appendf(str, " AND typeof(OLD.\"%w\") = typeof(NEW.\"%w\")", name, name);
        }
    }
}

static char *key_equal_text(sync_db *s, const sync_table *t, bool bytes)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    key_equal(str, t, bytes);
    return finish(str);
}

/* A CASE that is the column's bit if the column changed: the cheapest form measured. */
static void column_bit(sqlite3_str *str, const sync_column *c, uint32_t bit)
{
    sqlite3_str_appendf(str, "CASE WHEN OLD.\"%w\" IS NEW.\"%w\" COLLATE BINARY", c->name, c->name);
    if (c->affinity == 'b') {
        sqlite3_str_appendf(str, " AND typeof(OLD.\"%w\") = typeof(NEW.\"%w\")", c->name, c->name);
    }
    sqlite3_str_appendf(str, " THEN 0 ELSE %lld END", (long long)1 << bit);
}

/* Terms lo..hi-1 added up as a balanced tree: SQLite refuses deep ones. */
static void mask_tree(sqlite3_str *str, const sync_table *t, const uint32_t *terms, uint32_t lo, uint32_t hi)
{
    if (hi - lo == 1) {
        column_bit(str, &t->cols[terms[lo]], terms[lo] % SYNC_MASK_COLUMNS);
        return;
    }
    uint32_t mid = lo + (hi - lo) / 2;
    sqlite3_str_appendall(str, "(");
    mask_tree(str, t, terms, lo, mid);
    sqlite3_str_appendall(str, " + ");
    mask_tree(str, t, terms, mid, hi);
    sqlite3_str_appendall(str, ")");
}

/* The columns of one group that are present; how many. */
static uint32_t group_columns(const sync_table *t, uint32_t group, uint32_t columns[SYNC_MASK_COLUMNS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SYNC_MASK_COLUMNS; i++) {
        uint32_t cid = group * SYNC_MASK_COLUMNS + i;
        if (cid < t->col_count && t->cols[cid].present) {
            columns[count++] = cid;
        }
    }
    return count;
}

static char *first_mask(sync_db *s, const sync_table *t)
{
    uint32_t columns[SYNC_MASK_COLUMNS], count = group_columns(t, 0, columns);
    sqlite3_str *str = sqlite3_str_new(s->db);
    if (count) {
        mask_tree(str, t, columns, 0, count);
    } else {
        sqlite3_str_appendall(str, "0");
    }
    return finish(str);
}

/* An entry for each group of columns, from `first` on, in which something changed. */
static void group_entries(sqlite3_str *str, const sync_table *t, uint32_t first)
{
    for (uint32_t group = first; group * SYNC_MASK_COLUMNS < t->col_count; group++) {
        uint32_t columns[SYNC_MASK_COLUMNS], count = group_columns(t, group, columns);
        if (count) {
            sqlite3_str_appendall(str, "INSERT INTO sync_journal(tid, op, at, ");
            sync_str_numbers(str, t, "k%d", ", ");
            sqlite3_str_appendf(str, ") SELECT %u, m, %s, ", t->tid | group << SYNC_GROUP_SHIFT, SYNC_AT_SQL);
            sync_str_keys(str, t, "NEW.\"%w\"", ", ");
            sqlite3_str_appendall(str, " FROM (SELECT ");
            mask_tree(str, t, columns, 0, count);
            sqlite3_str_appendall(str, " AS m) WHERE m;\n    ");
        }
    }
}

/* Entries for the groups of columns after the first. */
static char *other_groups(sync_db *s, const sync_table *t)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    group_entries(str, t, 1);
    return finish(str);
}

static void move_entry(sqlite3_str *str, const sync_table *t, const char *op, const char *row)
{
    sqlite3_str_appendall(str, "INSERT INTO sync_journal(tid, op, at, ");
    sync_str_numbers(str, t, "k%d", ", ");
    sqlite3_str_appendf(str, ") SELECT %u, %s, %s, ", t->tid, op, SYNC_AT_SQL);
    sync_str_keys(str, t, row, ", ");
}

/* What is written when the key changed. Identity key: the old one is deleted (unless it is merely spelled anew), the new one inserted.
** Identity row: from, to, and the other columns that changed. */
static char *key_move(sync_db *s, const sync_table *t)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    if (t->identity == SYNC_BY_KEY) {
        move_entry(str, t, "-2", "OLD.\"%w\"");
        sqlite3_str_appendall(str, " WHERE NOT (");
        key_equal(str, t, false);
        sqlite3_str_appendall(str, ");\n    ");
        move_entry(str, t, "-1", "NEW.\"%w\"");
        sqlite3_str_appendall(str, ";");
        return finish(str);
    }
    move_entry(str, t, "-3", "OLD.\"%w\"");
    sqlite3_str_appendall(str, ";\n    ");
    move_entry(str, t, "-4", "NEW.\"%w\"");
    sqlite3_str_appendall(str, ";");
    sqlite3_str_appendall(str, "\n    ");
    group_entries(str, t, 0);
    return finish(str);
}

/* The columns that the key trigger watches; the rowid may be set under any of its names. */
static char *key_columns(sync_db *s, const sync_table *t)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    sync_str_keys(str, t, "\"%w\"", ", ");
    if (t->rowid_alias) {
        sqlite3_str_appendall(str, ", rowid, oid, _rowid_");
    }
    return finish(str);
}

/* Another row `t` has the new key. */
static char *key_taken(sync_db *s, const sync_table *t)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    for (uint32_t k = 0; k < t->key_count; k++) {
        sqlite3_str_appendf(str, "t.\"%w\" = NEW.\"%w\" AND ", t->key_names[k], t->key_names[k]);
    }
    sqlite3_str_appendall(str, "NOT (");
    for (uint32_t k = 0; k < t->key_count; k++) {
        sqlite3_str_appendf(str, "%st.\"%w\" IS OLD.\"%w\"", k ? " AND " : "", t->key_names[k],
                            t->key_names[k]);
    }
    sqlite3_str_appendall(str, ")");
    return sqlite3_str_finish(str);
}

/* `more`: entries that the trigger has written before. */
static char *resolve(sync_db *s, const sync_table *t, uint32_t more)
{
    if (!t->hints) {
        return sqlite3_mprintf("");
    }
    template_vars vars = {0};
    var_set(&vars, "tid", sqlite3_mprintf("%u", t->tid));
    var_set(&vars, "name", sqlite3_mprintf("\"%w\"", t->name));
    var_set(&vars, "at", sqlite3_mprintf("%s", SYNC_AT_SQL));
    var_set(&vars, "ks", numbers_text(s, t));
    /* at most one note an index, and with recursive_triggers one delete entry for each and for the key itself */
    var_set(&vars, "window", sqlite3_mprintf("%u", 2 * t->unique_count + 1 + more));
    sqlite3_str *still = sqlite3_str_new(s->db);
    for (uint32_t k = 0; k < t->key_count; k++) {
        sqlite3_str_appendf(still, "%st.\"%w\" = sync_journal.k%d", k ? " AND " : "", t->key_names[k],
                            (int)k + 1);
    }
    var_set(&vars, "still", finish(still));
    sqlite3_str *gone = sqlite3_str_new(s->db);
    for (uint32_t k = 0; k < t->key_count; k++) { /* the note may spell the key otherwise than the delete */
        sqlite3_str_appendf(gone, "%sd.k%d = sync_journal.k%d", k ? " AND " : "", (int)k + 1, (int)k + 1);
        if (sqlite3_stricmp(t->key_collations[k], "BINARY") != 0) {
            sqlite3_str_appendf(gone, " COLLATE \"%w\"", t->key_collations[k]);
        }
    }
    var_set(&vars, "gone", finish(gone));
    char *text = template_fill(s, template_body(sql_trigger_resolve), &vars);
    vars_free(&vars);
    return text;
}

static int make_trigger(sync_db *s, const char *text, const template_vars *vars, sync_error *error)
{
    for (int i = 0; i < vars->count; i++) {
        if (vars->value[i] == NULL) {
            return sync_fail_nomem(error);
        }
    }
    char *sql = template_fill(s, template_body(text), vars);
    if (sql == NULL) {
        return sync_fail_nomem(error);
    }
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return rc == SQLITE_OK ? SYNC_OK : sync_fail_db(s, error, NULL);
}

int sync_capture_drop_triggers(sync_db *s, uint32_t tid, sync_error *error)
{
    return sync_exec(
        s, error,
        "DROP TRIGGER IF EXISTS main.sync_%u_insert; DROP TRIGGER IF EXISTS main.sync_%u_delete;"
        "DROP TRIGGER IF EXISTS main.sync_%u_update; DROP TRIGGER IF EXISTS main.sync_%u_before_insert;"
        "DROP TRIGGER IF EXISTS main.sync_%u_before_update; DROP TRIGGER IF EXISTS main.sync_%u_key;"
        "DROP TRIGGER IF EXISTS main.sync_%u_key_before",
        tid, tid, tid, tid, tid, tid, tid);
}

int sync_capture_triggers(sync_db *s, const sync_table *t, sync_error *error)
{
    template_vars vars = {0};
    var_set(&vars, "tid", sqlite3_mprintf("%u", t->tid));
    var_set(&vars, "name", sqlite3_mprintf("\"%w\"", t->name));
    var_set(&vars, "at", sqlite3_mprintf("%s", SYNC_AT_SQL));
    var_set(&vars, "ks", numbers_text(s, t));
    var_set(&vars, "new", keys_text(s, t, "NEW.\"%w\"", ", "));
    var_set(&vars, "old", keys_text(s, t, "OLD.\"%w\"", ", "));
    var_set(&vars, "move", key_move(s, t));
    var_set(&vars, "same", key_equal_text(s, t, true));
    var_set(&vars, "keys", key_columns(s, t));
    var_set(&vars, "taken", key_taken(s, t));
    var_set(&vars, "mask", first_mask(s, t));
    var_set(&vars, "groups", other_groups(s, t));
    var_set(&vars, "resolve", resolve(s, t, 0));
    var_set(&vars, "resolve_after", resolve(s, t, 3 + t->col_count / SYNC_MASK_COLUMNS));
    int rc = sync_capture_drop_triggers(s, t->tid, error);
    rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_insert, &vars, error) : rc;
    rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_delete, &vars, error) : rc;
    rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_update, &vars, error) : rc;
    rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_key, &vars, error) : rc;
    rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_key_before, &vars, error) : rc;
    for (int update = 0; rc == SYNC_OK && t->hints && update < 2; update++) {
        int keep = vars.count;
        char *hints = NULL;
        rc = sync_hints_text(s, t, update != 0, &hints, error);
        var_set(&vars, "event", sqlite3_mprintf("%s", update ? "update" : "insert"));
        var_set(&vars, "hints", hints);
        rc = rc == SYNC_OK ? make_trigger(s, sql_trigger_before, &vars, error) : rc;
        while (vars.count > keep) {
            sqlite3_free(vars.value[--vars.count]);
        }
    }
    vars_free(&vars);
    return rc;
}

void sync_capture_explain(sync_db *s, const sync_table *t, sync_error *error)
{
    sync_arena arena = {0};
    sync_base_table base;
    sync_error better = {0};
    if (sync_schema_read(s, &arena, t->name, &base, &better) == SYNC_OK &&
        sync_capture_writable(s, &base, &better) != SYNC_OK && better.code != SYNC_NOMEM) {
        *error = better;
    }
    sync_arena_free(&arena);
}
