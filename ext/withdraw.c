#include "withdraw.h"

#include "base.h"
#include "compact.h"
#include "meant.h"
#include "renumber.h"
#include "request.h"

/* As sync_conflict calls it. */
static const char reason_refused[] = "rule";

/* Did this file write that, and the sender does not hold it? What it wrote under an id that it has given up may be such. */
static int is_unsent(sync_merging *m, sync_stamp stamp, uint64_t known, bool *unsent)
{
    bool ours = false;
    int rc = SYNC_OK;
    *unsent = !sync_stamp_is_none(stamp) && stamp.site == m->s->own_site && stamp.hlc > known;
    if (!sync_stamp_is_none(stamp) && stamp.site != m->s->own_site) {
        stamp.written = 1; /* what it had before it was tracked is as much its own */
        rc = sync_merging_wrote(m, stamp, &ours);
        *unsent = ours;
    }
    return rc;
}

static int has_unsent(sync_merging *m, const sync_row *row, uint64_t known, bool *unsent)
{
    int rc = is_unsent(m, row->stamp, known, unsent);
    for (uint32_t i = 0; rc == SYNC_OK && !*unsent && i < row->count; i++) {
        rc = is_unsent(m, row->cells[i].stamp, known, unsent);
    }
    return rc;
}

/* The row's life ends as any other, so that all that hangs on it does what it does then; and nothing is left that says so. */
static int take_out(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot)
{
    sync_stamp born = row->born;
    sync_value room, at[SYNC_KEY_COLUMNS_MAX];
    const sync_value *lies = sync_lies(slot, key, &room);
    bool there = false;
    for (uint32_t i = 0; i < t->key_count; i++) {
        at[i] = lies[i];
    }
    sync_row end = {.cl = t->identity == SYNC_BY_ROW ? 2 : row->cl + 1, .born = born};
    end.stamp = sync_merging_stamp(m);
    bool shown = slot->shown;
    sync_merged what = sync_row_merge(&m->s->sites, t->identity, row, &end);
    int rc = what == SYNC_MERGE_NOMEM ? sync_fail_nomem(m->error) : sync_show(m, t, key, row, slot, what);
    rc = rc == SYNC_OK && shown ? sync_base_exists(m->s, t, at, &there, m->error) : rc;
    if (rc != SYNC_OK || there) {
        return rc; /* a trigger keeps it, and it is listed */
    }
    rc = sync_find(m, t, key, born, row, slot);
    return rc == SYNC_OK && slot->in_clock && !sync_row_alive(row)
               ? sync_compact_one(m->s, t, slot->seq, row, m->error)
               : rc;
}

int sync_withdraw(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, uint64_t known,
                  int64_t *gone)
{
    sync_row row = {0};
    sync_slot slot;
    bool stays = false;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, t, key, born, &row, &slot);
    stays = !sync_row_alive(&row);
    rc = rc == SYNC_OK && !stays ? has_unsent(m, &row, known, &stays) : rc;
    rc = rc == SYNC_OK && !stays ? sync_conflict_noted(m, t, key, &row, reason_refused, &stays) : rc;
    if (rc == SYNC_OK && !stays) {
        rc = take_out(m, t, key, &row, &slot);
        *gone += rc == SYNC_OK;
    }
    sync_row_free(&row);
    return rc;
}

typedef struct rest {
    uint64_t known;
    int64_t gone;
} rest;

static int withdraw_unnamed(void *context, sync_merging *m, sync_table *t, const sync_value *key,
                            sync_stamp born)
{
    rest *r = context;
    return sync_withdraw(m, t, key, born, r->known, &r->gone);
}

int sync_withdraw_rest(sync_merging *m, sync_table *t, const sync_whole *w, uint64_t known, int64_t *gone)
{
    rest r = {.known = known};
    int rc = sync_whole_rest(m, t, w, withdraw_unnamed, &r);
    *gone = r.gone;
    return rc;
}

/* ---- what was refused ---- */

static int note_row(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, const char *why,
                    int64_t *rows)
{
    sync_row row = {0};
    sync_slot slot;
    sync_value room;
    bool there = false;
    int rc = sync_find(m, t, key, born, &row, &slot);
    if (rc == SYNC_OK && row.cl > 0) {
        rc = sync_conflict_unlist(m, t, key, &row, reason_refused);
        rc = rc == SYNC_OK && slot.shown ? sync_base_load(m->s, t, sync_lies(&slot, key, &room), &row, NULL,
                                                          &m->arena, &there, m->error)
                                         : rc;
        rc = rc == SYNC_OK ? sync_conflict_note(m, t, key, &row, NULL, reason_refused, why) : rc;
        *rows += rc == SYNC_OK;
    }
    sync_row_free(&row);
    return rc;
}

