/* A changeset as JSON, for people. */
#ifndef SYNC_DESCRIBE_H
#define SYNC_DESCRIBE_H

#include "mem.h"
#include "status.h"

/* Appends one JSON object: maker, tables with base and start, rows with stamps, closing. On error buf holds nothing of use. */
int sync_describe(const void *changeset, size_t bytes, sync_buf *buf, sync_error *error);

#endif
