#include "base.h"

#include "json.h"

#include <string.h>

enum { MASK_COLUMNS = 62, MASK_RESPELL = 62, MASK_RESET = 63 };

bool sync_base_refused(int rc)
{
    return (rc & 0xff) == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH;
}

/* Text without zero bytes. */
static bool is_whole_text(const uint8_t *at, size_t bytes)
{
    bool good = sync_is_text(at, bytes);
    for (size_t i = 2; good && i < bytes; i++) {
        good = at[i] < 0xbe || at[i - 1] != 0xbf || at[i - 2] != 0xef;
    }
    return good;
}

bool sync_base_fits(const sync_db *s, const sync_value *v)
{
    const uint8_t *at = v->data;
    bool fits = true;
    if (!s->wide || v->type != SYNC_TEXT) {
        return true;
    }
    for (size_t left = v->bytes, n; fits && left > 0; at += n, left -= n) {
        const uint8_t *zero = memchr(at, 0, left);
        n = zero ? (size_t)(zero - at) : left;
        fits = is_whole_text(at, n);
        n += zero != NULL;
    }
    return fits;
}

const char *sync_base_said(const sync_db *s)
{
    return s->unfit ? "text that is not valid UTF-8 does not fit into a UTF-16 file" : sqlite3_errmsg(s->db);
}

const char *sync_base_reason(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
        return "unique";
    case SQLITE_CONSTRAINT_CHECK:
        return "check";
    case SQLITE_CONSTRAINT_NOTNULL:
        return "not null";
    case SQLITE_CONSTRAINT_TRIGGER:
        return "trigger";
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return "foreign key";
    default:
        return "datatype";
    }
}

static bool is_set(const sync_table *t, const sync_row *row, uint32_t i)
{
    return row->cells[i].carried && t->cols[row->cells[i].col].present;
}

/* One bit per column that a statement sets; statements of wide tables are not kept. */
static uint64_t set_mask(const sync_table *t, const sync_row *row, bool respell, bool reset)
{
    uint64_t mask = (uint64_t)respell << MASK_RESPELL | (uint64_t)reset << MASK_RESET;
    for (uint32_t i = 0; i < row->count; i++) {
        if (is_set(t, row, i)) {
            mask |= (uint64_t)1 << row->cells[i].col;
        }
    }
    return mask;
}

static void where_key(const sync_table *t, sqlite3_str *sql)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", i ? " AND " : " WHERE ", t->key_names[i], (int)i + 1);
    }
}

/* What a conflict does is for the merge to say, not for ON CONFLICT clauses of the table. Elsewhere nothing is said, since it would hold for
** statements in triggers of the application as well. */
static const char *own_rule(const sync_table *t)
{
    return t->clauses ? "OR ABORT " : "";
}

static char *insert_text(sync_db *s, const sync_table *t, const sync_row *row, const char * or)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    int parameters = (int)t->key_count;
    sqlite3_str_appendf(sql, "INSERT %sINTO main.\"%w\"(", or, t->name);
    sync_str_keys(sql, t, "\"%w\"", ", ");
    for (uint32_t i = 0; i < row->count; i++) {
        if (is_set(t, row, i)) {
            sqlite3_str_appendf(sql, ", \"%w\"", t->cols[row->cells[i].col].name);
            parameters++;
        }
    }
    sqlite3_str_appendall(sql, ") VALUES(");
    for (int i = 1; i <= parameters; i++) {
        sqlite3_str_appendf(sql, "%s?%d", i > 1 ? ", " : "", i);
    }
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static char *update_text(sync_db *s, const sync_table *t, const sync_row *row, bool respell, bool reset,
                         const char * or)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    const char *comma = "";
    int parameter = (int)t->key_count;
    sqlite3_str_appendf(sql, "UPDATE %smain.\"%w\" SET ", or, t->name);
    for (uint32_t i = 0; respell && i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", comma, t->key_names[i], (int)i + 1);
        comma = ", ";
    }
    for (uint32_t i = 0; i < row->count; i++) {
        if (is_set(t, row, i)) {
            sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", comma, t->cols[row->cells[i].col].name, ++parameter);
            comma = ", ";
        }
    }
    for (uint32_t c = 0; reset && c < t->col_count; c++) {
        if (t->cols[c].present && sync_row_find(row, c) == NULL) {
            sqlite3_str_appendf(sql, "%s\"%w\" = %s", comma, t->cols[c].name,
                                t->cols[c].preset ? t->cols[c].preset : "NULL");
            comma = ", ";
        }
    }
    if (*comma == 0) { /* nothing to set: the row is merely said to be written */
        sqlite3_str_appendf(sql, "\"%w\" = \"%w\"", t->key_names[0], t->key_names[0]);
    }
    where_key(t, sql);
    return sqlite3_str_finish(sql);
}

