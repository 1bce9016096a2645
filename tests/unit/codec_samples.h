/* Changesets for the tests of the codec. */
#ifndef CODEC_SAMPLES_H
#define CODEC_SAMPLES_H

/* Changesets and seen blobs: what goes in comes out, and nothing malformed does harm. */
#include "leaf_rows.h"

#include <stdio.h>
#include <zstd.h>

#include "codec.h"
#include "leaf_fault.h"

#define SITES    4
#define TABLES   3
#define PREAMBLE 5

/* A changeset to be: rows of tables in order. */
typedef struct changes {
    sync_head head;
    sync_closing closing;
    bool last;
    uint32_t count;
    uint32_t *table;
    sync_value (*key)[SYNC_KEY_COLUMNS_MAX];
    sync_row *rows;
} changes;

static const uint32_t key_counts[TABLES] = {1, 2, SYNC_KEY_COLUMNS_MAX};
static const uint32_t col_counts[TABLES] = {4, 0, 20};

static inline void fill_matrix(sync_matrix *m, uint32_t tables, uint32_t sites)
{
    assert_int_equal(sync_matrix_init(m, tables, sites), SYNC_OK);
    for (uint32_t c = 0; c < tables * sites; c++) {
        m->cell[c] = leaf_chance(70) ? 5 : leaf_number();
    }
}

static inline void make_head(sync_head *head, bool seen)
{
    memset(head, 0, sizeof *head);
    assert_int_equal(sync_head_set_sites(head, SITES), SYNC_OK);
    for (uint32_t s = 0; s < SITES; s++) {
        head->sites[s][0] = (uint8_t)(7 - s);
    }
    memcpy(head->site, head->sites[0], SYNC_SITE_BYTES);
    assert_int_equal(sync_head_set_tables(head, TABLES), SYNC_OK);
    for (uint32_t t = 0; t < TABLES; t++) {
        char name[32];
        snprintf(name, sizeof name, "t\"%u \xc3\xa9", t);
        sync_table_head *table = &head->tables[t];
        assert_int_equal(sync_table_head_init(table, name, t == 1 ? SYNC_BY_KEY : SYNC_BY_ROW, key_counts[t],
                                              seen ? 0 : col_counts[t]),
                         SYNC_OK);
        for (uint32_t i = 0; i < table->key_count; i++) {
            snprintf(name, sizeof name, "k%u", i);
            assert_int_equal(
                sync_table_head_key(table, i, name, (sync_affinity)(i % 4), i % 3 ? "" : "NOCASE"), SYNC_OK);
        }
        for (uint32_t i = 0; i < table->col_count; i++) {
            snprintf(name, sizeof name, "c%u", i);
            assert_int_equal(sync_table_head_col(table, i, name), SYNC_OK);
        }
    }
    fill_matrix(&head->base, TABLES, SITES);
    fill_matrix(&head->start, TABLES, seen ? SITES : 1);
    head->part = seen ? 0 : leaf_below(1000);
    head->delta = seen ? 0 : leaf_below(UINT32_MAX);
}

static inline void make_row(sync_row *row, uint32_t table)
{
    static const uint8_t ids[SITES][SYNC_SITE_BYTES] = {{7}, {6}, {5}, {4}};
    static const sync_sites sites = {SITES, ids};
    sync_identity identity = table == 1 ? SYNC_BY_KEY : SYNC_BY_ROW;
    leaf_life(row, identity, SITES);
    if (sync_row_alive(row)) {
        bool exists = leaf_chance(70);
        row->stamp = exists ? row->stamp : SYNC_STAMP_NONE;
        leaf_add_cells(row, col_counts[table], SITES, true);
        if (exists && leaf_chance(40)) {
            for (uint32_t c = 0; c < col_counts[table]; c++) {
                sync_cell *cell = sync_row_set(row, c, row->stamp);
                assert_non_null(cell);
                cell->carried = true;
                cell->value = leaf_value();
            }
        }
    }
    if (identity == SYNC_BY_ROW && leaf_chance(20)) {
        row->moved = true;
        row->number = (int64_t)leaf_next();
        sync_stamp since = leaf_stamp_or_none(SITES);
        row->since = sync_stamp_compare(&sites, since, row->stamp) > 0 ? SYNC_STAMP_NONE : since;
    }
    if (leaf_chance(20)) {
        leaf_add_refs(row, &(sync_bounds){SITES, col_counts[table], key_counts[table]});
    }
}

/* Rows of the first `tables` tables. */
static inline void make_changes(changes *c, uint32_t count, uint32_t tables, bool last)
{
    make_head(&c->head, false);
    c->last = last;
    c->count = count;
    c->table = calloc(count + 1, sizeof c->table[0]);
    c->key = calloc(count + 1, sizeof c->key[0]);
    c->rows = calloc(count + 1, sizeof c->rows[0]);
    assert_true(c->table != NULL && c->key != NULL && c->rows != NULL);
    for (uint32_t i = 0; i < count; i++) {
        c->table[i] = i > 0 && leaf_chance(80) ? c->table[i - 1] : leaf_below(tables);
        for (uint32_t k = 0; k < key_counts[c->table[i]]; k++) {
            c->key[i][k] = leaf_value();
        }
        make_row(&c->rows[i], c->table[i]);
    }
    fill_matrix(&c->closing.seen, TABLES, SITES);
    c->closing.end = leaf_number();
}

