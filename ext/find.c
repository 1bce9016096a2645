/* Finding and writing the state of a key during a merge. */
#include "base.h"
#include "key.h"
#include "meant.h"
#include "merging.h"
#include "site.h"

static void build_find_in(const sync_table *t, sqlite3_str *sql, const char *j, const char *clocks)
{
    sqlite3_str_appendf(sql, "SELECT seq, clock, %s, ", j);
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.%s_%u WHERE ", clocks, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d = ?%d", i ? " AND " : "", (int)i + 1, (int)i + 4);
    }
}

static void build_find(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_find_in(t, sql, "0", "sync_row");
}

static void build_find_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_find_in(t, sql, "j", "sync_hidden");
}

/* The clock that stmt stands on, its bytes copied to the arena: cells of `row` may borrow from them. */
static int take_clock(sync_merging *m, const sync_table *t, sqlite3_stmt *stmt, sync_row *row,
                      sync_slot *slot)
{
    sync_value blob = sync_column_value(stmt, 1), kept = {0};
    if (!sync_arena_value(&m->arena, &blob, &kept)) {
        return sync_fail_nomem(m->error);
    }
    int rc = sync_clocks_unpack(m->s, t, &kept, row);
    if (rc != SYNC_OK) {
        return sync_fail(m->error, rc, "sync_row_%u: a clock is damaged", t->tid);
    }
    *slot = (sync_slot){
        .in_clock = true, .seq = sqlite3_column_int64(stmt, 0), .j = sqlite3_column_int64(stmt, 2)};
    slot->shown = sync_row_alive(row) && !row->held;
    slot->was_held = row->held;
    if (row->moved) {
        int64_t number = sqlite3_column_int64(stmt, 3);
        sync_row_lies(row, number);
        slot->away = !row->held && row->birth != number;
        slot->number = number;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        slot->was_held = slot->was_held || (row->cells[i].carried && t->cols[row->cells[i].col].present);
    }
    sync_value *spelled = row->held ? sync_arena_alloc(&m->arena, t->key_count * sizeof *spelled) : NULL;
    for (uint32_t i = 0; spelled && i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i + 3);
        spelled = sync_arena_value(&m->arena, &v, &spelled[i]) ? spelled : NULL;
    }
    slot->spelled = spelled;
    return row->held && !spelled ? sync_fail_nomem(m->error) : SYNC_OK;
}

static int take_genesis(sync_merging *m, const sync_table *t, sync_row *row, sync_slot *slot)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    sync_row_reset(row);
    row->cl = 1;
    row->born = sync_engine_genesis_born(t);
    row->stamp = stamp;
    for (uint32_t c = 0; c < t->genesis_covers; c++) {
        if (sync_row_set(row, c, stamp) == NULL) {
            return sync_fail_nomem(m->error);
        }
    }
    *slot = (sync_slot){.shown = true};
    return SYNC_OK;
}

/* What is looked for under a key; born: identity row only. */
typedef struct sought {
    const sync_value *birth; /* the key by which it is known */
    sync_stamp born;
    bool found;
    sync_value forward; /* INTEGER: the clock of the row that was born here lies under this number */
    int64_t stub;       /* j of the entry that says so */
    bool nobody;        /* only who is shown is asked for */
    int64_t highest;    /* of the j met under that key */
} sought;

