/* Deterministic simulation: files, machines, networks and clocks that fail, in one process (docs/TESTING.md).
**
** sim SEED [--trace] [--only 3,5,9]   one run
** sim --seeds LO HI                   all of these
** sim --seconds N [--from SEED]       as many as fit
** sim --shrink SEED                   the fewest steps that still fail
*/
#include "pool.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_SECONDS_MAX 60 /* a run takes milliseconds; one that takes this long hangs */

typedef struct progress { /* shared with the child that does the runs */
    uint64_t next;
    uint64_t runs, statements, merges, crashes, writes, clones, files_max;
    char why[2048];
} progress;

static progress *shared;
static const char *program;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The run of shared->next in a process of its own, from what world_begin made. */
static bool run_next(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(RUN_SECONDS_MAX);
        const char *failure = world_play(shared->next, NULL);
        if (failure) {
            snprintf(shared->why, sizeof shared->why, "%s", failure);
            _exit(1);
        }
        shared->statements += world.statements;
        shared->merges += world.merges;
        shared->crashes += world.crashes;
        shared->writes += world.writes;
        shared->clones += world.clones;
        shared->files_max =
            shared->files_max > (uint64_t)world.count ? shared->files_max : (uint64_t)world.count;
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("sim");
        _exit(2);
    }
    if (WIFSIGNALED(status)) {
        snprintf(shared->why, sizeof shared->why, "%s", strsignal(WTERMSIG(status)));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_range(uint64_t high, double until)
{
    uint64_t alike = UINT64_MAX;
    while (shared->next < high && (until == 0 || seconds() < until)) {
        if (alike != shared->next / SIM_ALIKE) {
            if (alike != UINT64_MAX) {
                world_end();
            }
            alike = shared->next / SIM_ALIKE;
            (void)alarm(RUN_SECONDS_MAX);
            const char *failure = world_begin(shared->next, false);
            if (failure) {
                snprintf(shared->why, sizeof shared->why, "%s", failure);
                _exit(1);
            }
            (void)alarm(0);
        }
        if (!run_next()) {
            _exit(1);
        }
        shared->next++;
        shared->runs++;
    }
    _exit(0);
}

/* In a child, so that a crash is one failure and not the end. Number of failures. */
static uint64_t run_all(uint64_t low, uint64_t high, double duration)
{
    double began = seconds(), until = duration > 0 ? began + duration : 0;
    uint64_t failures = 0;
    shared->next = low;
    for (bool done = false; !done;) {
        shared->why[0] = '\0';
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            run_range(high, until);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child) {
            perror("sim");
            exit(2);
        }
        done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!done) {
            failures++;
            printf("seed %llu: %s\n  again, step by step: %s %llu --trace\n",
                   (unsigned long long)shared->next,
                   shared->why[0]        ? shared->why
                   : WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                         : "ended",
                   program, (unsigned long long)shared->next);
            shared->next++;
            shared->runs++;
        }
    }
    double took = seconds() - began;
    printf("seeds %llu to %llu: %llu runs, %llu failures; %llu statements, %llu writes, %llu merges, %llu "
           "crashes; %llu clones, up to %llu files; %.1f s, %.0f runs/s\n",
           (unsigned long long)low, (unsigned long long)shared->next - 1, (unsigned long long)shared->runs,
           (unsigned long long)failures, (unsigned long long)shared->statements,
           (unsigned long long)shared->writes, (unsigned long long)shared->merges,
           (unsigned long long)shared->crashes, (unsigned long long)shared->clones,
           (unsigned long long)shared->files_max, took, (double)shared->runs / (took > 0 ? took : 1));
    return failures;
}

