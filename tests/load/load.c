/* Puts a load on a running peer and prints what it carried, as one line of JSON.
**
**   load fanout PORT ROOM FILE SEEN MEMBERS SECONDS
**       MEMBERS members of one room; a plain program commits one row, all members get it, and the next one follows.
**   load paced PORT PREFIX FOLDER SEEN ROOMS RATE SECONDS
**       rooms PREFIX0, PREFIX1 ... with a member each, whose files in FOLDER plain programs write RATE rows a second to, on a schedule
**       that waits for nobody.
**
** SEEN: a file with the sync_seen() of a copy of the rooms' files. They have a table t(id TEXT PRIMARY KEY, a).
*/
#include "member.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <zstd.h>

enum {
    EVENTS = 256,
    POLL_MS = 100,
    SILENCE_US = 30 * 1000000, /* a change that takes longer is lost */
    STAMP_DIGITS = 16,
    BLOB_HEADER_BYTES = 5, /* "SYNC" and the format, before the zstd frame */
    PLAIN_BYTES_MAX = 1 << 20,
    ROOM_NAME_BYTES = 80
};

static const char stamp_mark[] = "T=";

typedef struct load {
    load_member *members;
    int member_count;
    int epoll;
    uint64_t arrived; /* changes, each counted once a member */
    double *late_us;  /* of these; NULL: not asked for */
    size_t late_cap;
    ZSTD_DCtx *zstd;
    uint8_t *plain;
} load;

typedef struct writers {
    sqlite3 **dbs;
    sqlite3_stmt **inserts;
    int count;
    double rate;
    double seconds;
    uint64_t commits;
    _Atomic bool done;
} writers;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* ---- what comes */

static void note_late(load *l, double stamp_us)
{
    if (l->arrived == l->late_cap) {
        l->late_cap = l->late_cap ? l->late_cap * 2 : 65536;
        l->late_us = realloc(l->late_us, l->late_cap * sizeof *l->late_us);
        if (l->late_us == NULL) {
            load_fail("out of memory");
        }
    }
    l->late_us[l->arrived++] = now_us() - stamp_us;
}

/* Each row bears the time before it was written. */
static void on_changes(void *context, load_member *m, const uint8_t *changeset, size_t bytes)
{
    load *l = context;
    (void)m;
    size_t plain = bytes > BLOB_HEADER_BYTES
                       ? ZSTD_decompressDCtx(l->zstd, l->plain, PLAIN_BYTES_MAX,
                                             changeset + BLOB_HEADER_BYTES, bytes - BLOB_HEADER_BYTES)
                       : 0;
    if (ZSTD_isError(plain)) {
        load_fail("a changeset cannot be unpacked: %s", ZSTD_getErrorName(plain));
    }
    const uint8_t *at = l->plain, *end = l->plain + plain;
    while ((at = memmem(at, (size_t)(end - at), stamp_mark, sizeof stamp_mark - 1)) != NULL &&
           end - at >= (ptrdiff_t)(sizeof stamp_mark - 1 + STAMP_DIGITS)) {
        char digits[STAMP_DIGITS + 1] = {0};
        memcpy(digits, at + sizeof stamp_mark - 1, STAMP_DIGITS);
        note_late(l, (double)strtoll(digits, NULL, 10));
        at += sizeof stamp_mark - 1 + STAMP_DIGITS;
    }
}

static void open_members(load *l, int port, const char *room, bool numbered, const load_seen *seen)
{
    l->members = calloc((size_t)l->member_count, sizeof *l->members);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->zstd = ZSTD_createDCtx();
    l->plain = malloc(PLAIN_BYTES_MAX);
    if (l->members == NULL || l->epoll < 0 || l->zstd == NULL || l->plain == NULL) {
        load_fail("out of memory or descriptors");
    }
    for (int i = 0; i < l->member_count; i++) {
        char name[ROOM_NAME_BYTES];
        snprintf(name, sizeof name, numbered ? "%s%d" : "%s", room, i);
        member_open(&l->members[i], port, i, name, seen);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->members[i]};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->members[i].fd, &event) != 0) {
            load_fail("epoll: %s", strerror(errno));
        }
    }
}

static void close_members(load *l)
{
    for (int i = 0; i < l->member_count; i++) {
        member_close(&l->members[i]);
    }
    free(l->members);
    free(l->late_us);
    free(l->plain);
    ZSTD_freeDCtx(l->zstd);
}

static void take_what_comes(load *l)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, POLL_MS);
    for (int i = 0; i < n; i++) {
        member_read(events[i].data.ptr, on_changes, l);
    }
}

/* Nothing has come behind the first word of each. */
static void wait_until_caught_up(load *l)
{
    double began = now_us();
    for (int i = 0; i < l->member_count; i++) {
        while (!l->members[i].caught_up) {
            take_what_comes(l);
            if (now_us() - began > SILENCE_US) {
                load_fail("member %d of %d heard nothing for 30 s", i, l->member_count);
            }
        }
    }
}

/* ---- what is written */

