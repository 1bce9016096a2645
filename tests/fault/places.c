#include "places.h"

#include <execinfo.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRAMES_MAX = 100, SLOTS = 1 << 16 };

/* Where the program's own code begins and ends; SQLite is a library beside it. */
extern const char __executable_start, etext;

static uint64_t seen[SLOTS]; /* hashes of places; 0: none */
static long firsts[SLOTS / 2];
static size_t first_count;
static long calls;
static bool noting;

void places_start(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        seen[i] = 0;
    }
    first_count = 0;
    calls = 0;
    noting = true;
}

static uint64_t place_now(void)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < count; i++) {
        const char *at = frames[i];
        if (at >= &__executable_start && at < &etext) {
            hash = (hash ^ (uint64_t)(uintptr_t)at) * UINT64_C(0x9e3779b97f4a7c15);
            hash ^= hash >> 29;
        }
    }
    return hash ? hash : 1;
}

void places_note(void)
{
    if (!noting) {
        return;
    }
    calls++;
    uint64_t place = place_now();
    size_t at = place % SLOTS;
    while (seen[at] != 0 && seen[at] != place) {
        at = (at + 1) % SLOTS;
    }
    if (seen[at] == 0) {
        if (first_count == SLOTS / 2) {
            (void)fprintf(stderr, "too many places\n");
            exit(3);
        }
        seen[at] = place;
        firsts[first_count++] = calls;
    }
}

const long *places_stop(size_t *count)
{
    noting = false;
    *count = first_count;
    return firsts;
}
