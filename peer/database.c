/* One database file as a room's worker uses it. */
#include "database.h"

#include "identity.h"
#include "inspect.h"
#include "log.h"
#include "message.h"
#include "quota.h"
#include "sync_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_ATTEMPTS = PEER_BUSY_MS / PEER_BUSY_RETRY_MS, LIST_BYTES = 800 };

/* Waits in small steps, so that SIGTERM is not kept waiting. */
static int on_busy(void *context, int count)
{
    peer_database *d = context;
    d->waits++;
    if (count >= PEER_BUSY_MS || atomic_load(d->stopping)) {
        return 0;
    }
    usleep(1000);
    return 1;
}

void peer_database_wait(peer_database *d, bool wait)
{
    sqlite3_busy_handler(d->db, wait ? on_busy : NULL, d);
}

int peer_connection_open(const char *path, int (*busy)(void *, int), void *context, sqlite3 **db,
                         char **error)
{
    *error = NULL;
    int rc =
        sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    sqlite3_extended_result_codes(*db, 0);
    sqlite3_busy_handler(*db, busy, context);
    rc = peer_harden(*db);
    rc = rc == SQLITE_OK ? sqlite3_syncext_init(*db, error, NULL) : rc;
    return rc == SQLITE_OK ? sqlite3_exec(*db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) : rc;
}

/* The same for a room, which takes its checkpoints itself (checkpoint.c). */
static int open_connection(peer_database *d, sqlite3 **db, char **error)
{
    int rc = peer_connection_open(d->path, on_busy, d, db, error);
    return rc == SQLITE_OK ? sqlite3_wal_autocheckpoint(*db, 0) : rc;
}

/* Reads one row's first column as text into `to`. */
static int query_text(sqlite3 *db, const char *sql, char *to, size_t bytes)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    to[0] = 0;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(stmt, 0);
            snprintf(to, bytes, "%s", text != NULL ? text : "");
            rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* After so many attempts more: is another one due, since the file was locked? */
static bool try_again(const peer_database *d, int rc, int attempts)
{
    return (rc & 0xff) == SQLITE_BUSY && attempts < BUSY_ATTEMPTS && !atomic_load(d->stopping);
}

/* One attempt: the switch needs the file for itself, and SQLite does not wait for it. */
static int try_journal_mode(peer_database *d, bool keep)
{
    char mode[16];
    int rc = query_text(d->db, "PRAGMA journal_mode", mode, sizeof mode);
    if (rc == SQLITE_OK && strcmp(mode, "wal") != 0 && !keep) {
        rc = query_text(d->db, "PRAGMA journal_mode=WAL", mode, sizeof mode);
        if (rc == SQLITE_OK && strcmp(mode, "wal") == 0) {
            peer_notice("%s is now in WAL mode (--no-wal leaves it as it was)", d->path);
        } else if (rc == SQLITE_OK) {
            peer_notice("%s cannot be switched to WAL mode and stays in %s mode", d->path, mode);
        }
    }
    return rc;
}

static bool set_journal_mode(peer_database *d, bool keep, peer_failure *f)
{
    int rc = try_journal_mode(d, keep);
    for (int i = 0; try_again(d, rc, i); i++) {
        usleep(PEER_BUSY_RETRY_MS * 1000);
        rc = try_journal_mode(d, keep);
    }
    return rc == SQLITE_OK || peer_database_fail(d, f, "cannot be read", rc);
}

