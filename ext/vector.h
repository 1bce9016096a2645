/* Matrices of 64-bit numbers, tables by sites: what a file holds (`seen`), cursors, starts. Pure.
** Mostly all rows are equal, so they travel as one common row plus exceptions. */
#ifndef SYNC_VECTOR_H
#define SYNC_VECTOR_H

#include "mem.h"

/* Row-major, tables * sites cells; 0 means nothing seen. Owned by whoever initialised it. */
typedef struct sync_matrix {
    uint32_t tables;
    uint32_t sites;
    uint64_t *cell;
} sync_matrix;

/* All zero. SYNC_OK, SYNC_NOMEM, or SYNC_TOOBIG above SYNC_MATRIX_CELLS_MAX; on error *m is empty. */
int sync_matrix_init(sync_matrix *m, uint32_t tables, uint32_t sites);
void sync_matrix_free(sync_matrix *m);
uint64_t sync_matrix_at(const sync_matrix *m, uint32_t table, uint32_t site);
void sync_matrix_set(sync_matrix *m, uint32_t table, uint32_t site, uint64_t v);
void sync_matrix_raise(sync_matrix *m, uint32_t table, uint32_t site,
                       uint64_t v); /* to the maximum of both */

/* Encoding: per site, in order: varint common value; varint number of exceptions; per exception varint table
** (ascending, as
** difference to the one before, the first as it is), varint value. */
void sync_matrix_put(sync_buf *buf, const sync_matrix *m);

/* Decodes into a fresh matrix of the given size. SYNC_OK, SYNC_CORRUPT, SYNC_NOMEM, SYNC_TOOBIG; on error *m
 * is empty. */
int sync_matrix_get(sync_span *span, sync_matrix *m, uint32_t tables, uint32_t sites);

#endif
