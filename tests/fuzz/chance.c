#include "chance.h"

int64_t fuzz_now_ms(void *context)
{
    const fuzz_chance *chance = context;
    return chance->now_ms;
}

/* Knuth's linear congruential generator (MMIX); the high bits are the good ones. */
int fuzz_random_bytes(void *context, void *to, size_t bytes)
{
    fuzz_chance *chance = context;
    for (size_t i = 0; i < bytes; i++) {
        chance->dice = chance->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)to)[i] = (uint8_t)(chance->dice >> 56);
    }
    return 0;
}