/* Who is shown under the number that a held row claims takes another one, if it was refused. */
static int yield(sync_merging *m, sync_table *t, const sync_listed *held, bool *any)
{
    sync_row row = {0}, other = {0};
    sync_slot slot, other_slot;
    sync_value room, known_room, born_room;
    bool refused = false, done = false;
    int rc = sync_find(m, t, held->key, held->born, &row, &slot);
    const sync_value *number = sync_claimed(&row, NULL, held->key, &room);
    rc = rc == SYNC_OK && row.held ? sync_find_shown(m, t, number, &other, &other_slot) : rc;
    if (rc == SYNC_OK && row.held && other_slot.shown) {
        born_room = *sync_known_by(&other, &other_slot, number, &known_room);
        rc = sync_conflict_noted(m, t, &born_room, &other, reason_refused, &refused);
    }
    if (rc == SYNC_OK && refused) {
        sync_stamp born = other.born;
        rc = sync_find(m, t, &born_room, born, &other, &other_slot);
        rc = rc == SYNC_OK ? sync_hold(m, t, &born_room, &other, &other_slot, "number",
                                       "another row was given this number, and this one was refused")
                           : rc;
        rc = rc == SYNC_OK ? sync_renumber_one(m, t, &born_room, born, &done) : rc;
        *any = *any || rc == SYNC_OK;
    }
    sync_row_free(&row);
    sync_row_free(&other);
    return rc;
}

static int yield_in(sync_merging *m, sync_table *t, bool *any)
{
    sync_listing listing = {.of = SYNC_LISTED_NUMBERS, .upto = INT64_MAX, .one_by_one = true};
    const sync_listed *one;
    int rc = SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_conflict_next(m, t, &listing, &one)) == SQLITE_ROW) {
        rc = yield(m, t, one, any);
    }
    sync_conflict_end(&listing);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_refused_yield(sync_merging *m)
{
    sync_db *s = m->s;
    int64_t both = 0;
    bool any = false;
    int rc =
        sync_query_int(s, &both, 0, m->error,
                       "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held) AND EXISTS (SELECT 1 "
                       "FROM main.sync_conflict WHERE NOT held AND reason = 'rule')");
    for (uint32_t i = 0; rc == SYNC_OK && both && i < s->table_count; i++) {
        sync_table *t = &s->tables[i];
        bool able = t->identity == SYNC_BY_ROW && !t->missing && sync_renumber_may(s, t);
        rc = able ? yield_in(m, t, &any) : SYNC_OK;
    }
    return rc == SYNC_OK && any ? sync_settle(m) : rc;
}

/* One row of the report, its sites as the report numbers them. */
static int take_row(sync_merging *m, const sync_head *head, uint32_t table, const sync_value *key,
                    const sync_row *wire, const char *why, int64_t *rows)
{
    sync_table *t = sync_engine_table(m->s, head->tables[table].name);
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {.born = wire->born};
    sync_error misfit = {0};
    if (t == NULL || t->missing || sync_head_match(t, &head->tables[table], &misfit) != SYNC_OK) {
        return SYNC_OK;
    }
    sync_arena_reset(&m->arena);
    if (!sync_stamp_is_none(row.born)) {
        row.born.site = sync_engine_find_site(m->s, head->sites[wire->born.site]);
    }
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < wire->ref_count; i++) {
        sync_ref ref = wire->refs[i];
        if (!sync_stamp_is_none(ref.born)) {
            ref.born.site = sync_engine_find_site(m->s, head->sites[ref.born.site]);
        }
        rc = sync_row_add_ref(&row, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    }
    rc = rc == SYNC_OK && t->meant ? sync_meant_arrived(t, key, &row, known, &m->arena, m->error) : rc;
    rc = rc == SYNC_OK ? note_row(m, t, t->meant ? known : key, row.born, why, rows) : rc;
    sync_row_free(&row);
    return rc;
}

int sync_refused_note(sync_db *s, const void *report, size_t bytes, const char *why, int64_t *rows,
                      sync_error *error)
{
    sync_merging m = {0};
    sync_decoder *decoder = NULL;
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *wire = NULL;
    *rows = 0;
    int rc = sync_decoder_open(report, bytes, SYNC_VALUE_BYTES_MAX, &decoder, error);
    if (rc == SYNC_OK && sync_decoder_head(decoder)->purpose != SYNC_FOR_AUTHOR) {
        rc = sync_fail(error, SYNC_CORRUPT, "what was refused is not told as such");
    }
    if (rc == SYNC_OK) {
        rc = sync_merging_begin(&m, s, error);
        while (rc == SYNC_OK && (rc = sync_decoder_next(decoder, &table, &key, &wire, error)) == SYNC_ROW) {
            rc = take_row(&m, sync_decoder_head(decoder), table, key, wire, why, rows);
        }
        rc = sync_merging_end_local(&m, rc == SYNC_DONE ? SYNC_OK : rc);
    }
    sync_decoder_close(decoder);
    return rc;
}
