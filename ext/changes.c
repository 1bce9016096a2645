#include "changes_internal.h"

#include "base.h"
#include "changes_sql.h"
#include "meant.h"
#include "references.h"
#include "request.h"

#include <string.h>

/* ---- rows ---- */

static bool is_news(const sync_changes *c, sync_stamp stamp)
{
    return !sync_stamp_is_none(stamp) && stamp.hlc > sync_matrix_at(&c->base, c->table, stamp.site);
}

static sync_stamp on_wire(const sync_changes *c, sync_stamp stamp)
{
    if (!sync_stamp_is_none(stamp)) {
        stamp.site = c->wire[stamp.site];
    }
    return stamp;
}

/* Adds what a foreign-key value of the row means, where its number alone does not say it. */
static int add_refs(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_db *s = c->s;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        if (fk->child_tid != t->tid || !fk->to_row) {
            continue;
        }
        sync_cell *cell = fk->from_col < SYNC_REF_KEY ? sync_row_find(&c->out, fk->from_col) : NULL;
        const sync_cell *stored = cell ? sync_row_find(&c->row, fk->from_col) : NULL;
        if (stored && stored->carried) {
            continue; /* it is not in the table: copy_refs() */
        }
        const sync_value *v = fk->from_col >= SYNC_REF_KEY ? &c->key[fk->from_col - SYNC_REF_KEY]
                              : cell                       ? &cell->value
                                                           : NULL;
        if (v == NULL || v->type != SYNC_INTEGER) {
            continue;
        }
        sync_table *parent = sync_engine_tid(s, fk->parent_tid);
        sync_stamp born = SYNC_STAMP_NONE;
        int64_t birth = v->i;
        if (parent) {
            rc = sync_meant_number(s, parent, c->overlay ? SYNC_IN_OVERLAY : SYNC_IN_FILE, v->i, &born,
                                   &birth, error);
        }
        if (rc == SYNC_OK && !sync_stamp_is_none(born)) {
            sync_ref ref = {fk->from_col, birth, on_wire(c, born)};
            rc = sync_row_add_ref(&c->out, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(error);
        }
        /* under which number it is shown is for each file to say */
        *(cell ? &cell->value.i : &c->key[fk->from_col - SYNC_REF_KEY].i) = birth;
    }
    return rc;
}

