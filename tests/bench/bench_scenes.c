/* Work of other shapes: single cells, small changesets, conflicts, growth, bytes on the wire. What stands against it on the plain side is the
** least that any application would do to the same end: the same statements, row by row, or the rows as CSV through zstd -3. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 1000,
    COMMIT_ROWS = 100,
    SEED_ROWS = 100,
    GROWTH_ROWS = 1000,
    STORM_FILES = 3,
    CSV_LINE_MAX = 256
};

static void fill(sqlite3 *db, int rows)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO t SELECT i, "
             "hex(randomblob(14)), hex(randomblob(14)), i, i / 3.0 FROM n",
             rows);
    db_run(db, sql);
}

static void fold(sqlite3 *db, const contender *who)
{
    if (who && who->driver->fold) {
        db_run(db, who->driver->fold);
    }
}

static void must_equal(sqlite3 *a, sqlite3 *b, const contender *who)
{
    if (fingerprint(a) != fingerprint(b)) {
        die("%s: the merged file differs", who->driver->name);
    }
}

static void end_file(const options *o, const char *file, sqlite3 *db, const contender *who)
{
    db_close(db, who);
    db_remove(o->dir, file);
}

/* Everything from one file into another, which has nothing yet. */
static void hand_over(sqlite3 *from, sqlite3 *to, const contender *who)
{
    bytes all = {0};
    who->driver->gather(from, &all);
    who->driver->merge(to, &all);
    bytes_free(&all);
}

static sqlite3_int64 version_of(sqlite3 *db, const contender *who)
{
    return (sqlite3_int64)db_number(db, who->driver->version);
}

/* Rows from one file to another by hand. */
static void copy_rows(sqlite3 *from, sqlite3 *to)
{
    sqlite3_stmt *read = db_prepare(from, "SELECT id, a, b, c, d FROM t"),
                 *write = db_prepare(to, "INSERT INTO t(id, a, b, c, d) VALUES(?1, ?2, ?3, ?4, ?5)");
    db_run(to, "BEGIN");
    while (sqlite3_step(read) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(read); c++) {
            sqlite3_bind_value(write, c + 1, sqlite3_column_value(read, c));
        }
        db_step(to, write);
    }
    db_run(to, "COMMIT");
    sqlite3_finalize(read);
    sqlite3_finalize(write);
}

/* c of rows 1 to `rows`, one by one. */
static void update_rows(sqlite3 *db, int rows, int value)
{
    sqlite3_stmt *stmt = db_prepare(db, "UPDATE t SET c = ?2 WHERE id = ?1");
    db_run(db, "BEGIN");
    sqlite3_bind_int(stmt, 2, value);
    for (int i = 1; i <= rows; i++) {
        sqlite3_bind_int(stmt, 1, i);
        db_step(db, stmt);
    }
    db_run(db, "COMMIT");
    sqlite3_finalize(stmt);
}

/* ---- merges ---- */

static double merge_all(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    sqlite3 *a = fresh_file(o, "a.db", KEY_INTEGER, who), *b = fresh_file(o, "b.db", KEY_INTEGER, who);
    bytes all = {0};
    fill(a, size);
    if (who) {
        who->driver->gather(a, &all);
    }
    double start = now_us();
    if (who) {
        who->driver->merge(b, &all);
    } else {
        copy_rows(a, b);
    }
    double us = (now_us() - start) / size;
    if (who) {
        must_equal(a, b, who);
    }
    bytes_free(&all);
    end_file(o, "a.db", a, who);
    end_file(o, "b.db", b, who);
    return us;
}

static double merge_cells(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    double start, us;
    sqlite3 *a = fresh_file(o, "a.db", KEY_INTEGER, who), *b = fresh_file(o, "b.db", KEY_INTEGER, who);
    fill(a, size);
    if (who == NULL) {
        start = now_us();
        update_rows(a, size, -1);
        us = (now_us() - start) / size;
    } else {
        bytes news = {0};
        hand_over(a, b, who);
        sqlite3_int64 version = version_of(a, who);
        update_rows(a, size, -1);
        who->driver->news(a, b, version, &news);
        db_checkpoint(b);
        start = now_us();
        who->driver->merge(b, &news);
        us = (now_us() - start) / size;
        must_equal(a, b, who);
        bytes_free(&news);
    }
    end_file(o, "a.db", a, who);
    end_file(o, "b.db", b, who);
    return us;
}

