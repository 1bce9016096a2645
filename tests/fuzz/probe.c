/* One damaged file, and what is done with it. */
#include "probe.h"

#include "damage.h"
#include "fuzz.h"
#include "sql.h"

#include "status.h"
#include "sync_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEP_OPERATIONS = 1000,
    STEPS_MAX =
        10000, /* ten million operations for one call: the longest on an undamaged file takes a hundredth of it */
    PATH_ROOM = 128,
};

/* What the engine may take for the metadata of a file: a chunk of the journal (6 MiB), four matrices and a head of 2 MiB each, the numbers of
** sites (1 MiB) and of columns (2 MiB for each of four tables), and the pages of the file twice. A request beyond it fails, and that is a finding. */
#define HEAP_BYTES_MAX (32 << 20)

/* ---- what is done ---- */

typedef enum call_kind {
    CALL_SQL,
    CALL_DELTA,
    CALL_FULL,
    CALL_SEEN,
    CALL_STREAM,
    CALL_SOME,
    CALL_AHEAD,
    CALL_SEVERAL,
    CALL_GIVE
} call_kind;

typedef struct call {
    call_kind kind; /* of SQL also what is its parameter */
    const char *sql;
} call;

static const call calls[] = {
    {CALL_SQL, "SELECT * FROM sync_status"},
    {CALL_SQL, "SELECT * FROM sync_changes"},
    {CALL_SQL, "SELECT sync_changeset()"},
    {CALL_DELTA, "SELECT sync_apply(?1)"},
    {CALL_SQL, "SELECT sync_fold()"},
    {CALL_SQL, "SELECT sync_seen()"},
    /* those before here are called on each file */
    {CALL_SQL, "SELECT * FROM sync_changes WHERE version > 3 AND tbl = 'person'"},
    {CALL_SQL, "SELECT * FROM sync_conflict"},
    {CALL_SQL, "SELECT hex(sync_site())"},
    {CALL_SQL, "SELECT sync_version()"},
    {CALL_SQL, "SELECT sync_changeset(2)"},
    {CALL_SEEN, "SELECT sync_changeset(?1)"},
    {CALL_SEEN, "SELECT sync_changeset(?1)"},
    {CALL_FULL, "SELECT sync_describe(?1)"},
    {CALL_SQL, "SELECT sync_describe(sync_changeset())"},
    {CALL_FULL, "SELECT sync_apply(?1)"},
    {CALL_DELTA, "SELECT sync_apply(?1, '{\"dry_run\": true}')"},
    {CALL_FULL, "SELECT sync_apply(?1, '{\"dry_run\": true}')"},
    {CALL_SQL, "SELECT sync_apply(sync_changeset())"},
    {CALL_STREAM, "the C interface: a stream"},
    {CALL_STREAM, "the C interface: a stream"},
    {CALL_SOME, "the C interface: sync_fold_some"},
    {CALL_AHEAD, "the C interface: sync_fold_ahead"},
    {CALL_SEVERAL, "the C interface: sync_merge_changesets"},
    {CALL_GIVE, "a changeset for an undamaged file"},
    {CALL_SQL, "SELECT sync_touch('person', 7)"},
    {CALL_SQL, "SELECT sync_touch('note', 'a')"},
    {CALL_SQL, "SELECT sync_touch('tag', '[\"A\", {\"$blob\":\"01\"}]')"},
    {CALL_SQL, "INSERT OR REPLACE INTO note(id, body) VALUES('a', 'new'), ('z', 'new')"},
    {CALL_SQL, "UPDATE person SET boss = NULL, id = id + 100 WHERE id = 7"},
    {CALL_SQL, "INSERT OR REPLACE INTO person VALUES(30, 'Ada', 1)"},
    {CALL_SQL, "DELETE FROM person WHERE id > 5"},
    {CALL_SQL, "UPDATE tag SET note = note || 'x'"},
    {CALL_SQL, "INSERT INTO item(v) VALUES(1), (2)"},
    {CALL_SQL, "UPDATE entry SET song = song || 'x' WHERE person = 7"},
    {CALL_SQL, "DELETE FROM entry WHERE person = 1"},
    {CALL_SQL, "ALTER TABLE note ADD COLUMN extra"},
    {CALL_SQL, "SELECT * FROM sync_renumbered"},
    {CALL_SQL, "SELECT sync_compact('{\"age\": 0}')"},
    {CALL_SQL, "SELECT sync_compact()"},
    {CALL_SEEN, "SELECT sync_heard(?1)"},
    {CALL_SQL, "SELECT sync_resolve((SELECT min(id) FROM sync_conflict), 'ours')"},
    {CALL_SQL, "SELECT sync_resolve((SELECT max(id) FROM sync_conflict), 'theirs')"},
    {CALL_SQL, "SELECT sync_resolve((SELECT min(id) FROM sync_conflict WHERE held), 'keep both')"},
    {CALL_SQL, "SELECT sync_alter('ALTER TABLE note RENAME COLUMN title TO heading')"},
    {CALL_SQL, "SELECT sync_alter('ALTER TABLE person DROP COLUMN boss')"},
    {CALL_SQL,
     "SELECT sync_alter('CREATE TABLE made(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO made SELECT *"
     " FROM item; DROP TABLE item; ALTER TABLE made RENAME TO item')"},
    {CALL_SQL, "DELETE FROM sync_conflict"},
    {CALL_SQL, "BEGIN"},
    {CALL_SQL, "BEGIN"},
    {CALL_SQL, "COMMIT"},
    {CALL_SQL, "ROLLBACK"},
    {CALL_SQL, "SELECT sync_track('note')"},
    {CALL_SQL, "SELECT sync_untrack('person')"},
    {CALL_SQL, "SELECT sync_track_all()"},
    {CALL_SQL, "SELECT sync_untrack_all()"},
};
enum { CALLS = sizeof calls / sizeof calls[0], USUAL = 6, DRAWN_MAX = 8 };

