/* One base row written during a merge, and nothing beside it: what triggers of the application and cascades change in other tracked
** rows is put back, since those rows arrive as changes of their own. */
#include "base.h"
#include "clocks.h"
#include "key.h"
#include "merging.h"
#include "rollbacks.h"

enum { BYSTANDERS_MAX = 4096, PUT_BACK_ROUNDS = 8 };

/* A tracked row that the write touched, and what it has to be afterwards. */
typedef struct bystander {
    sync_table *t;
    sync_value *key; /* once loaded, as it has to be spelled */
    bool
        inserted; /* the write's triggers made it: it was not there before, and may have another key the next time */
    bool in_the_way; /* a trigger's statement would meet it, perhaps */
    bool loaded;     /* `existed` and `row` say what it has to be */
    bool existed;
    sync_row row; /* carried cells */
} bystander;

typedef struct bystanders {
    uint32_t count, cap;
    bystander *list;
    sync_arena arena;
} bystanders;

static void bystanders_free(bystanders *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        sync_row_free(&b->list[i].row);
    }
    sync_free(b->list);
    sync_arena_free(&b->arena);
}

/* May a write to this table touch rows of others? */
static bool is_watched(const sync_merging *m, const sync_table *t)
{
    bool watched =
        t->user_triggers || t->col_count > SYNC_MASK_COLUMNS; /* an UPDATE writes an entry a group */
    for (uint32_t i = 0; !watched && i < t->unique_count; i++) {
        watched = !t->uniques[i].plain; /* its hints may name rows that are not displaced */
    }
    for (uint32_t i = 0; !watched && m->foreign_keys && i < m->s->fk_count; i++) {
        watched = m->s->fks[i].parent_tid == t->tid;
    }
    return watched;
}

static int write_once(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                      const sync_row *row, bool respell)
{
    switch (how) {
    case SYNC_WRITE_INSERT:
        return sync_base_insert(m->s, t, key, row, m->error);
    case SYNC_WRITE_DELETE:
        return sync_base_delete(m->s, t, key, m->error);
    default:
        return sync_base_update(m->s, t, key, row, respell, how == SYNC_WRITE_RESET, m->error);
    }
}

/* May the refusal be that of a statement in a trigger, and not because of RAISE? */
static bool may_be_triggers(const sync_merging *m, const sync_table *t, int rc)
{
    return sync_base_refused(rc) && rc != SQLITE_CONSTRAINT_TRIGGER && !m->s->unfit &&
           (t->user_triggers || m->foreign_keys);
}

/* What refuses the row are statements of triggers: those are passed over; where that is impossible, no trigger fires. */
static int write_anyhow(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                        const sync_row *row, bool respell)
{
    int rc = how == SYNC_WRITE_DELETE ? SQLITE_CONSTRAINT
                                      : sync_base_ignoring(m->s, t, how, key, row, respell, m->error);
    return may_be_triggers(m, t, rc) ? sync_base_alone(m->s, t, how, key, row, respell, m->error) : rc;
}

static int read_newest(sync_merging *m, int64_t *newest)
{
    return sync_query_int(m->s, newest, 0, m->error, "SELECT max(seq) FROM main.sync_journal");
}

static bystander *add_bystander(sync_merging *m, bystanders *b, sync_table *t, const sync_value *key)
{
    if (b->count == BYSTANDERS_MAX) {
        sync_fail(m->error, SYNC_TOOBIG,
                  "a trigger on a merged table changes more than %d rows of tracked tables", BYSTANDERS_MAX);
        return NULL;
    }
    if (b->count == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 8;
        bystander *wider = sync_realloc(b->list, cap * sizeof *wider);
        if (wider == NULL) {
            sync_fail_nomem(m->error);
            return NULL;
        }
        b->list = wider;
        b->cap = cap;
    }
    bystander *one = &b->list[b->count];
    *one = (bystander){.t = t, .key = sync_arena_alloc(&b->arena, t->key_count * sizeof *one->key)};
    for (uint32_t i = 0; one->key && i < t->key_count; i++) {
        one->key = sync_arena_value(&b->arena, &key[i], &one->key[i]) ? one->key : NULL;
    }
    if (one->key == NULL) {
        sync_fail_nomem(m->error);
        return NULL;
    }
    b->count++;
    return one;
}

