#include "world.h"

#include "clone.h"

#include <stdio.h>
#include <string.h>

void faults_arm(sim_member *m)
{
    const sim_plan *plan = &world.plan;
    if ((plan->crashes || plan->power) && dice_percent(world.dice, 60)) {
        m->machine->fault = FAULT_CRASH;
    } else if (plan->errors) {
        m->machine->fault = dice_percent(world.dice, 50) ? FAULT_IOERR : FAULT_FULL;
    } else {
        return;
    }
    m->machine->fault_at = 1 + dice_below(world.dice, 60);
    m->machine->fault_for = 1 + dice_below(world.dice, dice_percent(world.dice, 30) ? 20 : 2);
    world_say("at its %ldth write %d will %s", m->machine->fault_at, m->index,
              m->machine->fault == FAULT_CRASH ? "crash" : "get an error");
}

/* What no file holds any more is not asked for. */
static void forget(void)
{
    const sim_vector *held[SIM_MEMBERS];
    for (int i = 0; i < world.count; i++) {
        held[i] = &world.member[i].knows;
    }
    ledger_forget(held, world.count);
}

/* Whether the transaction that was being committed is in the file, and what else is. */
static void decide(sim_member *m, bool power)
{
    int64_t mark = member_int(m->app, "SELECT n FROM sim_mark", -1);
    if (mark == (int64_t)m->mark + 1 && m->deciding) {
        ledger_commit(&m->draft, m->actor, &m->knows, world.step);
        m->history[++m->mark] = m->knows;
        disk_settle(
            m->machine); /* nobody was told that it is committed: until it is synced it may go again */
    }
    m->draft.count = 0;
    m->deciding = false;
    m->open = false;
    m->busy = false;
    if (mark < 0 || mark > (int64_t)m->mark || (mark < (int64_t)m->mark && (m->full || !power))) {
        world_fail("%d committed %u transactions, and %lld of them are left after %s", m->index, m->mark,
                   (long long)mark, power ? "the power went" : "a crash");
    }
    if (power &&
        member_int(m->app, "SELECT max(seq) > (SELECT folded FROM sync_meta) FROM sync_journal", 0) != 0) {
        ledger_doubled(); /* what the witness says of what was told may be older */
    }
    if (power && !m->full) { /* what was merged after the last of its own transactions may be gone as well */
        ledger_doubled();    /* a fold that was told of may be gone, and its rows are born again */
        int actor = faults_actor();
        m->actor = actor >= 0 ? actor : m->actor;
        m->mark = (uint32_t)mark;
        m->knows = m->history[mark];
        forget();
    }
}

void faults_restart(sim_member *m, bool power)
{
    sim_intrude_at = 0;
    if (power && !m->full && world.actors == SIM_ACTORS) {
        power = false;
    }
    world_say("%d: %s", m->index, power ? "the power goes" : "killed");
    world.crashes++;
    m->machine->dead = true;
    member_close(m);
    disk_crash(m->machine, power, world.dice);
    int rc = member_open(m);
    if (rc != SQLITE_OK) {
        world_fail("%d cannot be opened after %s: %d", m->index, power ? "the power went" : "a crash", rc);
    }
    decide(m, power);
    member_columns(m, &world.schema);
}

void faults_copy(sim_member *from)
{
    sim_save save = {0};
    sim_intrude_at = 0;
    if (from->open || from->machine->dead || world.count > 5 || (!from->wal && from->machine->fault)) {
        return;
    }
    if (dice_percent(world.dice, 70)) {
        sim_here = from->machine;
        (void)member_sql(from->engine, "SELECT sync_fold()");
        if (from->machine->dead) {
            return;
        }
    }
    sim_member *m = setup_member(world.dice);
    if (m == NULL) {
        return;
    }
    m->wal = from->wal;
    m->uneven = from->uneven;
    m->full = from->full;
    char wal[32];
    snprintf(wal, sizeof wal, "%s-wal", m->path);
    if (member_save(from, &save) != 0 || disk_copy(m->machine, m->path, &save.db, false) != 0 ||
        (save.wal.size > 0 && disk_copy(m->machine, wal, &save.wal, false) != 0)) {
        world_fail("out of memory");
    }
    if (save.tail) {
        ledger_doubled();
    }
    bool witness = dice_percent(world.dice, 50);
    if (witness) {
        m->machine->note = m->machine->durable_note = save.note;
    }
    m->knows = from->knows;
    m->mark = from->mark;
    memcpy(m->history, from->history, SIM_MARKS * sizeof *m->history);
    memcpy(m->late, from->late, sizeof m->late);
    memcpy(m->tracked, from->tracked, sizeof m->tracked);
    save_free(&save);
    world_say("%d is copied as %d%s", from->index, m->index, witness ? ", with its witness" : "");
    if (member_open(m) != SQLITE_OK) {
        world_fail("the copy cannot be opened");
    }
}

