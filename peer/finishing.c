/* --once: whether a link has nothing left to do. */
#include "room_internal.h"

#include "seen.h"

#include <stdlib.h>

static bool has_common(peer_room *r, const peer_link *l)
{
    uint32_t common = 0;
    if (peer_room_seen(r)) {
        free(peer_seen_alone(&r->seen, &l->theirs, &common));
    }
    return common > 0;
}

/* How many entries of sync_conflict, which is there, say that something is held. */
static bool count_held(peer_room *r, int64_t *held)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(r->database.db, "SELECT count(*) FROM main.sync_conflict WHERE held", -1,
                                &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *held = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    bool good = rc == SQLITE_OK || peer_database_fail(&r->database, &r->failure, "sync_conflict", rc);
    sqlite3_finalize(stmt);
    return good;
}

void peer_finishing_check(peer_room *r, peer_link *l)
{
    bool given = !l->gives || (l->asked && l->told && !l->dirty && !l->out_delta);
    bool taken = !l->takes || (l->caught_up && !l->in_delta);
    if (!r->options->once || l->done || l->closing || !given || !taken) {
        return;
    }
    for (const peer_part *p = r->parts; p != NULL; p = p->next) {
        if (p->link == l) {
            return;
        }
    }
    const bool common = has_common(r, l);
    int64_t held = 0;
    if (common && !count_held(r, &held)) {
        return;
    }
    l->done = true;
    r->finished = true;
    peer_message *m = peer_message_new(PEER_LINK_DONE, l->id);
    m->held = held;
    if (l->misfits > 0) {
        m->exit = PEER_EXIT_SCHEMA;
        m->text = peer_format("%u of the tables do not fit; the others hold the same now", l->misfits);
    } else if (!common) {
        m->exit = PEER_EXIT_SCHEMA;
        m->text = peer_strdup("no table is tracked on both sides, so there is nothing to keep in step");
    }
    peer_queue_put(r->network, m);
}