/* Every file writes the same rows; then each gets what the two others wrote. A merge of one row in one file is the unit. */
static double storm(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    static const char *const names[STORM_FILES] = {"a.db", "b.db", "c.db"};
    sqlite3 *files[STORM_FILES];
    bytes news[STORM_FILES][STORM_FILES] = {0};
    sqlite3_int64 versions[STORM_FILES] = {0};
    for (int i = 0; i < STORM_FILES; i++) {
        files[i] = fresh_file(o, names[i], KEY_INTEGER, who);
        if (i == 0 || who == NULL) {
            fill(files[i], size);
        } else {
            hand_over(files[0], files[i], who);
        }
    }
    for (int i = 0; i < STORM_FILES; i++) {
        versions[i] = who ? version_of(files[i], who) : 0;
        update_rows(files[i], who ? size : 0, -i);
        db_checkpoint(files[i]);
    }
    double start = now_us();
    for (int i = 0; i < STORM_FILES * STORM_FILES; i++) {
        int from = i / STORM_FILES, to = i % STORM_FILES;
        if (from != to && who) {
            who->driver->news(files[from], files[to], versions[from], &news[from][to]);
        }
    }
    for (int i = 0; i < STORM_FILES * STORM_FILES; i++) {
        int from = i / STORM_FILES, to = i % STORM_FILES;
        if (from != to && who) {
            who->driver->merge(files[to], &news[from][to]);
        } else if (from != to) {
            update_rows(files[to], size, -from);
        }
    }
    double us = (now_us() - start) / (STORM_FILES * (STORM_FILES - 1)) / size;
    for (int i = 0; i < STORM_FILES; i++) {
        if (who) {
            must_equal(files[0], files[i], who);
        }
        for (int j = 0; j < STORM_FILES; j++) {
            bytes_free(&news[i][j]);
        }
    }
    for (int i = 0; i < STORM_FILES; i++) {
        end_file(o, names[i], files[i], who);
    }
    return us;
}

/* ---- commit by commit ---- */

static void insert_rows(sqlite3 *db, const workload *w, int first, int count)
{
    sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO t(id, a, b, c, d) VALUES(?1, ?2, ?3, ?4, ?5)");
    db_run(db, "BEGIN");
    for (int i = first; i < first + count; i++) {
        bind_row(stmt, w, KEY_INTEGER, 0, i);
        db_step(db, stmt);
    }
    db_run(db, "COMMIT");
    sqlite3_finalize(stmt);
}

/* The rows as lines, through zstd -3: bytes. */
static double csv_bytes(const workload *w, int first, int count)
{
    bytes csv = {0}, packed = {0};
    for (int i = first; i < first + count; i++) {
        const row_values *r = &w->row[i];
        char line[CSV_LINE_MAX];
        int n = snprintf(line, sizeof line, "%d,%s,%s,%d,%.15g\n", i + 1, r->a, r->b, r->c, r->d);
        memcpy(bytes_grow(&csv, (size_t)n), line, (size_t)n);
    }
    compress_like_everyone(&csv, &packed);
    double size = (double)packed.size;
    bytes_free(&csv);
    bytes_free(&packed);
    return size;
}

typedef struct commits {
    double us;    /* gathered and merged, or written, per commit */
    double bytes; /* per row */
} commits;

