/* Random numbers, values, stamps and row states for the tests of the leaves, and their comparison. */
#ifndef LEAF_ROWS_H
#define LEAF_ROWS_H

#include "clock.h"
#include "status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t leaf_state = 1;

static inline void leaf_seed(uint64_t seed)
{
    leaf_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static inline uint64_t leaf_next(void)
{
    leaf_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = leaf_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t leaf_below(uint32_t n)
{
    return (uint32_t)(leaf_next() % n);
}

static inline bool leaf_chance(uint32_t percent)
{
    return leaf_below(100) < percent;
}

/* A number of random magnitude. */
static inline uint64_t leaf_number(void)
{
    return leaf_next() >> leaf_below(64);
}

static inline sync_value leaf_value(void)
{
    static const char text[] =
        "The quick brown fox jumps over the lazy dog, \0 and \xff\xfe is no UTF-8, so it runs on "
        "and on until it has gone past one hundred and twenty-eight bytes in all, and then stops.";
    sync_value v = {.type = (sync_type)leaf_below(5)};
    if (v.type == SYNC_INTEGER) {
        v.i = (int64_t)leaf_number() * (leaf_chance(50) ? -1 : 1);
    } else if (v.type == SYNC_REAL) {
        v.r = (double)(int64_t)leaf_next() / 1024;
    } else if (v.type != SYNC_NULL) {
        v.bytes = leaf_below(sizeof text);
        v.data = text;
    }
    return v;
}

/* Never none. */
static inline sync_stamp leaf_stamp(uint32_t sites)
{
    uint64_t hlc = (UINT64_C(1763000000000) << 16) + leaf_number() % (UINT64_C(1) << 50);
    return (sync_stamp){leaf_chance(5) ? UINT64_MAX - leaf_below(3) : hlc, leaf_below(sites),
                        leaf_chance(80)};
}

static inline sync_stamp leaf_stamp_or_none(uint32_t sites)
{
    return leaf_chance(20) ? SYNC_STAMP_NONE : leaf_stamp(sites);
}

/* References of columns and of key parts, of which there is one at least. */
static inline void leaf_add_refs(sync_row *row, const sync_bounds *in)
{
    for (uint32_t n = leaf_below(4); n > 0; n--) {
        bool key = in->cols == 0 || leaf_chance(50);
        sync_ref ref = {key ? SYNC_REF_KEY + leaf_below(in->keys) : leaf_below(in->cols),
                        (int64_t)leaf_next(), leaf_stamp_or_none(in->sites)};
        assert_int_equal(sync_row_add_ref(row, ref), SYNC_OK);
    }
}

/* Cells for some of the columns 0 .. columns-1: mostly with the row's stamp, then few stamps in common. */
static inline void leaf_add_cells(sync_row *row, uint32_t columns, uint32_t sites, bool carried)
{
    uint32_t density = leaf_below(101);
    uint32_t plain = leaf_below(101);
    sync_stamp other = leaf_stamp(sites);
    for (uint32_t c = 0; c < columns; c++) {
        if (!leaf_chance(density)) {
            continue;
        }
        bool same = leaf_chance(plain) && !sync_stamp_is_none(row->stamp);
        other = leaf_chance(50) ? leaf_stamp(sites) : other;
        sync_cell *cell = sync_row_set(row, c, same ? row->stamp : other);
        assert_non_null(cell);
        cell->carried = carried || leaf_chance(10);
        if (cell->carried) {
            cell->value = leaf_value();
        }
    }
}

/* Replaces `row` by a random state without cells, references or number. */
static inline void leaf_life(sync_row *row, sync_identity identity, uint32_t sites)
{
    sync_row_reset(row);
    bool dead = leaf_chance(25);
    row->cl = dead ? 2 : 1;
    if (identity == SYNC_BY_KEY && leaf_chance(30)) {
        row->cl += 2 * (leaf_number() % (UINT64_C(1) << 60));
    }
    row->stamp = leaf_stamp(sites);
    if (identity == SYNC_BY_ROW) {
        row->born = leaf_chance(60) ? row->stamp : leaf_stamp_or_none(sites);
    }
}

static inline void leaf_assert_stamp(sync_stamp a, sync_stamp b)
{
    assert_int_equal(a.hlc, b.hlc);
    assert_int_equal(a.site, b.site);
    assert_int_equal(a.written, b.written);
}

static inline void leaf_assert_row(const sync_row *a, const sync_row *b)
{
    assert_int_equal(a->cl, b->cl);
    leaf_assert_stamp(a->born, b->born);
    leaf_assert_stamp(a->stamp, b->stamp);
    leaf_assert_stamp(a->origin, b->origin);
    assert_int_equal(a->held, b->held);
    assert_int_equal(a->moved, b->moved);
    assert_int_equal(a->number, b->number);
    leaf_assert_stamp(a->since, b->since);
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->cells[i].col, b->cells[i].col);
        leaf_assert_stamp(a->cells[i].stamp, b->cells[i].stamp);
        assert_int_equal(a->cells[i].carried, b->cells[i].carried);
        assert_int_equal(a->cells[i].fresh, b->cells[i].fresh);
        assert_true(sync_value_same(&a->cells[i].value, &b->cells[i].value));
    }
    assert_int_equal(a->ref_count, b->ref_count);
    for (uint32_t i = 0; i < a->ref_count; i++) {
        assert_int_equal(a->refs[i].col, b->refs[i].col);
        assert_int_equal(a->refs[i].number, b->refs[i].number);
        leaf_assert_stamp(a->refs[i].born, b->refs[i].born);
    }
}

#endif
