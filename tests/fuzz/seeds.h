/* What writes the inputs that fuzzing begins with. */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include <stddef.h>

/* One input of a target: `first`, if not negative, then data. */
void fuzz_put(const char *target, int first, const void *data, size_t bytes);

/* Those of what the peer reads beside messages: configurations, keys, tokens, URLs, requests. */
void fuzz_put_peer(void);

#endif
