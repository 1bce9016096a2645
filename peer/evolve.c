/* A room's schema as it changes: by its script, and by other programs. */
#include "log.h"
#include "migration.h"
#include "room_internal.h"
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void peer_room_schema_changed(peer_room *r)
{
    r->seen_fresh = false;
    if (r->options->track == PEER_TRACK_ALL) {
        peer_database_track(&r->database, PEER_TRACK_ALL, NULL, &r->failure);
    }
    (void)peer_harden_trust(r->database.db); /* fails: the schema is not trusted */
    r->schema_version = peer_database_schema_version(&r->database);
    (void)peer_room_seen(r); /* tells the other sides */
}

/* What can be said of a script's text without reading it. */
static peer_script_stamp stamp_of(const struct stat *st)
{
    return (peer_script_stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
}

static bool is_same(const peer_script_stamp *a, const peer_script_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes && a->s == b->s &&
           a->ns == b->ns;
}

/* Somebody may be writing it: half a script is no schema. */
static bool is_settled(const struct stat *st)
{
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < st->st_mtim.tv_sec ||
           (now.tv_sec - st->st_mtim.tv_sec) * 1000 + (now.tv_nsec - st->st_mtim.tv_nsec) / 1000000 >=
               PEER_SCRIPT_SETTLE_MS;
}

/* False: it should be tried again soon. */
static bool migrate(peer_room *r, const char *path)
{
    peer_failure failure = {0};
    peer_migrated done = {0};
    char *script = peer_script_read(path, &failure);
    bool good = script != NULL &&
                peer_migration_run(r->database.db, r->options, path, script, &r->stopping, &done, &failure);
    free(script);
    if (!good && (failure.code == PEER_EXIT_BUSY || failure.code == PEER_EXIT_FULL)) {
        if (!r->script_waits) {
            peer_notice("room %s: %s; trying again", r->options->room, failure.text);
        }
        r->script_waits = true;
        return false;
    }
    r->script_waits = false;
    if (!good) {
        peer_notice("room %s: its tables stay as they are: %s", r->options->room, failure.text);
    } else if (done.statements > 0) {
        peer_notice("room %s: as %s says now: %s", r->options->room, path, done.names);
    }
    if (!good || done.statements > 0) {
        peer_event("migrated",
                   (peer_field[]){PEER_TEXT("room", r->options->room), PEER_NUMBER("code", failure.code),
                                  PEER_TEXT("text", good ? done.names : failure.text), PEER_END});
    }
    if (good && done.statements > 0) {
        if (r->options->track == PEER_TRACK_UNSAID) { /* it may have tracked nothing, having had nothing */
            (void)peer_database_track(&r->database, PEER_TRACK_UNSAID, NULL, &r->failure);
        }
        peer_room_schema_changed(r);
    }
    if (good && done.left[0] != 0) {
        peer_notice("room %s: %s names no more, and stays: %s", r->options->room, path, done.left);
    }
    free(done.names);
    free(done.left);
    return true;
}

bool peer_room_follow_script(peer_room *r)
{
    struct stat st;
    const char *path = r->options->migrate != PEER_MIGRATE_NONE ? peer_script_path(r->options) : NULL;
    if (path == NULL || stat(path, &st) != 0) {
        return true; /* what is not there says nothing */
    }
    peer_script_stamp stamp = stamp_of(&st);
    if (is_same(&stamp, &r->script)) {
        return true;
    }
    if (!is_settled(&st) || !migrate(r, path)) {
        return false;
    }
    r->script = stamp;
    return true;
}
