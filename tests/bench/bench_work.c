/* The workload, and one run of it. */
#include "bench.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* splitmix64: the same rows in every run and on every machine */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Three or four made-up words, about 27 bytes: text that compresses about as names and titles do. */
static void make_text(char out[TEXT_BYTES_MAX], uint64_t seed)
{
    static const char *const syllables[] = {"ba",  "ren", "to",  "lis", "mar", "ko", "vin",  "del",
                                            "sa",  "per", "no",  "gar", "ti",  "lo", "mel",  "ans",
                                            "ri",  "tur", "fe",  "cho", "dan", "wi", "os",   "hu",
                                            "jal", "en",  "quo", "pra", "xi",  "um", "ster", "ya"};
    uint64_t bits = mix(seed);
    size_t at = 0;
    for (int i = 0; i < 10; i++) {
        const char *s = syllables[bits & 31];
        if (i && (bits >> 32 & 3) == 0) {
            out[at++] = ' ';
        }
        size_t n = strlen(s);
        memcpy(out + at, s, n);
        at += n;
        bits = bits >> 5 | bits << 59;
    }
    out[at] = 0;
}

workload workload_make(int count)
{
    size_t n = (size_t)count;
    workload w = {
        .count = count, .key = calloc(n, sizeof *w.key), .row = calloc(n * ROW_VERSIONS, sizeof *w.row)};
    if (w.key == NULL || w.row == NULL) {
        die("out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(w.key[i], sizeof *w.key, "%016llx%016llx", (unsigned long long)mix(i),
                 (unsigned long long)mix(~(uint64_t)i));
    }
    for (size_t i = 0; i < n * ROW_VERSIONS; i++) {
        row_values *r = &w.row[i];
        make_text(r->a, 2 * i);
        make_text(r->b, 2 * i + 1);
        r->c = (int)(mix(i ^ 0x5555) % 1000000);
        r->d = (double)(mix(i ^ 0xaaaa) % 1000000) / 100;
    }
    return w;
}

void workload_free(workload *w)
{
    free(w->key);
    free(w->row);
    *w = (workload){0};
}

double workload_csv_bytes(const workload *w, key_kind key)
{
    bytes csv = {0}, packed = {0};
    for (int i = 0; i < w->count; i++) {
        const row_values *r = &w->row[i];
        char id[KEY_BYTES + 1], line[256];
        snprintf(id, sizeof id, "%d", i + 1);
        int n = snprintf(line, sizeof line, "%s,%s,%s,%d,%.15g\n", key == KEY_TEXT ? w->key[i] : id, r->a,
                         r->b, r->c, r->d);
        memcpy(bytes_grow(&csv, (size_t)n), line, (size_t)n);
    }
    compress_like_everyone(&csv, &packed);
    double size = (double)packed.size;
    bytes_free(&csv);
    bytes_free(&packed);
    return size;
}

/* ---- phases ---- */

/* cr-sqlite wants NOT NULL on the key; so that all have the same table, everyone's has it. */
static const char *const schema[KEY_KINDS] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INT, d REAL)",
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INT, d REAL)"};

static const char *const write_sql[] = {
    [PHASE_INSERT] = "INSERT INTO t(id, a, b, c, d) VALUES(?1, ?2, ?3, ?4, ?5)",
    [PHASE_UPDATE_1] = "UPDATE t SET a = ?2 WHERE id = ?1",
    [PHASE_UPDATE_4] = "UPDATE t SET a = ?2, b = ?3, c = ?4, d = ?5 WHERE id = ?1",
    [PHASE_DELETE] = "DELETE FROM t WHERE id = ?1",
};

typedef struct writer {
    sqlite3 *db;
    const workload *w;
    key_kind key;
} writer;

void bind_row(sqlite3_stmt *stmt, const workload *w, key_kind key, int version, int i)
{
    const row_values *r = &w->row[(size_t)version * (size_t)w->count + (size_t)i];
    int count = sqlite3_bind_parameter_count(stmt);
    if (key == KEY_TEXT) {
        sqlite3_bind_text(stmt, 1, w->key[i], KEY_BYTES, SQLITE_STATIC);
    } else {
        sqlite3_bind_int(stmt, 1, i + 1);
    }
    if (count > 1) {
        sqlite3_bind_text(stmt, 2, r->a, -1, SQLITE_STATIC);
    }
    if (count > 2) {
        sqlite3_bind_text(stmt, 3, r->b, -1, SQLITE_STATIC);
        sqlite3_bind_int(stmt, 4, r->c);
        sqlite3_bind_double(stmt, 5, r->d);
    }
}

/* Rows 0..count-1 by one prepared statement, in one transaction or in one each. Microseconds per row. */
static double write_rows(const writer *wr, phase p, int count, bool together)
{
    sqlite3_stmt *stmt = db_prepare(wr->db, write_sql[p]);
    double start = now_us();
    if (together) {
        db_run(wr->db, "BEGIN");
    }
    for (int i = 0; i < count; i++) {
        bind_row(stmt, wr->w, wr->key, p == PHASE_INSERT ? 0 : p == PHASE_UPDATE_1 ? 1 : 2, i);
        db_step(wr->db, stmt);
    }
    if (together) {
        db_run(wr->db, "COMMIT");
    }
    double us = (now_us() - start) / count;
    sqlite3_finalize(stmt);
    return us;
}

