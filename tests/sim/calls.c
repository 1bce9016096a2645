/* What a person calls beside merging: a conflict settled by hand, a schema changed with the tracking taken along. */
#include "world.h"

#include <string.h>

/* ---- sync_resolve ---- */

typedef struct listed { /* sync_conflict at one moment; texts live as long as the ledger */
    int count;
    struct {
        int64_t id;
        int table;
        const char *key;
        const char *reason;
        bool held;
    } at[500];
} listed;

static void list_entries(sqlite3 *db, listed *list)
{
    sqlite3_stmt *stmt = NULL;
    list->count = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT id, tbl, key, reason, held FROM main.sync_conflict ORDER BY id",
                                -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && list->count < 500) {
        int table = sqlite3_column_text(stmt, 1)[1] - '0';
        list->at[list->count].id = sqlite3_column_int64(stmt, 0);
        list->at[list->count].table = table;
        list->at[list->count].key =
            member_key(&world.schema.table[table], (const char *)sqlite3_column_text(stmt, 2));
        list->at[list->count].reason =
            ledger_keep((const char *)sqlite3_column_text(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3));
        list->at[list->count++].held = sqlite3_column_int(stmt, 4);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
}

static bool is_held(const listed *list, int table, const char *key)
{
    for (int i = 0; i < list->count; i++) {
        if (list->at[i].held && list->at[i].table == table && strcmp(list->at[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* What comparing the tables does not show: rows that were held and are gone, and cells that were written with what they were. */
static void note_choice(sim_member *m, int table, sim_dump *before, sim_dump *after, const listed *had,
                        const listed *has, bool one_goes, const char *key)
{
    sim_dump old = {{0}, {0}}, new = {{0}, {0}};
    old.count[table] = before->count[table];
    old.row[table] = before->row[table];
    new.count[table] = after->count[table];
    new.row[table] = after->row[table];
    write_note(m, &old, &new, true, false);
    before->count[table] = after->count[table] = 0;
    write_note(m, before, after, false, false);
    for (int i = 0; i < had->count; i++) {
        bool gone = had->at[i].held && !is_held(has, had->at[i].table, had->at[i].key);
        if (gone && !dump_has(&new, had->at[i].table, had->at[i].key) &&
            !dump_has(after, had->at[i].table, had->at[i].key)) {
            draft_delete(&m->draft, had->at[i].table, had->at[i].key);
        }
    }
    for (int i = 0; i < has->count; i++) {
        if (has->at[i].held && !is_held(had, has->at[i].table, has->at[i].key)) {
            draft_held(&m->draft, has->at[i].table, has->at[i].key);
        }
    }
    if (one_goes) { /* of two rows of one number: which one, the number does not tell */
        draft_delete(&m->draft, table, key);
    }
}

/* true: it is settled, and to be committed. */
static bool resolve_one(sim_member *m)
{
    static listed had, has;
    static const char *const choices[] = {"ours", "theirs", "keep both"};
    sim_dump before, after;
    char sql[100];
    sqlite3 *db = m->engine;
    list_entries(db, &had);
    if (had.count == 0 || member_dump(m, &world.schema, db, &before) != SQLITE_OK) {
        return false;
    }
    int one = dice_below(world.dice, had.count);
    const char *choice = choices[dice_below(world.dice, 3)];
    sqlite3_snprintf(sizeof sql, sql, "SELECT sync_resolve(%lld, '%s')", (long long)had.at[one].id, choice);
    int rc = member_sql(db, sql);
    const char *why = sqlite3_errmsg(db);
    world_say("%d: %s (%s %s %s): %d%s%s", m->index, sql, world.schema.table[had.at[one].table].name,
              had.at[one].key, had.at[one].reason, rc, rc ? " -- " : "", rc ? why : "");
    if (rc != SQLITE_OK) {
        if (strncmp(why, "sync_resolve: entry ", 20) != 0) {
            (void)world_may_fail(m, rc, sql, why);
        }
        return false;
    }
    if (member_dump(m, &world.schema, db, &after) != SQLITE_OK) {
        return false;
    }
    list_entries(db, &has);
    bool number = strcmp(had.at[one].reason, "number") == 0, both = *choice == 'k';
    if (number && both) {
        ledger_renumbered(had.at[one].table);
    } else if (number) {
        ledger_moved(had.at[one].table);
    }
    note_choice(m, had.at[one].table, &before, &after, &had, &has, number && !both, had.at[one].key);
    return true;
}

void calls_resolve(sim_member *m)
{
    sim_here = m->machine;
    if (m->open || m->machine->dead || m->busy) {
        return;
    }
    m->busy = true;
    int rc = member_sql(m->engine, "BEGIN IMMEDIATE");
    rc = rc == SQLITE_OK ? member_sql(m->engine, "SELECT sync_fold()")
                         : rc; /* or it would change the list meanwhile */
    if (rc != SQLITE_OK) {
        (void)world_may_fail(m, rc, "BEGIN and sync_fold", sqlite3_errmsg(m->engine));
    }
    if (rc == SQLITE_OK && resolve_one(m)) {
        write_commit(m, m->engine);
    } else if (!m->machine->dead) {
        write_rollback(m, m->engine);
    }
    m->busy = false;
}

/* ---- sync_alter ---- */

/* Runs a query of names or statements for a table and appends each, formatted. */
static void put_each(sqlite3_str *to, sqlite3 *db, const char *table, const char *format, const char *query)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, query, -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        sqlite3_str_appendf(to, format, sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
}

/* The twelve steps, with the same definition. */
static void put_rebuild(sqlite3_str *to, sim_member *m, int table)
{
    const sim_table *t = &world.schema.table[table];
    char sql[100];
    sqlite3_stmt *stmt = NULL;
    sqlite3_snprintf(sizeof sql, sql, "SELECT sql FROM main.sqlite_schema WHERE name = '%s'", t->name);
    if (sqlite3_prepare_v2(m->engine, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *definition = (const char *)sqlite3_column_text(stmt, 0);
        sqlite3_str *columns = sqlite3_str_new(NULL);
        sqlite3_str_appendall(columns, t->keys == 2 ? "k, l" : "k");
        for (int c = 0; c < t->count; c++) {
            if (!t->column[c].late || m->late[table][c]) {
                sqlite3_str_appendf(columns, ", %s", t->column[c].name);
            }
        }
        char *list = sqlite3_str_finish(columns);
        /* SQLite renames no table while a trigger elsewhere refers to one that is not there. */
        put_each(to, m->engine, t->name, "DROP TRIGGER %s; ",
                 "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name <> ?1 AND "
                 "name NOT LIKE 'sync%' AND instr(replace(sql, '\"', ''), ' INTO ' || ?1 || '(')");
        sqlite3_str_appendf(to, t->viewed ? "DROP VIEW v_%s; " : "", t->name);
        sqlite3_str_appendf(to,
                            "CREATE TABLE rebuilt%s; INSERT INTO rebuilt(%s) SELECT %s FROM %s; DROP TABLE "
                            "%s; ALTER TABLE rebuilt RENAME TO %s",
                            strchr(definition, '('), list, list, t->name, t->name, t->name);
        sqlite3_free(list);
        put_each(to, m->engine, t->name, "; %s",
                 "SELECT sql FROM main.sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL AND "
                 "name NOT LIKE 'sync%' AND (tbl_name IN (?1, 'v_' || ?1) OR instr(replace(sql, '\"', ''), ' "
                 "INTO ' "
                 "|| ?1 || '(')) ORDER BY type = 'trigger', rowid");
    }
    sqlite3_finalize(stmt);
}

void calls_alter(sim_member *m)
{
    sim_here = m->machine;
    if (m->open || m->machine->dead || m->busy) {
        return;
    }
    int table = dice_below(world.dice, world.schema.count), form = dice_below(world.dice, 4);
    const sim_table *t = &world.schema.table[table];
    int late = t->count - 1 - dice_below(world.dice, 2);
    const sim_column *first = &t->column[0];
    sqlite3_str *sql = sqlite3_str_new(NULL);
    if (form == 0 && m->late[table][late]) {
        sqlite3_str_appendf(sql, "ALTER TABLE %s DROP COLUMN %s", t->name, t->column[late].name);
    } else if (form == 1 && !first->late) {
        sqlite3_str_appendf(
            sql, "ALTER TABLE %s RENAME COLUMN %s TO renamed; ALTER TABLE %s RENAME COLUMN renamed TO %s",
            t->name, first->name, t->name, first->name);
    } else if (form == 2) {
        sqlite3_str_appendf(sql, "ALTER TABLE %s RENAME TO renamed; ALTER TABLE renamed RENAME TO %s",
                            t->name, t->name);
    } else {
        put_rebuild(sql, m, table);
    }
    char *statements = sqlite3_str_finish(sql);
    if (statements == NULL) {
        return; /* the definition could not be read: the disk fails */
    }
    char *call = sqlite3_mprintf("SELECT sync_alter(%Q)", statements);
    m->busy = true;
    int rc = member_sql(m->engine, call);
    const char *why = sqlite3_errmsg(m->engine);
    world_say("%d: %s: %d%s%s", m->index, call, rc, rc ? " -- " : "", rc ? why : "");
    bool orphans =
        rc == SQLITE_ERROR && strstr(why, "would refer to rows that are no longer there") && world.orphans;
    if (rc != SQLITE_OK && !orphans) {
        (void)world_may_fail(m, rc, call, why);
    }
    sqlite3_free(statements);
    sqlite3_free(call);
    if (rc == SQLITE_OK) {
        member_columns(m, &world.schema);
    }
    m->busy = false;
}
