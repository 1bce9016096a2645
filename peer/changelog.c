#include "changelog.h"

#include "exits.h"
#include "file.h"
#include "json.h"
#include "log.h"
#include "peer_limits.h"
#include "stop.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

enum { OUT_BYTES = 64 << 10 };

typedef struct changelog {
    peer_file file;
    const char *table; /* NULL: all */
    int64_t version;   /* printed up to here */
    int64_t data_version;
    sync_buf line;
    peer_failure failure;
} changelog;

static void put(sync_buf *line, const char *text)
{
    sync_buf_put(line, text, strlen(text));
}

/* A column of sync_changes as a member: "name":value. */
static bool put_member(changelog *c, sqlite3_stmt *stmt, int column, const char *name)
{
    sync_value value;
    put(&c->line, name);
    if (!peer_column_value(stmt, column, &value)) {
        return peer_fail(&c->failure, PEER_EXIT_ERROR, "out of memory");
    }
    sync_json_value(&c->line, &value);
    return true;
}

/* version, tbl, key, op, col, value, stamp, site, cl */
static bool print(changelog *c, sqlite3_stmt *stmt)
{
    sync_value key;
    sync_buf_reset(&c->line);
    bool good = put_member(c, stmt, 0, "{\"version\":") && put_member(c, stmt, 1, ",\"table\":");
    if (!good || !peer_column_value(stmt, 2, &key)) {
        return peer_fail(&c->failure, PEER_EXIT_ERROR, "out of memory");
    }
    put(&c->line, ",\"key\":");
    sync_buf_put(&c->line, key.data, key.bytes); /* it is JSON */
    good = put_member(c, stmt, 3, ",\"op\":") && put_member(c, stmt, 4, ",\"column\":") &&
           put_member(c, stmt, 5, ",\"value\":") && put_member(c, stmt, 6, ",\"stamp\":") &&
           put_member(c, stmt, 7, ",\"site\":") && put_member(c, stmt, 8, ",\"cl\":");
    put(&c->line, "}\n");
    if (good && c->line.oom) {
        good = peer_fail(&c->failure, PEER_EXIT_ERROR, "out of memory");
    }
    if (good && fwrite(c->line.data, 1, c->line.len, stdout) != c->line.len) {
        (void)peer_log_flush(); /* says why, while that is known */
    }
    return good;
}

/* Everything above the version in hand, as the file is at one moment. A stdout that takes no more ends it. */
static bool print_new(changelog *c)
{
    int64_t newest = 0;
    peer_failure *f = &c->failure;
    bool good =
        peer_file_run(&c->file, "BEGIN", f) && peer_file_ask(&c->file, "SELECT sync_version()", &newest, f);
    c->version = newest < c->version ? 0 : c->version; /* all was untracked, and is tracked anew */
    sqlite3_stmt *stmt = NULL;
    if (good && newest > c->version) {
        static const char sql[] =
            "SELECT version, tbl, key, op, col, value, stamp, lower(hex(site)), cl FROM sync_changes"
            " WHERE version > %lld";
        stmt = c->table == NULL
                   ? peer_file_prepare(&c->file, f, "%z ORDER BY version", sqlite3_mprintf(sql, c->version))
                   : peer_file_prepare(&c->file, f, "%z AND tbl = %Q COLLATE NOCASE ORDER BY version",
                                       sqlite3_mprintf(sql, c->version), c->table);
        good = stmt != NULL;
    }
    int rc = SQLITE_DONE;
    while (good && stmt != NULL && ferror(stdout) == 0 &&
           (rc = peer_file_step(&c->file, stmt, f)) == SQLITE_ROW) {
        good = print(c, stmt);
    }
    sqlite3_finalize(stmt);
    c->version = newest;
    good = good && (rc == SQLITE_DONE || ferror(stdout) != 0);
    if (sqlite3_get_autocommit(c->file.db) == 0) {
        good = peer_file_run(&c->file, "ROLLBACK", f) && good;
    }
    (void)peer_log_flush();
    return good;
}

/* Waits for a write by somebody. inotify is a hint, which may come before the commit can be seen, and may have been read with that of the commit before: so
** is asked again, at growing distances. */
static bool wait_for_write(changelog *c, peer_watch *watch)
{
    int64_t now = c->data_version;
    int pause_ms = 1;
    bool good = true;
    while (good && !peer_stop_asked()) {
        good = peer_file_same(&c->file, &c->failure) &&
               peer_file_ask(&c->file, "PRAGMA data_version", &now, &c->failure);
        if (!good || now != c->data_version) {
            break;
        }
        peer_stop_wait(peer_watch_fd(watch), pause_ms);
        const bool hint = watch != NULL && peer_watch_read(watch);
        pause_ms = hint ? 1 : pause_ms * 2 * 1000 < PEER_DOUBT_US_SUM ? pause_ms * 2 : PEER_SLOW_POLL_MS;
    }
    c->data_version = now;
    return good;
}

static bool follow(changelog *c)
{
    peer_watch *watch = peer_watch_new(c->file.path); /* NULL: the slow poll has to do */
    bool good = true;
    while (good && !peer_stop_asked() && ferror(stdout) == 0) {
        good = wait_for_write(c, watch) && (peer_stop_asked() || print_new(c));
    }
    peer_watch_free(watch);
    return good || c->failure.code == PEER_EXIT_STOPPED;
}

/* Is the table that is asked for tracked? Its name as the file has it is not needed: names are compared with case folded. */
static bool check_table(changelog *c)
{
    sqlite3_stmt *stmt =
        c->table != NULL
            ? peer_file_prepare(&c->file, &c->failure,
                                "SELECT 1 FROM sync_status WHERE tbl = %Q COLLATE NOCASE", c->table)
            : NULL;
    int rc = stmt != NULL ? peer_file_step(&c->file, stmt, &c->failure) : SQLITE_ROW;
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE) {
        return peer_fail(&c->failure, PEER_EXIT_SCHEMA,
                         "%s tracks no table %s; sync_status lists those that it does", c->file.name,
                         c->table);
    }
    return rc == SQLITE_ROW && c->failure.code == PEER_EXIT_OK;
}

int peer_changelog_run(const peer_words *w)
{
    changelog c = {.table = w->value[PEER_WORD_TABLE], .version = w->number[PEER_WORD_SINCE]};
    setvbuf(stdout, NULL, _IOFBF, OUT_BYTES);
    /* data_version before the first look: what is written between the two is looked for again, not missed */
    bool good = peer_file_open(&c.file, w->file[0], &c.failure) && check_table(&c) &&
                peer_file_ask(&c.file, "PRAGMA data_version", &c.data_version, &c.failure) && print_new(&c) &&
                (w->value[PEER_WORD_FOLLOW] == NULL || follow(&c));
    sync_buf_free(&c.line);
    peer_file_close(&c.file);
    if (!good) {
        peer_error(c.failure.code, "%s", c.failure.text);
        return c.failure.code;
    }
    return PEER_EXIT_OK;
}
