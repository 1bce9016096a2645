/* The statements that changes are read with. */
#include "changes_sql.h"

#include "clocks.h"

/* Too many columns for one result set with ours beside them: the values are read by a statement of their own. */
bool sync_changes_wide(const sync_table *t)
{
    return t->col_count + 2 * t->key_count + 3 > SYNC_RESULT_COLUMNS_MAX;
}

/* ---- statements: seq, clock, j, then the key from the journal, the key from the base table, the columns present ---- */

static void select_base(const sync_table *t, sqlite3_str *sql)
{
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    if (sync_changes_wide(t)) {
        return;
    }
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present) {
            sqlite3_str_appendf(sql, ", b.\"%w\"", t->cols[c].name);
        }
    }
}

/* Rows that are not shown have nothing there. (A join that finds nothing would have to look: SQLite reads the whole table for each of them.) */
static void select_nothing(const sync_table *t, sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, "NULL");
    for (uint32_t i = 1; i < t->key_count; i++) {
        sqlite3_str_appendall(sql, ", NULL");
    }
    for (uint32_t c = 0; !sync_changes_wide(t) && c < t->col_count; c++) {
        sqlite3_str_appendall(sql, t->cols[c].present ? ", NULL" : "");
    }
}

static void join_base(const sync_table *t, sqlite3_str *sql, const char *keys, bool hidden)
{
    if (!hidden) {
        sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
        sync_str_match_base(sql, t, "b", keys);
    }
}

/* By journal entry: the shown clocks or, for identity row, the hidden ones, that a run of the journal names. */
static void build_read_from(const sync_table *t, sqlite3_str *sql, const char *kind)
{
    bool hidden = kind[0] == 'h';
    sqlite3_str_appendall(sql, "SELECT j.seq, c.clock, 0, ");
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    (hidden ? select_nothing : select_base)(t, sql);
    sqlite3_str_appendf(sql,
                        " FROM main.sync_journal AS j CROSS JOIN main.sync_%s_%u AS c ON c.seq = j.seq AND ",
                        kind, t->tid);
    sync_str_match(sql, t, "c", "j");
    join_base(t, sql, "j", hidden);
    sqlite3_str_appendall(sql, " WHERE j.seq BETWEEN ?1 AND ?2 ORDER BY j.seq");
}

static void build_read(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_from(t, sql, "row");
}

static void build_read_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_from(t, sql, "hidden");
}

/* The same, the overlay standing before the file's clocks for the keys that it knows. */
static void build_read_overlay(const sync_table *t, sqlite3_str *sql, const char *kind)
{
    bool hidden = kind[0] == 'h';
    sqlite3_str_appendall(sql, "SELECT j.seq, iif(j.known, o.clock, c.clock), 0, ");
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    (hidden ? select_nothing : select_base)(t, sql);
    sqlite3_str_appendall(sql, " FROM (");
    sync_clocks_journal(sql, t);
    sqlite3_str_appendf(
        sql, " WHERE h.seq BETWEEN ?1 AND ?2) AS j LEFT JOIN main.sync_%s_%u AS c ON c.seq = j.seq AND ",
        kind, t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN temp.sync_%s_%u AS o ON o.seq = j.seq AND ", kind, t->tid);
    sync_str_match(sql, t, "o", "j");
    join_base(t, sql, "j", hidden);
    sqlite3_str_appendall(sql, " WHERE iif(j.known, o.seq, c.seq) IS NOT NULL ORDER BY j.seq");
}

static void build_read_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_overlay(t, sql, "row");
}

static void build_read_hidden_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_overlay(t, sql, "hidden");
}

/* All clocks in the order of their keys: what a receiver gets that has nothing yet. */
static void build_scan_from(const sync_table *t, sqlite3_str *sql, bool hidden)
{
    sqlite3_str_appendall(sql, "SELECT c.seq, c.clock, 0, ");
    sync_str_numbers(sql, t, "c.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    (hidden ? select_nothing : select_base)(t, sql);
    sqlite3_str_appendf(sql, " FROM main.sync_%s_%u AS c", hidden ? "hidden" : "row", t->tid);
    join_base(t, sql, "c", hidden);
}

static void build_scan(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_scan_from(t, sql, false);
}

static void build_scan_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_scan_from(t, sql, true);
}