static bystander *find_bystander(const bystanders *b, const sync_table *t, const sync_value *key)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->list[i].t == t && sync_key_equal(t, b->list[i].key, key)) {
            return &b->list[i];
        }
    }
    return NULL;
}

/* Collects the rows that journal entries above `after` name. Those that may have been there before and are not loaded yet set *unknown. An
** insert says nothing of that: it may have been an INSERT OR REPLACE. The first time everything is looked up, afterwards what has a clock;
** keys that are drawn anew each time would never come to an end. displaced: the entries are of a trial that pushes out who is in its way. */
static int find_bystanders(sync_merging *m, bystanders *b, int64_t after, bool first, bool displaced,
                           bool *unknown)
{
    sync_db *s = m->s;
    int rc = SYNC_OK;
    *unknown = false;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        sync_table *t = &s->tables[i];
        if (t->missing) {
            continue;
        }
        sqlite3_str *sql = sqlite3_str_new(s->db);
        sqlite3_str_appendf(sql, "SELECT op, EXISTS (SELECT 1 FROM main.sync_row_%u AS c WHERE ", t->tid);
        sync_str_match(sql, t, "c", "j");
        sqlite3_str_appendall(sql, "), ");
        sync_str_numbers(sql, t, "k%d", ", ");
        sqlite3_str_appendf(sql,
                            " FROM main.sync_journal AS j WHERE seq > %lld AND tid & %d = %u ORDER BY seq",
                            (long long)after, SYNC_TID_MASK, t->tid);
        sqlite3_stmt *stmt;
        rc = sync_prepare_text(s, &stmt, m->error, sqlite3_str_finish(sql));
        while (rc == SYNC_OK && (rc = sync_step(s, stmt, m->error)) == SQLITE_ROW) {
            int64_t op = sqlite3_column_int64(stmt, 0);
            sync_value key[SYNC_KEY_COLUMNS_MAX];
            for (uint32_t k = 0; k < t->key_count; k++) {
                key[k] = sync_column_value(stmt, (int)k + 2);
            }
            bystander *one = find_bystander(b, t, key);
            if (one == NULL && (one = add_bystander(m, b, t, key)) != NULL) {
                bool known = first || sqlite3_column_int(stmt, 1) != 0;
                one->inserted = !known && (op == SYNC_OP_INSERT || op == SYNC_OP_MOVE_TO);
            }
            rc = one ? SYNC_OK : m->error->code;
            if (one && displaced && one != b->list) {
                one->in_the_way =
                    one->in_the_way || op == SYNC_OP_INSERT || op == SYNC_OP_MOVE_TO || op == SYNC_OP_HINT;
            }
            *unknown = *unknown || (one && !one->inserted && !one->loaded);
        }
        sqlite3_finalize(stmt);
        rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    }
    return rc;
}

/* Into an empty row. */
static int list_columns(sync_merging *m, const sync_table *t, sync_row *row)
{
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present && sync_row_set(row, c, SYNC_STAMP_NONE) == NULL) {
            return sync_fail_nomem(m->error);
        }
    }
    return SYNC_OK;
}

/* What the rows were, with everything taken back. */
static int load_bystanders(sync_merging *m, bystanders *b)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < b->count; i++) {
        bystander *one = &b->list[i];
        if (!one->loaded) {
            sync_row_reset(&one->row);
            rc = list_columns(m, one->t, &one->row);
            rc = rc == SYNC_OK ? sync_base_load(m->s, one->t, one->key, &one->row, one->key, &b->arena,
                                                &one->existed, m->error)
                               : rc;
            one->loaded = true;
        }
    }
    return rc;
}

