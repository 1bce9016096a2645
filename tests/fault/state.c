#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files ---- */

typedef struct kept {
    const char *name;
    char *data;
    size_t bytes;
} kept;

static kept files[] = {{.name = "a.db"}, {.name = "a.db-sync"}};
static const char *const leftovers[] = {"a.db-wal", "a.db-shm", "a.db-journal"};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(3);
}

void state_keep(void)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        kept *k = &files[i];
        free(k->data);
        *k = (kept){.name = k->name};
        FILE *from = fopen(k->name, "rb");
        if (from == NULL) {
            continue;
        }
        if (fseek(from, 0, SEEK_END) != 0) {
            give_up(k->name);
        }
        k->bytes = (size_t)ftell(from);
        k->data = malloc(k->bytes + 1);
        rewind(from);
        if (k->data == NULL || fread(k->data, 1, k->bytes, from) != k->bytes) {
            give_up(k->name);
        }
        (void)fclose(from);
    }
}

void state_restore(void)
{
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++) {
        (void)unlink(leftovers[i]);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const kept *k = &files[i];
        if (k->data == NULL) {
            (void)unlink(k->name);
            continue;
        }
        FILE *to = fopen(k->name, "wb");
        if (to == NULL || fwrite(k->data, 1, k->bytes, to) != k->bytes || fclose(to) != 0) {
            give_up(k->name);
        }
    }
}

/* ---- states seen ---- */

enum { REMEMBERED_MAX = 1024, SHM_HEADER_BYTES = 48 };

static struct {
    uint64_t digest;
    char *dump;
} remembered[REMEMBERED_MAX];

uint64_t state_digest(void)
{
    static const char *const names[] = {"a.db", "a.db-sync", "a.db-wal", "a.db-journal", "a.db-shm"};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t words[512];
        FILE *from = fopen(names[i], "rb");
        size_t bytes = from ? 1 : 0,
               most = strcmp(names[i], "a.db-shm") == 0 ? SHM_HEADER_BYTES : sizeof words;
        while (from && bytes > 0) {
            memset(words, 0, sizeof words);
            bytes = fread(words, 1, most, from);
            for (size_t w = 0; w * sizeof *words < bytes; w++) {
                hash = (hash ^ words[w]) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 29;
            }
            hash = (hash ^ bytes) * UINT64_C(0x100000001b3);
            bytes = most == sizeof words
                        ? bytes
                        : 0; /* of -shm only the header counts: what else is in it follows from the log */
        }
        hash = (hash ^ (i + (from != NULL))) * UINT64_C(0x100000001b3);
        if (from) {
            (void)fclose(from);
        }
    }
    return hash;
}

char *state_recall(uint64_t digest)
{
    const char *dump = remembered[digest % REMEMBERED_MAX].dump;
    return dump && remembered[digest % REMEMBERED_MAX].digest == digest ? sqlite3_mprintf("%s", dump) : NULL;
}

void state_remember(uint64_t digest, const char *dump)
{
    size_t at = digest % REMEMBERED_MAX;
    free(remembered[at].dump);
    remembered[at].digest = digest;
    remembered[at].dump = strdup(dump);
}

/* ---- contents ---- */

static int append_rows(sqlite3 *db, const char *sql, sqlite3_str *to)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        sqlite3_str_appendf(to, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* SELECT of a table's rows, each as one text, beginning with the table's name. */
static char *rows_of(sqlite3 *db, const char *table)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendf(sql, "SELECT %Q", table);
    int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?1)", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) : rc;
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        sqlite3_str_appendf(sql, " || ' ' || quote(\"%w\")", (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" ORDER BY 1", table);
    return sqlite3_str_finish(sql);
}

char *state_dump(sqlite3 *db, const char **why)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *to = sqlite3_str_new(NULL);
    sqlite3_str_appendall(to, "\n"); /* also of an empty file there is a text */
    int rc = append_rows(
        db,
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || quote(sql) FROM main.sqlite_schema"
        " ORDER BY type, name",
        to);
    rc =
        rc == SQLITE_OK
            ? sqlite3_prepare_v2(db, "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name",
                                 -1, &stmt, NULL)
            : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        char *sql = rows_of(db, (const char *)sqlite3_column_text(stmt, 0));
        rc = sql ? append_rows(db, sql, to) : SQLITE_NOMEM;
        sqlite3_free(sql);
    }
    sqlite3_finalize(stmt);
    char *text = sqlite3_str_finish(to);
    if (rc != SQLITE_DONE || text == NULL) {
        *why = sqlite3_errmsg(db);
        sqlite3_free(text);
        return NULL;
    }
    return text;
}

/* The next line that is not of our metadata. */
static const char *next_foreign(const char *line)
{
    while (strncmp(line, "sync_", 5) == 0) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return line;
}

bool state_same(const char *a, const char *b, bool ours)
{
    while (!ours && *a && *b) {
        a = next_foreign(a);
        b = next_foreign(b);
        size_t line = strcspn(a, "\n") + 1;
        if (*a == 0 || strncmp(a, b, line) != 0) {
            break;
        }
        a += line;
        b += line;
    }
    return strcmp(a, b) == 0;
}

void state_difference(const char *a, const char *b, char *to, int bytes)
{
    size_t line = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
        line = a[i] == '\n' ? i + 1 : line;
    }
    snprintf(to, (size_t)bytes, "\"%.*s\" is not \"%.*s\"", (int)strcspn(a + line, "\n"), a + line,
             (int)strcspn(b + line, "\n"), b + line);
}
