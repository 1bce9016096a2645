/* A copy of a room's file for those who have none yet, made on a thread of its own: the tracked tables, their indexes and what the engine knows of them, as they stand in
** one read transaction with all of the journal folded; no other table, no trigger, nothing of what other files hold, and nothing that was deleted. Behind the file in it is
** the schema, views and triggers included (clone.h). It has a name for a moment only, and goes with the descriptor. */
#ifndef PEER_COPYING_H
#define PEER_COPYING_H

#include "database.h"
#include "frame.h"

typedef struct peer_copy peer_copy;

typedef enum peer_copy_state {
    PEER_COPY_MAKING,
    PEER_COPY_READY,  /* it can be read */
    PEER_COPY_SEALED, /* ... and its hash is known */
    PEER_COPY_FAILED
} peer_copy_state;

/* Begins to copy the file at `path` (absolute, no symbolic link). `folder`: what the room's thread has entered (beneath.h), or NULL. `wake_fd`, an eventfd that outlives the
** copy, is written to when its state changes. Texts are copied. NULL: as many are being made or kept in this process as may be, or no thread can be started. Of the worker's
** thread, as what follows is. */
peer_copy *peer_copy_begin(const char *path, const char *folder, int wake_fd);

/* How far it is. SEALED and FAILED last. */
peer_copy_state peer_copy_look(const peer_copy *c);

/* FAILED: why, for people. */
const char *peer_copy_why(const peer_copy *c);

/* READY or SEALED: a random id of 16 bytes, how many bytes it has, and how many of them are the file. */
const uint8_t *peer_copy_id(const peer_copy *c);
uint64_t peer_copy_bytes(const peer_copy *c);
uint64_t peer_copy_file_bytes(const peer_copy *c);

/* SEALED: SHA-256 of all of it, SYNC_SNAPSHOT_HASH_BYTES. */
const uint8_t *peer_copy_hash(const peer_copy *c);

/* READY or SEALED: reads that many bytes, all of which are there. False: the disk fails. Also of the copy's thread. */
bool peer_copy_read(const peer_copy *c, uint64_t at, void *to, size_t bytes);

/* Ends the making, if it is under way, and lets go of the copy. NULL is fine. */
void peer_copy_end(peer_copy *c);

/* Takes away what a process that was killed has left of a copy of the file at `path`. */
void peer_copy_sweep(const char *path);

#endif