static void open_writer(writers *w, int i, const char *path)
{
    if (sqlite3_open_v2(path, &w->dbs[i], SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(w->dbs[i], 10000) != SQLITE_OK ||
        sqlite3_exec(w->dbs[i], "PRAGMA synchronous = NORMAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(w->dbs[i],
                           "INSERT INTO t(id, a) VALUES(lower(hex(randomblob(8))), printf('T=%016lld', ?))",
                           -1, &w->inserts[i], NULL) != SQLITE_OK) {
        load_fail("%s: %s", path, sqlite3_errmsg(w->dbs[i]));
    }
}

static void open_writers(writers *w, int count)
{
    w->count = count;
    w->dbs = calloc((size_t)count, sizeof(sqlite3 *));
    w->inserts = calloc((size_t)count, sizeof(sqlite3_stmt *));
    if (w->dbs == NULL || w->inserts == NULL) {
        load_fail("out of memory");
    }
}

static void close_writers(writers *w)
{
    for (int i = 0; i < w->count; i++) {
        sqlite3_finalize(w->inserts[i]);
        sqlite3_close(w->dbs[i]);
    }
    free(w->inserts);
    free(w->dbs);
}

static void commit_row(writers *w, int i)
{
    if (sqlite3_bind_int64(w->inserts[i], 1, (sqlite3_int64)now_us()) != SQLITE_OK ||
        sqlite3_step(w->inserts[i]) != SQLITE_DONE || sqlite3_reset(w->inserts[i]) != SQLITE_OK) {
        load_fail("a write failed: %s", sqlite3_errmsg(w->dbs[i]));
    }
    w->commits++;
}

static void *write_on_schedule(void *context)
{
    writers *w = context;
    double began = now_us(), step_us = 1e6 / (w->rate * w->count);
    for (uint64_t n = 0; (double)n * step_us < w->seconds * 1e6; n++) {
        double due_us = began + (double)n * step_us, early_us = due_us - now_us();
        if (early_us > 0) {
            struct timespec nap = {.tv_sec = (time_t)(early_us / 1e6),
                                   .tv_nsec = (long)(early_us * 1e3) % 1000000000};
            nanosleep(&nap, NULL);
        }
        commit_row(w, (int)(n % (uint64_t)w->count));
    }
    w->done = true;
    return NULL;
}

/* ---- the two loads */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_result(load *l, const writers *w, double seconds, double cpu_s)
{
    uint64_t frames = 0;
    for (int i = 0; i < l->member_count; i++) {
        frames += l->members[i].frames;
    }
    if (l->arrived == 0) {
        load_fail("nothing arrived");
    }
    qsort(l->late_us, l->arrived, sizeof *l->late_us, by_value);
    printf("{\"members\": %d, \"commits\": %llu, \"arrived\": %llu, \"frames\": %llu, \"seconds\": %.3f, "
           "\"cpu_seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           l->member_count, (unsigned long long)w->commits, (unsigned long long)l->arrived,
           (unsigned long long)frames, seconds, cpu_s, l->late_us[l->arrived / 2] / 1e3,
           l->late_us[l->arrived * 99 / 100] / 1e3, l->late_us[l->arrived - 1] / 1e3);
}

/* Until everything that was committed has come to `each` members. */
static void wait_for_all(load *l, const writers *w, uint64_t each)
{
    double heard_us = now_us();
    while (l->arrived < w->commits * each) {
        uint64_t before = l->arrived;
        take_what_comes(l);
        heard_us = l->arrived > before ? now_us() : heard_us;
        if (now_us() - heard_us > SILENCE_US) {
            load_fail("%llu changes of %llu arrived, and nothing more for 30 s",
                      (unsigned long long)l->arrived, (unsigned long long)(w->commits * each));
        }
    }
}

static void run_fanout(int port, const char *room, const char *file, const load_seen *seen, int member_count,
                       double seconds)
{
    load l = {.member_count = member_count};
    writers w = {0};
    open_writers(&w, 1);
    open_writer(&w, 0, file);
    open_members(&l, port, room, false, seen);
    wait_until_caught_up(&l);
    double began = now_us(), cpu = cpu_us();
    while (now_us() - began < seconds * 1e6) {
        commit_row(&w, 0);
        wait_for_all(&l, &w, (uint64_t)member_count);
    }
    print_result(&l, &w, (now_us() - began) / 1e6, (cpu_us() - cpu) / 1e6);
    close_members(&l);
    close_writers(&w);
}

static void run_paced(int port, const char *prefix, const char *folder, const load_seen *seen, int room_count,
                      double rate, double seconds)
{
    load l = {.member_count = room_count};
    writers w = {.rate = rate, .seconds = seconds};
    pthread_t thread;
    open_members(&l, port, prefix, true, seen);
    wait_until_caught_up(&l);
    open_writers(&w, room_count);
    for (int i = 0; i < room_count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s%d.db", folder, prefix, i);
        open_writer(&w, i, path);
    }
    double began = now_us(), cpu = cpu_us();
    if (pthread_create(&thread, NULL, write_on_schedule, &w) != 0) {
        load_fail("no thread");
    }
    while (!w.done) {
        take_what_comes(&l);
    }
    pthread_join(thread, NULL);
    wait_for_all(&l, &w, 1);
    print_result(&l, &w, (now_us() - began) / 1e6, (cpu_us() - cpu) / 1e6);
    close_members(&l);
    close_writers(&w);
}

static load_seen read_seen(const char *path)
{
    static uint8_t blob[65536];
    FILE *file = fopen(path, "rb");
    size_t bytes = file ? fread(blob, 1, sizeof blob, file) : 0;
    if (bytes == 0 || fclose(file) != 0) {
        load_fail("%s cannot be read, or is empty", path);
    }
    return (load_seen){.blob = blob, .bytes = bytes};
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "fanout") == 0) {
        load_seen seen = read_seen(argv[5]);
        run_fanout(atoi(argv[2]), argv[3], argv[4], &seen, atoi(argv[6]), atof(argv[7]));
    } else if (argc == 9 && strcmp(argv[1], "paced") == 0) {
        load_seen seen = read_seen(argv[5]);
        run_paced(atoi(argv[2]), argv[3], argv[4], &seen, atoi(argv[6]), atof(argv[7]), atof(argv[8]));
    } else {
        load_fail("usage: load fanout PORT ROOM FILE SEEN MEMBERS SECONDS\n"
                  "       load paced PORT PREFIX FOLDER SEEN ROOMS RATE SECONDS");
    }
    return 0;
}