static void put_left_out(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    world_say("the clone has no %s %s: %s", kind, name, why);
    sqlite3_str_appendf(context, "%s;\n", sql);
}

/* A new file with the tables of `from`, and nothing in them. What could not work without the tables that are not tracked is run afterwards, as
** `sync-peer clone` says. */
static void load_clone(sim_member *m, const sync_buf *schema)
{
    sync_error error = {0};
    sqlite3_str *left_out = sqlite3_str_new(NULL);
    sqlite3_str_appendall(left_out, SIM_OWN_TABLES);
    int rc = sync_clone_load(m->engine, schema->data, schema->len, put_left_out, left_out, &error);
    char *sql = sqlite3_str_finish(left_out);
    if (rc != SYNC_OK || member_sql(m->app, sql) != SQLITE_OK) {
        world_fail("the clone cannot be made: %s; %s\n%s", error.text, sqlite3_errmsg(m->app), sql);
    }
    sqlite3_free(sql);
    disk_settle(m->machine);
}

void faults_clone(sim_member *from)
{
    sync_buf schema = {0};
    sync_error error = {0};
    sim_intrude_at = 0;
    for (int t = 0; t < world.schema.count; t++) {
        if (from->machine->dead || !from->tracked[t]) { /* it would not be there */
            return;
        }
    }
    sim_here = from->machine;
    int rc = sync_clone_dump(from->engine, &schema, &error);
    if (rc != SYNC_OK) {
        (void)world_may_fail(from, rc, "a clone", error.text);
    }
    sim_member *m = rc == SYNC_OK && !from->machine->dead ? setup_member(world.dice) : NULL;
    if (m && member_open(m) != SQLITE_OK) {
        world_fail("the clone cannot be opened");
    }
    if (m) {
        world_say("%d is cloned as %d", from->index, m->index);
        world.clones++;
        load_clone(m, &schema);
        m->uneven = from->uneven;
        memcpy(m->tracked, from->tracked, sizeof m->tracked);
        member_columns(m, &world.schema);
        if (dice_percent(world.dice, 70)) {
            (void)traffic_pull(m->index, from->index, false);
        }
    }
    sync_buf_free(&schema);
}

void faults_backup(sim_member *m)
{
    sim_intrude_at = 0;
    if (m->open || m->machine->dead || (!m->wal && m->machine->fault)) {
        return;
    }
    sim_here = m->machine;
    if (dice_percent(world.dice, 50)) {
        (void)member_sql(m->engine, "SELECT sync_fold()");
    }
    if (!m->machine->dead && member_save(m, &m->backup) == 0) {
        world_say("%d is backed up", m->index);
    }
}

void faults_restore(sim_member *m)
{
    sim_intrude_at = 0;
    int actor = m->open || m->machine->dead ? -1 : faults_actor();
    if (actor < 0) {
        return;
    }
    const sim_save *b = &m->backup;
    bool same_inode = dice_percent(world.dice, 50);
    bool clean = dice_percent(world.dice, 50);
    char name[32];
    m->machine->dead = !clean; /* else the programs were ended first, as they should be */
    member_close(m);
    disk_crash(m->machine, false, world.dice);
    snprintf(name, sizeof name, "%s-wal", m->path);
    disk_delete(m->machine, name);
    int rc = b->wal.size > 0 ? disk_copy(m->machine, name, &b->wal, false) : 0;
    snprintf(name, sizeof name, "%s-journal", m->path);
    disk_delete(m->machine, name);
    if (rc != 0 || disk_copy(m->machine, m->path, &b->db, same_inode) != 0) {
        world_fail("out of memory");
    }
    if (b->tail) {
        ledger_doubled();
    }
    world_say("%d is restored%s", m->index, same_inode ? " over its inode" : "");
    m->actor = actor;
    m->knows = b->knew;
    m->mark = b->mark;
    memcpy(m->late, b->late, sizeof m->late);
    memcpy(m->tracked, b->tracked, sizeof m->tracked);
    save_free(&m->backup);
    if (member_open(m) != SQLITE_OK) {
        world_fail("the restored file cannot be opened");
    }
    forget();
}