/* Memory that the engine could not have, as it says itself: it asked for too much, or takes for want of memory what is damage. All that the
** engine says goes through here (see CMakeLists.txt); in SQLite's words it is SQLite that could not. */
static bool wanted_memory;

int __real_sync_fail(sync_error *error, int code, const char *format, ...);
int __wrap_sync_fail(sync_error *error, int code, const char *format, ...);

int __wrap_sync_fail(sync_error *error, int code, const char *format, ...)
{
    char text[SYNC_ERROR_BYTES];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    wanted_memory = wanted_memory || (code == SYNC_NOMEM && strncmp(format, "%s", 2) != 0);
    return __real_sync_fail(error, code, "%s", text);
}

typedef struct patient {
    sqlite3 *db;
    const shape *s;
    const char *path;
    probe *p;
    int steps;
} patient;

__attribute__((format(printf, 2, 3))) static void blame(probe *p, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (p->why[0] == '\0') {
        size_t used = (size_t)snprintf(p->why, sizeof p->why, "%s: ", p->doing);
        (void)vsnprintf(p->why + used, sizeof p->why - used, format, list);
    }
    va_end(list);
}

static int step(void *context)
{
    patient *one = context;
    return ++one->steps > STEPS_MAX;
}

static int run_sql(patient *one, const char *sql, const sync_buf *parameter)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(one->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && parameter != NULL) {
        rc = sqlite3_bind_blob64(stmt, 1, parameter->data, parameter->len, SQLITE_STATIC);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        fuzz_read_row(stmt);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_stream(patient *one, char **error)
{
    sync_stream *stream = NULL;
    const void *part = NULL;
    void *seen = NULL;
    size_t bytes = 0;
    int last = 0;
    uint64_t left = 0;
    int rc = sync_stream_open(one->db, one->s->seen.data, one->s->seen.len, 300, 3, &stream, error);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = sync_stream_left(stream, &left, error);
    while (rc == SQLITE_OK && last == 0 &&
           (rc = sync_stream_next(stream, &part, &bytes, &last, error)) == SQLITE_ROW) {
        rc = SQLITE_OK;
    }
    rc = rc == SQLITE_OK && last != 0 ? sync_stream_seen(stream, &seen, &bytes) : rc;
    sqlite3_free(seen);
    sync_stream_close(stream);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void write_whole(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && close(fd) == 0);
}

static void remove_beside(const char *path)
{
    static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[PATH_ROOM];
        FUZZ_CHECK(snprintf(name, sizeof name, "%s%s", path, suffixes[i]) < (int)sizeof name);
        FUZZ_CHECK(unlink(name) == 0 || errno == ENOENT);
    }
}

