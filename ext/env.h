/* The outside world behind one injectable interface: wall clock, randomness, identity of a file on disk, the
** witness beside it.
** The default is the real thing; the simulation puts its own in its place. */
#ifndef SYNC_ENV_H
#define SYNC_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the witness file FILE-sync says (docs/FORMAT.md, "Witness"). */
typedef struct sync_witness {
    uint8_t site[16];
    uint64_t count;   /* the extension's own transactions in that file when it was written */
    uint64_t told;    /* newest journal entry that was told of */
    uint64_t told_at; /* and its time: a restored file has another entry there, or none */
    char boot[40];    /* boot id of the machine, zero-terminated, "" where there is none */
    bool clean;       /* the last use ended with everything on disk */
} sync_witness;

typedef struct sync_env {
    void *context;
    int64_t (*now_ms)(void *context);                     /* milliseconds since 1970 */
    int (*random)(void *context, void *to, size_t bytes); /* 0, or -1 */
    int (*identity)(void *context, const char *path, uint64_t *device,
                    uint64_t *inode);        /* 0, or -1: no such file */
    int (*boot)(void *context, char to[40]); /* always terminated; 0, or -1 */
    /* 1: read; 0: there is none, or it is not one; -1: it cannot be read. */
    int (*witness_read)(void *context, const char *path, sync_witness *to);
    /* Replaces or creates FILE-sync with the mode of FILE. `durable`: fsync it. 0, or -1 with errno. */
    int (*witness_write)(void *context, const char *path, const sync_witness *w, bool durable);
    int (*witness_remove)(void *context, const char *path); /* 0 also if there was none; -1 */
    /* fsync a file if it exists; 0, or -1. Never the database file itself while this process has it open:
    ** closing any descriptor of it would drop SQLite's locks. The -wal is never locked, and may be given. */
    int (*sync_file)(void *context, const char *path);
} sync_env;

/* The process's environment: the real one unless sync_env_set was called. Never NULL. Any thread. */
const sync_env *sync_env_get(void);

/* Tests only: before any connection is opened. NULL restores the real one. */
void sync_env_set(const sync_env *env);

#endif
