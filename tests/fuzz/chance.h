/* Time that stands still until it is moved, and random bytes that follow from a seed: for files that come out the same in every run. */
#ifndef SYNC_FUZZ_CHANCE_H
#define SYNC_FUZZ_CHANCE_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_BEGINNING_MS INT64_C(1700000000000)

typedef struct fuzz_chance {
    int64_t now_ms;
    uint64_t dice;
} fuzz_chance;

/* For a sync_env whose context is a fuzz_chance. */
int64_t fuzz_now_ms(void *context);
int fuzz_random_bytes(void *context, void *to, size_t bytes);

#endif
