/* Operations during which the nth call of a kind fails, for n = 1, 2, ... until none is left that could; once, and for ever.
**
** usage: sweep [--seed N] [--stride N] [--places 1] [--keep DIRECTORY] [SCENARIO|all [KIND|all [once|ever|all [wal|delete|all [N]]]]]
**
** With a stride only each such call is made to fail, beginning with one that the seed decides. --places 1: only the first call that comes from each
** place of the engine, which reaches each of its error paths with a fraction of the faults. --keep: a copy of every state in which a file was found
** is put there. Ends with 1 if anything did not hold. */
#include "fault.h"
#include "places.h"
#include "prepare.h"
#include "scenario.h"
#include "state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILURES_MAX = 10, STATES_MAX = 1000 };

typedef struct options {
    unsigned long seed;
    long stride;
    bool places;
    const char *keep;
    const char *scenario, *kind, *often, *journal;
    long n; /* only this one; 0: all */
} options;

/* One scenario prepared: what the file is before, after, and where the caller's own writes alone are done. */
typedef struct stage {
    const scenario *s;
    bool wal;
    gift given;
    char *before, *done, *partly;
    ending ends; /* as it does without a fault */
} stage;

typedef struct sweep {
    const stage *at;
    fault_kind kind;
    bool once;
    long tried, absorbed, failures;
} sweep;

static const options *chosen;
static uint64_t states_kept[STATES_MAX];
static int state_count;
static long all_tried, all_failures;

static void complain(sweep *w, long n, const char *what, const char *detail)
{
    printf("FAILED %s %s %s %s %ld: %s%s%s\n", w->at->s->name, fault_names[w->kind],
           w->once ? "once" : "ever", w->at->wal ? "wal" : "delete", n, what, *detail ? ": " : "", detail);
    w->failures++;
}

/* ---- what an error may be ---- */

static bool code_fits(fault_kind kind, int code)
{
    int primary = code & 0xff;
    switch (kind) {
    case FAULT_MEMORY:
        return primary == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
    case FAULT_IO:
        return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    case FAULT_SHORT:
        return primary == SQLITE_IOERR;
    case FAULT_FULL:
        return primary == SQLITE_FULL;
    case FAULT_BUSY:
        return primary == SQLITE_BUSY || primary == SQLITE_PROTOCOL;
    case FAULT_BIND:
        return primary == SQLITE_RANGE || primary == SQLITE_NOMEM; /* which is the only reason in practice */
    default:
        return code == SQLITE_IOERR; /* and the text is ours */
    }
}

/* SQLite's own words for it are there, whatever stands before them; of what is outside, ours. */
static bool text_fits(fault_kind kind, const ending *e)
{
    return strstr(e->text, kind == FAULT_OUTSIDE ? "no random numbers" : sqlite3_errstr(e->code & 0xff)) !=
           NULL;
}

/* What cannot be asked of a copy's surroundings is taken for unchanged, so that it goes on with the id that it has, or takes another once more. */
static bool goes_unnoticed(const sweep *w)
{
    return w->kind == FAULT_OUTSIDE && w->at->s->renews;
}

static void check_ending(sweep *w, long n, const ending *e)
{
    char detail[ERROR_BYTES + 100];
    snprintf(detail, sizeof detail, "%d, \"%s\"", e->code, e->text);
    if (e->code == SQLITE_OK) {
        w->absorbed++;
        if (e->result != w->at->ends.result && !goes_unnoticed(w)) {
            complain(w, n, "no error, and another result", "");
        }
    } else if (goes_unnoticed(w) && e->code == SQLITE_BUSY) {
        return;
    } else if (!code_fits(w->kind, e->code)) {
        complain(w, n, "an error of another kind", detail);
    } else if (!text_fits(w->kind, e)) {
        complain(w, n, "the error does not say what it is", detail);
    }
}

/* ---- states ---- */

