#include "floor.h"

#include "peers.h"

#include <string.h>

int sync_floors_begin(sync_floors *f, sync_db *s, const uint8_t sender[SYNC_SITE_BYTES], sync_error *error)
{
    sync_matrix held = {0};
    f->s = s;
    f->forgets = sync_alloc(s->table_count + 1);
    f->behind = sync_alloc(s->table_count + 1);
    int rc = f->forgets && f->behind ? sync_engine_seen(s, &f->seen, error) : sync_fail_nomem(error);
    rc = rc == SYNC_OK ? sync_engine_floor(s, &f->floor, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_met(s, &f->met, error) : rc;
    rc = rc == SYNC_OK ? sync_peers_said(s, sender, &held, error) : rc;
    for (uint32_t t = 0; rc == SYNC_OK && t < s->table_count; t++) {
        f->forgets[t] = false;
        for (uint32_t i = 1; i < s->sites.count; i++) {
            f->forgets[t] = f->forgets[t] || sync_matrix_at(&f->floor, t, i) != 0;
            f->noted = f->noted || sync_matrix_at(&f->met, t, i) != 0;
        }
    }
    if (rc == SYNC_OK) {
        sync_floors_judge(f, &held);
    }
    sync_matrix_free(&held);
    return rc;
}

bool sync_floors_any(const sync_floors *f)
{
    bool any = false;
    for (uint32_t t = 0; !any && t < f->s->table_count; t++) {
        any = f->forgets[t];
    }
    return any;
}

void sync_floors_judge(sync_floors *f, const sync_matrix *held)
{
    for (uint32_t t = 0; t < f->s->table_count; t++) {
        f->behind[t] = false;
        for (uint32_t i = 1; i < f->s->sites.count; i++) {
            f->behind[t] =
                f->behind[t] || sync_below_floor(sync_matrix_at(&f->floor, t, i),
                                                 sync_matrix_at(&f->seen, t, i), sync_matrix_at(held, t, i));
        }
    }
}

void sync_floors_disregard(sync_floors *f, bool all)
{
    if (all) {
        memset(f->forgets, 0, f->s->table_count * sizeof *f->forgets);
    }
    memset(f->behind, 0, f->s->table_count * sizeof *f->behind);
}

void sync_floors_free(sync_floors *f)
{
    sync_matrix_free(&f->seen);
    sync_matrix_free(&f->floor);
    sync_matrix_free(&f->met);
    sync_free(f->forgets);
    sync_free(f->behind);
    *f = (sync_floors){0};
}

bool sync_floors_holds(const sync_floors *f, const sync_table *t, uint32_t site, uint64_t hlc)
{
    uint32_t at = (uint32_t)(t - f->s->tables);
    return hlc <= sync_matrix_at(&f->seen, at, site) || hlc <= sync_matrix_at(&f->floor, at, site);
}

static bool covers(const sync_floors *f, const sync_table *t, sync_stamp stamp)
{
    return sync_floors_holds(f, t, stamp.site, stamp.hlc);
}

void sync_floors_meet(sync_floors *f, const sync_table *t, const sync_row *row)
{
    uint32_t at = (uint32_t)(t - f->s->tables);
    sync_matrix_raise(&f->met, at, row->born.site, row->born.hlc);
    sync_matrix_raise(&f->met, at, row->origin.site, row->origin.hlc);
    sync_matrix_raise(&f->met, at, row->stamp.site, row->stamp.hlc);
    for (uint32_t i = 0; i < row->count; i++) {
        sync_matrix_raise(&f->met, at, row->cells[i].stamp.site, row->cells[i].stamp.hlc);
    }
}

sync_stamp sync_origin(const sync_row *row)
{
    return sync_stamp_is_none(row->origin) ? row->stamp : row->origin;
}

void sync_insist(sync_merging *m, sync_row *row)
{
    row->origin = sync_origin(row);
    row->stamp = sync_merging_stamp(m);
}

bool sync_floors_forgot(const sync_floors *f, const sync_table *t, const sync_row *row)
{
    bool by_birth = t->identity == SYNC_BY_ROW && sync_row_alive(row);
    sync_stamp stamp = by_birth ? row->born : sync_origin(row);
    if (!f->forgets[t - f->s->tables] || (by_birth && sync_stamp_is_none(stamp))) {
        return false; /* deletes of rows that are known by their number alone are never forgotten */
    }
    return sync_stamp_is_none(stamp) || covers(f, t, stamp);
}

int sync_floors_pass(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *remote,
                     sync_slot *slot)
{
    if (t->identity == SYNC_BY_ROW || !sync_row_alive(remote) || sync_stamp_is_none(remote->origin)) {
        return SYNC_OK;
    }
    sync_row end = {.cl = remote->cl + 1, .stamp = sync_merging_stamp(m)};
    return sync_show(m, t, key, &end, slot, SYNC_MERGE_LIFE);
}

/* Does the maker of a whole table claim to have seen something of this life that it does not have? What is told of anew and has not reached it yet
** brings that along. */
static bool misses(const sync_whole *w, const sync_row *mine, const sync_row *theirs)
{
    bool missing = false,
         told = !sync_stamp_is_none(mine->origin) && mine->stamp.hlc > w->held[mine->stamp.site];
    for (uint32_t i = 0; !told && !missing && i < mine->count; i++) {
        sync_stamp stamp = mine->cells[i].stamp;
        const sync_cell *cell = sync_row_find(theirs, mine->cells[i].col);
        missing = !sync_stamp_is_none(stamp) && stamp.hlc <= w->held[stamp.site] &&
                  (cell == NULL || cell->stamp.hlc < stamp.hlc);
    }
    return missing;
}

/* Has `a` a cell that is later than that of `b`? */
static bool exceeds(const sync_sites *sites, const sync_row *a, const sync_row *b)
{
    bool more = false;
    for (uint32_t i = 0; !more && i < a->count; i++) {
        const sync_cell *cell = sync_row_find(b, a->cells[i].col);
        more = sync_stamp_compare(sites, a->cells[i].stamp, cell ? cell->stamp : SYNC_STAMP_NONE) > 0;
    }
    return more;
}

/* Both sides of one life, of which at least one was told of anew, so that some of its cells may be older than what files have seen that lack them: who
** has the existence that wins is to have all of what it has become. */
static bool grows(const sync_floors *f, const sync_row *mine, const sync_row *theirs)
{
    const sync_sites *sites = &f->s->sites;
    if (sync_stamp_is_none(theirs->stamp) ||
        (sync_stamp_is_none(mine->origin) && sync_stamp_is_none(theirs->origin))) {
        return false;
    }
    return sync_stamp_compare(sites, theirs->stamp, mine->stamp) > 0 ? exceeds(sites, mine, theirs)
                                                                     : exceeds(sites, theirs, mine);
}

bool sync_floors_tell(const sync_floors *f, sync_merging *m, const sync_table *t, const sync_row *before,
                      const sync_row *remote, const sync_whole *whole, sync_row *row)
{
    bool was = sync_row_alive(before), is = sync_row_alive(remote), insisted = false;
    bool ended_there = was && whole && before->cl > remote->cl &&
                       sync_origin(before).hlc <= whole->held[sync_origin(before).site];
    bool ended_here = is && before->cl > 0 && remote->cl > before->cl && f->forgets[t - f->s->tables] &&
                      covers(f, t, sync_origin(remote));
    if (ended_there ||
        ended_here) { /* who has seen the longer life knows a shorter one now, so its end was forgotten */
        sync_row_reset(row);
        row->cl = (ended_there ? before->cl : remote->cl) + 1;
        row->stamp = sync_merging_stamp(m);
        return true;
    }
    /* It may have ended elsewhere: what is known of an earlier life says nothing of that. */
    if (is && before->cl < remote->cl) {
        insisted = f->behind[t - f->s->tables];
    } else if (was != is) { /* one of them knows the end of a life that the other has kept */
        const sync_row *alive = was ? before : remote, *dead = was ? remote : before;
        if (alive->cl < dead->cl && !sync_stamp_is_none(alive->origin) &&
            alive->stamp.hlc > dead->stamp.hlc) {
            row->stamp = sync_merging_stamp(m);
            return true;
        }
    } else if (was && before->cl == remote->cl) {
        insisted = (whole && misses(whole, before, remote)) || grows(f, before, remote);
    }
    if (insisted) {
        sync_insist(m, row);
    }
    return insisted;
}

int sync_floors_end(sync_floors *f, const sync_matrix *seen, sync_error *error)
{
    bool some = false;
    for (uint32_t t = 0; t < f->s->table_count; t++) {
        for (uint32_t i = 0; i < f->met.sites; i++) {
            bool held =
                i == 0 || i == f->s->own_site || sync_matrix_at(&f->met, t, i) <= sync_matrix_at(seen, t, i);
            sync_matrix_set(&f->met, t, i, held ? 0 : sync_matrix_at(&f->met, t, i));
            some = some || !held;
        }
    }
    return some || f->noted ? sync_engine_save_met(f->s, &f->met, error) : SYNC_OK;
}
