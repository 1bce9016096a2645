/* SQL text, token by token: as far as it takes to tell what a statement that SQLite has accepted is about. */
#ifndef SYNC_TOKENS_H
#define SYNC_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the white space and the comments that stand at `at`. */
size_t sync_tokens_skip(const char *at);

/* Bytes of the token that stands here: a word, a quoted name or text, any other byte by itself; 0 at the end. */
size_t sync_tokens_next(const char *at);

/* Is the token this word, in any case? */
bool sync_tokens_is(const char *at, size_t bytes, const char *word);

/* The name that a token spells, without its quotes: of at most `bytes` bytes, which it always fits, and a zero. */
void sync_tokens_name(const char *at, size_t bytes, char *name);

#endif
