#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sim_world world;
static char why[2048];

void world_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    longjmp(world.failed, 1);
}

void world_say(const char *format, ...)
{
    if (world.trace) {
        va_list arguments;
        va_start(arguments, format);
        printf("%4d  ", world.step);
        vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
    }
}

bool world_may_fail(const sim_member *m, int rc, const char *what, const char *error)
{
    int primary = rc & 0xff;
    if (rc == SYNC_EXT_BEHIND || rc == SYNC_EXT_EARLY || primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        return true;
    }
    /* RAISE(ROLLBACK) in a transaction of the caller's: the next try knows of the row */
    if (error && strstr(error, "a trigger rolled the whole transaction back")) {
        return true;
    }
    if (world.plan.errors || m->machine->dead) {
        if (primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CANTOPEN ||
            m->machine->dead) {
            return true;
        }
        /* SQL functions tell by their text alone */
        if (rc == SQLITE_ERROR && error && (strstr(error, "disk I/O error") || strstr(error, "is full"))) {
            return true;
        }
    }
    world_fail("%s on %d: %s (%d)", what, m->index, error ? error : "no text", rc);
}

static void compact_or_leave(sim_member *m, sim_dice *dice)
{
    if (dice_percent(dice, 60)) {
        write_compaction(m);
    } else {
        world.away_until[m->index] = world.step + 2 + dice_below(dice, 30);
        world_say("%d is away until step %d", m->index, world.away_until[m->index]);
    }
}

static void turn_recursive(sim_member *m)
{
    m->recursive = !m->recursive && !world.schema.itself;
    const char *pragma = m->recursive ? "PRAGMA recursive_triggers=1" : "PRAGMA recursive_triggers=0";
    (void)member_sql(m->app, pragma);
    (void)member_sql(m->engine, pragma);
    world_say("recursive_triggers of %d: %d", m->index, m->recursive);
}

static void one_step(sim_dice *dice)
{
    int who = dice_below(dice, world.count);
    int other = world.count > 1 ? (who + 1 + dice_below(dice, world.count - 1)) % world.count : who;
    sim_member *m = &world.member[who];
    const sim_plan *plan = &world.plan;
    int kind = dice_below(dice, 1000);
    sim_here = m->machine;
    if (plan->neighbours && dice_percent(dice, 20)) {
        sim_intrude_at = 1 + dice_below(dice, 20);
        world.intruder = dice_percent(dice, 80) ? who : other;
    }
    if (plan->compacts && dice_percent(dice, 14)) {
        compact_or_leave(m, dice);
    } else if (kind < 60) {
        calls_resolve(m);
    } else if (kind < 75) {
        if (plan->clones) {
            faults_clone(m);
        }
    } else if (kind < 440) {
        write_some(m, dice_percent(dice, 85) ? m->app : m->engine, 1 + dice_below(dice, 4));
    } else if (kind < 680) {
        traffic_ask(who, other);
    } else if (kind < 740) {
        (void)traffic_pull(who, other, false);
    } else if (kind < 770) {
        traffic_by_sql(who, other);
    } else if (kind < 800) {
        int rc = member_sql(m->engine, "SELECT sync_fold()");
        world_say("%d folds: %d", who, rc);
        if (rc != SQLITE_OK) {
            (void)world_may_fail(m, rc, "sync_fold", sqlite3_errmsg(m->engine));
        }
    } else if (kind < 830) {
        sim_now_ms += dice_below(dice, dice_percent(dice, 20) ? 100000 : 2000);
        world_say("sleep");
    } else if (kind < 850) {
        if (!plan->skew) {
            calls_alter(m);
        } else {
            int skew =
                dice_below(dice, 2) ? dice_below(dice, 4000) - 2000 : dice_below(dice, 1200000) - 600000;
            m->machine->skew_ms = skew;
            world_say("the clock of %d is %lld ms off", who, (long long)m->machine->skew_ms);
        }
    } else if (kind < 880) {
        faults_arm(m);
    } else if (kind < 900) {
        if (plan->crashes || plan->power) {
            faults_restart(m, plan->power && (!plan->crashes || dice_percent(dice, 50)));
        }
    } else if (kind < 930) {
        if (plan->late_columns) {
            int table = dice_below(dice, world.schema.count);
            write_column(m, table, world.schema.table[table].count - 1 - dice_below(dice, 2));
        }
    } else if (kind < 940) {
        if (plan->copies) {
            faults_copy(m);
        }
    } else if (kind < 960) {
        if (plan->restores) {
            m->backup.there ? faults_restore(m) : faults_backup(m);
        }
    } else if (kind < 980) {
        if (plan->net_faults) {
            world.cut[who][other] = !world.cut[who][other];
            world_say("nothing passes from %d to %d: %d", who, other, world.cut[who][other]);
        }
    } else if (kind < 985) {
        write_upkeep(m);
    } else if (kind < 990) {
        sim_intrude_at = 0;
        int rc = member_sql(m->app, "PRAGMA wal_checkpoint(truncate)");
        world_say("checkpoint on %d: %d", who, rc);
    } else {
        turn_recursive(m);
    }
}

static void run_steps(const bool *only)
{
    for (world.step = 0; world.step < world.steps; world.step++) {
        if (only && !only[world.step]) {
            continue;
        }
        sim_dice dice = dice_of(world.seed, (uint64_t)world.step + 10);
        world.dice = &dice;
        sim_chance = dice_of(world.seed, (uint64_t)world.step + 10000);
        one_step(&dice);
        sim_intrude_at = 0;
        sim_now_ms += dice_below(&dice, dice_percent(&dice, 10) ? 5000 : 60);
        traffic_deliver();
        for (int i = 0; i < world.count; i++) {
            if (world.member[i].machine->dead) {
                faults_restart(&world.member[i], world.plan.power && dice_percent(&dice, 60));
            }
        }
    }
}

void world_end(void)
{
    traffic_drop_all();
    for (int i = 0; i < SIM_MEMBERS; i++) {
        if (world.member[i].used) {
            member_free(&world.member[i]);
        }
    }
    disk_reset();
    ledger_reset();
}

const char *world_begin(uint64_t seed, bool trace)
{
    memset(&world, 0, sizeof world);
    disk_reset();
    ledger_reset();
    world.trace = trace;
    sim_now_ms = INT64_C(1767225600000);
    sim_intrude_at = 0;
    sim_intrude = write_intrusion;
    sim_here = disk_machine(0);
    if (setjmp(world.failed) != 0) {
        return why;
    }
    uint64_t alike = seed / SIM_ALIKE;
    sim_dice dice = dice_of(alike, 1);
    sim_chance = dice_of(alike, 2);
    world.dice = &dice;
    setup_world(&dice);
    return NULL;
}

const char *world_play(uint64_t seed, const bool *only)
{
    world.seed = seed;
    if (setjmp(world.failed) != 0) {
        sim_intrude_at = 0;
        return why;
    }
    sim_dice first = dice_of(seed, 4);
    setup_plan(&first);
    run_steps(only);
    sim_dice last = dice_of(seed, 3);
    world.dice = &last;
    sim_chance = dice_of(seed, 2);
    settle_world();
    world.writes = ledger_count();
    return NULL;
}