/* Looks through the clocks of a key that stmt gives. found: row and slot are the state that is sought. */
static int look_through(sync_merging *m, sync_table *t, sqlite3_stmt *stmt, const sync_value *key,
                        sought *what, sync_row *row, sync_slot *slot)
{
    bool by_row = t->identity == SYNC_BY_ROW, at_birth = key == what->birth;
    int rc = sync_clocks_bind_key(m->s, stmt, t, key, m->error);
    while (rc == SYNC_OK && !what->found && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = take_clock(m, t, stmt, row, slot);
        if (rc != SYNC_OK) {
            break;
        }
        what->highest = at_birth && slot->j > what->highest ? slot->j : what->highest;
        bool stub = slot->shown && slot->j > 0, born_so = sync_stamp_equal(row->born, what->born);
        bool born_here = row->moved ? row->birth == what->birth->i : at_birth;
        if (stub) {
            what->stub = at_birth && born_so ? slot->j : what->stub;
            what->forward.i = at_birth && born_so ? row->birth : what->forward.i;
            continue;
        }
        what->found = !by_row || (born_so && born_here);
        if (slot->shown && !what->found && at_birth) {
            m->other_slot = *slot;
            rc = sync_row_copy(&m->other, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
        }
    }
    return sync_reset_read(stmt, rc == SQLITE_DONE ? SYNC_OK : rc, m->error);
}

/* The clocks that lie under a key. */
static int look_under(sync_merging *m, sync_table *t, const sync_value *key, sought *what, sync_row *row,
                      sync_slot *slot)
{
    sqlite3_stmt *stmt;
    int rc = sync_table_stmt(m->s, t, SYNC_STMT_CLOCK_FIND, build_find, &stmt, m->error);
    rc = rc == SYNC_OK ? look_through(m, t, stmt, key, what, row, slot) : rc;
    if (rc == SYNC_OK && t->identity == SYNC_BY_ROW && !what->found && !what->nobody) {
        rc = sync_table_stmt(m->s, t, SYNC_STMT_HIDDEN_FIND, build_find_hidden, &stmt, m->error);
        rc = rc == SYNC_OK ? look_through(m, t, stmt, key, what, row, slot) : rc;
    }
    return rc;
}

/* The number of a key part. A row that is not shown has one in the key of another only if a program deleted it and left that one behind, or wrote that one for a number that nobody
** has. */
static int find_part(sync_merging *m, sync_table *parent, int64_t birth, sync_stamp born, int64_t *number,
                     bool *there)
{
    const sync_value key = {.type = SYNC_INTEGER, .i = birth};
    sync_row row = {0};
    sync_slot slot = {0};
    int rc = sync_find(m, parent, &key, born, &row, &slot);
    bool behind = false;
    *number = slot.away ? slot.number : row.held && row.moved ? row.number : birth;
    if (rc == SYNC_OK && !slot.shown) {
        int64_t its;
        sync_stamp meant;
        rc = sync_meant_number(m->s, parent, SYNC_IN_FILE, *number, &meant, &its, m->error);
        behind = rc == SYNC_OK && its == birth && sync_stamp_equal(meant, born);
    }
    *there = *there && (slot.shown || behind);
    sync_row_free(&row);
    return rc;
}

int sync_find_key(sync_merging *m, sync_table *t, const sync_value *key, sync_value *at, bool *there)
{
    int rc = sync_meant_birth(m->s, t, key, at, NULL, m->error);
    *there = true;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        sync_table *parent = t->key_parents[i] ? sync_engine_tid(m->s, t->key_parents[i]) : NULL;
        sync_stamp born;
        int64_t birth;
        if (parent && sync_meant_get(m->s, &key[i], &birth, &born)) {
            rc = find_part(m, parent, birth, born, &at[i].i, there);
        }
    }
    return rc;
}

/* A clock that lies under a key, of a row that is shown or of one that is not. */
static int look_for(sync_merging *m, sync_table *t, const sync_value *key, bool shown, bool *found,
                    sync_row *row, sync_slot *slot)
{
    sought what = {.birth = key};
    int rc = look_under(m, t, key, &what, row, slot);
    *found = rc == SYNC_OK && what.found && slot->shown == shown;
    return rc;
}

int sync_find_aside(sync_merging *m, sync_table *t, const sync_value *known, bool *found, sync_row *row,
                    sync_slot *slot)
{
    return look_for(m, t, known, false, found, row, slot);
}

