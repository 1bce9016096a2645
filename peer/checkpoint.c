/* The log of a file (its WAL), moved into the file in quiet moments. */
#include "database.h"
#include "message.h"

static int on_wal(void *context, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    peer_database *d = context;
    d->wal_pages = pages;
    d->wal_pages_done = d->wal_pages_done < pages ? d->wal_pages_done : 0; /* it began anew */
    return SQLITE_OK;
}

void peer_database_count_wal(peer_database *d)
{
    sqlite3_wal_hook(d->db, on_wal, d);
}

void peer_database_checkpoint(peer_database *d)
{
    peer_failure ignored = {0};
    int in_log = -1, moved = -1;
    if (d->wal_pages - d->wal_pages_done < PEER_CHECKPOINT_PAGES || peer_now_ms() < d->checkpoint_ms ||
        !peer_database_same(d, &ignored)) { /* if it is not, the room is about to find out */
        return;
    }
    int rc = sqlite3_wal_checkpoint_v2(d->db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (rc == SQLITE_OK && moved >= in_log) {
        d->wal_pages_done = d->wal_pages;
        return;
    }
    /* somebody reads in an older snapshot: what that is in the way of is moved when it has gone */
    d->wal_pages_done = moved > 0 && moved < d->wal_pages ? moved : d->wal_pages_done;
    d->checkpoint_ms = peer_now_ms() + PEER_CHECKPOINT_RETRY_MS;
}