/* Binds key and set cells in the order of the texts above and runs the statement. */
static int run_write(sync_db *s, sqlite3_stmt *stmt, const sync_table *t, const sync_value *key,
                     const sync_row *row, sync_error *error)
{
    int parameter = 0, rc = SQLITE_OK;
    s->unfit = false;
    for (uint32_t i = 0; s->wide && row && i < row->count; i++) {
        s->unfit = s->unfit || (is_set(t, row, i) && !sync_base_fits(s, &row->cells[i].value));
    }
    if (s->unfit) {
        return SQLITE_MISMATCH;
    }
    for (uint32_t i = 0; rc == SQLITE_OK && i < t->key_count; i++) {
        rc = sync_bind_value(stmt, ++parameter, &key[i]);
    }
    for (uint32_t i = 0; row && rc == SQLITE_OK && i < row->count; i++) {
        if (is_set(t, row, i)) {
            rc = sync_bind_value(stmt, ++parameter, &row->cells[i].value);
        }
    }
    if (rc != SQLITE_OK) {
        return sync_fail_db(s, error, NULL);
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
        rc = SYNC_OK;
    } else {
        rc = sqlite3_extended_errcode(s->db);
        if (!sync_base_refused(rc)) {
            rc = sync_fail_db(s, error, t->name);
        } else if (sqlite3_get_autocommit(
                       s->db)) { /* nothing may be written from here on: nobody could take it back */
            s->rollback_met = rc != SQLITE_CONSTRAINT_TRIGGER;
            rc = sync_fail(error, SQLITE_ABORT_ROLLBACK, "%s", sqlite3_errmsg(s->db));
        }
    }
    sqlite3_reset(stmt);
    return rc;
}

/* INSERT, or UPDATE of the row of this key. */
static char *write_text(sync_db *s, const sync_table *t, sync_write how, const sync_row *row, bool respell,
                        const char * or)
{
    return how == SYNC_WRITE_INSERT ? insert_text(s, t, row, or)
                                    : update_text(s, t, row, respell, how == SYNC_WRITE_RESET, or);
}

/* Once, by a statement of its own. */
static int write_as(sync_db *s, const sync_table *t, sync_write how, const sync_value *key,
                    const sync_row *row, bool respell, const char * or, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, write_text(s, t, how, row, respell, or));
    rc = rc == SYNC_OK ? run_write(s, stmt, t, key, row, error) : rc;
    sqlite3_finalize(stmt);
    return rc;
}

bool sync_base_fires(sync_db *s)
{
    int on = 0;
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &on); /* asks; cannot fail */
    return on != 0;
}

int sync_base_alone(sync_db *s, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                    bool respell, sync_error *error)
{
    bool fires = sync_base_fires(s);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL); /* sets a flag; cannot fail */
    int rc = how == SYNC_WRITE_DELETE ? sync_base_delete(s, t, key, error)
                                      : write_as(s, t, how, key, row, respell, own_rule(t), error);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, fires, NULL);
    return rc;
}

