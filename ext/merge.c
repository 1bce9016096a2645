#include "merge.h"

#include "status.h"

int sync_incarnation_compare(const sync_sites *sites, sync_identity identity, const sync_row *a,
                             const sync_row *b)
{
    if (identity == SYNC_BY_ROW && a->cl != 0 && b->cl != 0) {
        int order = sync_stamp_compare(sites, a->born, b->born);
        if (order != 0) {
            return order;
        }
    }
    return (a->cl > b->cl) - (a->cl < b->cl);
}

static sync_merged replace(sync_row *into, const sync_row *remote)
{
    if (sync_row_copy(into, remote) != SYNC_OK) {
        return SYNC_MERGE_NOMEM;
    }
    for (uint32_t i = 0; i < into->count; i++) {
        into->cells[i].fresh = true;
    }
    return SYNC_MERGE_LIFE;
}

/* Whether the join takes what `col` refers to (SYNC_REF_KEY and up: a key part, which goes with existence)
** from remote. Asked before either side has changed. */
static bool is_taken(const sync_sites *sites, const sync_row *into, const sync_row *remote, uint32_t col)
{
    if (col >= SYNC_REF_KEY) {
        return sync_stamp_compare(sites, remote->stamp, into->stamp) > 0;
    }
    const sync_cell *theirs = sync_row_find(remote, col);
    const sync_cell *mine = sync_row_find(into, col);
    return theirs != NULL &&
           sync_stamp_compare(sites, theirs->stamp, mine != NULL ? mine->stamp : SYNC_STAMP_NONE) > 0;
}

static int join_refs(const sync_sites *sites, sync_row *into, const sync_row *remote)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < into->ref_count; i++) {
        if (!is_taken(sites, into, remote, into->refs[i].col)) {
            into->refs[kept++] = into->refs[i];
        }
    }
    into->ref_count = kept;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < remote->ref_count; i++) {
        if (is_taken(sites, into, remote, remote->refs[i].col)) {
            rc = sync_row_add_ref(into, remote->refs[i]);
        }
    }
    return rc;
}

/* Cells of remote for columns that `into` does not have. */
static uint32_t count_new(const sync_row *into, const sync_row *remote)
{
    uint32_t found = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < remote->count; i++) {
        uint32_t col = remote->cells[i].col;
        while (at < into->count && into->cells[at].col < col) {
            at++;
        }
        bool known = at < into->count && into->cells[at].col == col;
        found += !known && !sync_stamp_is_none(remote->cells[i].stamp);
    }
    return found;
}

/* Walks both from the end, so that new columns find their place without moving any cell twice. */
static int join_cells(const sync_sites *sites, sync_row *into, const sync_row *remote, bool *taken)
{
    uint32_t from = into->count;
    uint32_t to = from + count_new(into, remote);
    if (sync_row_room(into, to) != SYNC_OK) {
        return SYNC_NOMEM;
    }
    into->count = to;
    for (uint32_t i = remote->count; i > 0; i--) {
        const sync_cell *theirs = &remote->cells[i - 1];
        while (from > 0 && into->cells[from - 1].col > theirs->col) {
            into->cells[--to] = into->cells[--from];
        }
        bool known = from > 0 && into->cells[from - 1].col == theirs->col;
        sync_stamp mine = known ? into->cells[--from].stamp : SYNC_STAMP_NONE;
        if (sync_stamp_compare(sites, theirs->stamp, mine) > 0) {
            into->cells[--to] = *theirs;
            into->cells[to].fresh = true;
            *taken = true;
        } else if (known) {
            into->cells[--to] = into->cells[from];
        }
    }
    return SYNC_OK;
}

/* A life of which either side knows that it was kept where deletes are forgotten is such a one, also where a plain existence wins. */
static void join_origins(sync_row *into, const sync_row *remote, bool moved_up)
{
    bool kept = !sync_stamp_is_none(into->origin) || !sync_stamp_is_none(remote->origin);
    if (moved_up) {
        into->origin = !kept                                ? SYNC_STAMP_NONE
                       : sync_stamp_is_none(remote->origin) ? remote->stamp
                                                            : remote->origin;
    } else if (kept && sync_stamp_is_none(into->origin)) {
        into->origin = sync_stamp_equal(into->stamp, remote->stamp) ? remote->origin : into->stamp;
    }
}

sync_merged sync_row_merge(const sync_sites *sites, sync_identity identity, sync_row *into,
                           const sync_row *remote)
{
    int order = sync_incarnation_compare(sites, identity, into, remote);
    if (order != 0) {
        return order > 0 ? SYNC_MERGE_NOTHING : replace(into, remote);
    }
    bool moved_up = sync_stamp_compare(sites, remote->stamp, into->stamp) > 0;
    if (!sync_row_alive(into)) {
        if (moved_up) {
            into->stamp = remote->stamp;
        }
        return moved_up ? SYNC_MERGE_STAMP : SYNC_MERGE_NOTHING;
    }
    bool taken = false;
    if (join_refs(sites, into, remote) != SYNC_OK || join_cells(sites, into, remote, &taken) != SYNC_OK) {
        return SYNC_MERGE_NOMEM;
    }
    join_origins(into, remote, moved_up);
    if (moved_up) {
        into->stamp = remote->stamp;
        into->moved = remote->moved;
        into->birth = remote->birth;
        into->number = remote->number;
        into->since = remote->since;
    }
    return taken ? SYNC_MERGE_CELLS : moved_up ? SYNC_MERGE_STAMP : SYNC_MERGE_NOTHING;
}
