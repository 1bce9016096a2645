#include "world.h"

#include <stdio.h>

#include <string.h>

void write_note(sim_member *m, const sim_dump *before, const sim_dump *after, bool rewrites, bool moves)
{
    sim_dump old = *before, new = *after;
    for (int t = 0; t < world.schema.count; t++) {
        if (!m->tracked[t]) {
            old.count[t] = new.count[t] = 0;
        }
    }
    draft_add(&m->draft, &world.schema, &old, &new, rewrites, moves || m->recursive);
}

static int commit_draft(sim_member *m)
{
    m->deciding = false;
    /* SQLite itself lets orphans in where REPLACE meets a table that refers to itself. */
    if (world.schema.itself && !world.orphans) {
        world.orphans = member_int(m->app, "SELECT count(*) FROM pragma_foreign_key_check", 0) > 0;
    }
    ledger_commit(&m->draft, m->actor, &m->knows, world.step);
    m->mark++;
    if (m->mark >= SIM_MARKS) {
        world_fail("SIM_MARKS is too small");
    }
    m->history[m->mark] = m->knows;
    return SQLITE_OK;
}

void write_rollback(sim_member *m, sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db)) {
        (void)member_sql(db, "ROLLBACK");
    }
    m->draft.count = 0;
    m->open = false;
}

void write_commit(sim_member *m, sqlite3 *db)
{
    sim_here = m->machine;
    m->open = false;
    char mark
        [80]; /* no two attempts write the same page: a power cut may mix what is left of them in the log */
    snprintf(mark, sizeof mark, "UPDATE sim_mark SET n = n + 1, attempt = %u", ++world.attempts);
    int rc = member_sql(db, mark);
    if (rc == SQLITE_OK) {
        m->deciding = true;
        rc = member_sql(db, "COMMIT");
    }
    world_say("%d: COMMIT: %d", m->index, rc);
    if (rc == SQLITE_OK) {
        (void)commit_draft(m);
        return;
    }
    int primary = rc & 0xff;
    if (m->deciding && (primary == SQLITE_IOERR || primary == SQLITE_FULL)) {
        m->machine->dead =
            true; /* it may have been committed all the same: the program ends here, and starts again */
    }
    if (m->machine->dead) {
        return; /* the file will say, when it is opened again */
    }
    write_rollback(m, db);
    m->deciding = false;
    if (primary != SQLITE_CONSTRAINT && primary != SQLITE_BUSY) {
        (void)world_may_fail(m, rc, "COMMIT", sqlite3_errmsg(db));
    }
}

/* One statement, and what came of it. false: the transaction is over. */
static bool statement(sim_member *m, sqlite3 *db, sim_dump *state)
{
    sim_dump after;
    sim_statement s = schema_statement(&world.schema, m->late, m->tracked, world.dice, &world.token);
    int rc = member_sql(db, s.sql);
    world_say("%d%s: %s%s%s", m->index, db == m->engine ? " (loaded)" : "", s.sql, rc ? " -- " : "",
              rc ? sqlite3_errmsg(db) : "");
    sqlite3_free(s.sql);
    world.statements++;
    int primary = rc & 0xff;
    if (rc != SQLITE_OK && primary != SQLITE_CONSTRAINT && primary != SQLITE_MISMATCH &&
        primary != SQLITE_FULL) {
        if (primary == SQLITE_ERROR) {
            world_fail("a statement failed on %d: %s", m->index, sqlite3_errmsg(db));
        }
        (void)world_may_fail(m, rc, "a statement", sqlite3_errmsg(db));
    }
    if (m->machine->dead || sqlite3_get_autocommit(db) ||
        member_dump(m, &world.schema, db, &after) != SQLITE_OK) {
        return false;
    }
    write_note(m, state, &after, s.rewrites, s.moves);
    *state = after;
    return primary != SQLITE_BUSY;
}

static bool in_savepoint(sim_member *m, sqlite3 *db, sim_dump *state)
{
    size_t had = m->draft.count;
    sim_dump before = *state;
    if (member_sql(db, "SAVEPOINT s") != SQLITE_OK) {
        return false;
    }
    world_say("%d: SAVEPOINT s", m->index);
    if (!statement(m, db, state)) {
        return false;
    }
    bool back = dice_percent(world.dice, 50);
    if (member_sql(db, back ? "ROLLBACK TO s; RELEASE s" : "RELEASE s") != SQLITE_OK) {
        return false;
    }
    world_say("%d: %s s", m->index, back ? "ROLLBACK TO" : "RELEASE");
    if (back) {
        m->draft.count = had;
        *state = before;
    }
    return true;
}

