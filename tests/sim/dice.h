/* Random numbers that depend on nothing but their seed. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sim_dice {
    uint64_t state;
} sim_dice;

static inline uint64_t dice_next(sim_dice *d)
{
    uint64_t x = d->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A stream of its own for each (seed, stream): what one step draws does not shift what the others draw. */
static inline sim_dice dice_of(uint64_t seed, uint64_t stream)
{
    sim_dice d = {seed * UINT64_C(0xd1342543de82ef95) ^ (stream + 1) * UINT64_C(0x2545f4914f6cdd1d)};
    (void)dice_next(&d);
    return d;
}

/* 0 .. below - 1; 0 if below is 0. */
static inline int dice_below(sim_dice *d, int below)
{
    return below > 0 ? (int)(dice_next(d) % (uint64_t)below) : 0;
}

static inline bool dice_percent(sim_dice *d, int percent)
{
    return dice_below(d, 100) < percent;
}

static inline const char *dice_pick(sim_dice *d, const char *const *from, int count)
{
    return from[dice_below(d, count)];
}

/* One of an array of texts. */
#define DICE_PICK(dice, list) dice_pick(dice, list, (int)(sizeof(list) / sizeof((list)[0])))

#endif
