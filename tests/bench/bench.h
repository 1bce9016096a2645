/* The benchmark: what tracking, folding, exchanging and merging cost, as ratios to plain SQLite in the same run.
** One program, one thread; a failure of any call ends it with a message, so nothing here returns an error. */
#ifndef BENCH_H
#define BENCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { KEY_BYTES = 32, TEXT_BYTES_MAX = 40, ROW_VERSIONS = 3 };

typedef enum key_kind { KEY_INTEGER, KEY_TEXT, KEY_KINDS } key_kind;

typedef struct row_values {
    char a[TEXT_BYTES_MAX], b[TEXT_BYTES_MAX];
    int c;
    double d;
} row_values;

/* All values, made before anything is timed. row[v * count + i] is row i as written the v-th time. */
typedef struct workload {
    int count;
    char (*key)[KEY_BYTES + 1];
    row_values *row;
} workload;

typedef struct bytes {
    unsigned char *data; /* malloc'd */
    size_t size, cap;
} bytes;

/* How one extension is driven. */
typedef struct driver {
    const char *name; /* of --against NAME=PATH */
    const char
        *entry; /* its init function; NULL: adopt is all that there is of it, no library and no exchange */
    bool writer_loads;          /* the writer cannot write without the extension */
    void (*setup)(sqlite3 *db); /* before loading; NULL: nothing */
    const char *adopt;          /* SQL that tracks table t */
    const char *forget;         /* SQL that undoes adopt; NULL: cannot */
    const char *fold;           /* SQL for work deferred by the writes; NULL: none is */
    const char *finish;         /* SQL before a connection with the extension is closed; NULL: none */
    void (*gather)(sqlite3 *db, bytes *out);      /* all changes, compressed, as they would be sent */
    void (*merge)(sqlite3 *db, const bytes *all); /* into a file with the same table */
    const char *version;                          /* SQL: how far the file's own changes have come */
    void (*news)(sqlite3 *from, sqlite3 *to, sqlite3_int64 version,
                 bytes *out); /* what `from` has written since `version`, for `to`, which had all before it */
} driver;

/* An extension to measure: a driver and where its library is. `path` is borrowed. */
typedef struct contender {
    const driver *driver;
    const char *path;
} contender;

typedef enum phase {
    PHASE_INSERT,
    PHASE_UPDATE_1,
    PHASE_UPDATE_4,
    PHASE_DELETE,
    PHASE_ONE_ROW,
    PHASE_FOLD,
    PHASE_GATHER,
    PHASE_MERGE,
    PHASES
} phase;

/* The writes, measured in several ways. */
typedef enum way {
    WAY_LOOP,      /* one prepared statement, a row each time, as everything else is measured */
    WAY_CACHED,    /* the same with a page cache that holds the file, instead of SQLite's 2 MB */
    WAY_STATEMENT, /* one statement for all rows */
    WAYS
} way;

/* One run of everything on fresh files. Microseconds per row (per transaction: PHASE_ONE_ROW); 0 where not done. */
typedef struct run_result {
    double us[PHASES];
    double way_us[WAYS][PHASE_DELETE + 1]; /* plain, ours and bare triggers only */
    double file_bytes;                     /* after insert, fold and checkpoint */
    double change_bytes;                   /* of all rows, compressed */
} run_result;

typedef struct options {
    const char *dir;  /* for the files; exists */
    const char *json; /* NULL: none */
    int rows, runs, one_row_transactions, adopt_rows;
    int scenes;        /* per cent of their full size; 0: none */
    const char *scene; /* only those whose name contains this; NULL: all */
    bool key[KEY_KINDS];
    bool cpu_time;
    contender contenders[8]; /* [0] is ours */
    int contender_count;
    contender bare; /* what the least tracking by triggers would cost */
} options;

/* bench_db.c: SQLite without error paths */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
sqlite3 *db_open(const char *dir, const char *file, const contender *loaded); /* WAL, synchronous=NORMAL */
void db_close(sqlite3 *db, const contender *loaded);
void db_run(sqlite3 *db, const char *sql);
double db_number(sqlite3 *db, const char *sql); /* first column of the first row */
sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql);
void db_step(sqlite3 *db, sqlite3_stmt *stmt); /* to the end, and resets */
void db_checkpoint(sqlite3 *db);
void db_remove(const char *dir, const char *file);
double file_size(const char *dir, const char *file);
double now_us(void);
void use_cpu_time(void); /* for now_us() from here on, instead of wall time */

/* bench_drivers.c */
extern const driver bare_triggers;           /* what changed and when; neither which columns nor moved keys */
const driver *driver_find(const char *name); /* NULL: unknown */
void driver_names(FILE *out);
void *bytes_grow(bytes *b, size_t more); /* where `more` bytes can be written; adds them to size */
void bytes_free(bytes *b);
void compress_like_everyone(const bytes *in, bytes *out); /* zstd -3 */

/* bench_work.c */
workload workload_make(int count);
void workload_free(workload *w);
double workload_csv_bytes(const workload *w, key_kind key); /* zstd -3 of the rows as CSV */
void bind_row(sqlite3_stmt *stmt, const workload *w, key_kind key, int version,
              int i); /* as many of id, a, b, c, d as it has parameters */
run_result run_once(const options *o, const workload *w, key_kind key,
                    const contender *who); /* NULL: plain */
double adopt_ms(const options *o,
                const contender *who); /* median of adopting a table of o->adopt_rows rows */
sqlite3 *fresh_file(const options *o, const char *file, key_kind key,
                    const contender *who); /* with an empty table t, adopted; NULL: plain */
double fingerprint(sqlite3 *db);           /* of the rows of t */

/* bench_bulk.c */
void bulk_writes(sqlite3 *db, const workload *w, key_kind key,
                 double us[PHASE_DELETE + 1]); /* into an empty table */

/* bench_scenes.c: work of other shapes than the main workload's, each on files of its own. */
typedef struct scene {
    const char *name, *unit; /* of what `run` gives */
    int size, runs;          /* at full size; how often it is worth repeating */
    double (*run)(const options *o, const workload *w, const contender *who, int size); /* NULL: plain */
    bool ours;     /* of ours alone; what stands against it is ours as well */
    double target; /* 0: none */
} scene;
extern const scene scenes[];
extern const int scene_count;
int scene_size(const options *o, const scene *s);

/* bench_collide.c: two files that handed out the same numbers (who NULL: others), until both have all rows. us per invoice with its lines. */
double collide(const options *o, const workload *w, const contender *who, int size);
double collide_older_first(const options *o, const workload *w, const contender *who, int size);

/* bench_report.c */
typedef struct report {
    FILE *json; /* NULL: none */
    bool comma;
    bool scenes; /* their heading is out */
} report;
report report_begin(const options *o);
/* plain[runs] and tracked[contender * runs + run] belong together pairwise. */
void report_key(report *r, const options *o, key_kind key, const run_result *plain, const run_result *tracked,
                double csv_bytes);
/* The writes by other ways of measuring, for comparison: no targets. */
void report_ways(report *r, const options *o, key_kind key, const run_result *plain, const run_result *ours,
                 const run_result *bare);
void report_adopt(report *r, const options *o, const double *ms);
/* plain[run] and tracked[contender * runs + run] of one scene belong together. */
void report_scene(report *r, const options *o, const scene *s, int runs, const double *plain,
                  const double *tracked);
void report_end(report *r);

#endif