sqlite3 *fresh_file(const options *o, const char *file, key_kind key, const contender *who)
{
    db_remove(o->dir, file);
    sqlite3 *db = db_open(o->dir, file, who);
    db_run(db, schema[key]);
    if (who) {
        db_run(db, who->driver->adopt);
    }
    return db;
}

/* The application: where the extension allows it, a connection that never heard of it. */
static const contender *writer_loads(const contender *who)
{
    return who && who->driver->writer_loads ? who : NULL;
}

static double one_row_transactions(const options *o, const workload *w, key_kind key, const contender *who)
{
    static const char file[] = "one.db";
    db_close(fresh_file(o, file, key, who), who);
    writer wr = {db_open(o->dir, file, writer_loads(who)), w, key};
    int n = o->one_row_transactions < w->count ? o->one_row_transactions : w->count;
    double us = write_rows(&wr, PHASE_INSERT, n, false);
    db_close(wr.db, writer_loads(who));
    db_remove(o->dir, file);
    return us;
}

/* Integers only: a sum of reals depends on the order of the rows. */
double fingerprint(sqlite3 *db)
{
    return db_number(
        db, "SELECT count(*) + sum(c) + sum(CAST(d * 100 AS INT)) + sum(length(a)) + sum(length(b)) FROM t");
}

static void exchange(const options *o, key_kind key, const contender *who, sqlite3 *from, run_result *out)
{
    static const char file[] = "copy.db";
    double start = now_us();
    bytes all = {0};
    who->driver->gather(from, &all);
    out->us[PHASE_GATHER] = (now_us() - start) / o->rows;
    out->change_bytes = (double)all.size;

    sqlite3 *to = fresh_file(o, file, key, who);
    start = now_us();
    who->driver->merge(to, &all);
    out->us[PHASE_MERGE] = (now_us() - start) / o->rows;
    if (fingerprint(from) != fingerprint(to)) {
        die("%s: the merged file differs", who->driver->name);
    }
    db_close(to, who);
    db_remove(o->dir, file);
    bytes_free(&all);
}

static void other_ways(const options *o, const workload *w, key_kind key, const contender *who,
                       run_result *out)
{
    static const char file[] = "ways.db";
    memcpy(out->way_us[WAY_LOOP], out->us, sizeof out->way_us[WAY_LOOP]);
    for (way how = WAY_CACHED; how < WAYS; how++) {
        db_close(fresh_file(o, file, key, who), who);
        writer wr = {db_open(o->dir, file, NULL), w, key};
        if (how == WAY_STATEMENT) {
            bulk_writes(wr.db, w, key, out->way_us[how]);
        } else {
            db_run(wr.db, "PRAGMA cache_size = -262144");
            for (phase p = PHASE_INSERT; p <= PHASE_DELETE; p++) {
                db_checkpoint(wr.db);
                out->way_us[how][p] = write_rows(&wr, p, w->count, true);
            }
        }
        db_close(wr.db, NULL);
        db_remove(o->dir, file);
    }
}

run_result run_once(const options *o, const workload *w, key_kind key, const contender *who)
{
    static const char file[] = "bench.db";
    run_result out = {0};
    out.us[PHASE_ONE_ROW] = one_row_transactions(o, w, key, who);

    db_close(fresh_file(o, file, key, who), who);
    writer wr = {db_open(o->dir, file, writer_loads(who)), w, key};
    out.us[PHASE_INSERT] = write_rows(&wr, PHASE_INSERT, w->count, true);
    db_checkpoint(wr.db);
    if (who) {
        sqlite3 *ours = db_open(o->dir, file, who);
        double start = now_us();
        if (who->driver->fold) {
            db_run(ours, who->driver->fold);
            out.us[PHASE_FOLD] = (now_us() - start) / w->count;
        }
        db_checkpoint(ours);
        out.file_bytes = file_size(o->dir, file);
        if (who->driver->gather) {
            exchange(o, key, who, ours, &out);
        }
        db_close(ours, who);
    } else {
        out.file_bytes = file_size(o->dir, file);
    }
    for (phase p = PHASE_UPDATE_1; p <= PHASE_DELETE; p++) {
        db_checkpoint(wr.db);
        out.us[p] = write_rows(&wr, p, w->count, true);
    }
    db_close(wr.db, writer_loads(who));
    db_remove(o->dir, file);
    if (who == NULL || who == &o->contenders[0] || who == &o->bare) {
        other_ways(o, w, key, who, &out);
    }
    return out;
}

/* ---- adoption ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double adopt_ms(const options *o, const contender *who)
{
    static const char file[] = "adopt.db";
    double ms[64];
    int runs = who->driver->forget ? o->runs : 1;
    db_remove(o->dir, file);
    sqlite3 *db = db_open(o->dir, file, who);
    db_run(db, schema[KEY_INTEGER]);
    char fill[256];
    snprintf(fill, sizeof fill,
             "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO t SELECT i, "
             "hex(randomblob(14)), hex(randomblob(14)), i, i / 3.0 FROM n",
             o->adopt_rows);
    db_run(db, fill);
    db_checkpoint(db);
    for (int i = 0; i < runs; i++) {
        double start = now_us();
        db_run(db, who->driver->adopt);
        ms[i] = (now_us() - start) / 1e3;
        if (who->driver->forget) {
            db_run(db, who->driver->forget);
        }
    }
    db_close(db, who);
    db_remove(o->dir, file);
    qsort(ms, (size_t)runs, sizeof *ms, by_value);
    return ms[runs / 2];
}
