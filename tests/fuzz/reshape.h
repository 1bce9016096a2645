/* Changesets that say something else: what a mutation of bytes seldom gets past the decoder. */
#ifndef FUZZ_RESHAPE_H
#define FUZZ_RESHAPE_H

#include <stddef.h>
#include <stdint.h>

/* Replaces the contents of a changeset (as fuzz_unpack has them) by those of one in which rows, stamps, values, lives, references or what the head
** says of tables that come whole are others. What follows from `seed` alone. Their new length: at most max; `bytes`, and nothing is changed, if
** they are none, or there is no room. */
size_t fuzz_reshape(uint8_t *data, size_t bytes, size_t max, uint64_t seed);

#endif