static void transaction(sim_member *m, sqlite3 *db, int statements)
{
    sim_dump state;
    if (m->open) {
        db = m->app;
    } else {
        const char *begin = dice_percent(world.dice, 30) ? "BEGIN IMMEDIATE" : "BEGIN";
        int rc = member_sql(db, begin);
        if (rc != SQLITE_OK) {
            (void)world_may_fail(m, rc, "BEGIN", sqlite3_errmsg(db));
            write_rollback(m, db);
            return;
        }
        world_say("%d: %s", m->index, begin);
    }
    bool good = member_dump(m, &world.schema, db, &state) == SQLITE_OK;
    for (int i = 0; good && i < statements; i++) {
        good = dice_percent(world.dice, 10) ? in_savepoint(m, db, &state) : statement(m, db, &state);
    }
    if (!good || dice_percent(world.dice, 8)) {
        if (!m->machine->dead) {
            world_say("%d: ROLLBACK", m->index);
            write_rollback(m, db);
        }
    } else if (world.plan.held_open && db == m->app && dice_percent(world.dice, 25)) {
        m->open = true;
    } else {
        write_commit(m, db);
    }
}

void write_some(sim_member *m, sqlite3 *db, int statements)
{
    sim_here = m->machine;
    if (!m->machine->dead && !m->busy) {
        m->busy = true;
        transaction(m, db, statements);
        m->busy = false;
    }
}

void write_column(sim_member *m, int table, int col)
{
    sim_here = m->machine;
    sim_intrude_at = 0;
    if (m->late[table][col] || m->open || m->machine->dead) {
        return;
    }
    char *sql = schema_add(&world.schema, table, col);
    int rc = member_sql(m->app, sql);
    world_say("%d: %s: %d", m->index, sql, rc);
    sqlite3_free(sql);
    if (rc == SQLITE_OK) {
        m->late[table][col] = true;
        member_schema_changed(m);
    } else {
        (void)world_may_fail(m, rc, "ALTER TABLE", sqlite3_errmsg(m->app));
    }
}

void write_upkeep(sim_member *m)
{
    sim_here = m->machine;
    if (m->open || m->machine->dead) {
        return;
    }
    m->busy = true;
    char *sql = schema_upkeep(&world.schema, world.dice);
    int rc = member_sql(m->app, sql);
    world_say("%d: %s: %d%s%s", m->index, sql, rc, rc ? " -- " : "", rc ? sqlite3_errmsg(m->app) : "");
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_CONSTRAINT) { /* DROP TABLE deletes the rows of parents */
        (void)world_may_fail(m, rc, sql, sqlite3_errmsg(m->app));
    }
    sqlite3_free(sql);
    if (!sqlite3_get_autocommit(m->app)) {
        (void)member_sql(m->app, "ROLLBACK");
    }
    m->busy = false;
}

/* Deletes are forgotten: those that all have who are known, or all that are older than so many seconds. What is known of others may have come
** from anywhere, at any time. */
void write_compaction(sim_member *m)
{
    static const char *const options[] = {"{\"age\": 0}", "{}", "{\"age\": 60}",
                                          "{\"age\": 5, \"acknowledged\": 2}"};
    sim_here = m->machine;
    if (m->machine->dead) {
        return;
    }
    for (int i = 0; i < world.count; i++) {
        if (i != m->index && dice_percent(world.dice, 30)) {
            traffic_tell(i, m->index);
        }
    }
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT sync_compact('%s')", options[dice_below(world.dice, 4)]);
    sim_here = m->machine;
    int rc = m->machine->dead ? SQLITE_OK : member_sql(m->engine, sql);
    world_say("%d: %s: %d", m->index, sql, rc);
    if (rc != SQLITE_OK) {
        (void)world_may_fail(m, rc, sql, sqlite3_errmsg(m->engine));
    }
}

void write_intrusion(void)
{
    sim_member *m = &world.member[world.intruder];
    if (m->machine->dead || m->open || m->busy || m->app == NULL) {
        return;
    }
    world_say("%d: in the middle of this:", m->index);
    bool held = world.plan.held_open;
    world.plan.held_open = false;
    write_some(m, m->app, 1);
    world.plan.held_open = held;
}
