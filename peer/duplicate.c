#include "duplicate.h"

#include "clone.h"
#include "message.h"
#include "sync_ext.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int on_busy(void *context, int count)
{
    const peer_duplicate *c = context;
    if (count >= PEER_BUSY_MS || atomic_load(c->stopping)) {
        return 0;
    }
    usleep(1000);
    return 1;
}

static int on_progress(void *context)
{
    const peer_duplicate *c = context;
    return atomic_load(c->stopping);
}

static bool fail_at(peer_duplicate *c, sqlite3 *db, const char *what)
{
    return peer_fail(&c->failure, PEER_EXIT_ERROR, "%s: %s", what,
                     db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

static bool run(peer_duplicate *c, sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || fail_at(c, db, sql);
}

/* SQL of SQLite's own printf format. */
static bool run_format(peer_duplicate *c, sqlite3 *db, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    bool good = sql != NULL ? run(c, db, sql) : fail_at(c, NULL, format);
    sqlite3_free(sql);
    return good;
}

static bool ask(peer_duplicate *c, sqlite3 *db, const char *sql, int64_t *value)
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

static bool fold(peer_duplicate *c, sqlite3 *db)
{
    int64_t entries = PEER_FOLD_ENTRIES;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && entries >= PEER_FOLD_ENTRIES && !atomic_load(c->stopping)) {
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
static bool begin_folded(peer_duplicate *c, sqlite3 *db)
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

static bool open_source(peer_duplicate *c, sqlite3 **db)
{
    char *error = NULL;
    int rc = peer_connection_open(c->path, on_busy, c, db, &error);
    if (rc == SQLITE_OK) {
        sqlite3_wal_autocheckpoint(*db, 0);
        sqlite3_limit(*db, SQLITE_LIMIT_ATTACHED, 1); /* the copy: SQL of our own alone runs here */
        sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
        /* rows that a CHECK would not let in now are copied as they are */
        rc = sqlite3_exec(*db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
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

/* columns: those that are stored, where the table has others too; NULL: all are. */
static const char tables_sql[] =
    "SELECT sql, name, iif(EXISTS (SELECT 1 FROM pragma_table_xinfo(s.name, 'main') WHERE hidden <> 0),"
    " (SELECT group_concat(printf('\"%w\"', name), ', ') FROM pragma_table_xinfo(s.name, 'main') WHERE "
    "hidden = 0),"
    " NULL) FROM main.sqlite_schema AS s WHERE type = 'table' AND rootpage > 0 AND name <> 'sqlite_sequence' "
    "AND " SYNC_CLONE_KEPT;
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

static bool create(peer_duplicate *c, sqlite3 *to, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = "";
    sqlite3_set_authorizer(to, authorize, NULL);
    bool good = sql != NULL && sqlite3_prepare_v2(to, sql, -1, &stmt, &tail) == SQLITE_OK &&
                tail[strspn(tail, " \t\r\n\f;")] == 0 && sqlite3_step(stmt) == SQLITE_DONE;
    good = good || fail_at(c, to, "a table or an index cannot be made again");
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(to, NULL, NULL);
    return good;
}

/* Runs in `to` all statements that a query of `from` gives. */
static bool create_all(peer_duplicate *c, sqlite3 *from, sqlite3 *to, const char *query)
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

static bool create_schema(peer_duplicate *c, sqlite3 *from, sqlite3 *to)
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
static bool open_target(peer_duplicate *c, sqlite3 **to)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    bool good = sqlite3_open_v2(c->name, to, flags, NULL) == SQLITE_OK && peer_harden(*to) == SQLITE_OK;
    return good ? run(c, *to, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA secure_delete=ON")
                : fail_at(c, *to, "the copy cannot be opened");
}

static bool make_schema(peer_duplicate *c, sqlite3 *from)
{
    sqlite3 *to = NULL;
    bool good = open_target(c, &to) && create_schema(c, from, to);
    return sqlite3_close(to) == SQLITE_OK && good;
}

/* Which rows: not what others hold, nor what lost and is only here. What stands in for held rows must be there. The same columns in the same order: SQLite moves whole
** records. */
#define KEPT_CONFLICTS "held OR reason = 'foreign key'"
static const char *condition_of(const char *table)
{
    return strcmp(table, "sync_peer") == 0 || strcmp(table, "sync_applying") == 0 ? " WHERE 0"
           : strcmp(table, "sync_conflict") == 0                                  ? " WHERE " KEPT_CONFLICTS
                                                                                  : "";
}

static bool fill_table(peer_duplicate *c, sqlite3 *from, const char *name, const char *columns)
{
    if (columns == NULL) {
        return run_format(c, from, "INSERT INTO copy.\"%w\" SELECT * FROM main.\"%w\"%s", name, name,
                          condition_of(name));
    }
    return run_format(c, from, "INSERT INTO copy.\"%w\"(%s) SELECT %s FROM main.\"%w\"", name, columns,
                      columns, name);
}

static bool fill(peer_duplicate *c, sqlite3 *from)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(from, tables_sql, -1, &stmt, NULL);
    bool good = true;
    while (good && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        good = name != NULL && fill_table(c, from, name, (const char *)sqlite3_column_text(stmt, 2));
        rc = SQLITE_OK;
    }
    good = good && (rc == SQLITE_DONE || fail_at(c, from, "the schema cannot be read"));
    sqlite3_finalize(stmt);
    return good;
}

/* The highest numbers that AUTOINCREMENT tables gave out. */
static bool fill_numbers(peer_duplicate *c, sqlite3 *from)
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
#define DISOWN(schema)                                                                                       \
    "UPDATE " schema ".sync_meta SET device = 0, inode = 0; UPDATE " schema ".sync_site SET own = 0"

static bool dump_schema(peer_duplicate *c, sqlite3 *from)
{
    sync_error error = {0};
    int rc = sync_clone_dump(from, &c->schema, &error);
    return (rc == SYNC_OK && c->schema.len <= PEER_SCHEMA_BYTES_MAX) ||
           peer_fail(&c->failure, PEER_EXIT_SCHEMA, "%s",
                     rc != SYNC_OK ? error.text : "its schema is too large");
}

/* Whether the name led to the file that was claimed when it was opened; from now on it has none, so that a process that is killed leaves nothing. */
static bool hide(peer_duplicate *c)
{
    struct stat st, at;
    bool same = fstat(c->fd, &st) == 0 && lstat(c->name, &at) == 0 && st.st_ino == at.st_ino &&
                st.st_dev == at.st_dev;
    return (same && unlink(c->name) == 0) ||
           peer_fail(&c->failure, PEER_EXIT_ERROR, "%s was taken away while it was made", c->name);
}

/* Table by table, all in one read transaction of `from`, so that it is one moment that is copied. */
static bool copy_tables(peer_duplicate *c, sqlite3 *from)
{
    return run_format(c, from,
                      "ATTACH %Q AS copy; PRAGMA copy.journal_mode=MEMORY; PRAGMA copy.synchronous=OFF",
                      c->name) &&
           begin_folded(c, from) && make_schema(c, from) && hide(c) && fill(c, from) &&
           fill_numbers(c, from) && run(c, from, DISOWN("copy")) && dump_schema(c, from) &&
           run(c, from, "COMMIT");
}

/* ---- where there is nothing else in the file */

static const char others_sql[] =
    "SELECT count(*) FROM main.sqlite_schema AS s WHERE type IN ('table', 'index') AND name <> "
    "'sqlite_sequence'"
    " AND name NOT GLOB 'sqlite_stat[0-9]' AND NOT (rootpage > 0 AND " SYNC_CLONE_KEPT ")";
static const char drops_sql[] = "SELECT printf('DROP %s main.\"%w\"', type, name) FROM main.sqlite_schema "
                                "WHERE type IN ('trigger', 'view')"
                                " OR name GLOB 'sqlite_stat[0-9]' ORDER BY type";

/* Runs what a query gives, each a statement of our own. Collected first: they change what it reads. */
static bool run_each(peer_duplicate *c, sqlite3 *db, const char *query)
{
    sqlite3_str *list = sqlite3_str_new(db);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, query, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        sqlite3_str_appendf(list, "%s;", sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    bool good = rc == SQLITE_DONE || fail_at(c, db, "the schema cannot be read");
    sqlite3_finalize(stmt);
    int lost = sqlite3_str_errcode(list);
    char *sql = sqlite3_str_finish(list);
    good = good && (lost == SQLITE_OK || fail_at(c, NULL, query)) && (sql == NULL || run(c, db, sql));
    sqlite3_free(sql);
    return good;
}

/* What the copy of the whole file has beyond a copy of its tables goes. *late: somebody wrote after the fold. */
static bool strip(peer_duplicate *c, sqlite3 *to, bool *late)
{
    int64_t tail = 0;
    bool good = ask(c, to, tail_sql, &tail);
    *late = good && tail > 0;
    return good && !*late && dump_schema(c, to) && run(c, to, "BEGIN") && run_each(c, to, drops_sql) &&
           run(c, to,
               "DELETE FROM main.sync_peer; DELETE FROM main.sync_applying;"
               " DELETE FROM main.sync_conflict WHERE NOT (" KEPT_CONFLICTS ");" DISOWN("main")) &&
           run(c, to, "COMMIT");
}

/* VACUUM is a third faster than statements. It cannot be told which moment to copy. *late: it was one at which something was not folded. */
static bool copy_whole(peer_duplicate *c, sqlite3 *from, bool *late)
{
    sqlite3 *to = NULL;
    *late = false;
    bool good = fold(c, from) && run_format(c, from, "VACUUM main INTO %Q", c->name) && open_target(c, &to) &&
                strip(c, to, late) && hide(c);
    return sqlite3_close(to) == SQLITE_OK && good;
}

static bool duplicate(peer_duplicate *c, sqlite3 *from)
{
    int64_t others = 0;
    bool late = false;
    if (!ask(c, from, others_sql, &others)) {
        return false;
    }
    if (others == 0 && (copy_whole(c, from, &late) || !late)) {
        return c->failure.code == PEER_EXIT_OK;
    }
    return (!late || ftruncate(c->fd, 0) == 0) && copy_tables(c, from);
}

bool peer_duplicate_make(peer_duplicate *c)
{
    sqlite3 *from = NULL;
    bool good = open_source(c, &from) && duplicate(c, from);
    return sqlite3_close(from) == SQLITE_OK && good;
}