/* Writes a row that triggers have changed, or meet. Where another row that they have changed is still in its way, it waits for the next pass, and makes room itself. */
static int restore(sync_merging *m, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                   bool respell)
{
    int rc = write_once(m, t, how, key, row, respell);
    if (!may_be_triggers(m, t, rc) && rc != SQLITE_CONSTRAINT_UNIQUE) {
        return rc;
    }
    rc = sync_exec(m->s, m->error, "SAVEPOINT sync_restore");
    rc = rc == SYNC_OK ? sync_base_alone(m->s, t, how, key, row, respell, m->error) : rc;
    if (rc == SYNC_OK) {
        rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_restore");
        rc = rc == SYNC_OK ? write_anyhow(m, t, how, key, row, respell) : rc;
    } else if (rc == SQLITE_CONSTRAINT_UNIQUE) {
        rc = how == SYNC_WRITE_UPDATE ? write_once(m, t, SYNC_WRITE_DELETE, key, NULL, false) : SYNC_OK;
    }
    int released = rc == SYNC_OK ? sync_exec(m->s, m->error, "RELEASE sync_restore") : SYNC_OK;
    return rc == SYNC_OK ? released : rc; /* a refusal takes back what is around it */
}

/* Makes one row what it has to be; *changed if it was not. */
static int put_back(sync_merging *m, bystander *one, int pass, bool *changed)
{
    sync_row now = {0};
    sync_arena arena = {0};
    sync_value spelled[SYNC_KEY_COLUMNS_MAX];
    bool exists = false, wanted = one->loaded && one->existed;
    int rc = list_columns(m, one->t, &now);
    rc =
        rc == SYNC_OK ? sync_base_load(m->s, one->t, one->key, &now, spelled, &arena, &exists, m->error) : rc;
    bool respell = rc == SYNC_OK && exists && wanted && !sync_key_same(one->t, one->key, spelled);
    bool same = !respell;
    sync_row differing = {0}; /* no more is set: a trigger on other columns need not fire again */
    for (uint32_t i = 0; rc == SYNC_OK && exists && wanted && i < one->row.count; i++) {
        const sync_cell *meant = &one->row.cells[i], *have = sync_row_find(&now, meant->col);
        bool shown = !meant->carried || have == NULL;
        if (!shown) {
            rc = sync_column_shows(m->s, one->t->cols[meant->col].affinity, &meant->value, &have->value,
                                   &shown, m->error);
        }
        if (rc != SYNC_OK || shown) {
            continue;
        }
        sync_cell *cell = sync_row_set(&differing, meant->col, meant->stamp);
        rc = cell ? SYNC_OK : sync_fail_nomem(m->error);
        same = false;
        if (cell) {
            cell->carried = true;
            cell->value = meant->value;
        }
    }
    same = same && exists == wanted;
    sync_row_free(&now);
    sync_arena_free(&arena);
    if (rc == SYNC_OK && !same) {
        *changed = true;
        sync_write how = !wanted ? SYNC_WRITE_DELETE : exists ? SYNC_WRITE_UPDATE : SYNC_WRITE_INSERT;
        bool bare = how == SYNC_WRITE_INSERT &&
                    pass > 0; /* a trigger undid it: key first, values later, may pass by its WHEN */
        rc = bare ? write_once(m, one->t, how, one->key, &differing, false) : SYNC_OK;
        if (!bare || sync_base_refused(rc)) {
            rc = restore(m, one->t, how, one->key, exists ? &differing : &one->row, respell);
        }
    }
    sync_row_free(&differing);
    return rc;
}

/* The written row is one of them: it has to be what the write meant. */
static int expect_written(sync_merging *m, bystanders *b, sync_table *t, sync_write how,
                          const sync_value *key, const sync_row *row, bool respell)
{
    bystander *own = add_bystander(m, b, t, key);
    if (own == NULL) {
        return m->error->code;
    }
    int rc = load_bystanders(m, b);
    for (uint32_t i = 0; rc == SYNC_OK && respell && i < t->key_count; i++) {
        own->key[i] = key[i]; /* outlives the list */
    }
    own->existed = how != SYNC_WRITE_DELETE;
    if (how == SYNC_WRITE_INSERT || how == SYNC_WRITE_RESET) {
        sync_row_reset(&own->row); /* other columns get their default, whatever that is */
    }
    for (uint32_t i = 0; rc == SYNC_OK && row && i < row->count; i++) {
        if (row->cells[i].carried) {
            sync_cell *cell = sync_row_set(&own->row, row->cells[i].col, SYNC_STAMP_NONE);
            if (cell == NULL) {
                return sync_fail_nomem(m->error);
            }
            cell->carried = true;
            cell->value = row->cells[i].value;
        }
    }
    return rc;
}

