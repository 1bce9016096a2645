#include "copying.h"

#include "beneath.h"
#include "claim.h"
#include "clone.h"
#include "message.h"
#include "sync_ext.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUFFIX "-snapshot"

struct peer_copy {
    char *path;   /* of the file that is copied */
    char *name;   /* of the copy, while it has one */
    char *folder; /* NULL: none */
    int wake_fd;
    int fd; /* -1: not there yet */
    uint8_t id[16], hash[SYNC_SNAPSHOT_HASH_BYTES];
    uint64_t bytes, file_bytes;
    sync_buf schema;
    peer_failure failure;
    atomic_int state; /* peer_copy_state; the thread's last word */
    atomic_bool stopping;
    pthread_t thread;
};

static atomic_int all, made; /* copies of this process, and those that are being made */

/* Reserves one of `most`. */
static bool reserve(atomic_int *count, int most)
{
    if (atomic_fetch_add(count, 1) < most) {
        return true;
    }
    atomic_fetch_sub(count, 1);
    return false;
}

static int on_busy(void *context, int count)
{
    const peer_copy *c = context;
    if (count >= PEER_BUSY_MS || atomic_load(&c->stopping)) {
        return 0;
    }
    usleep(1000);
    return 1;
}

static int on_progress(void *context)
{
    const peer_copy *c = context;
    return atomic_load(&c->stopping);
}

