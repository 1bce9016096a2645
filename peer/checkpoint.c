/* The log of a file (its WAL), moved into the file in quiet moments. */
#include "database.h"
#include "message.h"
#include "walreset.h"

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
    if (peer_walreset_is_there()) {
        (void)peer_database_spare(
            d); /* while the path leads to the file. Where it cannot be opened the log stays as it is */
    }
}

/* A library with the WAL-reset bug reads where the log ends, and may not notice that a writer begins the log anew behind its back. So nobody may write
** meanwhile: the main connection has the write lock, and another one, for none can checkpoint in a transaction, does it. (Other modes are no help: where
** they do not get the lock they go on as PASSIVE.) */
static int move_alone(peer_database *d, int *in_log, int *moved)
{
    sqlite3 *other = peer_database_spare(d);
    if (other == NULL) {
        return SQLITE_BUSY;
    }
    peer_database_wait(d, false);
    int rc = sqlite3_exec(d->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    peer_database_wait(d, true);
    if (rc == SQLITE_OK) {
        rc = sqlite3_wal_checkpoint_v2(other, "main", SQLITE_CHECKPOINT_PASSIVE, in_log, moved);
        int ended = sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
        rc = rc == SQLITE_OK ? ended : rc;
    }
    return rc;
}

static int move(peer_database *d, int *in_log, int *moved)
{
    return peer_walreset_is_there()
               ? move_alone(d, in_log, moved)
               : sqlite3_wal_checkpoint_v2(d->db, "main", SQLITE_CHECKPOINT_PASSIVE, in_log, moved);
}

void peer_checkpoint_last(peer_database *d)
{
    int in_log, moved;
    if (move(d, &in_log, &moved) !=
        SQLITE_OK) { /* the log is about to go: then its end is certain, and the bug is not */
        (void)sqlite3_wal_checkpoint_v2(d->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
}

void peer_database_checkpoint(peer_database *d)
{
    peer_failure ignored = {0};
    int in_log = -1, moved = -1;
    if (d->wal_pages - d->wal_pages_done < PEER_CHECKPOINT_PAGES || peer_now_ms() < d->checkpoint_ms ||
        !peer_database_same(d, &ignored)) { /* if it is not, the room is about to find out */
        return;
    }
    int rc = move(d, &in_log, &moved);
    if (rc == SQLITE_OK && moved >= in_log) {
        d->wal_pages_done = d->wal_pages;
        return;
    }
    /* somebody reads in an older snapshot: what that is in the way of is moved when it has gone */
    d->wal_pages_done = moved > 0 && moved < d->wal_pages ? moved : d->wal_pages_done;
    d->checkpoint_ms = peer_now_ms() + PEER_CHECKPOINT_RETRY_MS;
}
