/* What the end of a changeset says, taken over. */
#include "apply_internal.h"
#include "peers.h"
#include "site.h"

/* What they have forgotten this file does not know either, once all of it has come. */
static int take_floors(sync_applying *a, sync_error *error)
{
    sync_db *s = a->m.s;
    sync_matrix *floor = &a->floors.floor;
    for (uint32_t h = 0; a->head->wholes && h < a->head->table_count; h++) {
        for (uint32_t w = 0; a->tables[h].t && w < a->head->site_count; w++) {
            sync_matrix_raise(floor, (uint32_t)(a->tables[h].t - s->tables), a->site[w],
                              sync_matrix_at(&a->head->floor, h, w));
        }
    }
    return a->head->wholes ? sync_engine_save_floor(s, floor, error) : SYNC_OK;
}

int sync_closing_lives(sync_applying *a, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t h = 0; rc == SYNC_OK && a->head->forgets && h < a->head->table_count; h++) {
        sync_table *t = a->tables[h].t;
        uint64_t lives = a->head->tables[h].lives;
        if (t && lives > a->m.hlc) { /* each took a stamp */
            rc = sync_fail(error, SYNC_CORRUPT,
                           "the changeset is damaged: table %s had more lives than there were moments",
                           t->name);
        } else if (t && t->identity == SYNC_BY_KEY && lives > t->lives) {
            rc = sync_engine_set_lives(a->m.s, t, lives, error);
        }
    }
    return rc;
}

/* What the maker held when it made the delta, by this file's numbers. held: zero, for sync_matrix_free in any case. */
static int read_held(const sync_applying *a, const sync_closing *closing, sync_matrix *held,
                     sync_error *error)
{
    sync_db *s = a->m.s;
    int rc = sync_matrix_init(held, s->table_count, s->sites.count);
    if (rc != SYNC_OK) {
        return sync_fail(error, rc, "too many tables and sites for one vector");
    }
    for (uint32_t h = 0; h < a->head->table_count; h++) {
        for (uint32_t w = 0; a->tables[h].t && w < a->head->site_count; w++) {
            sync_matrix_set(held, (uint32_t)(a->tables[h].t - s->tables), 0, 1);
            sync_matrix_set(held, (uint32_t)(a->tables[h].t - s->tables), a->site[w],
                            sync_matrix_at(&closing->seen, h, w));
        }
    }
    return SYNC_OK;
}

static int note_peer(sync_applying *a, const sync_closing *closing, sync_error *error)
{
    sync_matrix held = {0};
    bool news = false;
    if (a->site[0] == a->m.s->own_site) {
        return SYNC_OK;
    }
    int rc = read_held(a, closing, &held, error);
    rc = rc == SYNC_OK ? sync_peers_note(a->m.s, a->head->site, &held, &news, error) : rc;
    sync_matrix_free(&held);
    return rc;
}

int sync_closing_judge(sync_applying *a, sync_error *error)
{
    sync_decoder *ahead = NULL;
    sync_matrix held = {0};
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *wire = NULL;
    if (!sync_floors_any(&a->floors)) {
        return SYNC_OK;
    }
    int rc = sync_decoder_open(a->changeset, a->bytes, a->value_max, &ahead, error);
    while (rc == SYNC_OK && (rc = sync_decoder_next(ahead, &table, &key, &wire, error)) == SYNC_ROW) {
        rc = SYNC_OK;
    }
    const sync_closing *closing = rc == SYNC_DONE ? sync_decoder_closing(ahead) : NULL;
    rc = rc == SYNC_DONE ? SYNC_OK : rc;
    if (rc == SYNC_OK && closing) {
        rc = read_held(a, closing, &held, error);
        if (rc == SYNC_OK) {
            sync_floors_judge(&a->floors, &held);
        }
    }
    sync_matrix_free(&held);
    sync_decoder_close(ahead);
    return rc;
}

int sync_closing_take(sync_applying *a, const sync_closing *closing, sync_error *error)
{
    sync_db *s = a->m.s;
    sync_matrix seen = {0}, cursors = {0};
    uint64_t own = 0;
    int rc = sync_engine_seen(s, &seen, error);
    rc = rc == SYNC_OK ? sync_engine_cursors(s, &cursors, error) : rc;
    for (uint32_t h = 0; rc == SYNC_OK && h < a->head->table_count; h++) {
        if (a->tables[h].t == NULL) {
            continue;
        }
        uint32_t at = (uint32_t)(a->tables[h].t - s->tables);
        const uint32_t told =
            a->gate ? 1 : a->head->site_count; /* who may not see all speaks for himself alone */
        for (uint32_t w = 0; w < told; w++) {
            uint64_t hlc = sync_matrix_at(&closing->seen, h, w);
            own = a->site[w] == s->own_site && hlc > own ? hlc : own;
            sync_matrix_raise(&seen, at, a->site[w], hlc);
        }
        sync_matrix_set(&cursors, at, a->site[0], closing->end);
    }
    if (rc == SYNC_OK &&
        own > s->hlc) { /* somebody holds more of our writes than we do: this file was restored */
        rc = sync_site_renew(s, NULL, error);
        s->hlc = own > s->hlc ? own : s->hlc;
    }
    rc = rc == SYNC_OK && !a->gate ? note_peer(a, closing, error) : rc;
    rc = rc == SYNC_OK && !a->gate ? take_floors(a, error) : rc;
    rc = rc == SYNC_OK ? sync_floors_end(&a->floors, &seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save_seen(s, &seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save_cursors(s, &cursors, error) : rc;
    sync_matrix_free(&seen);
    sync_matrix_free(&cursors);
    return rc;
}
