/* Database files whose bytes were damaged: an error or a result, never a crash, a hang, a leak, or memory without bound (docs/TESTING.md).
**
** mutate SEED [--trace] [--keep FILE]   one file; FILE becomes what it is before anything is done with it
** mutate --seeds LO HI                  all of these
*/
#include "fuzz.h"
#include "probe.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_SECONDS_MAX 60 /* a file takes milliseconds; one that takes this long hangs */

typedef struct progress { /* shared with the child that does the work */
    uint64_t next;
    uint64_t files, results, errors, refused, endless;
    probe at;
} progress;

static progress *shared;
static const char *program;
static char directory[64], path[80];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Ends itself at the first finding. */
static void run_range(uint64_t high)
{
    while (shared->next < high) {
        memset(&shared->at, 0, sizeof shared->at);
        (void)alarm(FILE_SECONDS_MAX);
        probe_run(shared->next, path, &shared->at);
        (void)alarm(0);
        if (shared->at.why[0] != '\0') {
            _exit(1);
        }
        shared->results += shared->at.results;
        shared->errors += shared->at.errors;
        shared->refused += shared->at.refused;
        shared->endless += shared->at.endless;
        shared->files++;
        shared->next++;
    }
    exit(0); /* not _exit: a sanitizer looks for leaks now */
}

/* What the child that did shared->next came to, or NULL if nothing is wrong with us. */
static const char *verdict(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && shared->at.why[0] != '\0') {
        return shared->at.why;
    }
    static char text[160];
    snprintf(text, sizeof text, "%s: %s", shared->at.doing,
             !WIFSIGNALED(status)          ? "ended"
             : WTERMSIG(status) == SIGALRM ? "hangs"
                                           : strsignal(WTERMSIG(status)));
    return text;
}

/* In a child, so that a crash is one finding and not the end. Number of findings. */
static uint64_t run_all(uint64_t low, uint64_t high)
{
    double began = seconds();
    uint64_t findings = 0;
    shared->next = low;
    for (bool done = false; !done;) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            run_range(high);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child) {
            perror("mutate");
            exit(2);
        }
        done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!done) {
            findings++;
            printf("seed %llu: %s\n  %s\n  again: %s %llu --trace\n", (unsigned long long)shared->next,
                   verdict(status), shared->at.damage, program, (unsigned long long)shared->next);
            shared->next++;
            shared->files++;
        }
        done = done || shared->next >= high;
    }
    double took = seconds() - began;
    printf(
        "seeds %llu to %llu: %llu files, %llu findings; %llu results, %llu errors, of those %llu for want of "
        "memory in SQLite itself; %llu files endless for plain SQL; %.1f s, %.0f files/s\n",
        (unsigned long long)low, (unsigned long long)shared->next - 1, (unsigned long long)shared->files,
        (unsigned long long)findings, (unsigned long long)shared->results, (unsigned long long)shared->errors,
        (unsigned long long)shared->refused, (unsigned long long)shared->endless, took,
        (double)shared->files / (took > 0 ? took : 1));
    return findings;
}

static void remove_directory(void)
{
    static const char *const names[] = {"file",      "file-journal",      "file-wal",      "file-shm",
                                        "file-good", "file-good-journal", "file-good-wal", "file-good-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s", directory, names[i]);
        (void)unlink(name);
    }
    (void)rmdir(directory);
}

static int run_one(uint64_t seed, bool trace, const char *keep)
{
    static probe one;
    one.trace = trace;
    one.keep = keep;
    (void)alarm(FILE_SECONDS_MAX);
    probe_run(seed, path, &one);
    printf("seed %llu: %s\n", (unsigned long long)seed,
           one.why[0]    ? one.why
           : one.endless ? "in order; SQLite goes round in it"
                         : "in order");
    return one.why[0] != '\0';
}

static int usage(void)
{
    fprintf(stderr, "usage: mutate SEED [--trace] [--keep FILE] | --seeds LO HI\n");
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t seed = 0, low = 0, high = 0;
    bool trace = false, one = false, range = false;
    const char *keep = NULL;
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--trace") == 0) {
            trace = true;
        } else if (strcmp(a, "--keep") == 0 && i + 1 < argc) {
            keep = argv[++i];
        } else if (strcmp(a, "--seeds") == 0 && i + 2 < argc) {
            low = strtoull(argv[++i], NULL, 10);
            high = strtoull(argv[++i], NULL, 10) + 1;
            range = true;
        } else if (a[0] != '-') {
            seed = strtoull(a, NULL, 10);
            one = true;
        } else {
            return usage();
        }
    }
    if (one == range) {
        return usage();
    }
    struct stat memory;
    snprintf(directory, sizeof directory, "%s/sync-mutate-XXXXXX",
             stat("/dev/shm", &memory) == 0 ? "/dev/shm" : "/tmp");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || mkdtemp(directory) == NULL) {
        perror("mutate");
        return 2;
    }
    snprintf(path, sizeof path, "%s/file", directory);
    setvbuf(stdout, NULL, _IOLBF, 0);
    probe_prepare();
    shapes_make(directory, one ? (int)(seed % shapes_count()) : -1);
    int status = one ? run_one(seed, trace, keep) : run_all(low, high) > 0;
    remove_directory();
    return status;
}
