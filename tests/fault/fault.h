/* The world in which a fault is provoked: SQLite's allocator, a file system over the real one, the engine's environment. Clock, randomness and the
** identity of files are always the same, so that two runs without a fault do the same, bit for bit. */
#ifndef FAULT_H
#define FAULT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_MEMORY,  /* an allocation */
    FAULT_IO,      /* any call to the file system, with an error that is its own */
    FAULT_SHORT,   /* a write of which only the first half arrives */
    FAULT_FULL,    /* a write, a truncation that extends: no space left */
    FAULT_BUSY,    /* a lock, of a file or in shared memory, that somebody else has */
    FAULT_OUTSIDE, /* what is asked of the engine's environment: identity, witness, randomness */
    FAULT_BIND,    /* a value that is bound to a statement */
    FAULT_KINDS
} fault_kind;

extern const char *const fault_names[FAULT_KINDS];

/* Before anything else. False: SQLite was in use already. */
bool fault_install(void);

/* The call number n (from 1) of that kind fails; `once`, or with all that follow. From here on calls are counted. */
void fault_arm(fault_kind kind, long n, bool once);

/* Nothing fails any more. Whether something has. */
bool fault_disarm(void);

/* The same clock and randomness as at the start. */
void fault_rewind(void);

/* Files have another inode from here on, as copies have. */
void fault_set_inode(uint64_t inode);

#endif