/* A held row knows what its references meant, any other what the values meant that wait in its clock, or refer to what is not tracked here. */
static int copy_refs(sync_changes *c, const sync_table *t, sync_error *error)
{
    for (uint32_t i = 0; i < c->row.ref_count; i++) {
        sync_ref ref = c->row.refs[i];
        ref.born = on_wire(c, ref.born);
        const sync_cell *stored = ref.col < SYNC_REF_KEY ? sync_row_find(&c->row, ref.col) : NULL;
        bool waits = c->row.held || (stored && (stored->carried || !sync_is_reference(c->s, t, ref.col)));
        if (waits && (ref.col >= SYNC_REF_KEY || sync_row_find(&c->out, ref.col)) &&
            sync_row_add_ref(&c->out, ref) != SYNC_OK) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

/* Fills c->out with the cells that the receiver may lack; *any says whether there are some. */
static int reduce(sync_changes *c, const sync_table *t, bool genesis, bool *any, sync_error *error)
{
    sync_row *out = &c->out;
    const sync_row *row = &c->row;
    sync_row_reset(out);
    out->cl = row->cl;
    out->born = on_wire(c, row->born);
    if (!sync_row_alive(row)) {
        out->stamp = on_wire(c, row->stamp);
        *any = is_news(c, row->stamp);
        return SYNC_OK;
    }
    /* who has forgotten the row's end takes it for another: it is to be complete */
    bool whole = genesis || is_news(c, row->stamp);
    if (is_news(c, row->stamp)) {
        out->stamp = on_wire(c, row->stamp);
        out->origin = on_wire(c, row->origin);
        out->moved = row->moved;
        out->number = row->number;
        out->since = on_wire(c, row->since);
    }
    int column = sync_changes_wide(t) ? (int)t->key_count
                                      : 3 + 2 * (int)t->key_count; /* the present columns in order of id */
    uint32_t passed = 0;                                           /* ids below it are counted in column */
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        for (; passed < cell->col; passed++) {
            column += t->cols[passed].present;
        }
        if (!whole && !is_news(c, cell->stamp)) {
            continue;
        }
        if (sync_stamp_is_none(cell->stamp) || (!cell->carried && !t->cols[cell->col].present)) {
            continue;
        }
        sync_cell *copy = sync_row_set(out, cell->col, on_wire(c, cell->stamp));
        if (copy == NULL) {
            return sync_fail_nomem(error);
        }
        copy->carried = true;
        copy->value = cell->carried ? cell->value : sync_column_value(c->values, column);
    }
    *any = out->count > 0 || !sync_stamp_is_none(out->stamp);
    return SYNC_OK;
}

static int genesis_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    sync_row_reset(&c->row);
    c->row.cl = 1;
    c->row.born = sync_engine_genesis_born(t);
    c->row.stamp = stamp;
    for (uint32_t i = 0; i < t->genesis_covers && i < t->col_count; i++) {
        if (t->cols[i].present && sync_row_set(&c->row, i, stamp) == NULL) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

/* Whom the key of a row means that is not shown, and is made of references. */
static int tell_key(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_value birth[SYNC_KEY_COLUMNS_MAX];
    int rc = sync_meant_birth(c->s, t, c->key, birth, &c->out, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        c->key[i] = birth[i];
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < c->out.ref_count; i++) {
        sync_ref *ref = &c->out.refs[i];
        ref->born = ref->col >= SYNC_REF_KEY ? on_wire(c, ref->born) : ref->born;
    }
    return rc;
}

/* What the row refers to, and what it is known by over there, into c->out and c->key. */
static int complete_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    int rc = SYNC_OK;
    bool shown = sync_row_alive(&c->row) && !c->row.held;
    if (sync_row_alive(&c->row)) {
        rc = copy_refs(c, t, error);
        rc = rc == SYNC_OK && shown ? add_refs(c, t, error) : rc;
    }
    if (rc == SYNC_OK && t->meant && !shown) {
        rc = tell_key(c, t, error);
    }
    if (c->row.moved) { /* it is known by its number at birth */
        c->key[0] = (sync_value){.type = SYNC_INTEGER, .i = c->row.birth};
    }
    return rc;
}

static int encode_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_value shown[SYNC_KEY_COLUMNS_MAX];
    memcpy(shown, c->key, t->key_count * sizeof *shown);
    int rc = complete_row(c, t, error);
    if (c->selection) {
        return rc == SYNC_OK ? sync_changes_send_selected(c, t, shown, error) : rc;
    }
    rc = rc == SYNC_OK ? sync_encoder_row(c->s->encoder, c->table, c->key, &c->out, error) : rc;
    c->rows += rc == SYNC_OK;
    return rc;
}

/* Is a row of this table that was just inserted fully told by its columns? */
static bool is_narrow(const sync_changes *c, const sync_table *t)
{
    bool narrow = !c->selection && t->all_present && t->key_count + t->col_count <= SYNC_FULL_VALUES_MAX;
    for (uint32_t i = 0; narrow && i < c->s->fk_count; i++) {
        narrow = c->s->fks[i].child_tid != t->tid || !c->s->fks[i].to_row;
    }
    return narrow;
}

/* The short way for a row all of whose cells have one stamp: nothing is taken apart. *done: the row is dealt with. */
static int send_full(sync_changes *c, const sync_table *t, const sync_value *clock, bool *done,
                     sync_error *error)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    uint32_t covers = t->genesis_covers;
    bool plain = clock->type == SYNC_NULL
                     ? !t->genesis_own
                     : clock->type == SYNC_BLOB && sync_clock_get_insert(clock->data, clock->bytes, t->epoch,
                                                                         c->s->sites.count, &stamp, &covers);
    *done = false;
    if (!plain || covers != t->col_count) {
        return SYNC_OK;
    }
    uint32_t count = t->key_count + t->col_count;
    int key = 3 + (int)t->key_count;
    c->full[0] = sync_column_value(c->stmt, key);
    if (c->full[0].type == SYNC_NULL) {
        return SYNC_OK;
    }
    *done = true;
    c->shown++;
    if (!is_news(c, stamp)) {
        return SYNC_OK;
    }
    for (uint32_t i = 1; i < count; i++) {
        c->full[i] = sync_column_value(c->stmt, key + (int)i);
    }
    c->rows++;
    return sync_encoder_full_row(c->s->encoder, c->table, on_wire(c, stamp), c->full, error);
}