/* sync_find for t->meant. */
static int find_meant(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot)
{
    sync_value *at = sync_arena_alloc(&m->arena, t->key_count * sizeof *at);
    bool there = false, found = false, plain = false, exists = false;
    if (at == NULL) {
        return sync_fail_nomem(m->error);
    }
    int rc = sync_find_key(m, t, key, at, &there);
    m->other_slot = (sync_slot){0};
    if (rc == SYNC_OK && there) {
        rc = look_for(m, t, at, true, &found, row, slot);
    }
    if (rc == SYNC_OK && !found) {
        rc = look_for(m, t, key, false, &found, row, slot);
    }
    if (rc == SYNC_OK && !found) {
        rc = look_for(m, t, at, false, &plain, row, slot);
    }
    if (rc == SYNC_OK && !found && !plain) {
        sync_row_reset(row);
        *slot = (sync_slot){0};
        rc = there ? sync_base_exists(m->s, t, at, &exists, m->error) : SYNC_OK;
        rc = rc == SYNC_OK && exists ? take_genesis(m, t, row, slot) : rc;
    }
    sync_value birth[SYNC_KEY_COLUMNS_MAX];
    sync_meant_strip(t, row);
    rc = rc == SYNC_OK ? sync_meant_birth(m->s, t, key, birth, row, m->error) : rc;
    slot->at = at;
    slot->plain = plain;
    return rc;
}

/* sync_find of a table that is not t->meant. */
static int find(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, bool nobody,
                sync_row *row, sync_slot *slot)
{
    sought what = {.birth = key, .born = born, .forward = {.type = SYNC_INTEGER}, .nobody = nobody};
    bool by_row = t->identity == SYNC_BY_ROW, exists = false;
    m->other_slot = (sync_slot){0};
    int rc = look_under(m, t, key, &what, row, slot);
    bool known = (what.found && slot->shown) || m->other_slot.shown || (what.found && !by_row);
    if (rc == SYNC_OK && !what.found && what.stub) {
        rc = look_under(m, t, &what.forward, &what, row, slot);
        slot->stub = what.stub;
    }
    if (rc == SYNC_OK && !what.found) {
        sync_row_reset(row);
        *slot = (sync_slot){.free_j = by_row && !nobody ? what.highest + 1 : 0};
    }
    if (rc != SYNC_OK || known) {
        return rc;
    }
    rc = sync_base_exists(m->s, t, key, &exists, m->error); /* a base row without a clock is a genesis row */
    if (rc == SYNC_OK && exists && !what.found &&
        (!by_row || sync_stamp_equal(born, sync_engine_genesis_born(t)))) {
        rc = take_genesis(m, t, row, slot);
    } else if (rc == SYNC_OK && exists && by_row) {
        rc = take_genesis(m, t, &m->other, &m->other_slot);
    }
    return rc;
}

int sync_find(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, sync_row *row,
              sync_slot *slot)
{
    return t->meant ? find_meant(m, t, key, row, slot) : find(m, t, key, born, false, row, slot);
}

int sync_find_listed(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, sync_row *row,
                     sync_slot *slot)
{
    sought what = {.birth = key, .born = born};
    sqlite3_stmt *stmt;
    int rc = SYNC_OK;
    m->other_slot = (sync_slot){0};
    if (t->identity == SYNC_BY_ROW) {
        rc = sync_table_stmt(m->s, t, SYNC_STMT_HIDDEN_FIND, build_find_hidden, &stmt, m->error);
        rc = rc == SYNC_OK ? look_through(m, t, stmt, key, &what, row, slot) : rc;
    }
    return rc != SYNC_OK || what.found ? rc : sync_find(m, t, key, born, row, slot);
}

int sync_find_arrived(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *remote,
                      sync_row *row, sync_slot *slot)
{
    bool moves = t->identity == SYNC_BY_ROW && remote->moved && remote->number != key->i;
    int rc = moves ? sync_find_listed(m, t, key, remote->born, row, slot) : SYNC_OK;
    moves = moves && row->held && sync_stamp_compare(&m->s->sites, row->stamp, remote->stamp) < 0;
    return rc == SYNC_OK && !moves ? sync_find(m, t, key, remote->born, row, slot) : rc;
}

