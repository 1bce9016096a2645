/* Files that this one has heard of, and what each has said to hold: sync_peer. */
#ifndef SYNC_PEERS_H
#define SYNC_PEERS_H

#include "engine.h"

/* Notes what a file holds, beside what it has said before (write operation): tables in s->tables order, sites by local number, and under 0, nobody,
** 1 for each table that it has. It need not be a site of this file: who only reads is none.
** *news: it had not said so yet. */
int sync_peers_note(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], const sync_matrix *held, bool *news,
                    sync_error *error);

/* What it has said so far; all zero if nothing. Caller frees. */
int sync_peers_said(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], sync_matrix *held, sync_error *error);

/* The same as sync_peers_note() of a sync_seen() blob. One of this file itself, or of a copy that has its id still, says nothing. */
int sync_peers_hear(sync_db *s, const void *seen, size_t bytes, bool *news, sync_error *error);

/* Forgets those that have not been heard of since `since_ms`. *gone: how many. */
int sync_peers_forget(sync_db *s, int64_t since_ms, int64_t *gone, sync_error *error);

/* What all of them hold: the lowest of what each has said. A file counts for the tables that it has said to have. known[t]: somebody
** has table t. */
int sync_peers_lowest(sync_db *s, sync_matrix *lowest, bool *known, sync_error *error);

#endif