/* Of a row that is gone behind the triggers' back nothing can be said until sync_touch(), but in a table that comes whole that there is one. Not
** of what merely says under which number a row lies (seq 0). */
static int name_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    if (!c->head.tables[c->table].whole || sqlite3_column_int64(c->stmt, 0) == 0) {
        return SYNC_OK;
    }
    sync_row_reset(&c->out);
    c->out.cl = c->row.cl;
    c->out.born = on_wire(c, c->row.born);
    return encode_row(c, t, error);
}

/* Encodes the row that c->stmt stands on, if the receiver may lack something of it. */
static int send_row(sync_changes *c, sync_error *error)
{
    sync_db *s = c->s;
    sync_table *t = &s->tables[c->local[c->table]];
    bool any = false, done = false;
    int rc = SYNC_OK;
    sync_value clock = sync_column_value(c->stmt, 1);
    bool genesis = clock.type == SYNC_NULL;
    c->scanned++;
    if (c->narrow && ((rc = send_full(c, t, &clock, &done, error)) != SYNC_OK || done)) {
        return rc;
    }
    if (genesis) {
        rc = genesis_row(c, t, error);

    } else {
        rc = sync_clocks_unpack(s, t, &clock, &c->row);
        if (rc != SYNC_OK) {
            return sync_fail(error, rc, "sync_row_%u: the clock of journal entry %lld is damaged", t->tid,
                             (long long)sqlite3_column_int64(c->stmt, 0));
        }
    }
    int key = 3 + (int)t->key_count;
    bool shown = sqlite3_column_type(c->stmt, key) != SQLITE_NULL;
    bool lost = sync_row_alive(&c->row) && !c->row.held && !shown;
    c->shown += shown;
    for (uint32_t i = 0; i < t->key_count; i++) {
        c->key[i] = sync_column_value(c->stmt, (shown ? key : 3) + (int)i);
    }
    if (c->row.moved) {
        sync_row_lies(&c->row, c->key[0].i);
    }
    c->values = c->stmt;
    if (rc == SYNC_OK && lost) {
        return name_row(c, t, error);
    }
    if (rc == SYNC_OK && shown && sync_changes_wide(t)) {
        rc = sync_base_seek(s, t, c->key, &c->values, &shown, error);
    }
    rc = rc == SYNC_OK ? reduce(c, t, genesis, &any, error) : rc;
    if (rc == SYNC_OK && any) {
        rc = encode_row(c, t, error);
    }
    return c->values != c->stmt ? sync_reset_read(c->values, rc, error) : rc;
}

/* ---- the order of rows: tables that the receiver has nothing of, and genesis rows; then the journal ---- */

enum { SCAN_HIDDEN, SCAN_MOST, SCAN_GENESIS, SCAN_END };

static int open_stmt(sync_changes *c, uint32_t h, sync_read read, sync_error *error)
{
    sync_table *t = &c->s->tables[c->local[h]];
    c->table = h;
    c->narrow = is_narrow(c, t);
    return sync_changes_stmt(c->s, t, read, c->overlay, &c->stmt, error);
}

/* Identity key, its clocks are sent: are there rows that have none? */
static int any_without_clock(sync_changes *c, const sync_table *t, bool *any, sync_error *error)
{
    int64_t rows = 0;
    int rc = sync_query_int(c->s, &rows, 0, error, "SELECT count(*) FROM main.\"%w\"", t->name);
    *any = (uint64_t)rows != c->shown;
    return rc;
}