/* Whether the run fails with these steps; the reason is in shared->why. */
static bool fails(uint64_t seed, const bool *only)
{
    shared->why[0] = '\0';
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(RUN_SECONDS_MAX);
        const char *failure = world_begin(seed, false);
        failure = failure ? failure : world_play(seed, only);
        if (failure) {
            snprintf(shared->why, sizeof shared->why, "%s", failure);
        }
        _exit(failure ? 1 : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("sim");
        exit(2);
    }
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The kind of failure: its text without what differs from run to run. */
static void kind_of(char *to, size_t room)
{
    snprintf(to, room, "%.150s", shared->why);
    to[strcspn(to, "0123456789")] = '\0';
}

static int shrink(uint64_t seed)
{
    bool only[SIM_STEPS_MAX], tried[SIM_STEPS_MAX];
    char kind[200], now[200];
    memset(only, true, sizeof only);
    if (!fails(seed, only)) {
        printf("seed %llu does not fail\n", (unsigned long long)seed);
        return 0;
    }
    kind_of(kind, sizeof kind);
    for (int size = SIM_STEPS_MAX / 2; size >= 1;) {
        bool less = false;
        for (int at = 0; at < SIM_STEPS_MAX; at += size) {
            bool some = false;
            memcpy(tried, only, sizeof tried);
            for (int i = at; i < at + size && i < SIM_STEPS_MAX; i++) {
                some = some || tried[i];
                tried[i] = false;
            }
            if (some && fails(seed, tried)) {
                kind_of(now, sizeof now);
                if (strcmp(kind, now) == 0) {
                    memcpy(only, tried, sizeof only);
                    less = true;
                }
            }
        }
        size = size == 1 && !less ? 0 : size > 1 ? size / 2 : 1;
    }
    (void)fails(seed, only);
    printf("%s\n  %s %llu --trace --only ", shared->why, program, (unsigned long long)seed);
    const char *comma = "";
    for (int i = 0; i < SIM_STEPS_MAX; i++) {
        if (only[i]) {
            printf("%s%d", comma, i);
            comma = ",";
        }
    }
    printf("%s\n", *comma ? "" : "none");
    return 1;
}

static int run_one(uint64_t seed, bool trace, const char *list)
{
    bool only[SIM_STEPS_MAX] = {false};
    for (const char *at = list; at && *at;) {
        char *end = NULL;
        long step = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        if (step >= 0 && step < SIM_STEPS_MAX) {
            only[step] = true;
        }
        at = *end ? end + 1 : end;
    }
    const char *failure = world_begin(seed, trace);
    failure = failure ? failure : world_play(seed, list ? only : NULL);
    printf("seed %llu: %s\n", (unsigned long long)seed, failure ? failure : "in order");
    return failure != NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim SEED [--trace] [--only STEP,...] | --seeds LO HI | --seconds N [--from SEED] "
                    "| --shrink SEED\n");
    return 2;
}

int main(int argc, char **argv)
{
    program = argv[0];
    uint64_t seed = 0, low = 0, high = 0, from = 1;
    double duration = 0;
    bool trace = false, shrinking = false, one = false, range = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--trace") == 0) {
            trace = true;
        } else if (strcmp(a, "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(a, "--seeds") == 0 && i + 2 < argc) {
            low = strtoull(argv[++i], NULL, 10);
            high = strtoull(argv[++i], NULL, 10) + 1;
            range = true;
        } else if (strcmp(a, "--seconds") == 0 && i + 1 < argc) {
            duration = strtod(argv[++i], NULL);
        } else if (strcmp(a, "--from") == 0 && i + 1 < argc) {
            from = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(a, "--shrink") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
            shrinking = true;
        } else if (a[0] != '-') {
            seed = strtoull(a, NULL, 10);
            one = true;
        } else {
            return usage();
        }
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    pool_install();
    if (shared == MAP_FAILED || sqlite3_initialize() != SQLITE_OK || vfs_install() != 0) {
        fprintf(stderr, "sim: cannot start\n");
        return 2;
    }
    if (shrinking) {
        return shrink(seed);
    }
    if (one) {
        return run_one(seed, trace, only);
    }
    if (range) {
        return run_all(low, high, 0) > 0;
    }
    return duration > 0 ? run_all(from, UINT64_MAX, duration) > 0 : usage();
}