/* Commits of so many rows each, every one carried over by itself. */
static commits carry(const options *o, const workload *w, const contender *who, int count, int rows)
{
    commits sum = {0};
    sqlite3 *a = fresh_file(o, "a.db", KEY_INTEGER, who), *b = fresh_file(o, "b.db", KEY_INTEGER, who);
    insert_rows(a, w, 0, SEED_ROWS);
    if (who) {
        hand_over(a, b, who);
    }
    for (int i = 0; i < count; i++) {
        int first = SEED_ROWS + i * rows;
        bytes news = {0};
        sqlite3_int64 version = who ? version_of(a, who) : 0;
        if (who) {
            insert_rows(a, w, first, rows);
        }
        double start = now_us();
        if (who) {
            who->driver->news(a, b, version, &news);
            who->driver->merge(b, &news);
        } else {
            insert_rows(b, w, first, rows);
        }
        sum.us += (now_us() - start) / count;
        sum.bytes += (who ? (double)news.size : csv_bytes(w, first, rows)) / count / rows;
        bytes_free(&news);
    }
    if (who) {
        must_equal(a, b, who);
    }
    end_file(o, "a.db", a, who);
    end_file(o, "b.db", b, who);
    return sum;
}

static int at_most(const workload *w, int count, int rows)
{
    int there = (w->count - SEED_ROWS) / rows;
    return count < there ? count : there;
}

static double small_changesets(const options *o, const workload *w, const contender *who, int size)
{
    return carry(o, w, who, at_most(w, size, 1), 1).us;
}

static double wire_one(const options *o, const workload *w, const contender *who, int size)
{
    return carry(o, w, who, at_most(w, size, 1), 1).bytes;
}

static double wire_hundred(const options *o, const workload *w, const contender *who, int size)
{
    return carry(o, w, who, at_most(w, size, COMMIT_ROWS), COMMIT_ROWS).bytes;
}

static double wire_bulk(const options *o, const workload *w, const contender *who, int size)
{
    int rows = size < w->count ? size : w->count;
    if (who == NULL) {
        return csv_bytes(w, 0, rows) / rows;
    }
    bytes all = {0};
    sqlite3 *a = fresh_file(o, "a.db", KEY_INTEGER, who);
    insert_rows(a, w, 0, rows);
    who->driver->gather(a, &all);
    double size_per_row = (double)all.size / rows;
    bytes_free(&all);
    end_file(o, "a.db", a, who);
    return size_per_row;
}

/* ---- growth ---- */

/* The file's size, in KiB, after so many updates of few rows. */
static double grow(const options *o, const contender *who, int updates, int fold_every)
{
    sqlite3 *db = fresh_file(o, "a.db", KEY_INTEGER, who);
    fill(db, GROWTH_ROWS);
    for (int done = 0; done < updates; done += BATCH) {
        update_rows(db, GROWTH_ROWS, done);
        if ((done + BATCH) % fold_every == 0) {
            fold(db, who);
        }
    }
    fold(db, who);
    db_checkpoint(db);
    double kib = file_size(o->dir, "a.db") / 1024;
    end_file(o, "a.db", db, who);
    return kib;
}

static double grow_folded(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    return grow(o, who, size, BATCH);
}

static double grow_unfolded(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    return grow(o, who, size, size + BATCH);
}

const scene scenes[] = {
    {"merge single-cell updates, per row", "us", 100000, 3, merge_cells, false, 0},
    {"merge into an empty file, per row", "us", 1000000, 1, merge_all, false, 0},
    {"invoices of one number, to unlike ones", "us", 10000, 3, collide, true, 3},
    {"the same, the older file hears first", "us", 10000, 3, collide_older_first, true, 3},
    {"small changesets, each carried over", "us", 1000, 3, small_changesets, false, 0},
    {"three-way conflicts, per row and merge", "us", 20000, 3, storm, false, 0},
    {"file after updates of 1 000 rows", "KiB", 1000000, 1, grow_folded, false, 0},
    {"the same, folded at the end only", "KiB", 1000000, 1, grow_unfolded, false, 0},
    {"on the wire, bulk load, per row", "bytes", 200000, 1, wire_bulk, false, 0},
    {"on the wire, one-row commits, per row", "bytes", 1000, 1, wire_one, false, 0},
    {"on the wire, 100-row commits, per row", "bytes", 200, 1, wire_hundred, false, 0},
};
const int scene_count = sizeof scenes / sizeof *scenes;

int scene_size(const options *o, const scene *s)
{
    int size = (int)((long)s->size * o->scenes / 100);
    return size > 1 ? size : 1;
}
