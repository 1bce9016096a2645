/* Damage to the bytes of a database file, as random numbers have it. */
#ifndef FUZZ_DAMAGE_H
#define FUZZ_DAMAGE_H

#include "../sim/dice.h"
#include "shapes.h"

/* What damage may add to a file. */
enum { DAMAGE_BYTES_MORE = 8192 };

/* One to six changes of `bytes`, a copy of s->bytes in which there is room for DAMAGE_BYTES_MORE; *size may become another. What was done comes
** to `said`, for people. */
void damage(sim_dice *d, const shape *s, uint8_t *bytes, size_t *size, char *said, size_t said_bytes);

#endif