int sync_find_number(sync_merging *m, sync_table *t, int64_t birth, sync_stamp born, sync_whereabouts *is)
{
    sync_value key = {.type = SYNC_INTEGER, .i = birth};
    sync_row row = {0};
    sync_slot slot = {0};
    int64_t changes = sqlite3_total_changes64(m->s->db);
    if (m->asked.t == t && m->asked.birth == birth && sync_stamp_equal(m->asked.born, born) &&
        m->asked.changes == changes && m->asked.undone == m->s->undone) {
        *is = m->asked.is;
        return SYNC_OK;
    }
    int rc = sync_find(m, t, &key, born, &row, &slot);
    *is = (sync_whereabouts){.known = row.cl > 0,
                             .alive = sync_row_alive(&row),
                             .shown = rc == SYNC_OK && slot.shown,
                             .number = slot.away ? slot.number : birth};
    m->asked.t = rc == SYNC_OK ? t : NULL;
    m->asked.birth = birth;
    m->asked.born = born;
    m->asked.is = *is;
    m->asked.changes = changes;
    m->asked.undone = m->s->undone;
    sync_row_free(&row);
    return rc;
}

void sync_find_apart(sync_merging *m, const sync_table *t, int64_t before)
{
    if (m->asked.t != t) {
        m->asked.changes += sqlite3_total_changes64(m->s->db) - before;
    }
}

int sync_find_shown(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot)
{
    if (t->meant) {
        sync_value *known = sync_arena_alloc(&m->arena, t->key_count * sizeof *known);
        int found = known ? sync_meant_known(m->s, t, SYNC_IN_FILE, key, known, &m->arena, m->error)
                          : sync_fail_nomem(m->error);
        found = found == SYNC_OK ? sync_find(m, t, known, SYNC_STAMP_NONE, row, slot) : found;
        slot->known = known;
        return found;
    }
    if (t->identity == SYNC_BY_KEY) {
        return sync_find(m, t, key, SYNC_STAMP_NONE, row, slot);
    }
    sync_stamp nobody = {UINT64_MAX, 0, 1};
    int rc = find(m, t, key, nobody, true, row, slot);
    if (rc == SYNC_OK && m->other_slot.away) { /* the entry at its number at birth belongs to it as well */
        sync_value birth = {.type = SYNC_INTEGER, .i = m->other.birth};
        return sync_find(m, t, &birth, m->other.born, row, slot);
    }
    if (rc == SYNC_OK && m->other_slot.shown) {
        *slot = m->other_slot;
        rc = sync_row_copy(row, &m->other) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    }
    return rc;
}

int sync_merging_wrote(sync_merging *m, sync_stamp stamp, bool *ours)
{
    int rc = SYNC_OK;
    if (stamp.written && stamp.site != m->author) {
        rc = sync_site_own(m->s, stamp.site, &m->wrote, m->error);
        m->author = rc == SYNC_OK ? stamp.site : 0;
    }
    *ours = rc == SYNC_OK && stamp.written && stamp.hlc <= m->wrote;
    return rc;
}

/* The entry at the number at birth that says under which number a row's clock lies. */
static int put_stub(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, int64_t j)
{
    sync_row stub = {.cl = 1, .born = row->born, .stamp = row->born, .moved = true, .birth = row->number};
    sync_buf_reset(&m->clock);
    sync_clock_put(&m->clock, &stub, t->identity, t->epoch);
    return sync_clocks_put(m->s, t, SYNC_IN_FILE, key, j, 0, &m->clock, true, m->error);
}