static void keep_state(sqlite3 *db, const stage *at, const char *dump)
{
    uint64_t hash = scenario_digest(UINT64_C(0xcbf29ce484222325), dump, strlen(dump));
    for (int i = 0; i < state_count; i++) {
        if (states_kept[i] == hash) {
            return;
        }
    }
    if (state_count < STATES_MAX) {
        states_kept[state_count++] = hash;
        if (chosen->keep) {
            char *sql = sqlite3_mprintf("VACUUM INTO '%q/%s-%016llx-%d.db'", chosen->keep, at->s->name,
                                        (unsigned long long)hash, (int)getpid());
            scenario_exec(db, sql);
            sqlite3_free(sql);
        }
    }
}

static int first_text(void *to, int columns, char **values, char **names)
{
    (void)names;
    snprintf(to, 100, "%s", columns && values[0] ? values[0] : "");
    return 1; /* the first row is enough */
}

/* Reads the file as another program would, without a fault. Its dump (to be freed), or NULL after a complaint. */
static char *look(sweep *w, long n, const char *when)
{
    uint64_t digest = state_digest();
    char *dump = state_recall(digest);
    sqlite3 *db = scenario_open("a.db", true);
    char found[100] = "";
    const char *why = "";
    if (sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
        complain(w, n, when, sqlite3_errmsg(db));
    }
    if (dump) {
        sqlite3_close(db);
        return dump;
    }
    (void)sqlite3_exec(db, "PRAGMA integrity_check", first_text, found, NULL);
    bool whole = strcmp(found, "ok") == 0;
    if (!whole) {
        complain(w, n, when, *found ? found : sqlite3_errmsg(db));
    }
    dump = state_dump(db, &why);
    if (dump == NULL) {
        complain(w, n, when, why);
    } else {
        keep_state(db, w->at, dump);
    }
    if (dump && whole) {
        state_remember(digest, dump);
    }
    sqlite3_close(db);
    return dump;
}

static void check_state(sweep *w, long n, const ending *e)
{
    const stage *at = w->at;
    char *dump = look(w, n, "after the fault");
    bool as_before = dump && strcmp(dump, at->before) == 0, done = dump && strcmp(dump, at->done) == 0;
    bool partly = dump && at->partly && strcmp(dump, at->partly) == 0;
    bool good =
        e->code == SQLITE_OK ? done || goes_unnoticed(w) : as_before || done || partly || at->s->steps;
    if (dump && !good) {
        char difference[1000];
        state_difference(dump, e->code == SQLITE_OK ? at->done : at->before, difference, sizeof difference);
        complain(w, n, e->code == SQLITE_OK ? "no error, and not done" : "neither undone nor done",
                 difference);
    }
    sqlite3_free(dump);
}

/* ---- one fault ---- */

static void run_again(sweep *w, long n, sqlite3 *db)
{
    ending e = {0};
    fault_rewind();
    w->at->s->run(db, &w->at->given, &e);
    if (e.code != SQLITE_OK) {
        char detail[ERROR_BYTES + 20];
        snprintf(detail, sizeof detail, "%d, %s", e.code, e.text);
        complain(w, n, "fails again, without a fault", detail);
        return;
    }
    char *dump = look(w, n, "after another try");
    if (dump && !state_same(dump, w->at->done, !w->at->s->renews)) {
        char difference[1000];
        state_difference(dump, w->at->done, difference, sizeof difference);
        complain(w, n, "after another try", difference);
    }
    sqlite3_free(dump);
}