static inline void free_changes(changes *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        sync_row_free(&c->rows[i]);
    }
    free(c->table);
    free(c->key);
    free(c->rows);
    sync_head_free(&c->head);
    sync_matrix_free(&c->closing.seen);
}

static inline int encode(sync_encoder *e, const changes *c, const void **out, size_t *bytes,
                         sync_error *error)
{
    int rc = sync_encoder_begin(e, &c->head, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        rc = sync_encoder_row(e, c->table[i], c->key[i], &c->rows[i], error);
    }
    return rc == SYNC_OK ? sync_encoder_finish(e, c->last ? &c->closing : NULL, out, bytes, error) : rc;
}

static inline void assert_matrix(const sync_matrix *a, const sync_matrix *b)
{
    assert_int_equal(a->tables, b->tables);
    assert_int_equal(a->sites, b->sites);
    for (uint32_t i = 0; i < a->tables * a->sites; i++) {
        assert_true(a->cell[i] == b->cell[i]);
    }
}

static inline void assert_head(const sync_head *a, const sync_head *b)
{
    assert_memory_equal(a->site, b->site, SYNC_SITE_BYTES);
    assert_int_equal(a->site_count, b->site_count);
    assert_memory_equal(a->sites, b->sites, (size_t)a->site_count * SYNC_SITE_BYTES);
    assert_int_equal(a->table_count, b->table_count);
    for (uint32_t t = 0; t < a->table_count; t++) {
        const sync_table_head *x = &a->tables[t];
        const sync_table_head *y = &b->tables[t];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->identity, y->identity);
        assert_int_equal(x->key_count, y->key_count);
        assert_int_equal(x->col_count, y->col_count);
        for (uint32_t i = 0; i < x->key_count; i++) {
            assert_string_equal(x->key_names[i], y->key_names[i]);
            assert_string_equal(x->key_collations[i], y->key_collations[i]);
            assert_int_equal(x->key_affinities[i], y->key_affinities[i]);
        }
        for (uint32_t i = 0; i < x->col_count; i++) {
            assert_string_equal(x->col_names[i], y->col_names[i]);
        }
    }
    assert_matrix(&a->base, &b->base);
    assert_matrix(&a->start, &b->start);
    assert_int_equal(a->part, b->part);
    assert_int_equal(a->delta, b->delta);
}

static inline void assert_decodes(const changes *c, const void *blob, size_t bytes)
{
    sync_error error = {0};
    sync_decoder *d = NULL;
    assert_int_equal(sync_decoder_open(blob, bytes, SYNC_VALUE_BYTES_MAX, &d, &error), SYNC_OK);
    assert_head(sync_decoder_head(d), &c->head);
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_ROW);
        assert_int_equal(table, c->table[i]);
        for (uint32_t k = 0; k < key_counts[table]; k++) {
            assert_true(sync_value_same(&key[k], &c->key[i][k]));
        }
        leaf_assert_row(row, &c->rows[i]);
        assert_null(sync_decoder_closing(d));
    }
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_DONE);
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_DONE);
    const sync_closing *closing = sync_decoder_closing(d);
    assert_int_equal(closing != NULL, c->last);
    if (closing != NULL) {
        assert_matrix(&closing->seen, &c->closing.seen);
        assert_true(closing->end == c->closing.end);
        assert_int_equal(closing->rows, c->count);
    }
    sync_decoder_close(d);
}

/* Reads all of it, checking what a decoder promises of every row, from a block of exactly that size.
** SYNC_DONE or the error. */
static inline int read_all(const void *blob, size_t bytes, uint64_t value_bytes_max, uint32_t *rows)
{
    static const sync_value first;
    uint8_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, blob, bytes);
    sync_error error = {0};
    sync_decoder *d = NULL;
    int rc = sync_decoder_open(copy, bytes, value_bytes_max, &d, &error);
    assert_int_equal(d != NULL, rc == SYNC_OK);
    const sync_head *head = d != NULL ? sync_decoder_head(d) : NULL;
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    *rows = 0;
    while (d != NULL && (rc = sync_decoder_next(d, &table, &key, &row, &error)) == SYNC_ROW) {
        assert_true(table < head->table_count);
        (*rows)++;
        for (uint32_t k = 0; k < head->tables[table].key_count; k++) {
            assert_true(key[k].type == SYNC_NULL ||
                        !sync_value_same(&key[k], &first)); /* touches its bytes */
        }
        assert_true(row->cl >= 1 && !row->held && row->stamp.site < head->site_count);
        assert_true(head->tables[table].identity == SYNC_BY_KEY || row->cl <= 2);
        for (uint32_t i = 0; i < row->count; i++) {
            const sync_cell *cell = &row->cells[i];
            assert_true(cell->col < head->tables[table].col_count && (i == 0 || cell[-1].col < cell->col));
            assert_true(cell->carried && !cell->fresh && cell->stamp.site < head->site_count);
            assert_false(sync_stamp_is_none(cell->stamp));
            assert_true(sync_value_same(&cell->value, &cell->value));
        }
    }
    assert_int_equal(error.code != SYNC_OK, rc != SYNC_DONE);
    if (d != NULL) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), rc); /* for good */
    }
    sync_decoder_close(d);
    free(copy);
    return rc;
}

#endif