int sync_base_ignoring(sync_db *s, const sync_table *t, sync_write how, const sync_value *key,
                       const sync_row *row, bool respell, sync_error *error)
{
    int rc = write_as(s, t, how, key, row, respell, "OR IGNORE ", error);
    return rc == SYNC_OK && sqlite3_changes(s->db) == 0 ? SQLITE_CONSTRAINT_TRIGGER : rc;
}

static bool may_have_answer(int refused)
{
    return refused == SQLITE_CONSTRAINT_UNIQUE || refused == SQLITE_CONSTRAINT_PRIMARYKEY ||
           refused == SQLITE_CONSTRAINT_ROWID || refused == SQLITE_CONSTRAINT_NOTNULL ||
           refused == SQLITE_CONSTRAINT_CHECK;
}

/* What was said instead of the table's clauses held for the application's triggers too, and one of those may have met the conflict, with an answer of
** its own. So the row is tried without triggers; if it fits, it is written again with nothing said. */
static int write_unsaid(sync_db *s, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                        bool respell, int refused, sync_error *error)
{
    if (!t->clauses || !t->user_triggers || !sync_base_fires(s) || !may_have_answer(refused)) {
        return refused;
    }
    int rc = sync_exec(s, error, "SAVEPOINT sync_trial");
    if (rc != SYNC_OK) {
        return rc;
    }
    int own = sync_base_alone(s, t, how, key, row, respell, error);
    if (own == SYNC_OK || sync_base_refused(own)) {
        rc = sync_exec(s, error, "ROLLBACK TO sync_trial; RELEASE sync_trial");
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    if (own != SYNC_OK) { /* again, for what SQLite says of it */
        rc = sync_base_refused(own) ? write_as(s, t, how, key, row, respell, own_rule(t), error) : own;
        return rc == SYNC_OK || sync_base_refused(rc) ? own : rc;
    }
    rc = write_as(s, t, how, key, row, respell, "", error);
    return rc == SYNC_OK && sqlite3_changes(s->db) == 0 ? refused : rc;
}

int sync_base_insert(sync_db *s, sync_table *t, const sync_value *key, const sync_row *row, sync_error *error)
{
    sqlite3_stmt **kept = &t->stmts[SYNC_STMT_BASE_INSERT], *once = NULL, **stmt = kept;
    int rc = SYNC_OK;
    if (t->col_count > MASK_COLUMNS) {
        stmt = &once;
    } else {
        uint64_t mask = set_mask(t, row, false, false);
        if (*kept && t->insert_mask != mask) {
            sqlite3_finalize(*kept);
            *kept = NULL;
        }
        t->insert_mask = mask;
    }
    if (*stmt == NULL) {
        rc = sync_prepare_text(s, stmt, error, insert_text(s, t, row, own_rule(t)));
    }
    rc = rc == SYNC_OK ? run_write(s, *stmt, t, key, row, error) : rc;
    sqlite3_finalize(once);
    return sync_base_refused(rc) ? write_unsaid(s, t, SYNC_WRITE_INSERT, key, row, false, rc, error) : rc;
}

int sync_base_update(sync_db *s, sync_table *t, const sync_value *key, const sync_row *row, bool respell,
                     bool reset, sync_error *error)
{
    sqlite3_stmt **kept = &t->stmts[SYNC_STMT_BASE_UPDATE], *once = NULL, **stmt = kept;
    int rc = SYNC_OK;
    if (t->col_count > MASK_COLUMNS) {
        stmt = &once;
    } else {
        uint64_t mask = set_mask(t, row, respell, reset);
        if (*kept && t->update_mask != mask) {
            sqlite3_finalize(*kept);
            *kept = NULL;
        }
        t->update_mask = mask;
    }
    if (*stmt == NULL) {
        rc = sync_prepare_text(s, stmt, error, update_text(s, t, row, respell, reset, own_rule(t)));
    }
    rc = rc == SYNC_OK ? run_write(s, *stmt, t, key, row, error) : rc;
    sqlite3_finalize(once);
    sync_write how = reset ? SYNC_WRITE_RESET : SYNC_WRITE_UPDATE;
    return sync_base_refused(rc) ? write_unsaid(s, t, how, key, row, respell, rc, error) : rc;
}

int sync_base_displace(sync_db *s, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                       bool recursive, sync_error *error)
{
    int64_t was = 1;
    int rc = SYNC_OK;
    if (recursive) {
        rc = sync_query_int(s, &was, 1, error, "PRAGMA recursive_triggers");
        rc = rc == SYNC_OK ? sync_exec(s, error, "PRAGMA recursive_triggers = 1") : rc;
    }
    rc = rc == SYNC_OK ? write_as(s, t, how, key, row, false, "OR REPLACE ", error) : rc;
    if (rc == SQLITE_ERROR && !was) { /* triggers that write their own table never come to an end */
        sync_error_clear(error);
        rc = SQLITE_CONSTRAINT_TRIGGER;
    }
    sync_error ignored = {0};
    int restored =
        was ? SYNC_OK : sync_exec(s, rc == SYNC_OK ? error : &ignored, "PRAGMA recursive_triggers = 0");
    return rc == SYNC_OK ? restored : rc;
}

static void build_delete(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\"", t->name);
    where_key(t, sql);
}

