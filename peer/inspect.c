#include "inspect.h"

#include "message.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The time of its birth too, where the file system knows it: the inode of a file that was deleted is soon another one's. */
typedef struct file_id {
    uint64_t device, inode, birth_ns;
} file_id;

/* What was found whole: a ring, for a folder may have any number of files. */
static file_id known[PEER_INSPECTED_MAX];
static size_t known_next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static file_id id_of(const peer_database *d)
{
    struct statx st = {0};
    file_id id = {.device = (uint64_t)d->device, .inode = (uint64_t)d->inode};
    if (statx(AT_FDCWD, d->path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) == 0 &&
        (st.stx_mask & STATX_BTIME) != 0) {
        id.birth_ns = (uint64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
    }
    return id;
}

static bool is_known(const file_id *id)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < PEER_INSPECTED_MAX && !found; i++) {
        found =
            known[i].inode == id->inode && known[i].device == id->device && known[i].birth_ns == id->birth_ns;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void remember(const file_id *id)
{
    pthread_mutex_lock(&lock);
    known[known_next++ % PEER_INSPECTED_MAX] = *id;
    pthread_mutex_unlock(&lock);
}

static bool is_large(const peer_database *d)
{
    struct stat st;
    return stat(d->path, &st) == 0 && st.st_size > PEER_INSPECT_BYTES_MAX;
}

/* Rows that a CHECK or a type would not let in now are no damage: only what is said of pages is. */
static bool is_damage(const char *text)
{
    return text != NULL && strncmp(text, "*** in database", 15) == 0;
}

static bool check(peer_database *d, const char *sql, peer_failure *f)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &stmt, NULL);
    bool whole = true;
    while (rc == SQLITE_OK && whole && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        whole = !is_damage(text) ||
                peer_fail(f, PEER_EXIT_NOTADB,
                          "%s is damaged, and not served: PRAGMA quick_check says %.200s", d->path, text);
        rc = SQLITE_OK;
    }
    if (whole && rc != SQLITE_OK && rc != SQLITE_DONE) {
        whole = peer_database_fail(d, f, "PRAGMA quick_check", rc);
    }
    sqlite3_finalize(stmt);
    return whole;
}

bool peer_inspect(peer_database *d, peer_failure *f)
{
    const file_id id = id_of(d);
    if (is_known(&id)) {
        return true;
    }
    /* CHECK clauses are not run: they may call what is not there, and take any time */
    int rc = sqlite3_exec(d->db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    bool good =
        (rc == SQLITE_OK || peer_database_fail(d, f, "cannot be read", rc)) &&
        check(d, is_large(d) ? "PRAGMA main.quick_check(sqlite_schema)" : "PRAGMA main.quick_check(1)", f);
    rc = sqlite3_exec(d->db, "PRAGMA ignore_check_constraints = OFF", NULL, NULL, NULL);
    good = good && (rc == SQLITE_OK || peer_database_fail(d, f, "cannot be read", rc));
    if (good) {
        remember(&id);
    }
    return good;
}