/* A row that becomes shown under another number than that at birth leaves a stub there, in the place of its hidden clock. */
static int leave_stub(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                      sync_slot *slot)
{
    int rc = SYNC_OK;
    if (slot->stub == 0) {
        slot->stub = slot->in_clock && !slot->away ? slot->j : 0;
        if (slot->stub == 0) {
            rc = sync_clocks_highest(m->s, t, SYNC_IN_FILE, key, &slot->stub, m->error);
            slot->stub++;
        }
    }
    return rc == SYNC_OK ? put_stub(m, t, key, row, slot->stub) : rc;
}

static int note_pending(sync_merging *m, sync_table *t, const sync_row *row)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; i < row->count && !t->pending && rc == SYNC_OK; i++) {
        if (row->cells[i].carried && !t->cols[row->cells[i].col].present) {
            rc = sync_engine_set_pending(m->s, t, m->error);
        }
    }
    return rc;
}

int sync_put(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot, int64_t j,
             int64_t seq)
{
    bool by_row = t->identity == SYNC_BY_ROW;
    sync_value was_room, is_room;
    const sync_value *was = sync_lies(slot, key, &was_room), *is = key;
    if (t->meant) {
        is = sync_row_alive(row) && !row->held ? slot->at : key;
        sync_meant_strip(t, row);
    } else if (by_row && j == 0) {
        is = sync_claimed(row, NULL, key, &is_room);
    } else if (slot->away && !slot->shown && j == slot->j) {
        is = was; /* a tombstone stays where it is */
    }
    bool away = by_row && is->type == SYNC_INTEGER && key->type == SYNC_INTEGER && is->i != key->i;
    bool elsewhere = by_row && (slot->j != j || slot->away != away || (away && slot->number != is->i));
    bool moves =
        slot->in_clock && (by_row ? elsewhere : slot->respell || (t->meant && !sync_key_same(t, was, is)));
    /* a held row is spelled as its clock is */
    int rc = note_pending(m, t, row);
    bool stub = away && j == 0 && (slot->stub == 0 || slot->number != is->i);
    bool in_its_place = stub && slot->stub == 0 && slot->in_clock && !slot->away && slot->j > 0;
    int64_t before = sqlite3_total_changes64(m->s->db);
    if (rc == SYNC_OK && moves && !in_its_place) {
        rc = sync_clocks_delete(m->s, t, SYNC_IN_FILE, was, slot->j, m->error);
    }
    if (rc == SYNC_OK && stub) {
        rc = leave_stub(m, t, key, row, slot);
    }
    sync_buf_reset(&m->clock);
    sync_clock_put(&m->clock, row, t->identity, t->epoch);
    rc = rc == SYNC_OK ? sync_clocks_put(m->s, t, SYNC_IN_FILE, is, j, seq, &m->clock,
                                         !slot->in_clock || moves, m->error)
                       : rc;
    if (rc == SYNC_OK && slot->in_clock && slot->seq != seq && slot->seq != m->newest) {
        rc = sync_clocks_drop_entry(m->s, slot->seq, m->error);
    }
    sync_find_apart(m, t, before);
    slot->in_clock = true;
    slot->j = j;
    slot->away = away;
    slot->number = away ? is->i : 0;
    slot->stub = away ? slot->stub : 0;
    slot->seq = seq;
    return rc;
}

int sync_read_keys(sync_merging *m, sqlite3_stmt *stmt, const sync_table *t, sync_value ***list,
                   uint32_t *count)
{
    int rc = SYNC_OK;
    uint32_t cap = 0;
    *list = NULL;
    *count = 0;
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        if (*count == cap) {
            cap = cap ? cap * 2 : 8;
            sync_value **wider = sync_realloc(*list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(m->error);
                break;
            }
            *list = wider;
        }
        sync_value *one = sync_arena_alloc(&m->arena, t->key_count * sizeof *one);
        for (uint32_t i = 0; one && i < t->key_count; i++) {
            sync_value v = sync_column_value(stmt, (int)i);
            one = sync_arena_value(&m->arena, &v, &one[i]) ? one : NULL;
        }
        (*list)[(*count)++] = one;
        rc = one ? SYNC_OK : sync_fail_nomem(m->error);
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