/* What the damaged file gives out, merged into one that is not: refused, or merged and in order. */
static int give(patient *one)
{
    sqlite3_stmt *stmt = NULL;
    patient other = {NULL, one->s, one->path, one->p, 0};
    char path[PATH_ROOM];
    sync_buf changes = {0};
    int rc = sqlite3_prepare_v2(one->db, "SELECT sync_changeset()", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(stmt, 0);
        sync_buf_put(&changes, blob, (size_t)sqlite3_column_bytes(stmt, 0));
    }
    rc = sqlite3_finalize(stmt);
    if (rc == SQLITE_OK && changes.len > 0) {
        FUZZ_CHECK(snprintf(path, sizeof path, "%s-good", one->path) < (int)sizeof path);
        remove_beside(path);
        write_whole(path, one->s->other, one->s->other_size);
        FUZZ_CHECK(shapes_open(path, &other.db) == SQLITE_OK);
        (void)sqlite3_exec(other.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
        rc = run_sql(&other, "SELECT sync_apply(?1)", &changes);
        FUZZ_CHECK(sqlite3_prepare_v2(other.db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK);
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0) {
            blame(one->p, "the undamaged file is damaged now");
        }
        sqlite3_finalize(stmt);
        if (sqlite3_close(other.db) != SQLITE_OK) {
            blame(one->p, "the undamaged file cannot be closed");
            (void)sqlite3_close_v2(other.db);
        }
    }
    sync_buf_free(&changes);
    return rc;
}

static int dispatch(patient *one, const call *c, char **error)
{
    const shape *s = one->s;
    int64_t entries = 0;
    switch (c->kind) {
    case CALL_SQL:
        return run_sql(one, c->sql, NULL);
    case CALL_DELTA:
        return run_sql(one, c->sql, &s->delta);
    case CALL_FULL:
        return run_sql(one, c->sql, &s->full);
    case CALL_SEEN:
        return run_sql(one, c->sql, &s->seen);
    case CALL_STREAM:
        return run_stream(one, error);
    case CALL_SOME:
        return sync_fold_some(one->db, 3, &entries, error);
    case CALL_AHEAD:
        return sync_fold_ahead(one->db, 1000, &entries, error);
    case CALL_SEVERAL: {
        sync_incoming both[] = {{s->delta.data, s->delta.len, 0}, {s->full.data, s->full.len, 0}};
        sync_incoming *const list[] = {&both[0], &both[1]};
        return sync_merge_changesets(one->db, list, 2, error);
    }
    case CALL_GIVE:
        return give(one);
    }
    return SQLITE_MISUSE;
}

static bool may_leave_open(const call *c, bool was_open)
{
    return was_open || strcmp(c->sql, "BEGIN") == 0;
}

/* False if it is of no use to go on. */
static bool call_one(patient *one, const call *c)
{
    probe *p = one->p;
    char *error = NULL;
    bool was_open = sqlite3_get_autocommit(one->db) == 0;
    (void)snprintf(p->doing, sizeof p->doing, "%s", c->sql);
    one->steps = 0;
    wanted_memory = false;
    int rc = dispatch(one, c, &error);
    if (p->trace) {
        printf("  %s: %d %s\n", c->sql, rc, rc == SQLITE_OK ? "" : error ? error : sqlite3_errmsg(one->db));
    }
    if (rc == SQLITE_OK) {
        p->results++;
    } else {
        p->errors++;
    }
    p->refused += (rc & 0xff) == SQLITE_NOMEM;
    if (one->steps > STEPS_MAX) {
        p->endless = true; /* whose fault it is comes out when the file is closed */
    } else if (wanted_memory) {
        blame(p, "asks for more memory than it may: %s", error ? error : sqlite3_errmsg(one->db));
    } else if (!may_leave_open(c, was_open) && sqlite3_get_autocommit(one->db) == 0) {
        blame(p, "left a transaction open: %d %s", rc, error ? error : sqlite3_errmsg(one->db));
    }
    sqlite3_free(error);
    return !p->endless && p->why[0] == '\0';
}

/* ---- one file ---- */

/* Before anything of the damage is read, the extension knows the file as it was. */
static void acquaint(patient *one, const uint8_t *damaged, size_t size)
{
    static const char *const first[] = {"SELECT sync_seen()", "SELECT * FROM sync_changes",
                                        "SELECT * FROM sync_status"};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        FUZZ_CHECK(run_sql(one, first[i], NULL) == SQLITE_OK);
    }
    write_whole(one->path, damaged, size);
}

/* As a program's commit would: else SQLite goes on with the pages that it has. */
static void count_change(const shape *s, uint8_t *bytes, size_t size)
{
    enum { COUNTER = 24, VALID_FOR = 92, HEADER = 100 };
    if (size >= HEADER) {
        bool same = memcmp(bytes + VALID_FOR, s->bytes + COUNTER, 4) == 0;
        bytes[COUNTER + 3]++;
        if (same) {
            memcpy(bytes + VALID_FOR, bytes + COUNTER, 4);
        }
    }
}