static bool fail_at(peer_copy *c, sqlite3 *db, const char *what)
{
    return peer_fail(&c->failure, PEER_EXIT_ERROR, "%s: %s", what,
                     db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

static bool run(peer_copy *c, sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || fail_at(c, db, sql);
}

/* SQL of SQLite's own printf format. */
static bool run_format(peer_copy *c, sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    bool good = sql != NULL ? run(c, db, sql) : fail_at(c, NULL, format);
    sqlite3_free(sql);
    return good;
}

static bool ask(peer_copy *c, sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
    *value = good ? sqlite3_column_int64(stmt, 0) : 0;
    good = good || fail_at(c, db, sql);
    sqlite3_finalize(stmt);
    return good;
}

/* ---- the source */

/* Not folded: it would get other stamps in the copy. Marks of tracking get none. */
static const char tail_sql[] =
    "SELECT count(*) FROM main.sync_journal WHERE seq > (SELECT folded FROM main.sync_meta)"
    " AND NOT (op = 0 AND k1 IS NULL)";

static bool fold(peer_copy *c, sqlite3 *db)
{
    int64_t entries = PEER_FOLD_ENTRIES;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && entries >= PEER_FOLD_ENTRIES && !atomic_load(&c->stopping)) {
        char *error = NULL;
        rc = sync_fold_some(db, PEER_FOLD_ENTRIES, &entries, &error);
        if (rc != SQLITE_OK) {
            peer_fail(&c->failure, PEER_EXIT_ERROR, "it cannot be folded: %s",
                      error != NULL ? error : sqlite3_errstr(rc));
        }
        sqlite3_free(error);
    }
    return rc == SQLITE_OK;
}

/* Opens a read transaction in which everything is folded. Programs may write between a fold and the look that follows. */
static bool begin_folded(peer_copy *c, sqlite3 *db)
{
    int64_t tail = 1;
    for (int i = 0; i < PEER_SNAPSHOT_ATTEMPTS; i++) {
        if (!fold(c, db) || !run(c, db, "BEGIN") || !ask(c, db, tail_sql, &tail)) {
            return false;
        }
        if (tail == 0) {
            return true;
        }
        if (!run(c, db, "ROLLBACK")) {
            return false;
        }
    }
    return peer_fail(&c->failure, PEER_EXIT_BUSY, "it is written to without a pause");
}

static bool open_source(peer_copy *c, sqlite3 **db)
{
    char *error = NULL;
    int rc = peer_connection_open(c->path, on_busy, c, db, &error);
    if (rc == SQLITE_OK) {
        sqlite3_wal_autocheckpoint(*db, 0);
        sqlite3_limit(*db, SQLITE_LIMIT_ATTACHED, 1); /* the copy: SQL of our own alone runs here */
        sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
        sqlite3_progress_handler(*db, PEER_SCRIPT_STEPS, on_progress, c);
    } else {
        peer_fail(&c->failure, PEER_EXIT_ERROR, "it cannot be opened: %s",
                  error != NULL ? error : sqlite3_errstr(rc));
    }
    sqlite3_free(error);
    return rc == SQLITE_OK &&
           (peer_connection_tracks(*db) || peer_fail(&c->failure, PEER_EXIT_SCHEMA, "it tracks no table"));
}

/* ---- what is copied */

static const char tables_sql[] = "SELECT sql, name FROM main.sqlite_schema AS s WHERE type = 'table' AND "
                                 "rootpage > 0 AND name <> 'sqlite_sequence' AND " SYNC_CLONE_KEPT;
static const char indexes_sql[] =
    "SELECT sql FROM main.sqlite_schema AS s WHERE type = 'index' AND sql IS NOT NULL AND " SYNC_CLONE_KEPT
    " ORDER BY rowid";

/* What is in a schema may be program text that nobody wrote as such: it makes tables and indexes, or does not compile. */
static int authorize(void *context, int action, const char *a, const char *b, const char *schema,
                     const char *trigger)
{
    (void)context;
    (void)schema;
    (void)trigger;
    switch (action) {
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_REINDEX:
    case SQLITE_READ:
        return SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
        return a != NULL && (strcmp(a, "sqlite_master") == 0 || strcmp(a, "sqlite_schema") == 0)
                   ? SQLITE_OK
                   : SQLITE_DENY;
    case SQLITE_FUNCTION:
        return b != NULL && sqlite3_stricmp(b, "load_extension") != 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static bool create(peer_copy *c, sqlite3 *to, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_set_authorizer(to, authorize, NULL);
    bool good = sql != NULL && sqlite3_prepare_v2(to, sql, -1, &stmt, NULL) == SQLITE_OK &&
                sqlite3_step(stmt) == SQLITE_DONE;
    good = good || fail_at(c, to, "a table or an index cannot be made again");
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(to, NULL, NULL);
    return good;
}

/* Runs in `to` all statements that a query of `from` gives. */
static bool create_all(peer_copy *c, sqlite3 *from, sqlite3 *to, const char *query)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(from, query, -1, &stmt, NULL);
    bool good = true;
    while (good && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        good = create(c, to, (const char *)sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    good = good && (rc == SQLITE_DONE || fail_at(c, from, "the schema cannot be read"));
    sqlite3_finalize(stmt);
    return good;
}

static bool create_schema(peer_copy *c, sqlite3 *from, sqlite3 *to)
{
    int64_t page_size = 0, user_version = 0, application_id = 0;
    sqlite3_stmt *stmt = NULL;
    if (!ask(c, from, "PRAGMA main.page_size", &page_size) ||
        !ask(c, from, "PRAGMA main.user_version", &user_version) ||
        !ask(c, from, "PRAGMA main.application_id", &application_id)) {
        return false;
    }
    const char *encoding = sqlite3_prepare_v2(from, "PRAGMA main.encoding", -1, &stmt, NULL) == SQLITE_OK &&
                                   sqlite3_step(stmt) == SQLITE_ROW
                               ? (const char *)sqlite3_column_text(stmt, 0)
                               : NULL;
    bool good = encoding != NULL ? run_format(c, to,
                                              "PRAGMA page_size=%lld; PRAGMA encoding='%w';"
                                              " PRAGMA user_version=%lld; PRAGMA application_id=%lld",
                                              (long long)page_size, encoding, (long long)user_version,
                                              (long long)application_id)
                                 : fail_at(c, from, "its encoding cannot be read");
    sqlite3_finalize(stmt);
    return good && run(c, to, "BEGIN") && create_all(c, from, to, tables_sql) &&
           create_all(c, from, to, indexes_sql) && run(c, to, "COMMIT");
}

/* Nobody else opens it, and who gets it has it checked: it needs neither a journal nor to be on disk. */
static bool make_schema(peer_copy *c, sqlite3 *from)
{
    sqlite3 *to = NULL;
    bool good =
        sqlite3_open_v2(c->name, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                        NULL) == SQLITE_OK &&
        peer_harden(to) == SQLITE_OK &&
        sqlite3_db_config(to, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL) == SQLITE_OK; /* it keeps a journal */
    good = good ? run(c, to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF") && create_schema(c, from, to)
                : fail_at(c, to, "the copy cannot be opened");
    return sqlite3_close(to) == SQLITE_OK && good;
}

/* Which rows: not what others hold, nor what lost and is only here. What stands in for held rows must be there. The same columns in the same order: SQLite moves whole records. */
static const char *condition_of(const char *table)
{
    return strcmp(table, "sync_peer") == 0 || strcmp(table, "sync_applying") == 0 ? " WHERE 0"
           : strcmp(table, "sync_conflict") == 0 ? " WHERE held OR reason = 'foreign key'"
                                                 : "";
}

static bool fill(peer_copy *c, sqlite3 *from)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(from, tables_sql, -1, &stmt, NULL);
    bool good = true;
    while (good && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        good = name != NULL && run_format(c, from, "INSERT INTO copy.\"%w\" SELECT * FROM main.\"%w\"%s",
                                          name, name, condition_of(name));
        rc = SQLITE_OK;
    }
    good = good && (rc == SQLITE_DONE || fail_at(c, from, "the schema cannot be read"));
    sqlite3_finalize(stmt);
    return good;
}

/* The highest numbers that AUTOINCREMENT tables gave out. */
static bool fill_numbers(peer_copy *c, sqlite3 *from)
{
    if (sqlite3_table_column_metadata(from, "copy", "sqlite_sequence", NULL, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK) {
        return true; /* none of them is one */
    }
    return run(
        c, from,
        "DELETE FROM copy.sqlite_sequence; INSERT INTO copy.sqlite_sequence(name, seq) SELECT name, seq FROM"
        " main.sqlite_sequence WHERE name COLLATE NOCASE IN (SELECT name FROM main.sync_table)");
}

/* A copy is another file, wherever it lies: none has the inode 0. What this file has been before, the copy has not. */
static const char disown_sql[] =
    "UPDATE copy.sync_meta SET device = 0, inode = 0; UPDATE copy.sync_site SET own = 0";

static bool dump_schema(peer_copy *c, sqlite3 *from)
{
    sync_error error = {0};
    int rc = sync_clone_dump(from, &c->schema, &error);
    return (rc == SYNC_OK && c->schema.len <= PEER_SCHEMA_BYTES_MAX) ||
           peer_fail(&c->failure, PEER_EXIT_SCHEMA, "%s",
                     rc != SYNC_OK ? error.text : "its schema is too large");
}

/* Whether the name led to the file that was claimed when `from` opened it; from now on it has none, so that a process that is killed leaves nothing. */
static bool hide(peer_copy *c)
{
    struct stat st, at;
    bool same = fstat(c->fd, &st) == 0 && lstat(c->name, &at) == 0 && st.st_ino == at.st_ino &&
                st.st_dev == at.st_dev;
    return (same && unlink(c->name) == 0) ||
           peer_fail(&c->failure, PEER_EXIT_ERROR, "%s was taken away while it was made", c->name);
}

/* All in one read transaction of `from`, so that it is one moment that is copied. */
static bool copy_in_one(peer_copy *c, sqlite3 *from)
{
    return run_format(c, from,
                      "ATTACH %Q AS copy; PRAGMA copy.journal_mode=MEMORY; PRAGMA copy.synchronous=OFF",
                      c->name) &&
           begin_folded(c, from) && make_schema(c, from) && hide(c) && fill(c, from) &&
           fill_numbers(c, from) && run(c, from, disown_sql) && dump_schema(c, from) &&
           run(c, from, "COMMIT");
}

/* ---- the copy's file */

static bool claim(peer_copy *c)
{
    c->fd = peer_claim(c->name, 0600);
    return (c->fd >= 0 && ftruncate(c->fd, 0) == 0) ||
           peer_fail(&c->failure, PEER_EXIT_ERROR, "%s cannot be made: %s", c->name,
                     errno == EWOULDBLOCK ? "another process is making it" : strerror(errno));
}

void peer_copy_sweep(const char *path)
{
    char *name = peer_format("%s" SUFFIX, path);
    int fd = access(name, F_OK) == 0 ? peer_claim(name, 0600) : -1;
    if (fd >= 0) {
        unlink(name);
        close(fd);
    }
    free(name);
}

/* A full disk stops all that writes to it: what is left must be more than the copy. */
static bool has_space(peer_copy *c)
{
    struct stat st;
    struct statvfs disk;
    if (stat(c->path, &st) != 0 || fstatvfs(c->fd, &disk) != 0) {
        return peer_fail(&c->failure, PEER_EXIT_ERROR, "%s: %s", c->path, strerror(errno));
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize >= (uint64_t)st.st_size + PEER_SNAPSHOT_SPARE_BYTES ||
           peer_fail(&c->failure, PEER_EXIT_FULL, "the disk has not %lld MiB left, which a copy may take",
                     (long long)((st.st_size + PEER_SNAPSHOT_SPARE_BYTES) >> 20));
}

/* The file is complete: the schema goes behind it. */
static bool seal(peer_copy *c)
{
    struct stat st;
    bool good = fstat(c->fd, &st) == 0 && getrandom(c->id, sizeof c->id, 0) == (ssize_t)sizeof c->id;
    good = good && pwrite(c->fd, c->schema.data, c->schema.len, st.st_size) == (ssize_t)c->schema.len;
    if (!good) {
        return peer_fail(&c->failure, PEER_EXIT_ERROR, "the copy cannot be written: %s", strerror(errno));
    }
    c->file_bytes = (uint64_t)st.st_size;
    c->bytes = c->file_bytes + c->schema.len;
    return true;
}

/* All of it, while the first of those who wait read it already. */
static bool seal_hash(peer_copy *c)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t *chunk = malloc(PEER_SNAPSHOT_CHUNK_BYTES);
    bool good = hash != NULL && chunk != NULL && EVP_DigestInit_ex2(hash, EVP_sha256(), NULL) == 1;
    for (uint64_t at = 0; good && at < c->bytes;) {
        uint64_t left = c->bytes - at;
        size_t bytes = left < PEER_SNAPSHOT_CHUNK_BYTES ? (size_t)left : PEER_SNAPSHOT_CHUNK_BYTES;
        good = !atomic_load(&c->stopping) && peer_copy_read(c, at, chunk, bytes) &&
               EVP_DigestUpdate(hash, chunk, bytes) == 1;
        at += bytes;
    }
    good = good && EVP_DigestFinal_ex(hash, c->hash, NULL) == 1;
    EVP_MD_CTX_free(hash);
    free(chunk);
    return good || peer_fail(&c->failure, PEER_EXIT_ERROR, "the copy cannot be read: %s", strerror(errno));
}

/* ---- the thread */

static bool make(peer_copy *c)
{
    sqlite3 *from = NULL;
    bool good = peer_beneath_enter(c->folder, &c->failure) && claim(c) && has_space(c) &&
                open_source(c, &from) && copy_in_one(c, from);
    good = sqlite3_close(from) == SQLITE_OK && good;
    if (!good && c->fd >= 0) {
        unlink(c->name);
    }
    peer_beneath_leave();
    return good && seal(c);
}

static void tell(peer_copy *c, peer_copy_state state)
{
    const uint64_t one = 1;
    atomic_store(&c->state, state);
    ssize_t written = write(c->wake_fd, &one, sizeof one);
    (void)written; /* full means that it is awake */
}

static void *work(void *context)
{
    peer_copy *c = context;
    bool good = make(c);
    sync_buf_free(&c->schema);
    atomic_fetch_sub(&made, 1);
    if (good) {
        tell(c, PEER_COPY_READY);
        good = seal_hash(c);
    }
    tell(c, good ? PEER_COPY_SEALED : PEER_COPY_FAILED);
    return NULL;
}

static void discard(peer_copy *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->path);
    free(c->name);
    free(c->folder);
    free(c);
    atomic_fetch_sub(&all, 1);
}

peer_copy *peer_copy_begin(const char *path, const char *folder, int wake_fd)
{
    sigset_t every, before;
    if (!reserve(&all, PEER_SNAPSHOTS_MAX)) {
        return NULL;
    }
    if (!reserve(&made, PEER_SNAPSHOTS_MADE_MAX)) {
        atomic_fetch_sub(&all, 1);
        return NULL;
    }
    peer_copy *c = peer_new(sizeof *c);
    c->path = peer_strdup(path);
    c->name = peer_format("%s" SUFFIX, path);
    c->folder = peer_strdup(folder);
    c->wake_fd = wake_fd;
    c->fd = -1;
    atomic_init(&c->state, PEER_COPY_MAKING);
    atomic_init(&c->stopping, false);
    sigfillset(&every); /* signals belong to the network thread */
    pthread_sigmask(SIG_BLOCK, &every, &before);
    int rc = pthread_create(&c->thread, NULL, work, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        atomic_fetch_sub(&made, 1);
        discard(c);
        return NULL;
    }
    return c;
}

peer_copy_state peer_copy_look(const peer_copy *c)
{
    return (peer_copy_state)atomic_load(&c->state);
}

const char *peer_copy_why(const peer_copy *c)
{
    return c->failure.text;
}

const uint8_t *peer_copy_id(const peer_copy *c)
{
    return c->id;
}

const uint8_t *peer_copy_hash(const peer_copy *c)
{
    return c->hash;
}

uint64_t peer_copy_bytes(const peer_copy *c)
{
    return c->bytes;
}

uint64_t peer_copy_file_bytes(const peer_copy *c)
{
    return c->file_bytes;
}

bool peer_copy_read(const peer_copy *c, uint64_t at, void *to, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = pread(c->fd, (uint8_t *)to + have, bytes - have, (off_t)(at + have));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return true;
}

void peer_copy_end(peer_copy *c)
{
    if (c != NULL) {
        atomic_store(&c->stopping, true);
        pthread_join(c->thread, NULL);
        discard(c);
    }
}
