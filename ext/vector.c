#include "vector.h"

#include "limits.h"
#include "status.h"

int sync_matrix_init(sync_matrix *m, uint32_t tables, uint32_t sites)
{
    *m = (sync_matrix){0};
    uint64_t cells = (uint64_t)tables * sites;
    if (cells > SYNC_MATRIX_CELLS_MAX) {
        return SYNC_TOOBIG;
    }
    if (cells > 0) {
        m->cell = sync_alloc((size_t)cells * sizeof m->cell[0]);
        if (m->cell == NULL) {
            return SYNC_NOMEM;
        }
        memset(m->cell, 0, (size_t)cells * sizeof m->cell[0]);
    }
    m->tables = tables;
    m->sites = sites;
    return SYNC_OK;
}

void sync_matrix_free(sync_matrix *m)
{
    sync_free(m->cell);
    *m = (sync_matrix){0};
}

static uint64_t *cell_of(const sync_matrix *m, uint32_t table, uint32_t site)
{
    return &m->cell[(size_t)table * m->sites + site];
}

uint64_t sync_matrix_at(const sync_matrix *m, uint32_t table, uint32_t site)
{
    return *cell_of(m, table, site);
}

void sync_matrix_set(sync_matrix *m, uint32_t table, uint32_t site, uint64_t v)
{
    *cell_of(m, table, site) = v;
}

void sync_matrix_raise(sync_matrix *m, uint32_t table, uint32_t site, uint64_t v)
{
    uint64_t *cell = cell_of(m, table, site);
    if (v > *cell) {
        *cell = v;
    }
}

/* The value of most tables, if there is one; any of them if not. */
static uint64_t common_value(const sync_matrix *m, uint32_t site)
{
    uint64_t candidate = 0;
    uint32_t votes = 0;
    for (uint32_t t = 0; t < m->tables; t++) {
        uint64_t v = *cell_of(m, t, site);
        if (votes == 0) {
            candidate = v;
        }
        votes = v == candidate ? votes + 1 : votes - 1;
    }
    return candidate;
}

void sync_matrix_put(sync_buf *buf, const sync_matrix *m)
{
    for (uint32_t s = 0; s < m->sites; s++) {
        uint64_t common = common_value(m, s);
        uint32_t exceptions = 0;
        for (uint32_t t = 0; t < m->tables; t++) {
            exceptions += *cell_of(m, t, s) != common;
        }
        sync_buf_put_varint(buf, common);
        sync_buf_put_varint(buf, exceptions);
        uint32_t before = 0;
        for (uint32_t t = 0; exceptions > 0 && t < m->tables; t++) {
            if (*cell_of(m, t, s) != common) {
                sync_buf_put_varint(buf, t - before);
                sync_buf_put_varint(buf, *cell_of(m, t, s));
                before = t;
            }
        }
    }
}

static void get_site(sync_span *span, sync_matrix *m, uint32_t site)
{
    uint64_t common = sync_span_varint(span);
    uint64_t exceptions = sync_span_varint(span);
    for (uint32_t t = 0; t < m->tables; t++) {
        *cell_of(m, t, site) = common;
    }
    uint64_t table = 0;
    for (uint64_t i = 0; i < exceptions && !span->bad; i++) {
        uint64_t step = sync_span_varint(span);
        if ((i > 0 && step == 0) || step >= m->tables - table) {
            sync_span_fail(span, 0);
            return;
        }
        table += step;
        *cell_of(m, (uint32_t)table, site) = sync_span_varint(span);
    }
}

int sync_matrix_get(sync_span *span, sync_matrix *m, uint32_t tables, uint32_t sites)
{
    *m = (sync_matrix){0};
    if (!span->bad && sync_span_left(span) / 2 < sites) { /* two bytes a site at least */
        sync_span_fail(span, (size_t)sites * 2 - sync_span_left(span));
    }
    if (span->bad) {
        return SYNC_CORRUPT;
    }
    int rc = sync_matrix_init(m, tables, sites);
    for (uint32_t s = 0; rc == SYNC_OK && s < sites; s++) {
        get_site(span, m, s);
        rc = span->bad ? SYNC_CORRUPT : SYNC_OK;
    }
    if (rc != SYNC_OK) {
        sync_matrix_free(m);
    }
    return rc;
}