static void play(patient *one, sim_dice *d)
{
    int drawn = dice_below(d, DRAWN_MAX) + 1, turn = dice_below(d, USUAL);
    bool usual_first = dice_percent(d, 40), go_on = true;
    for (int i = 0; i < drawn + USUAL && go_on; i++) {
        bool usual = usual_first ? i < USUAL : i >= drawn;
        go_on = call_one(one, &calls[usual ? (i + turn) % USUAL : USUAL + dice_below(d, CALLS - USUAL)]);
    }
    if (go_on && sqlite3_get_autocommit(one->db) == 0) {
        static const call end = {CALL_SQL, "ROLLBACK"};
        (void)call_one(one, &end);
    }
}

static void close_one(patient *one)
{
    probe *p = one->p;
    if (!p->endless) {
        (void)snprintf(p->doing, sizeof p->doing, "closing");
    }
    sqlite3_progress_handler(one->db, 0, NULL, NULL);
    if (sqlite3_close(one->db) != SQLITE_OK) {
        blame(p, "a statement was left behind: %s", sqlite3_errmsg(one->db));
        (void)sqlite3_close_v2(one->db);
    }
}

void probe_run(uint64_t seed, const char *path, probe *p)
{
    sim_dice d = dice_of(seed, 0), script = dice_of(seed, 1);
    const shape *s = shapes_at((size_t)(seed % shapes_count()));
    size_t size = s->size;
    uint8_t *bytes = malloc(size + DAMAGE_BYTES_MORE);
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, s->bytes, size);
    shapes_reset_world(seed);
    sqlite3_int64 used = sqlite3_memory_used();
    patient one = {NULL, s, path, p, 0};
    damage(&d, s, bytes, &size, p->damage, sizeof p->damage);
    bool known = !s->wal && dice_percent(&script, 30);
    if (p->trace) {
        printf("%s%s:%s\n", s->name, known ? ", damaged while it is open" : "", p->damage);
    }
    if (p->keep != NULL) {
        write_whole(p->keep, bytes, size);
    }
    remove_beside(path);
    write_whole(path, known ? s->bytes : bytes, known ? s->size : size);
    (void)snprintf(p->doing, sizeof p->doing, "opening");
    if (shapes_open(path, &one.db) == SQLITE_OK) {
        if (known) {
            count_change(s, bytes, size);
            acquaint(&one, bytes, size);
        }
        sqlite3_progress_handler(one.db, STEP_OPERATIONS, step, &one);
        (void)sqlite3_exec(one.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
        if (dice_percent(&script, 50)) {
            (void)sqlite3_exec(one.db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
        }
        play(&one, &script);
    }
    close_one(&one);
    if (p->endless) {
        remove_beside(path);
        write_whole(path, bytes, size);
        p->endless = probe_is_endless(path);
        if (!p->endless) {
            blame(p, "more than %d steps of SQLite's machine", STEPS_MAX * STEP_OPERATIONS);
        }
    }
    free(bytes);
    if (sqlite3_memory_used() != used) {
        blame(p, "%lld bytes of memory are left", (long long)(sqlite3_memory_used() - used));
    }
}

/* ---- whose fault ---- */

static bool scan_is_endless(sqlite3 *db, char *sql)
{
    patient one = {db, NULL, NULL, NULL, 0};
    FUZZ_CHECK(sql != NULL);
    sqlite3_progress_handler(db, STEP_OPERATIONS, step, &one);
    (void)run_sql(&one, sql, NULL);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    sqlite3_free(sql);
    return one.steps > STEPS_MAX;
}

bool probe_is_endless(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool endless = false;
    if (sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db,
                           "SELECT type, name, tbl_name FROM sqlite_schema WHERE type IN ('table', 'index')",
                           -1, &stmt, NULL) == SQLITE_OK) {
        while (!endless && sqlite3_step(stmt) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(stmt, 1);
            const char *table = (const char *)sqlite3_column_text(stmt, 2);
            bool index = sqlite3_column_bytes(stmt, 0) == 5 && sqlite3_column_text(stmt, 0)[0] == 'i';
            if (name != NULL && table != NULL) {
                endless = scan_is_endless(
                    db, index ? sqlite3_mprintf("SELECT 1 FROM \"%w\" INDEXED BY \"%w\"", table, name)
                              : sqlite3_mprintf("SELECT * FROM \"%w\" NOT INDEXED", name));
            }
        }
    }
    sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return endless;
}

void probe_prepare(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* each allocation one that a sanitizer sees */
    FUZZ_CHECK(sqlite3_initialize() == SQLITE_OK);
    (void)sqlite3_hard_heap_limit64(HEAP_BYTES_MAX);
}
