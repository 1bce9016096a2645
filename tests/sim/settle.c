#include "world.h"

#include <stdio.h>
#include <string.h>

/* Triggers that refused rows are gone. */
static void lift_refusals(sim_member *m)
{
    for (int t = 0; t < world.schema.count; t++) {
        for (int update = 0; update < 2; update++) {
            char sql[60];
            snprintf(sql, sizeof sql, "DROP TRIGGER IF EXISTS no_%s_%d", world.schema.table[t].name, update);
            if (member_sql(m->app, sql) != SQLITE_OK) {
                world_fail("%s on %d: %s", sql, m->index, sqlite3_errmsg(m->app));
            }
        }
    }
}

/* Everything works again, every clock is right, all files have the same tables and columns. */
static void heal(void)
{
    memset(world.cut, 0, sizeof world.cut);
    memset(world.away_until, 0, sizeof world.away_until);
    traffic_drop_all();
    sim_intrude_at = 0;
    world.plan.errors = false;
    sim_now_ms += 3 * 3600 * 1000;
    for (int i = 0; i < world.count; i++) {
        sim_member *m = &world.member[i];
        m->machine->fault = FAULT_NONE;
        m->machine->skew_ms = 0;
        if (m->machine->dead) {
            faults_restart(m, false);
        }
        if (m->open) {
            write_commit(m, m->app);
        }
    }
    for (int i = 0; i < world.count; i++) {
        sim_member *m = &world.member[i];
        sim_here = m->machine;
        lift_refusals(m);
        for (int t = 0; t < world.schema.count; t++) {
            for (int c = 0; world.plan.late_columns && c < world.schema.table[t].count; c++) {
                if (world.schema.table[t].column[c].late) {
                    write_column(m, t, c);
                }
            }
            setup_track(m, t);
        }
        if (world.plan.compacts && dice_percent(world.dice, 30)) {
            write_compaction(m);
        }
    }
}

/* One round by way of the first file. Rows that travelled. */
static int64_t exchange_round(void)
{
    int64_t rows = 0;
    for (int i = 1; i < world.count; i++) {
        rows += traffic_pull(0, i, true);
    }
    for (int i = 1; i < world.count; i++) {
        rows += traffic_pull(i, 0, true);
    }
    return rows;
}

static int64_t ask_around(bool all)
{
    int64_t rows = 0;
    for (int r = 0; r < world.count; r++) {
        for (int k = 1; k < (all ? world.count : 2); k++) {
            rows += traffic_pull(r, (r + k) % world.count, true);
        }
    }
    return rows;
}

/* Nobody lacks anything of anybody: each asks the next one, in a few runs each asks all. Two files that never met may
** tell each other once what both have of a delta whose end was lost with its sender. */
static void check_rest(void)
{
    bool all = world.count < 6 && dice_percent(world.dice, 20);
    if (world.count == 2) {
        return; /* the last round was that */
    }
    if (ask_around(all) > 0 && ask_around(all) > 0) {
        world_fail("equal files still have something to tell each other");
    }
}

static void fold_all(void)
{
    for (int i = 0; i < world.count; i++) {
        sim_member *m = &world.member[i];
        sim_here = m->machine;
        if (member_sql(m->engine, "SELECT sync_fold()") != SQLITE_OK) {
            world_fail("sync_fold on %d: %s", i, sqlite3_errmsg(m->engine));
        }
    }
}

static void exchange_all(void)
{
    bool folded = dice_percent(
        world.dice, 50); /* else once more afterwards, when all has been told from unfolded tails */
    if (folded) {
        fold_all();
    }
    for (int round = 0; round < 4 * world.count + 8; round++) {
        if (exchange_round() > 0) {
            folded = false;
        } else if (folded) {
            return;
        } else {
            fold_all();
            folded = true;
        }
    }
    world_fail("files that are exchanged all round do not come to rest");
}

