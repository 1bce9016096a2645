/* Changes: what a receiver lacks, read from one snapshot as encoded changesets. Source: docs/MERGE.md, "Exchange". */
#ifndef SYNC_CHANGES_H
#define SYNC_CHANGES_H

#include "engine.h"
#include "select.h"

typedef struct sync_changes sync_changes;

/* What the receiver is known to hold. */
typedef struct sync_request {
    const void *seen; /* its sync_seen() blob, or NULL */
    size_t seen_bytes;
    int64_t version; /* without seen: only what is above this version of the file; 0: everything */
    bool
        skip_refused; /* leave tables out that the receiver has under another key or identity, instead of failing */
    bool parts;       /* it may be taken in several parts: they get a random mark in common */
    const sync_rules *rules;   /* NULL: it may see everything. Otherwise seen is given, and: */
    sync_selection *selection; /* what it has been sent; brought up to date part by part */
} sync_request;

/* Starts reading, inside a SYNC_READ operation that stays open until sync_changes_close, after a fold (virtual or real).
** On success *out must be closed. SYNC_SCHEMA names a table whose key columns or identity differ. */
int sync_changes_open(sync_db *s, const sync_request *request, sync_changes **out, sync_error *error);

/* The next part, at most about bytes_max encoded bytes or rows_max rows (0: no bound). SYNC_ROW with *part (borrowed until the next call)
** and *last; a last part may bear no row, only the cursor past many entries that the receiver needed nothing of. SYNC_DONE if there is nothing (more) to send; or an error. */
int sync_changes_part(sync_changes *c, size_t bytes_max, uint64_t rows_max, const void **part, size_t *bytes,
                      bool *last, sync_error *error);

/* Rows sent so far. A table that comes whole says something even without rows: it counts as one more. */
uint64_t sync_changes_rows(const sync_changes *c);

/* About how many rows and journal entries are still to be looked at. */
int sync_changes_left(sync_changes *c, uint64_t *left, sync_error *error);

/* After the last part: appends the receiver's seen blob as it will be once it has merged all parts. Needs a request with seen. */
int sync_changes_receiver(sync_changes *c, sync_buf *seen, sync_error *error);

void sync_changes_close(sync_changes *c); /* NULL is fine */

/* This file's own seen blob, appended to buf. */
int sync_changes_seen(sync_db *s, sync_buf *buf, sync_error *error);

/* Does somebody hold more of this file's own writes than the file itself? Then it was restored. `seen`: a blob; *behind the answer. */
int sync_changes_behind(sync_db *s, const void *seen, size_t bytes, bool *behind, sync_error *error);

#endif