/* Takes and gives back the write lock: what is wrong with writing shows now, not at the first merge. */
static bool check_writable(peer_database *d, peer_failure *f)
{
    if (sqlite3_db_readonly(d->db, "main") == 1) {
        return peer_database_fail(d, f, "open", SQLITE_READONLY);
    }
    int rc = sqlite3_exec(d->db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK || peer_database_fail(d, f, "cannot be written", rc);
}

static bool prepare_questions(peer_database *d, peer_failure *f)
{
    int rc = sqlite3_prepare_v3(d->db, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT, &d->data_version,
                                NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v3(d->db, "PRAGMA schema_version", -1, SQLITE_PREPARE_PERSISTENT,
                                &d->schema_version, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v3(
            d->db,
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'sync_meta')",
            -1, SQLITE_PREPARE_PERSISTENT, &d->tracks, NULL);
    }
    return rc == SQLITE_OK || peer_database_fail(d, f, "cannot be read", rc);
}

static bool open_main(peer_database *d, peer_failure *f)
{
    char *error = NULL;
    int rc = open_connection(d, &d->db, &error);
    bool good = rc == SQLITE_OK;
    if (!good && error != NULL && (rc & 0xff) != SQLITE_CANTOPEN) {
        peer_fail(f, peer_exit_of(rc), "%s: %s", d->path, error);
    } else if (!good) {
        peer_database_fail(d, f, "cannot be opened", rc);
    }
    sqlite3_free(error);
    return good;
}

void peer_database_close(peer_database *d)
{
    peer_failure ignored = {0};
    bool moved = peer_identity_left(d);
    sqlite3_finalize(d->data_version);
    sqlite3_finalize(d->schema_version);
    sqlite3_finalize(d->tracks);
    for (size_t i = 0; i <= PEER_READERS_MAX; i++) {
        sqlite3_finalize(d->readers[i].seen);
        sqlite3_close(d->readers[i].db);
    }
    if (!moved && d->db != NULL && !peer_database_same(d, &ignored)) {
        /* what is in a WAL that nobody else sees must not go over what others have written since, nor single pages into a file without the
        ** others */
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    sqlite3_close(d->db);
    free(d->path);
    *d = (peer_database){0};
}

/* Runs a query that calls one of the engine's functions, with an optional text argument. */
static bool call(peer_database *d, const char *sql, const char *argument, peer_failure *f)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && argument != NULL) {
        rc = sqlite3_bind_text(stmt, 1, argument, -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (rc != SQLITE_OK) {
        peer_engine_fail(d, d->db, f, "cannot be tracked", rc);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK;
}

static bool track_list(peer_database *d, const char *list, peer_failure *f)
{
    char *name;
    bool good = true;
    while (good && (name = peer_track_next(&list)) != NULL) {
        good = *name == 0 || call(d, "SELECT sync_track(?1)", name, f);
        free(name);
    }
    return good;
}

/* The tables that sync_track_all() looks at, up to the question whether they have a key. */
#define ORDINARY_TABLES                                                                                      \
    " FROM pragma_table_list AS l WHERE schema = 'main' AND type = 'table'"                                  \
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'sync\\_%' ESCAPE '\\' AND "
#define HAS_KEY "EXISTS (SELECT 1 FROM pragma_table_info(l.name, 'main') WHERE pk > 0)"

/* Tables that cannot be adopted are passed over when all are, which must be said; a very long list is cut off. */
static void name_keyless(peer_database *d)
{
    static const char sql[] =
        "SELECT group_concat(name, ', ') FROM (SELECT name" ORDINARY_TABLES "NOT " HAS_KEY " ORDER BY name)";
    char names[LIST_BYTES];
    if (query_text(d->db, sql, names, sizeof names) == SQLITE_OK && names[0] != 0) {
        peer_notice("%s: without a primary key, so not tracked: %s", d->path, names);
    }
}

/* Where no table has a key, the file is not even written to. */
static bool track_all(peer_database *d, peer_failure *f)
{
    char any[16];
    int rc = query_text(d->db, "SELECT count(*)" ORDINARY_TABLES HAS_KEY, any, sizeof any);
    if (rc != SQLITE_OK) {
        return peer_database_fail(d, f, "cannot be read", rc);
    }
    return strcmp(any, "0") == 0 || call(d, "SELECT sync_track_all()", NULL, f);
}

bool peer_database_track(peer_database *d, peer_track track, const char *list, peer_failure *f)
{
    switch (track) {
    case PEER_TRACK_LIST:
        return track_list(d, list, f);
    case PEER_TRACK_ALL:
        return track_all(d, f);
    case PEER_TRACK_NONE:
        return true;
    default:
        break;
    }
    if (peer_connection_tracks(d->db)) {
        return true;
    }
    if (!track_all(d, f)) {
        return false;
    }
    if (peer_connection_tracks(d->db)) {
        peer_notice("%s tracked nothing; now it tracks all its tables with a key", d->path);
        name_keyless(d);
    }
    return true;
}

/* A file that keeps nothing in step: who offers it may make tables later, who asks to have it kept in step has asked for nothing. */
static bool check_tracked(peer_database *d, const peer_options *o, peer_failure *f)
{
    if (peer_connection_tracks(d->db)) {
        return true;
    }
    const char *why = o->track == PEER_TRACK_NONE ? "tracks no table" : "has no table with a primary key";
    if (o->command == PEER_SYNC) {
        return peer_fail(
            f, PEER_EXIT_SCHEMA,
            "%s %s, so there is nothing to keep in step; sync-peer clone makes a new file from a room",
            d->path, why);
    }
    peer_notice("%s %s: nothing is exchanged until it does", d->path, why);
    return true;
}

static int64_t ask(sqlite3_stmt *stmt)
{
    int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_reset(stmt);
    return value;
}

/* ... and before anything else is done with the file of a stranger, what it may do is bounded, and it is looked at. */
static bool guard(peer_database *d, const peer_options *o, peer_failure *f)
{
    int rc = peer_harden_writer(&d->guard, d->db, o->statement_s);
    return (rc == SQLITE_OK || peer_database_fail(d, f, "cannot be read", rc)) &&
           (o->folder == NULL || peer_inspect(d, f)) && peer_quota_set(d, o->bytes_max, f);
}

/* Adopts tables while the file is as it was found: if that is not possible, nothing has been changed. */
static bool open_known(peer_database *d, const peer_options *o, peer_track track, bool made, peer_failure *f)
{
    /* sync_site(): metadata of a newer version is refused before anything is changed */
    if (!open_main(d, f) || !guard(d, o, f) || !check_writable(d, f) ||
        (peer_connection_tracks(d->db) && !call(d, "SELECT sync_site()", NULL, f)) ||
        !peer_database_track(d, track, o->track_list, f) || (!made && !check_tracked(d, o, f)) ||
        !set_journal_mode(d, o->keep_journal_mode, f) || !prepare_questions(d, f)) {
        return false;
    }
    if (track == PEER_TRACK_ALL) {
        name_keyless(d);
    }
    ask(d->data_version); /* reading makes the WAL, where there was none */
    peer_identity_journals(d);
    /* in place of automatic checkpoints, which would stand in the way of a merge */
    peer_database_count_wal(d);
    return true;
}

/* made: just now, and what it tracks is not for its user to say. */
static bool open_file(peer_database *d, const peer_options *o, bool made, atomic_bool *stopping,
                      peer_failure *f)
{
    *d = (peer_database){.stopping = stopping};
    if (peer_identity_take(d, o->file, f) && open_known(d, o, made ? PEER_TRACK_NONE : o->track, made, f)) {
        return true;
    }
    peer_database_close(d);
    return false;
}

bool peer_database_open(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f)
{
    return open_file(d, o, false, stopping, f);
}

bool peer_database_create(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f)
{
    const char *file = o->file;
    struct stat st;
    *d = (peer_database){0};
    bool empty = lstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
    int fd = open(file, O_RDWR | O_CREAT | (empty ? O_NOFOLLOW : O_EXCL) | O_CLOEXEC, 0666);
    if (fd < 0) {
        return peer_fail(f,
                         errno == EACCES || errno == EROFS    ? PEER_EXIT_READONLY
                         : errno == ENOSPC || errno == EDQUOT ? PEER_EXIT_FULL
                         : *peer_remedy(errno) != 0           ? PEER_EXIT_ERROR
                                                              : PEER_EXIT_MISSING,
                         errno == EEXIST ? "%s exists already; clone makes a new file"
                                         : "%s cannot be made: %s%s",
                         file, strerror(errno), peer_remedy(errno));
    }
    close(fd);
    return open_file(d, o, true, stopping, f);
}

bool peer_database_adopted(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f)
{
    return open_file(d, o, true, stopping, f);
}

/* A reader folds the journal's tail into tables of its own TEMP schema, which are many small writes: in memory. (Who writes is better off
** without: there a statement's journal would be allocated in small pieces.) */
static int open_reader(peer_database *d, peer_reader *r, char **error)
{
    int rc = open_connection(d, &r->db, error);
    rc = rc == SQLITE_OK ? sqlite3_exec(r->db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL) : rc;
    return rc == SQLITE_OK ? sqlite3_prepare_v3(r->db, "SELECT sync_seen()", -1, SQLITE_PREPARE_PERSISTENT,
                                                &r->seen, NULL)
                           : rc;
}

static bool ensure_reader(peer_database *d, peer_reader *r, peer_failure *f)
{
    char *error = NULL;
    int rc = r->db == NULL ? open_reader(d, r, &error) : SQLITE_OK;
    if (rc != SQLITE_OK) {
        peer_connection_fail(d, r->db, f, error != NULL ? error : "another connection", rc);
        sqlite3_close(r->db);
        r->db = NULL;
    }
    sqlite3_free(error);
    return rc == SQLITE_OK;
}

/* The first of `count` readers that is free. */
static peer_reader *take_reader(peer_database *d, size_t count, peer_failure *f)
{
    for (size_t i = 0; i < count; i++) {
        peer_reader *r = &d->readers[i];
        if (!r->used) {
            r->used = ensure_reader(d, r, f);
            return r->used ? r : NULL;
        }
    }
    return NULL;
}

peer_reader *peer_database_reader(peer_database *d, peer_failure *f)
{
    return take_reader(d, PEER_READERS_MAX, f);
}

sqlite3 *peer_database_spare(peer_database *d)
{
    peer_failure ignored = {0};
    peer_reader *r = &d->readers[PEER_READERS_MAX];
    return ensure_reader(d, r, &ignored) ? r->db : NULL;
}

void peer_database_return(peer_reader *reader)
{
    reader->used = false;
}

int64_t peer_database_data_version(peer_database *d)
{
    return ask(d->data_version);
}

int64_t peer_database_schema_version(peer_database *d)
{
    return ask(d->schema_version);
}

bool peer_database_site(peer_database *d, uint8_t site[16], peer_failure *f)
{
    sqlite3_stmt *stmt = NULL;
    memset(site, 0, 16);
    if (!peer_connection_tracks(d->db)) {
        return true;
    }
    int rc = sqlite3_prepare_v2(d->db, "SELECT sync_site()", -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (sqlite3_column_bytes(stmt, 0) == 16) {
            memcpy(site, sqlite3_column_blob(stmt, 0), 16);
        }
        rc = SQLITE_OK;
    }
    bool good = rc == SQLITE_OK || peer_engine_fail(d, d->db, f, "sync_site", rc);
    sqlite3_finalize(stmt);
    return good;
}

/* What must be settled by a write before it may be told can need several attempts while others write. */
static int step_patiently(const peer_database *d, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    for (int i = 0; try_again(d, rc, i); i++) {
        sqlite3_reset(stmt);
        usleep(PEER_BUSY_RETRY_MS * 1000);
        rc = sqlite3_step(stmt);
    }
    return rc;
}

/* Reads it on the connection that deltas are cut on: the journal's tail is folded there already. */
bool peer_database_seen(peer_database *d, void **seen, size_t *bytes, peer_failure *f)
{
    *seen = NULL;
    *bytes = 0;
    if (ask(d->tracks) != 1) {
        return true;
    }
    peer_reader *r = take_reader(d, PEER_READERS_MAX + 1, f);
    if (r == NULL) {
        return false;
    }
    int rc = step_patiently(d, r->seen);
    if (rc == SQLITE_ROW) {
        int size = sqlite3_column_bytes(r->seen, 0);
        *seen = size > 0 ? sqlite3_malloc(size) : NULL;
        if (*seen != NULL) {
            memcpy(*seen, sqlite3_column_blob(r->seen, 0), (size_t)size);
            *bytes = (size_t)size;
        }
        rc = size > 0 && *seen == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    bool good = rc == SQLITE_OK || peer_engine_fail(d, r->db, f, "sync_seen", rc);
    sqlite3_reset(r->seen);
    peer_database_return(r);
    return good;
}