int sync_base_delete(sync_db *s, sync_table *t, const sync_value *key, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_table_stmt(s, t, SYNC_STMT_BASE_DELETE, build_delete, &stmt, error);
    return rc == SYNC_OK ? run_write(s, stmt, t, key, NULL, error) : rc;
}

static void build_load(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, t, "\"%w\"", ", ");
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present) {
            sqlite3_str_appendf(sql, ", \"%w\"", t->cols[c].name);
        }
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\"", t->name);
    where_key(t, sql);
}

int sync_base_seek(sync_db *s, sync_table *t, const sync_value *key, sqlite3_stmt **stmt, bool *exists,
                   sync_error *error)
{
    *exists = false;
    int rc = sync_table_stmt(s, t, SYNC_STMT_BASE_FIND, build_load, stmt, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        rc =
            sync_bind_value(*stmt, (int)i + 1, &key[i]) == SQLITE_OK ? SYNC_OK : sync_fail_db(s, error, NULL);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, *stmt, error);
    *exists = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW) {
        sqlite3_reset(*stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_base_exists(sync_db *s, sync_table *t, const sync_value *key, bool *exists, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sync_base_seek(s, t, key, &stmt, exists, error);
    sqlite3_reset(stmt);
    return rc;
}

int sync_base_load(sync_db *s, sync_table *t, const sync_value *key, sync_row *row, sync_value *spelled,
                   sync_arena *arena, bool *exists, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sync_base_seek(s, t, key, &stmt, exists, error);
    bool memory = true;
    for (uint32_t i = 0; rc == SYNC_OK && *exists && spelled && i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i);
        memory = memory && sync_arena_value(arena, &v, &spelled[i]);
    }
    int column = (int)t->key_count;
    uint32_t passed = 0;
    for (uint32_t i = 0; rc == SYNC_OK && *exists && i < row->count; i++) {
        sync_cell *cell = &row->cells[i];
        for (; passed < cell->col && passed < t->col_count; passed++) {
            column += t->cols[passed].present;
        }
        if (!cell->carried && t->cols[cell->col].present) {
            sync_value v = sync_column_value(stmt, column);
            memory = memory && sync_arena_value(arena, &v, &cell->value);
            cell->carried = true;
        }
    }
    rc = sync_reset_read(stmt, rc, error);
    return rc == SYNC_OK && !memory ? sync_fail_nomem(error) : rc;
}