/* Who would be displaced if that were allowed is in the way of statements in triggers, since the row itself fits. */
static int find_in_the_way(sync_merging *m, bystanders *b, sync_write how, const sync_row *row, int64_t after)
{
    bystander *own = b->list;
    sync_row whole = {0};
    bool unknown = false, deleted = how == SYNC_WRITE_DELETE, exists = true;
    int rc = SYNC_OK;
    if (deleted) { /* over itself: that deletes it, too */
        rc = list_columns(m, own->t, &whole);
        rc = rc == SYNC_OK
                 ? sync_base_load(m->s, own->t, own->key, &whole, NULL, &b->arena, &exists, m->error)
                 : rc;
    }
    rc = rc == SYNC_OK ? sync_base_displace(m->s, own->t, deleted ? SYNC_WRITE_INSERT : how, own->key,
                                            deleted ? &whole : row, deleted, m->error)
                       : rc;
    rc = rc == SYNC_OK           ? find_bystanders(m, b, after, true, true, &unknown)
         : sync_base_refused(rc) ? SYNC_OK /* not by anybody who is there */
                                 : rc;
    sync_row_free(&whole);
    return rc == SYNC_OK ? sync_exec(m->s, m->error, "ROLLBACK TO sync_write") : rc;
}

static bool is_anybody_in_the_way(const bystanders *b)
{
    bool any = false;
    for (uint32_t i = 0; !any && i < b->count; i++) {
        any = b->list[i].in_the_way && b->list[i].existed;
    }
    return any;
}

static int take_out(sync_merging *m, const bystanders *b)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < b->count; i++) {
        const bystander *one = &b->list[i];
        if (one->in_the_way && one->existed) {
            rc = write_once(m, one->t, SYNC_WRITE_DELETE, one->key, NULL, false);
        }
    }
    return rc;
}

/* Rows that triggers made go first: others may have to have their values. */
static int put_all_back(sync_merging *m, bystanders *b, int pass, bool *changed)
{
    int rc = SYNC_OK;
    for (int stay = 0; stay < 2; stay++) {
        for (uint32_t i = 0; rc == SYNC_OK && i < b->count; i++) {
            bystander *one = &b->list[i];
            if ((one->loaded && one->existed) == (stay != 0)) {
                rc = put_back(m, one, pass, changed);
            }
        }
    }
    return rc;
}

/* The write again, from where nothing of it has happened, until every row that it touches beside its own is known and put back. refused: the row itself
** fits, but statements of triggers do not. What is in their way is taken out first; if that does not help, they are passed over. */
static int write_and_restore(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                             const sync_row *row, bool respell, int64_t after, bool refused)
{
    bystanders b = {0};
    bool settled = false, anyhow = false, first = true;
    int rc = expect_written(m, &b, t, how, key, row, respell);
    rc = rc == SYNC_OK && refused ? find_in_the_way(m, &b, how, row, after) : rc;
    rc = rc == SYNC_OK ? load_bystanders(m, &b) : rc;
    if (rc == SYNC_OK && m->met && !is_anybody_in_the_way(&b)) {
        rc = SQLITE_CONSTRAINT_TRIGGER;
    }
    for (int round = 0; rc == SYNC_OK && !settled && round < PUT_BACK_ROUNDS; round++) {
        bool unknown = false, changed = true;
        rc = load_bystanders(m, &b);
        rc = rc == SYNC_OK && !anyhow ? take_out(m, &b) : rc;
        rc = rc == SYNC_OK ? (anyhow ? write_anyhow : write_once)(m, t, how, key, row, respell) : rc;
        if (refused && !anyhow && may_be_triggers(m, t, rc)) {
            anyhow = true;
            rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_write");
            continue;
        }
        for (int pass = 0; rc == SYNC_OK && changed && pass < PUT_BACK_ROUNDS; pass++) {
            changed = false;
            rc = find_bystanders(m, &b, after, first, false, &unknown);
            rc = rc == SYNC_OK && !unknown ? put_all_back(m, &b, pass, &changed) : rc;
        }
        first = false;
        settled = !unknown && !changed;
        if (rc == SYNC_OK && !settled) {
            rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_write");
            for (uint32_t i = 0; i < b.count; i++) { /* made anew under other keys, perhaps */
                b.list[i].inserted = false;
            }
        }
    }
    bystanders_free(&b);
    return rc == SYNC_OK && !settled ? SQLITE_CONSTRAINT_TRIGGER : rc;
}