/* Every row of a query as text, one after the other, in one hash and, when traced, on paper. */
static uint64_t digest(sim_member *m, const char *sql, bool print)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t sum = 0;
    int rc = sqlite3_prepare_v2(m->engine, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt) == 1) {
        rc = sqlite3_bind_int(stmt, 1, world.plan.compacts);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t row = UINT64_C(0xcbf29ce484222325);
        for (int c = 0; c < sqlite3_column_count(stmt); c++) {
            const char *text = (const char *)sqlite3_column_text(stmt, c);
            if (print) {
                printf("%s%s", c ? "|" : "", text ? text : "NULL");
            }
            row = (row ^ 0xff) * UINT64_C(0x100000001b3);
            for (; text && *text; text++) {
                row = (row ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
            }
        }
        if (print) {
            printf("\n");
        }
        sum += row * (row | 1); /* in whatever order */
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        world_fail("%s on %d: %s", sql, m->index, sqlite3_errmsg(m->engine));
    }
    sqlite3_finalize(stmt);
    return sum;
}

static uint64_t dump_digest(const sim_schema *schema, const sim_dump *d, bool print)
{
    uint64_t sum = 0;
    for (int t = 0; t < schema->count; t++) {
        for (int i = 0; i < d->count[t]; i++) {
            const sim_row *row = &d->row[t][i];
            uint64_t h = row->key * 31 + (uint64_t)t;
            if (print) {
                printf("%s %s", schema->table[t].name, row->key_text);
            }
            for (int c = 0; c < schema->table[t].count; c++) {
                h = (h ^ row->worth[c]) * UINT64_C(0x100000001b3);
                if (print && row->cell[c]) {
                    printf(" %s=%s", schema->table[t].column[c].name, row->text[c]);
                }
            }
            if (print) {
                printf("\n");
            }
            sum += h * (h | 1);
        }
    }
    return sum;
}

static const char clocks[] =
    "SELECT tbl, iif(op = 'delete', lower(key), key) AS k, op, col, quote(value), stamp, hex(site), cl "
    "FROM sync_changes ORDER BY tbl, k, col, stamp";
static const char clocks_alive[] = /* some have forgotten deletes, and others have not */
    "SELECT tbl, key, op, col, quote(value), stamp, hex(site), cl FROM sync_changes WHERE op <> 'delete' "
    "ORDER BY tbl, key, col, stamp";
/* The same as it is told to others: sync_changes has the references of a row that is shown as they are shown. ?1: some have forgotten deletes, and others have not. */
static const char told[] =
    "SELECT r.value ->> 'table', iif(r.value ->> 'alive', r.value ->> 'key', lower(r.value ->> 'key')) AS k, "
    "r.value ->> 'cl', r.value ->> 'born', r.value ->> 'stamp', iif(r.value ->> 'alive', r.value ->> "
    "'number', NULL), c.key AS col, c.value FROM json_each(ifnull(sync_describe(sync_changeset()), '{}'), "
    "'$.rows') AS r LEFT JOIN json_each(r.value, '$.cells') AS c WHERE r.value ->> 'alive' OR NOT ?1 ORDER "
    "BY 1, k, 4, col";
static const char held[] = "SELECT DISTINCT tbl, key, reason FROM sync_conflict WHERE held ORDER BY 1, 2, 3";

static void compare(const char *what, uint64_t first, uint64_t mine, int i, const char *sql)
{
    if (first == mine) {
        return;
    }
    if (world.trace) {
        sim_dump d;
        for (int k = 0; k <= i; k += i) {
            printf("---- %s of %d\n", what, k);
            if (sql) {
                (void)digest(&world.member[k], sql, true);
            } else if (member_dump(&world.member[k], &world.schema, world.member[k].engine, &d) ==
                       SQLITE_OK) {
                (void)dump_digest(&world.schema, &d, true);
            }
        }
    }
    world_fail("the %s of 0 and %d differ", what, i);
}

typedef struct listed {
    int count;
    int table[1000];
    const char *key[1000];
} listed;