/* False: there was no such call. */
static bool attempt(sweep *w, long n)
{
    ending e = {0};
    state_restore();
    fault_rewind();
    sqlite3_int64 memory = sqlite3_memory_used();
    sqlite3 *db = scenario_open("a.db", w->at->s->plain);
    if (w->at->s->warm) {
        scenario_exec(db, "SELECT sync_version()");
    }
    fault_arm(w->kind, n, w->once);
    w->at->s->run(db, &w->at->given, &e);
    bool struck = fault_disarm();
    if (!sqlite3_get_autocommit(db)) { /* without any memory not even that could be done */
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    check_ending(w, n, &e);
    check_state(w, n, &e);
    if (struck && n % 2 == 0) { /* by a program that starts anew, or by one that goes on */
        sqlite3_close(db);
        db = scenario_open("a.db", w->at->s->plain);
    }
    if (struck && e.code != SQLITE_OK) {
        run_again(w, n, db);
    }
    if (sqlite3_close(db) != SQLITE_OK) {
        complain(w, n, "the connection cannot be closed", sqlite3_errmsg(db));
    } else if (sqlite3_memory_used() != memory) {
        char detail[60];
        snprintf(detail, sizeof detail, "%lld bytes", (long long)(sqlite3_memory_used() - memory));
        complain(w, n, "memory is left", detail);
    }
    return struck;
}

static unsigned long mix(unsigned long a, unsigned long b)
{
    return (a ^ b) * 0x9e3779b97f4a7c15u >> 7;
}

/* The calls that are the first from their place, of a run in which none fails. */
static const long *first_calls(const stage *at, fault_kind kind, size_t *count)
{
    ending e = {0};
    state_restore();
    fault_rewind();
    sqlite3 *db = scenario_open("a.db", at->s->plain);
    if (at->s->warm) {
        scenario_exec(db, "SELECT sync_version()");
    }
    places_start();
    fault_arm(kind, LONG_MAX, true);
    at->s->run(db, &at->given, &e);
    (void)fault_disarm();
    (void)sqlite3_close(db);
    return places_stop(count);
}

static long sweep_places(sweep *w)
{
    size_t count = 0;
    const long *calls = first_calls(w->at, w->kind, &count);
    for (size_t i = 0; i < count && w->failures < FAILURES_MAX; i++) {
        if (!attempt(w, calls[i])) {
            complain(w, calls[i], "such a call did not come again", "");
        }
        w->tried++;
    }
    return count ? calls[count - 1] : 0;
}

static long sweep_strides(sweep *w)
{
    unsigned long offset = mix(mix(chosen->seed, (unsigned long)(w->at->s - scenarios)),
                               (unsigned long)w->kind * 4 + (unsigned long)w->once * 2 + w->at->wal);
    long n = chosen->n ? chosen->n : 1 + (long)(offset % (unsigned long)chosen->stride);
    while (w->failures < FAILURES_MAX && attempt(w, n)) {
        w->tried++;
        if (chosen->n) {
            break;
        }
        n += chosen->stride;
    }
    return n - chosen->stride;
}

static void sweep_over(const stage *at, fault_kind kind, bool once)
{
    sweep w = {.at = at, .kind = kind, .once = once};
    long last = chosen->places ? sweep_places(&w) : sweep_strides(&w);
    printf("%-9s %-7s %s %-6s: %ld faults of %ld, %ld absorbed, %ld failures\n", at->s->name,
           fault_names[kind], once ? "once" : "ever", at->wal ? "wal" : "delete", w.tried, last, w.absorbed,
           w.failures);
    fflush(stdout);
    all_tried += w.tried;
    all_failures += w.failures;
}

/* ---- stages ---- */

static bool wanted(const char *choice, const char *name)
{
    return strcmp(choice, "all") == 0 || strcmp(choice, name) == 0;
}

static char *dump_now(void)
{
    const char *why = "";
    sqlite3 *db = scenario_open("a.db", true);
    char *dump = state_dump(db, &why);
    if (dump == NULL) {
        printf("# no dump: %s\n", why);
        exit(3);
    }
    sqlite3_close(db);
    return dump;
}

static char *run_unharmed(stage *at)
{
    state_restore();
    fault_rewind();
    at->ends = (ending){0};
    sqlite3 *db = scenario_open("a.db", at->s->plain);
    at->s->run(db, &at->given, &at->ends);
    if (at->ends.code != SQLITE_OK || sqlite3_close(db) != SQLITE_OK) {
        printf("# %s fails by itself: %d, %s\n", at->s->name, at->ends.code, at->ends.text);
        exit(3);
    }
    return dump_now();
}

static void remove_files(void)
{
    static const char *const used[] = {"a.db",     "b.db",     "a.db-sync",   "b.db-sync",
                                       "a.db-wal", "a.db-shm", "a.db-journal"};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        (void)unlink(used[i]);
    }
}

