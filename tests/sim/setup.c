#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int faults_actor(void)
{
    return world.actors < SIM_ACTORS ? world.actors++ : -1;
}

sim_member *setup_member(sim_dice *dice)
{
    int actor = world.count < SIM_MEMBERS && world.machines < SIM_MACHINES ? faults_actor() : -1;
    if (actor < 0) {
        return NULL;
    }
    sim_member *m = &world.member[world.count];
    m->used = true;
    m->index = world.count++;
    m->machine = disk_machine(world.machines++);
    m->machine->psow = dice_percent(dice, 70);
    if (world.plan.skew) {
        m->machine->skew_ms = dice_below(dice, 10000) - 5000;
    }
    snprintf(m->path, sizeof m->path, SIM_PATH, m->machine->index);
    m->wal = dice_percent(dice, 80);
    m->full =
        !m->wal || dice_percent(dice, 60); /* without a log, NORMAL may spoil the file when the power goes */
    m->foreign_keys = dice_percent(dice, 95);
    m->recursive = dice_percent(dice, 30) && !world.schema.itself;
    world.orphans = world.orphans || !m->foreign_keys;
    m->actor = actor;
    m->history = calloc(SIM_MARKS, sizeof *m->history);
    if (m->history == NULL) {
        world_fail("out of memory");
    }
    return m;
}

void setup_schema(sim_member *m, bool triggers)
{
    char *sql = schema_sql(&world.schema, triggers, m->uneven);
    int rc = member_sql(m->app, "BEGIN");
    rc = rc == SQLITE_OK ? member_sql(m->app, sql) : rc;
    rc = rc == SQLITE_OK ? member_sql(m->app, "COMMIT") : rc;
    if (rc != SQLITE_OK) {
        world_fail("schema: %s\n%s", sqlite3_errmsg(m->app), sql);
    }
    if (m->index == 0 || (m->index == 1 && m->uneven)) {
        world_say("%d: %s", m->index, sql);
    }
    sqlite3_free(sql);
    sql = triggers && m->index % 2 == 1 ? schema_refusals(&world.schema) : NULL;
    if (sql && member_sql(m->app, sql) != SQLITE_OK) {
        world_fail("schema: %s\n%s", sqlite3_errmsg(m->app), sql);
    }
    if (sql) {
        world_say("%d: %s", m->index, sql);
    }
    sqlite3_free(sql);
}

/* The rows that are there are genesis: the ledger notes them before the engine may tell of them. */
void setup_track(sim_member *m, int table)
{
    sim_dump dump;
    const sim_table *t = &world.schema.table[table];
    if (m->tracked[table]) {
        return;
    }
    /* An untracked table may have lost parents to a merge; what it shows then stays where it is. */
    char orphans[80];
    snprintf(orphans, sizeof orphans, "SELECT count(*) FROM pragma_foreign_key_check('%s')", t->name);
    world.orphans = world.orphans || member_int(m->engine, orphans, 0) > 0;
    const char *options = schema_options(t);
    char sql[120];
    snprintf(sql, sizeof sql, options ? "SELECT sync_track('%s', '%s')" : "SELECT sync_track('%s')", t->name,
             options);
    sim_here = m->machine;
    int rc = member_sql(m->engine, sql);
    world_say("%d tracks %s: %d", m->index, t->name, rc);
    if (rc != SQLITE_OK) {
        (void)world_may_fail(m, rc, sql, sqlite3_errmsg(m->engine));
        return;
    }
    if (member_dump(m, &world.schema, m->engine, &dump) == SQLITE_OK) {
        ledger_genesis(&world.schema, &dump, table, m->actor);
    }
    m->tracked[table] = true;
}

static void make_plan(sim_plan *plan, sim_dice *dice)
{
    if (dice_percent(dice, 15)) { /* nothing but writes and merges */
        return;
    }
    plan->crashes = dice_percent(dice, 50);
    plan->power = dice_percent(dice, 40);
    plan->errors = dice_percent(dice, 30);
    plan->stray = dice_percent(dice, 20);
    plan->net_faults = dice_percent(dice, 60);
    plan->skew = dice_percent(dice, 40);
    plan->copies = dice_percent(dice, 40);
    plan->restores = dice_percent(dice, 30);
    plan->late_columns = dice_percent(dice, 40);
    plan->neighbours = dice_percent(dice, 50);
    plan->held_open = dice_percent(dice, 30);
    plan->compacts = dice_percent(dice, 50);
    plan->clones = dice_percent(dice, 40);
}

void setup_plan(sim_dice *dice)
{
    static const int lengths[] = {8, 12, 16, 20, 30, 60};
    world.steps = lengths[dice_below(dice, 6)];
    make_plan(&world.plan, dice);
    for (int i = 0; i < world.count; i++) {
        sim_member *m = &world.member[i];
        m->machine->psow = dice_percent(dice, 70);
        m->machine->skew_ms = world.plan.skew ? dice_below(dice, 10000) - 5000 : 0;
    }
}

void setup_world(sim_dice *dice)
{
    static const int counts[] = {2, 2, 2, 2, 3, 3, 3, 4};
    int many = dice_below(dice, 100);
    int count = many < 2   ? 14 + dice_below(dice, SIM_MEMBERS - 13)
                : many < 4 ? 6 + dice_below(dice, 8)
                           : counts[dice_below(dice, 8)];
    schema_make(&world.schema, dice, dice_percent(dice, 60));
    bool triggers = dice_percent(dice, 50);
    bool skew = dice_percent(dice, 20);
    for (int i = 0; i < count; i++) {
        sim_member *m = setup_member(dice);
        if (m == NULL || member_open(m) != SQLITE_OK) {
            world_fail("a file cannot be made");
        }
        m->machine->skew_ms = skew ? dice_below(dice, 10000) - 5000 : 0;
        m->uneven = world.schema.uneven && i % 2 == 1;
        setup_schema(m, triggers);
        if (dice_percent(dice, 40)) {
            write_some(m, m->app, 1 + dice_below(dice, 5));
        }
        for (int t = 0; t < world.schema.count; t++) {
            if (t == 0 || dice_percent(dice, 90)) {
                setup_track(m, t);
            }
        }
        if (dice_percent(dice, 10)) {
            (void)member_sql(m->engine, "SELECT sync_fold()");
        }
        disk_settle(m->machine);
    }
}