static void list_keys(sim_member *m, listed *to)
{
    sqlite3_stmt *stmt = NULL;
    to->count = 0;
    int rc = sqlite3_prepare_v2(m->engine, "SELECT tbl, key FROM sync_conflict WHERE held", -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && to->count < 1000) {
        int table = sqlite3_column_text(stmt, 0)[1] - '0';
        to->table[to->count] = table;
        to->key[to->count++] =
            member_key(&world.schema.table[table], (const char *)sqlite3_column_text(stmt, 1));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
}

static bool lists(const listed *list, int table, const char *key)
{
    for (int i = 0; i < list->count; i++) {
        if (list->table[i] == table && strcmp(list->key[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static int count_listed(const listed *list, int table)
{
    int count = 0;
    for (int i = 0; i < list->count; i++) {
        count += list->table[i] == table;
    }
    return count;
}

/* The first row that one file shows and another one does not, or shows otherwise, though neither says that a constraint of its own is in
** the way; NULL: none. A row that has another number than at birth is listed under that, so of those there may be as many as are listed. */
static const sim_row *apart(const sim_dump *a, const listed *in_a, const sim_dump *b, const listed *in_b)
{
    for (int t = 0; t < world.schema.count; t++) {
        bool by_birth = schema_by_birth(&world.schema, t);
        int may = by_birth ? count_listed(in_a, t) + count_listed(in_b, t) : 0;
        for (int i = 0; i < a->count[t]; i++) {
            const sim_row *x = &a->row[t][i], *y = dump_row(b, t, x->key);
            bool same = y && memcmp(x->worth, y->worth, sizeof x->worth) == 0;
            bool is_listed = lists(in_a, t, x->key_text) || lists(in_b, t, x->key_text);
            if (!same && !is_listed && may-- == 0) {
                return x;
            }
        }
    }
    return NULL;
}

static void compare_by_row(const sim_dump *first, const sim_dump *d, int i)
{
    static listed in_first, in_this;
    list_keys(&world.member[0], &in_first);
    list_keys(&world.member[i], &in_this);
    const sim_row *row = apart(first, &in_first, d, &in_this);
    row = row ? row : apart(d, &in_this, first, &in_first);
    if (row) {
        if (world.trace) {
            (void)dump_digest(&world.schema, first, true);
            (void)digest(&world.member[0], held, true);
            printf("----\n");
            (void)dump_digest(&world.schema, d, true);
            (void)digest(&world.member[i], held, true);
        }
        world_fail("0 and %d do not both show the row %s, and list nothing that is in its way", i,
                   row->key_text);
    }
}

static void check_equal(sim_dump *first)
{
    uint64_t rows = 0, cells = 0, aside = 0;
    const char *known = world.orphans || world.schema.local ? told
                        : world.plan.compacts               ? clocks_alive
                                                            : clocks;
    for (int i = 0; i < world.count; i++) {
        sim_dump d;
        sim_member *m = &world.member[i];
        sim_here = m->machine;
        if (member_dump(m, &world.schema, m->engine, &d) != SQLITE_OK) {
            world_fail("the tables of %d cannot be read: %s", i, sqlite3_errmsg(m->engine));
        }
        uint64_t mine = dump_digest(&world.schema, &d, false);
        uint64_t stamps = digest(m, known, false);
        uint64_t away = digest(m, held, false);
        if (i == 0) {
            rows = mine;
            cells = stamps;
            aside = away;
            *first = d;
            continue;
        }
        compare("clocks", cells, stamps, i, known);
        if (world.schema.local && !world.orphans) { /* each file decides for itself what it can show */
            compare_by_row(first, &d, i);
        } else if (!world.orphans) { /* an orphan is shown where it was made, and held elsewhere */
            compare("rows", rows, mine, i, NULL);
            compare("held rows", aside, away, i, held);
        }
    }
}

static void check_sound(void)
{
    for (int i = 0; i < world.count; i++) {
        sim_member *m = &world.member[i];
        sim_here = m->machine;
        if (member_int(m->engine, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
                       -1) != 0) {
            (void)digest(m, "PRAGMA integrity_check", true);
            world_fail("%d is not sound", i);
        }
        if (!world.orphans &&
            member_int(m->engine, "SELECT count(*) FROM pragma_foreign_key_check", -1) != 0) {
            world_fail("%d has orphans", i);
        }
        /* What one file could write all others can show, where their constraints are the same and look at one column each. */
        if (!world.schema.local &&
            member_int(m->engine,
                       "SELECT count(*) FROM sync_conflict WHERE reason IN ('check', 'not null', 'datatype')",
                       -1) != 0) {
            (void)digest(m, "SELECT tbl, key, reason, detail FROM sync_conflict", true);
            world_fail("%d holds what its constraints let everybody write", i);
        }
    }
}

typedef struct aside_list {
    int count;
    struct {
        int table;
        const char *key;
        const char *content; /* both sides, as sim_row.text without the type: w7, 12.5, 00ff */
    } at[2000];
} aside_list;

static void list_aside(aside_list *list)
{
    list->count = 0;
    for (int i = 0; i < world.count; i++) {
        sqlite3_stmt *stmt = NULL;
        (void)sqlite3_prepare_v2(
            world.member[i].engine,
            "SELECT tbl, key, ifnull(ours, '') || ' ' || ifnull(theirs, '') FROM sync_conflict", -1, &stmt,
            NULL);
        while (sqlite3_step(stmt) == SQLITE_ROW && list->count < 2000) {
            const char *name = (const char *)sqlite3_column_text(stmt, 0);
            list->at[list->count].table = name[1] - '0';
            list->at[list->count].key = ledger_keep((const char *)sqlite3_column_text(stmt, 1),
                                                    (size_t)sqlite3_column_bytes(stmt, 1));
            list->at[list->count++].content = ledger_keep((const char *)sqlite3_column_text(stmt, 2),
                                                          (size_t)sqlite3_column_bytes(stmt, 2));
        }
        sqlite3_finalize(stmt);
    }
}

static bool is_aside(void *context, int table, const char *key, const char *value)
{
    const aside_list *list = context;
    const sim_table *t = &world.schema.table[table];
    bool nocase = t->kind == KIND_NOCASE || t->kind == KIND_PAIR_WITHOUT_ROWID;
    for (int i = 0; i < list->count; i++) {
        bool real = value && *value == 'r'; /* JSON writes it otherwise */
        bool has = value && (real || strstr(list->at[i].content, *value ? value + 1 : value) != NULL);
        if (list->at[i].table == table &&
            (has || (nocase ? sqlite3_stricmp(list->at[i].key, key) : strcmp(list->at[i].key, key)) == 0)) {
            return true;
        }
    }
    return false;
}

/* Tables of which rows came under other numbers: an entry at the number at birth says so. */
static void note_renumbered(void)
{
    char sql[100];
    for (int i = 0; i < world.count; i++) {
        sqlite3 *db = world.member[i].engine;
        sim_here = world.member[i].machine;
        for (int t = 0; t < world.schema.count; t++) {
            const sim_table *table = &world.schema.table[t];
            snprintf(sql, sizeof sql, "SELECT tid FROM sync_table WHERE name = '%s'", table->name);
            int64_t tid = schema_by_row(table) ? member_int(db, sql, 0) : 0;
            snprintf(sql, sizeof sql, "SELECT count(*) FROM main.sync_hidden_%lld WHERE seq = 0",
                     (long long)tid);
            bool follows = ledger_is_renumbered(table->refers[0]) || ledger_is_renumbered(table->refers[1]);
            if (follows || (tid && member_int(db, sql, 0) > 0)) {
                ledger_renumbered(t);
            }
        }
    }
}

static void check_ledger(sim_member *m, const sim_dump *shown, aside_list *list)
{
    const char *lost = ledger_check(&world.schema, shown, world.plan.compacts, is_aside, list);
    if (lost) {
        if (world.trace) {
            (void)dump_digest(&world.schema, shown, true);
            (void)digest(m, clocks, true);
            (void)digest(m, "SELECT tbl, key, reason, held, ours, theirs FROM sync_conflict", true);
        }
        world_fail("in %d %s", m->index, lost);
    }
}

void settle_world(void)
{
    static aside_list list;
    sim_dump first = {{0}, {0}};
    heal();
    world_say("all exchange");
    exchange_all();
    check_rest();
    check_equal(&first);
    check_sound();
    list_aside(&list);
    note_renumbered();
    check_ledger(&world.member[0], &first, &list);
    for (int i = 1; i < world.count && world.schema.local; i++) {
        if (member_dump(&world.member[i], &world.schema, world.member[i].engine, &first) == SQLITE_OK) {
            check_ledger(&world.member[i], &first, &list);
        }
    }
}
