/* Changes by other programs: noticed soon after their commit, and asked for seldom. */
#include "room_internal.h"

#include <string.h>

/* Another program has committed. */
static void note_foreign(peer_room *r, int64_t now_ms)
{
    if (now_ms - r->foreign_before_ms[PEER_STEADY_COMMITS - 2] < PEER_NEIGHBOUR_MS) {
        r->steady_ms = now_ms;
    }
    memmove(r->foreign_before_ms + 1, r->foreign_before_ms,
            sizeof r->foreign_before_ms - sizeof r->foreign_before_ms[0]);
    r->foreign_before_ms[0] = r->foreign_ms = now_ms;
}

/* Asks SQLite whether anybody else has committed. Whether the file is still the one at its path is looked at where that matters: before anything is done about a commit, and
** where nothing was heard of for long. True: somebody has. */
static bool check(peer_room *r, int64_t now_us)
{
    r->checked_us = now_us;
    int64_t version = peer_database_data_version(&r->database);
    bool committed = version >= 0 && version != r->data_version;
    if ((!committed && r->doubt_us > 0) || !peer_database_same(&r->database, &r->failure) || !committed) {
        return false;
    }
    r->data_version = version;
    note_foreign(r, now_us / 1000);
    r->unfolded = true;
    r->owes = true;
    if (peer_database_schema_version(&r->database) != r->schema_version) {
        peer_room_schema_changed(r);
    }
    r->seen_fresh = false;
    peer_outgoing_dirty(r);
    return true;
}

void peer_foreign_hint(peer_room *r, int64_t now_us)
{
    bool early = now_us - r->checked_us < PEER_DOUBT_US_MIN; /* a commit is heard as several writes */
    r->doubt_us = PEER_DOUBT_US_MIN;
    r->doubt_sum = 0;
    if (!early && check(r, now_us)) {
        r->doubt_us = PEER_DOUBT_US_SEEN;
    }
    r->check_us = r->checked_us + r->doubt_us;
}

void peer_foreign_check(peer_room *r, int64_t now_us)
{
    r->doubt_sum += r->doubt_us;
    if (check(r, now_us) && r->doubt_us > 0) {
        r->doubt_us = r->doubt_us > PEER_DOUBT_US_SEEN ? r->doubt_us : PEER_DOUBT_US_SEEN;
    } else {
        r->doubt_us = r->doubt_us * 2 < PEER_DOUBT_US_MAX ? r->doubt_us * 2 : PEER_DOUBT_US_MAX;
    }
    if (r->doubt_sum >= PEER_DOUBT_US_SUM) {
        r->doubt_us = 0;
    }
    r->check_us = now_us + (r->doubt_us > 0              ? r->doubt_us
                            : peer_room_follow_script(r) ? PEER_SLOW_POLL_MS * 1000
                                                         : PEER_SCRIPT_SETTLE_MS * 1000);
}