/* Foreign keys, which are on. */
static int enforce(sync_merging *m, bool on)
{
    if (sqlite3_db_config(m->s->db, SQLITE_DBCONFIG_ENABLE_FKEY, on, NULL) != SQLITE_OK) {
        return sync_fail_db(m->s, m->error, "foreign keys");
    }
    m->foreign_keys = on;
    return SYNC_OK;
}

/* A refused write again: the row may fit itself; if not, how it is refused then. What is taken out for a moment takes nothing along. */
static int write_despite(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                         const sync_row *row, bool respell, int64_t after)
{
    int rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_write");
    rc = rc == SYNC_OK ? sync_base_alone(m->s, t, how, key, row, respell, m->error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    bool enforced = m->foreign_keys;
    rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_write");
    rc = rc == SYNC_OK && enforced ? enforce(m, false) : rc;
    rc = rc == SYNC_OK ? write_and_restore(m, t, how, key, row, respell, after, true) : rc;
    if (enforced && !m->foreign_keys) {
        int again = enforce(m, true);
        rc = rc == SYNC_OK ? again : rc;
    }
    return rc;
}

static void keep_reason(sync_merging *m, char why[SYNC_ERROR_BYTES])
{
    if (why) {
        bool said = m->s->unfit || sync_base_refused(sqlite3_extended_errcode(m->s->db));
        sqlite3_snprintf(SYNC_ERROR_BYTES, why, "%s",
                         said ? sync_base_said(m->s) : "a trigger keeps undoing it");
    }
}

static int write_watched(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                         const sync_row *row, bool respell, int64_t *seq, char why[SYNC_ERROR_BYTES])
{
    int64_t after = m->newest, newest = 0;
    int rc = sync_exec(m->s, m->error, "SAVEPOINT sync_write");
    if (rc != SYNC_OK) {
        return rc;
    }
    bool refused =
        sync_rollbacks_met(m->s, t, (int)how); /* another such conflict would cost the merge again */
    bool skipped = false; /* by RAISE(IGNORE): the one entry is a note, or of another row */
    if (!refused) {
        rc = write_once(m, t, how, key, row, respell);
        refused = may_be_triggers(m, t, rc);
        skipped = rc == SYNC_OK && sqlite3_changes(m->s->db) == 0;
    }
    rc = rc == SYNC_OK ? read_newest(m, &newest) : rc;
    if (refused || (rc == SYNC_OK && (skipped || newest != after + 1))) {
        bool own_only = !t->user_triggers &&
                        !m->foreign_keys; /* entries for further groups of columns, or superfluous notes */
        if (refused) {
            rc = write_despite(m, t, how, key, row, respell, after);
        } else if (!own_only) {
            rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_write");
            rc = rc == SYNC_OK ? write_and_restore(m, t, how, key, row, respell, after, false) : rc;
        }
        rc = rc == SYNC_OK ? sync_exec(m->s, m->error, "DELETE FROM main.sync_journal WHERE seq > %lld",
                                       (long long)after)
                           : rc;
        rc = rc == SYNC_OK ? sync_enter(m, t, key, &newest) : rc;
    }
    if (sync_base_refused(rc)) {
        keep_reason(m, why);
    }
    if (rc == SYNC_OK) {
        m->newest = *seq = newest;
        return sync_exec(m->s, m->error, "RELEASE sync_write");
    }
    if (sync_base_refused(rc)) {
        m->newest = after;
        int undo = sync_exec(m->s, m->error, "ROLLBACK TO sync_write; RELEASE sync_write");
        return undo == SYNC_OK ? rc : undo;
    }
    return rc;
}

static int write_either_way(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                            const sync_row *row, bool respell, int64_t *seq, char why[SYNC_ERROR_BYTES])
{
    if (is_watched(m, t)) {
        return write_watched(m, t, how, key, row, respell, seq, why);
    }
    int64_t before = sqlite3_total_changes64(m->s->db);
    int rc = write_once(m, t, how, key, row, respell);
    sync_find_apart(m, t, before);
    if (rc == SYNC_OK && how != SYNC_WRITE_INSERT && sqlite3_changes(m->s->db) == 0) {
        return sync_enter(m, t, key, seq); /* gone behind the triggers' back: no trigger fired */
    }
    if (rc == SYNC_OK) {
        *seq = ++m->newest; /* its trigger writes exactly one entry */
    } else if (sync_base_refused(rc)) {
        keep_reason(m, why);
    }
    return rc;
}

/* Has SQLite counted violations of foreign keys that would fail the COMMIT? */
static bool is_violated(const sync_merging *m)
{
    int now = 0, highest = 0;
    (void)sqlite3_db_status(m->s->db, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &highest,
                            0); /* reads two counters; cannot fail */
    return now != 0;
}

/* SQLite counts violations as they come and go, of tables that the engine does not look after too, and what it has counted fails
** the COMMIT, however long after. So a write that would be counted is taken back, and done where nobody counts: what it means for
** references between tracked tables is decided already. */
static int write_uncounted(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                           const sync_row *row, bool respell, int64_t *seq, char why[SYNC_ERROR_BYTES])
{
    int64_t newest = m->newest;
    int rc = sync_exec(m->s, m->error, "SAVEPOINT sync_counted");
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = write_either_way(m, t, how, key, row, respell, seq, why);
    if (rc == SYNC_OK && is_violated(m)) {
        rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_counted");
        m->newest = newest;
        rc = rc == SYNC_OK ? enforce(m, false) : rc;
        if (rc == SYNC_OK) {
            rc = write_either_way(m, t, how, key, row, respell, seq, why);
            int again = enforce(m, true);
            rc = rc == SYNC_OK ? again : rc;
        }
    }
    if (rc == SYNC_OK || sync_base_refused(rc)) {
        int released = sync_exec(m->s, m->error, "RELEASE sync_counted");
        rc = released == SYNC_OK ? rc : released;
    }
    return rc;
}

/* Our triggers write the journal entries of rows that are merged, too. */
static int check_triggers(sync_merging *m)
{
    return sync_base_fires(m->s)
               ? SYNC_OK
               : sync_fail(
                     m->error, SYNC_ERROR,
                     "triggers are switched off in this connection (SQLITE_DBCONFIG_ENABLE_TRIGGER), and "
                     "they record what is merged: switch them on");
}

int sync_write_base(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                    const sync_row *row, bool respell, int64_t *seq, char why[SYNC_ERROR_BYTES])
{
    enum { RESPELL = -2 }; /* none of sync_write: a trigger that minds cells need not mind that */
    const int kind = respell && row && row->count == 0 ? RESPELL : (int)how;
    const char *rolled_back = sync_rollbacks_find(m->s, t, key, kind, &m->met);
    if (check_triggers(m) != SYNC_OK) {
        return m->error->code;
    }
    m->touched[t - m->s->tables] = true;
    if (rolled_back == NULL && m->retry && sync_rollbacks_many(m->s, t)) {
        rolled_back = "a trigger rolls merges of this table back";
    }
    if (rolled_back && !m->met) {
        if (why) {
            sqlite3_snprintf(SYNC_ERROR_BYTES, why, "%s", rolled_back);
        }
        return SQLITE_CONSTRAINT_TRIGGER;
    }
    bool counted = m->foreign_keys && t->linked && !is_violated(m); /* the caller may count on its own */
    int rc = counted ? write_uncounted(m, t, how, key, row, respell, seq, why)
                     : write_either_way(m, t, how, key, row, respell, seq, why);
    if (m->met && rc == SQLITE_CONSTRAINT_TRIGGER && why) {
        sqlite3_snprintf(SYNC_ERROR_BYTES, why, "%s", rolled_back);
    }
    m->met = false;
    return rc == SQLITE_ABORT_ROLLBACK ? sync_rollbacks_note(m->s, t, key, kind, m->error) : rc;
}