/* The same of a selection: first what is withdrawn, then what is sent. */
static int open_selected(sync_changes *c, sync_error *error)
{
    bool done = false;
    int rc = sync_changes_withdraw(c, &done, error);
    if (rc == SYNC_OK && done && c->tables_at < c->head.table_count) {
        return open_stmt(c, c->tables_at++, SYNC_READ_CHOSEN, error);
    }
    c->stage = rc == SYNC_OK && done ? STAGE_DONE : c->stage;
    return rc;
}

/* Opens the next scan of whole tables; leaves stmt NULL, and the stage at the journal, when there is none. */
static int open_scan(sync_changes *c, sync_error *error)
{
    while (c->tables_at < c->head.table_count) {
        uint32_t h = c->tables_at;
        const sync_table *t = &c->s->tables[c->local[h]];
        bool by_row = t->identity == SYNC_BY_ROW, any = false;
        bool scans = sync_changes_scans(c, h), due = sync_changes_genesis_due(c, h);
        int rc = SYNC_OK, scan = c->scan++;
        if (scan == SCAN_END) {
            c->tables_at++;
            c->scan = SCAN_HIDDEN;
        } else if (scan == SCAN_HIDDEN && scans && by_row) {
            return open_stmt(c, h, SYNC_READ_HIDDEN_CLOCKS, error);
        } else if (scan == SCAN_MOST && scans) {
            c->shown = 0;
            return open_stmt(c, h, by_row && due ? SYNC_READ_ROWS : SYNC_READ_CLOCKS, error);
        } else if (scan == SCAN_GENESIS && due && !(scans && by_row)) {
            any = !scans;
            rc = scans ? any_without_clock(c, t, &any, error) : SYNC_OK;
        }
        if (rc != SYNC_OK || any) {
            return rc == SYNC_OK ? open_stmt(c, h, SYNC_READ_GENESIS, error) : rc;
        }
    }
    c->stage = STAGE_JOURNAL;
    return SYNC_OK;
}

