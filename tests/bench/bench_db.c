/* SQLite as the benchmark uses it: everything succeeds or the program ends. */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static clockid_t chosen_clock = CLOCK_MONOTONIC;

void use_cpu_time(void)
{
    chosen_clock = CLOCK_PROCESS_CPUTIME_ID;
}

double now_us(void)
{
    struct timespec t;
    clock_gettime(chosen_clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void path_of(char path[4096], const char *dir, const char *file, const char *suffix)
{
    if (snprintf(path, 4096, "%s/%s%s", dir, file, suffix) >= 4096) {
        die("path too long: %s/%s", dir, file);
    }
}

void db_run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        die("%s: %s", sql, error ? error : "?");
    }
}

sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        die("%s: %s", sql, sqlite3_errmsg(db));
    }
    return stmt;
}

void db_step(sqlite3 *db, sqlite3_stmt *stmt)
{
    while (sqlite3_step(stmt) == SQLITE_ROW) {
    }
    if (sqlite3_reset(stmt) != SQLITE_OK) {
        die("%s: %s", sqlite3_sql(stmt), sqlite3_errmsg(db));
    }
}

double db_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = db_prepare(db, sql);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        die("%s: %s", sql, sqlite3_errmsg(db));
    }
    double value = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

sqlite3 *db_open(const char *dir, const char *file, const contender *loaded)
{
    char path[4096];
    path_of(path, dir, file, "");
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK) {
        die("%s: %s", path, sqlite3_errmsg(db));
    }
    if (loaded && loaded->driver->entry) {
        if (loaded->driver->setup) {
            loaded->driver->setup(db);
        }
        char *error = NULL;
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
        if (sqlite3_load_extension(db, loaded->path, loaded->driver->entry, &error) != SQLITE_OK) {
            die("%s: %s", loaded->path, error ? error : "cannot load");
        }
    }
    db_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    return db;
}

void db_close(sqlite3 *db, const contender *loaded)
{
    if (loaded && loaded->driver->finish) {
        db_run(db, loaded->driver->finish);
    }
    if (sqlite3_close(db) != SQLITE_OK) {
        die("close: %s", sqlite3_errmsg(db));
    }
}

void db_checkpoint(sqlite3 *db)
{
    if (db_number(db, "PRAGMA wal_checkpoint(TRUNCATE)") != 0) {
        die("checkpoint: busy");
    }
}

void db_remove(const char *dir, const char *file)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-sync"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[4096];
        path_of(path, dir, file, suffixes[i]);
        unlink(path);
    }
}

double file_size(const char *dir, const char *file)
{
    char path[4096];
    path_of(path, dir, file, "");
    struct stat st;
    if (stat(path, &st) != 0) {
        die("%s: cannot stat", path);
    }
    return (double)st.st_size;
}