static void set_up(stage *at)
{
    remove_files();
    fault_set_inode(1);
    fault_rewind();
    prepare_encoding(at->s->utf16);
    at->s->prepare(&at->given, at->wal);
    state_keep();
    at->before = dump_now();
    char *once = run_unharmed(at);
    at->done = run_unharmed(at);
    if (strcmp(once, at->done) != 0) {
        char difference[1000];
        state_difference(once, at->done, difference, sizeof difference);
        printf("# %s does not repeat itself: %s\n", at->s->name, difference);
        exit(3);
    }
    sqlite3_free(once);
    if (at->s->host) {
        state_restore();
        sqlite3 *db = scenario_open("a.db", true);
        scenario_exec(db, "INSERT INTO log VALUES('host')");
        sqlite3_close(db);
        at->partly = dump_now();
    }
}

static void play(const scenario *s, bool wal)
{
    stage at = {.s = s, .wal = wal};
    set_up(&at);
    for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        for (int once = 0; wanted(chosen->kind, fault_names[kind]) && once < 2; once++) {
            if (wanted(chosen->often, once ? "once" : "ever")) {
                sweep_over(&at, kind, once);
            }
        }
    }
    sqlite3_free(at.before);
    sqlite3_free(at.done);
    sqlite3_free(at.partly);
    free(at.given.data);
}

static const char *choice(int argc, char **argv, int at)
{
    return at < argc ? argv[at] : "all";
}

int main(int argc, char **argv)
{
    options o = {.seed = 1, .stride = 1};
    const char *tmp = getenv("TMPDIR");
    char directory[4096];
    int at = 1;
    snprintf(directory, sizeof directory, "%s/sweep-XXXXXX", tmp != NULL ? tmp : "/tmp");
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        o.seed = strcmp(argv[at], "--seed") == 0 ? strtoul(argv[at + 1], NULL, 10) : o.seed;
        o.stride = strcmp(argv[at], "--stride") == 0 ? strtol(argv[at + 1], NULL, 10) : o.stride;
        o.places = strcmp(argv[at], "--places") == 0 ? argv[at + 1][0] == '1' : o.places;
        o.keep = strcmp(argv[at], "--keep") == 0 ? argv[at + 1] : o.keep;
    }
    o.scenario = choice(argc, argv, at);
    o.kind = choice(argc, argv, at + 1);
    o.often = choice(argc, argv, at + 2);
    o.journal = choice(argc, argv, at + 3);
    o.n = at + 4 < argc ? strtol(argv[at + 4], NULL, 10) : 0;
    chosen = &o;
    if (o.stride < 1 || !fault_install() || mkdtemp(directory) == NULL || chdir(directory) != 0) {
        perror("sweep");
        return 3;
    }
    for (int i = 0; i < scenario_count; i++) {
        for (int wal = 0; wanted(o.scenario, scenarios[i].name) && wal < 2; wal++) {
            if (wanted(o.journal, wal ? "wal" : "delete")) {
                play(&scenarios[i], wal);
            }
        }
    }
    remove_files();
    if (chdir("/") != 0 || rmdir(directory) != 0) {
        perror(directory);
    }
    printf("seed %lu, stride %ld: %ld faults, %d states, %ld failures\n", o.seed, o.stride, all_tried,
           state_count, all_failures);
    return all_failures || all_tried == 0;
}