/* Reads the next entries of the journal as runs of one table each. */
static int read_runs(sync_changes *c, sync_error *error)
{
    uint32_t entries = 0;
    c->run_count = c->run_at = 0;
    int rc = sqlite3_bind_int64(c->runs_stmt, 1, c->position) ? sync_fail_db(c->s, error, NULL) : SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_step(c->s, c->runs_stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        int64_t seq = sqlite3_column_int64(c->runs_stmt, 0);
        uint32_t tid = (uint32_t)sqlite3_column_int64(c->runs_stmt, 1);
        if (seq <= c->position) { /* else it would be read for ever */
            rc = sync_fail(error, SYNC_CORRUPT, "sync_journal: its entries are not in order");
            break;
        }
        if (c->run_count && c->runs[c->run_count - 1].tid == tid) {
            c->runs[c->run_count - 1].hi = seq;
        } else {
            c->runs[c->run_count++] = (run){tid, seq, seq, false};
        }
        c->position = seq;
        entries++;
    }
    sqlite3_reset(c->runs_stmt);
    if (rc == SQLITE_DONE && entries == 0) {
        c->stage = STAGE_DONE;
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Opens the next run; identity row: first what it says of rows that went, then of those that are shown. */
static int open_run(sync_changes *c, sync_error *error)
{
    while (c->run_at < c->run_count) {
        run *r = &c->runs[c->run_at];
        sync_table *t = sync_engine_tid(c->s, r->tid);
        uint32_t h = t ? c->place[t - c->s->tables] : UINT32_MAX;
        int64_t start = h == UINT32_MAX || sync_changes_scans(c, h)
                            ? INT64_MAX
                            : (int64_t)sync_matrix_at(&c->head.start, h, 0);
        if (start >= r->hi) {
            c->run_at++;
            continue;
        }
        bool hidden = t->identity == SYNC_BY_ROW && !r->hidden_done;
        r->hidden_done = true;
        c->run_at += !hidden;
        int rc = open_stmt(c, h, hidden ? SYNC_READ_HIDDEN_ENTRIES : SYNC_READ_ENTRIES, error);
        if (rc == SYNC_OK && (sqlite3_bind_int64(c->stmt, 1, r->lo > start ? r->lo : start + 1) ||
                              sqlite3_bind_int64(c->stmt, 2, r->hi))) {
            rc = sync_fail_db(c->s, error, NULL);
        }
        return rc;
    }
    return read_runs(c, error);
}

static int open_next(sync_changes *c, sync_error *error)
{
    return c->selection               ? open_selected(c, error)
           : c->stage == STAGE_TABLES ? open_scan(c, error)
                                      : open_run(c, error);
}

/* Goes on until a part is full or all is sent (stage DONE). */
static int send_rows(sync_changes *c, size_t bytes_max, uint64_t rows_max, sync_error *error)
{
    const sync_encoder *e = c->s->encoder;
    int rc = SYNC_OK;
    while (rc == SYNC_OK && c->stage != STAGE_DONE) {
        bool full = (rows_max && sync_encoder_rows(e) >= rows_max) ||
                    (bytes_max && sync_encoder_rows(e) > 0 && sync_encoder_size(e) >= bytes_max);
        if (full) {
            break;
        }
        if (c->stmt == NULL) {
            rc = open_next(c, error);
            continue;
        }
        rc = sync_step(c->s, c->stmt, error);
        if (rc == SQLITE_ROW) {
            rc = send_row(c, error);
        } else if (rc == SQLITE_DONE) {
            sqlite3_reset(c->stmt);
            c->stmt = NULL;
            rc = SYNC_OK;
        }
    }
    return rc;
}

static int closing(sync_changes *c, sync_closing *to, sync_error *error)
{
    sync_db *s = c->s;
    sync_matrix seen = {0};
    *to = (sync_closing){.end = (uint64_t)c->newest};
    int rc = sync_engine_seen(s, &seen, error);
    if (rc == SYNC_OK &&
        (rc = sync_matrix_init(&to->seen, c->head.table_count, c->head.site_count)) != SYNC_OK) {
        rc = sync_fail(error, rc, "too many tables and sites for one changeset");
    }
    for (uint32_t h = 0; rc == SYNC_OK && !c->selection && h < c->head.table_count; h++) {
        for (uint32_t sid = 1; sid < s->sites.count; sid++) {
            sync_matrix_set(&to->seen, h, c->wire[sid],
                            sid == s->own_site ? c->hlc : sync_matrix_at(&seen, c->local[h], sid));
        }
    }
    sync_matrix_free(&seen);
    return rc;
}

int sync_changes_left(sync_changes *c, uint64_t *left, sync_error *error)
{
    int64_t at = c->run_at < c->run_count ? c->runs[c->run_at].lo - 1 : c->position;
    *left = c->stage == STAGE_DONE || at > c->newest ? 0 : (uint64_t)(c->newest - at);
    for (uint32_t h = 0; !c->counted && h < c->head.table_count; h++) {
        int64_t rows = 0;
        int rc = SYNC_OK;
        if (sync_changes_scans(c, h) || sync_changes_genesis_due(c, h)) {
            rc = sync_query_int(c->s, &rows, 0, error, "SELECT count(*) FROM main.\"%w\"",
                                c->s->tables[c->local[h]].name);
        }
        if (rc != SYNC_OK) {
            return rc;
        }
        c->to_scan += (uint64_t)rows;
    }
    c->counted = true;
    if (c->stage == STAGE_TABLES && c->to_scan > c->scanned) {
        *left += c->to_scan - c->scanned;
    }
    return SYNC_OK;
}

int sync_changes_part(sync_changes *c, size_t bytes_max, uint64_t rows_max, const void **part, size_t *bytes,
                      bool *last, sync_error *error)
{
    *part = NULL;
    *bytes = 0;
    *last = false;
    if (c->stage == STAGE_DONE || c->head.table_count == 0) {
        return SYNC_DONE;
    }
    c->head.part = c->part;
    int rc = sync_encoder_begin(c->s->encoder, &c->head, error);
    rc = rc == SYNC_OK ? send_rows(c, bytes_max, rows_max, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    if (c->stage != STAGE_DONE) {
        rc = sync_encoder_finish(c->s->encoder, NULL, part, bytes, error);
        c->part++;
        return rc == SYNC_OK ? SYNC_ROW : rc;
    }
    if (c->rows == 0 && c->head.wholes == 0 &&
        (c->receiver.table_count == 0 || c->scanned < SYNC_SCAN_QUIET_MAX)) {
        return SYNC_DONE;
    }
    sync_closing end = {0};
    rc = closing(c, &end, error);
    rc = rc == SYNC_OK ? sync_encoder_finish(c->s->encoder, &end, part, bytes, error) : rc;
    sync_matrix_free(&end.seen);
    *last = rc == SYNC_OK;
    if (c->selection && *last) {
        sync_selection_sent(c->selection);
    }
    return rc == SYNC_OK ? SYNC_ROW : rc;
}

uint64_t sync_changes_rows(const sync_changes *c)
{
    return c->rows + c->head.wholes;
}

int sync_changes_receiver(sync_changes *c, sync_buf *seen, sync_error *error)
{
    sync_closing end = {0};
    sync_head *r = &c->receiver;
    int rc = c->selection ? sync_seen_put(seen, r) : SYNC_OK;
    if (c->selection) { /* it claims no more than before */
        rc = seen->oom ? SYNC_NOMEM : rc;
        return rc == SYNC_OK ? rc : sync_fail(error, rc, "no seen blob");
    }
    rc = closing(c, &end, error);
    /* the receiver's blob may lack sites that it will now know: rebuild it over the union of both */
    uint32_t count = r->site_count, *at = NULL;
    sync_head joined = {0};
    if (rc == SYNC_OK && (at = sync_alloc((c->head.site_count + 1) * sizeof *at)) == NULL) {
        rc = sync_fail_nomem(error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < c->head.site_count; i++) {
        at[i] = sync_head_site(r, c->head.sites[i]);
        at[i] = at[i] == UINT32_MAX ? count++ : at[i];
    }
    if (rc == SYNC_OK) {
        rc = sync_head_set_sites(&joined, count);
        rc = rc == SYNC_OK ? sync_matrix_init(&joined.base, r->table_count, count) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&joined.start, r->table_count, count) : rc;
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one seen blob");
    }
    if (rc == SYNC_OK) {
        memcpy(joined.site, r->site, SYNC_SITE_BYTES);
        memcpy(joined.sites, r->sites, (size_t)r->site_count * SYNC_SITE_BYTES);
        for (uint32_t i = 0; i < c->head.site_count; i++) {
            memcpy(joined.sites[at[i]], c->head.sites[i], SYNC_SITE_BYTES);
        }
        joined.table_count = r->table_count;
        joined.tables = r->tables; /* lent for the encoding */
    }
    for (uint32_t t = 0; rc == SYNC_OK && t < r->table_count; t++) {
        for (uint32_t i = 0; i < r->site_count; i++) {
            sync_matrix_set(&joined.base, t, i, sync_matrix_at(&r->base, t, i));
            sync_matrix_set(&joined.start, t, i, sync_matrix_at(&r->start, t, i));
        }
        const sync_table *mine = sync_engine_table(c->s, r->tables[t].name);
        uint32_t h = mine ? c->place[mine - c->s->tables] : UINT32_MAX;
        for (uint32_t i = 0; h != UINT32_MAX && i < c->head.site_count; i++) {
            sync_matrix_raise(&joined.base, t, at[i], sync_matrix_at(&end.seen, h, i));
        }
        if (h != UINT32_MAX) {
            sync_matrix_raise(&joined.start, t, at[0], end.end);
        }
    }
    if (rc == SYNC_OK) {
        rc = sync_seen_put(seen, &joined);
        rc = rc == SYNC_OK && !seen->oom ? SYNC_OK
                                         : sync_fail(error, rc == SYNC_OK ? SYNC_NOMEM : rc, "no seen blob");
    }
    joined.table_count = 0;
    joined.tables = NULL;
    sync_head_free(&joined);
    sync_matrix_free(&end.seen);
    sync_free(at);
    return rc;
}