/* Identity row: its shown clocks are those of the table's rows, so that one pass over the table has everything. */
static void build_rows(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendall(sql, "SELECT c.seq, c.clock, 0, NULL, ");
    select_base(t, sql);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b LEFT JOIN main.sync_row_%u AS c ON c.k1 = b.\"%w\"",
                        t->name, t->tid, t->key_names[0]);
}

static void not_in_clocks(const sync_table *t, sqlite3_str *sql, const char *schema)
{
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM %s.sync_row_%u AS c WHERE ", schema, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sc.k%d = b.\"%w\"", i ? " AND " : "", (int)i + 1, t->key_names[i]);
    }
    sqlite3_str_appendall(sql, ")");
}

/* Rows that have no clock: they are as they were when the table was tracked. */
static void build_genesis_from(const sync_table *t, sqlite3_str *sql, bool overlay)
{
    sqlite3_str_appendall(sql, "SELECT 0, NULL, 0, ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b WHERE ", t->name);
    sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
    not_in_clocks(t, sql, "main");
    if (overlay) {
        not_in_clocks(t, sql, "temp");
    }
}

static void build_genesis(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_genesis_from(t, sql, false);
}

static void build_genesis_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_genesis_from(t, sql, true);
}

static void build_chosen_from(const sync_table *t, sqlite3_str *sql, bool overlay)
{
    sqlite3_str_appendall(sql, overlay ? "SELECT coalesce(o.seq, c.seq, 0), coalesce(o.clock, c.clock), 0, "
                                       : "SELECT coalesce(c.seq, 0), c.clock, 0, ");
    sync_str_numbers(sql, t, "x.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendf(sql, " FROM temp.sync_chosen_%u AS x CROSS JOIN main.\"%w\" AS b ON ", t->tid,
                        t->name);
    sync_str_match_base(sql, t, "b", "x");
    sqlite3_str_appendf(sql, " LEFT JOIN main.sync_row_%u AS c ON ", t->tid);
    sync_str_match(sql, t, "c", "x");
    if (overlay) {
        sqlite3_str_appendf(sql, " LEFT JOIN temp.sync_row_%u AS o ON ", t->tid);
        sync_str_match(sql, t, "o", "x");
    }
}

static void build_chosen(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_chosen_from(t, sql, false);
}

static void build_chosen_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_chosen_from(t, sql, true);
}

int sync_changes_stmt(sync_db *s, sync_table *t, sync_read read, bool overlay, sqlite3_stmt **stmt,
                      sync_error *error)
{
    static const struct {
        sync_stmt_slot slot;
        sync_build *build;
    } list[][2] = {
        [SYNC_READ_GENESIS] = {{SYNC_STMT_GENESIS_READ, build_genesis},
                               {SYNC_STMT_GENESIS_READ_TEMP, build_genesis_temp}},
        [SYNC_READ_ROWS] = {{SYNC_STMT_CHANGES_ROWS, build_rows}, {SYNC_STMT_CHANGES_ROWS, build_rows}},
        [SYNC_READ_CLOCKS] = {{SYNC_STMT_CHANGES_SCAN, build_scan}, {SYNC_STMT_CHANGES_SCAN, build_scan}},
        [SYNC_READ_HIDDEN_CLOCKS] = {{SYNC_STMT_CHANGES_SCAN_HIDDEN, build_scan_hidden},
                                     {SYNC_STMT_CHANGES_SCAN_HIDDEN, build_scan_hidden}},
        [SYNC_READ_ENTRIES] = {{SYNC_STMT_CHANGES_READ, build_read},
                               {SYNC_STMT_CHANGES_READ_TEMP, build_read_temp}},
        [SYNC_READ_HIDDEN_ENTRIES] = {{SYNC_STMT_CHANGES_READ_HIDDEN, build_read_hidden},
                                      {SYNC_STMT_CHANGES_READ_HIDDEN_TEMP, build_read_hidden_temp}},
        [SYNC_READ_CHOSEN] = {{SYNC_STMT_CHANGES_CHOSEN, build_chosen},
                              {SYNC_STMT_CHANGES_CHOSEN_TEMP, build_chosen_temp}},
    };
    return sync_table_stmt(s, t, list[read][overlay].slot, list[read][overlay].build, stmt, error);
}
