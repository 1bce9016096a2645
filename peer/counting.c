/* What a room's worker counts beside its work: see metrics.h. */
#include "room_internal.h"

#include "log.h"

#include <stdlib.h>
#include <sys/stat.h>

int peer_counting_fold(peer_room *r, bool *more)
{
    const int64_t began_us = peer_now_us();
    int rc = peer_database_fold(&r->database, more);
    if (rc == SQLITE_OK) {
        peer_metrics_time(r->metrics, PEER_FOLDS, peer_now_us() - began_us);
    }
    return rc;
}

void peer_counting_checkpoint(peer_room *r)
{
    struct stat st;
    peer_database_checkpoint(&r->database);
    char *path = peer_format("%s-wal", r->database.path);
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0; /* without a log there are none */
    free(path);
    atomic_store_explicit(&r->metrics->wal_bytes, bytes, memory_order_relaxed);
}

void peer_counting_rows_sent(peer_room *r, peer_link *l)
{
    uint64_t rows = sync_stream_rows(l->stream);
    peer_metrics_count(r->metrics, PEER_ROWS_SENT, rows - l->out_rows);
    l->out_rows = rows;
}

void peer_counting_lag(peer_link *l)
{
    if (l->closing || (!l->out_delta &&
                       !l->dirty)) { /* a delta that was given up counts until it is cut again, or needless */
        l->out_began_ms = 0;
    }
    uint64_t parts = l->out_delta && !l->closing ? l->out_parts - l->out_acked : 0;
    atomic_store_explicit(&l->lag->since_ms, l->out_began_ms, memory_order_relaxed);
    atomic_store_explicit(&l->lag->parts, parts, memory_order_relaxed);
}

void peer_counting_progress(peer_room *r, bool done)
{
    if (!r->options->once) {
        return;
    }
    double most = 0, left = peer_taking_left(r, &most);
    for (const peer_link *l = r->links; l != NULL; l = l->next) {
        left += (double)l->in_left + (double)l->out_left;
        most += (double)l->in_most + (double)l->out_most;
    }
    int percent = most > 0 ? (int)(99 * (1 - left / most)) : 0; /* the other side has the last word */
    r->percent = done ? 100 : percent > r->percent ? percent : r->percent;
    peer_progress(r->percent, r->received_bytes, r->received_rows, r->sent_bytes, done);
}
