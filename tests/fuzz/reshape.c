/* Changesets that say something else. */
#include "reshape.h"

#include "../sim/dice.h"
#include "fuzz.h"
#include "pack.h"

#include "codec_internal.h"

#include <string.h>

enum { POOL = 32, CELL_PERCENT = 30, ROW_PERCENT = 25, HEAD_PERCENT = 40, VALUE_BYTES_MAX = 4096 };

/* What was met on the way: what is put in place of something else comes from here, so that it means something. */
typedef struct shaper {
    sim_dice dice;
    const sync_head *head;
    sync_encoder *to;
    sync_row row;
    sync_stamp stamps[POOL];
    size_t stamp_count;
    sync_value keys[POOL]; /* integers only: others are gone with their row */
    size_t key_count;
} shaper;

static bool percent(shaper *s, int of_hundred)
{
    return dice_percent(&s->dice, of_hundred);
}

static size_t below(shaper *s, size_t n)
{
    return (size_t)dice_below(&s->dice, (int)n);
}

static void remember(shaper *s, sync_stamp stamp)
{
    if (!sync_stamp_is_none(stamp)) {
        s->stamps[s->stamp_count++ % POOL] = stamp;
    }
}

/* One from elsewhere, or a little later or earlier than `stamp`, or another's. */
static sync_stamp another(shaper *s, sync_stamp stamp)
{
    size_t known = s->stamp_count < POOL ? s->stamp_count : POOL;
    switch (below(s, 4)) {
    case 0:
        return known > 0 ? s->stamps[below(s, known)] : stamp;
    case 1:
        stamp.hlc += below(s, 5) << 16;
        return stamp;
    case 2:
        stamp.hlc -= stamp.hlc > 1 << 20 ? below(s, 5) << (percent(s, 50) ? 16 : 0) : 0;
        return stamp;
    default:
        stamp.site = (uint32_t)below(s, s->head->site_count);
        stamp.written = percent(s, 90);
        return stamp;
    }
}

static sync_value another_value(shaper *s, sync_value value)
{
    size_t known = s->key_count < POOL ? s->key_count : POOL;
    if (known > 0 && percent(s, 60)) {
        return s->keys[below(s, known)];
    }
    return value.type == SYNC_INTEGER && percent(s, 80)
               ? (sync_value){.type = SYNC_INTEGER, .i = value.i + (int64_t)below(s, 5) - 2}
               : (sync_value){.type = percent(s, 50) ? SYNC_NULL : SYNC_INTEGER, .i = 7};
}

/* ---- rows ---- */

static void change_life(shaper *s, sync_identity identity)
{
    sync_row *row = &s->row;
    if (identity == SYNC_BY_ROW || percent(s, 50)) {
        row->cl = row->cl % 2 + (identity == SYNC_BY_ROW ? 1 : row->cl);
    } else {
        row->cl += 2 * below(s, 3);
    }
    if (!sync_row_alive(row)) {
        row->count = 0;
        row->origin = SYNC_STAMP_NONE;
    }
    if (!sync_row_alive(row) && sync_stamp_is_none(row->stamp)) {
        row->stamp = another(s, (sync_stamp){1, 0, 1});
    }
}

static void change_references(shaper *s, const sync_table_head *table)
{
    sync_row *row = &s->row;
    if (row->ref_count == 0 || percent(s, 20)) {
        uint32_t part = SYNC_REF_KEY + (uint32_t)below(s, table->key_count);
        uint32_t col = table->col_count > 0 && percent(s, 50) ? (uint32_t)below(s, table->col_count) : part;
        FUZZ_CHECK(sync_row_add_ref(row, (sync_ref){col, 7, another(s, SYNC_STAMP_NONE)}) == SYNC_OK);
    } else if (percent(s, 30)) {
        row->ref_count--;
    } else {
        sync_ref *ref = &row->refs[below(s, row->ref_count)];
        ref->born = percent(s, 20) ? SYNC_STAMP_NONE : another(s, ref->born);
        ref->number = another_value(s, (sync_value){.type = SYNC_INTEGER, .i = ref->number}).i;
    }
}

static void change_number(shaper *s)
{
    sync_row *row = &s->row;
    if (row->moved && percent(s, 20)) {
        row->moved = false;
    } else {
        row->moved = true;
        row->number = another_value(s, (sync_value){.type = SYNC_INTEGER, .i = row->number}).i;
        row->since = percent(s, 50) ? row->born : another(s, row->since);
    }
}

static void change_row(shaper *s, const sync_table_head *table, sync_value *key)
{
    sync_row *row = &s->row;
    bool by_row = table->identity == SYNC_BY_ROW;
    switch (below(s, 7)) {
    case 0:
        change_life(s, table->identity);
        break;
    case 1:
        row->stamp = sync_row_alive(row) && percent(s, 15) ? SYNC_STAMP_NONE : another(s, row->stamp);
        row->origin = sync_stamp_is_none(row->stamp) ? SYNC_STAMP_NONE : row->origin;
        break;
    case 2:
        if (by_row) {
            row->born = percent(s, 15) ? SYNC_STAMP_NONE : another(s, row->born);
        } else if (s->head->forgets && sync_row_alive(row) && !sync_stamp_is_none(row->stamp)) {
            row->origin = percent(s, 15) ? SYNC_STAMP_NONE : another(s, row->stamp);
        }
        break;
    case 3: {
        sync_value *part = &key[below(s, table->key_count)];
        *part = another_value(s, *part);
        break;
    }
    case 4:
        change_references(s, table);
        break;
    case 5:
        if (by_row) {
            change_number(s);
        }
        break;
    default:
        row->count -= row->count > 0;
    }
}

static void change_cells(shaper *s)
{
    for (uint32_t i = 0; i < s->row.count; i++) {
        sync_cell *cell = &s->row.cells[i];
        if (percent(s, CELL_PERCENT)) {
            cell->stamp = another(s, cell->stamp);
        }
        if (percent(s, CELL_PERCENT)) {
            cell->value = another_value(s, cell->value);
        }
    }
}

/* What the encoder takes for granted and the decoder refuses. */
static bool is_sayable(const shaper *s)
{
    const sync_row *row = &s->row;
    const sync_sites sites = {s->head->site_count, (const uint8_t(*)[SYNC_SITE_BYTES])s->head->sites};
    return !row->moved || sync_stamp_compare(&sites, row->since, row->stamp) <= 0;
}

static void put_row(shaper *s, uint32_t at, const sync_value *was, const sync_row *row)
{
    const sync_table_head *table = &s->head->tables[at];
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    remember(s, row->stamp);
    remember(s, row->born);
    for (uint32_t i = 0; i < table->key_count; i++) {
        key[i] = was[i];
        if (key[i].type == SYNC_INTEGER) {
            s->keys[s->key_count++ % POOL] = key[i];
        }
    }
    int times = percent(s, 10) ? below(s, 3) == 0 ? 0 : 2 : 1;
    for (int i = 0; i < times; i++) {
        FUZZ_CHECK(sync_row_copy(&s->row, row) == SYNC_OK);
        for (bool more = percent(s, ROW_PERCENT); more; more = percent(s, ROW_PERCENT)) {
            change_row(s, table, key);
        }
        if (percent(s, CELL_PERCENT)) {
            change_cells(s);
        }
        if (is_sayable(
                s)) { /* what is misused otherwise is left out: then there is no changeset, as the caller will see */
            (void)sync_encoder_row(s->to, at, key, &s->row, NULL);
        }
    }
}

/* ---- the head ---- */

static void change_matrix(shaper *s, sync_matrix *m)
{
    if (m->tables > 0 && m->sites > 0) {
        uint32_t t = (uint32_t)below(s, m->tables), i = (uint32_t)below(s, m->sites);
        sync_stamp stamp = another(s, (sync_stamp){sync_matrix_at(m, t, i), 0, 1});
        sync_matrix_set(m, t, i, percent(s, 25) ? 0 : stamp.hlc);
    }
}

/* Of a table, whether it comes whole: with that goes what has been forgotten. */
static void change_whole(shaper *s, sync_head *head, uint32_t t)
{
    sync_table_head *table = &head->tables[t];
    table->whole = !table->whole;
    head->wholes = table->whole ? head->wholes + 1 : head->wholes - 1;
    for (uint32_t i = 0; i < head->site_count; i++) {
        sync_matrix_set(&head->floor, t, i, 0);
        sync_matrix_set(&head->held, t, i, table->whole ? sync_matrix_at(&head->base, t, i) : 0);
        sync_matrix_set(&head->base, t, i, table->whole ? 0 : sync_matrix_at(&head->base, t, i));
    }
    if (table->whole) {
        uint64_t hlc = sync_matrix_at(&head->held, t, 0);
        sync_matrix_set(&head->floor, t, (uint32_t)below(s, head->site_count), hlc > 0 ? hlc : 1);
        sync_matrix_set(&head->start, t, 0, 0);
    }
}

static void change_head(shaper *s, sync_head *head)
{
    uint32_t t = head->table_count > 0 ? (uint32_t)below(s, head->table_count) : 0;
    switch (below(s, head->forgets && head->table_count > 0 ? 6 : 2)) {
    case 0:
        change_matrix(s, &head->base);
        break;
    case 1:
        change_matrix(s, &head->start);
        break;
    case 2:
        change_whole(s, head, t);
        break;
    case 3:
        change_matrix(s, &head->held);
        break;
    case 4:
        head->tables[t].lives = 2 * below(s, 4);
        break;
    default:
        if (head->tables[t].whole) { /* higher, so that it does not become nothing */
            uint32_t i = (uint32_t)below(s, head->site_count);
            sync_matrix_raise(&head->floor, t, i, sync_matrix_at(&head->held, t, i));
        }
    }
}

/* A changeset of the first format says what it says in the second, too. */
static bool begin_forgetting(sync_head *head)
{
    uint32_t sites = head->table_count > 0 ? head->site_count : 0;
    head->forgets = true;
    return sync_matrix_init(&head->floor, head->table_count, sites) == SYNC_OK &&
           sync_matrix_init(&head->held, head->table_count, sites) == SYNC_OK;
}

/* ---- the whole ---- */

/* Into s->to; false if it cannot be. */
static bool reshape(shaper *s, sync_decoder *d, sync_head *head)
{
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    int rc;
    if (!head->forgets && percent(s, 30) && !begin_forgetting(head)) {
        return false;
    }
    for (bool more = percent(s, HEAD_PERCENT); more; more = percent(s, HEAD_PERCENT)) {
        change_head(s, head);
    }
    if (sync_encoder_begin(s->to, head, NULL) != SYNC_OK) {
        return false;
    }
    while ((rc = sync_decoder_next(d, &table, &key, &row, NULL)) == SYNC_ROW) {
        put_row(s, table, key, row);
    }
    return rc == SYNC_DONE;
}

static bool finish(shaper *s, sync_decoder *d, sync_buf *contents)
{
    const void *blob = NULL;
    size_t bytes = 0;
    sync_closing *closing = (sync_closing *)sync_decoder_closing(d);
    if (closing != NULL && percent(s, HEAD_PERCENT)) {
        change_matrix(s, &closing->seen);
    }
    return sync_encoder_finish(s->to, percent(s, 4) ? NULL : closing, &blob, &bytes, NULL) == SYNC_OK &&
           fuzz_unpack(blob, bytes, contents);
}

size_t fuzz_reshape(uint8_t *data, size_t bytes, size_t max, uint64_t seed)
{
    static sync_encoder *encoder;
    static sync_buf contents;
    shaper s = {.dice = dice_of(seed, 0)};
    sync_decoder *d = NULL;
    sync_head head = {0};
    const sync_buf *blob = fuzz_pack(data, bytes);
    size_t second = bytes > 0 && data[0] == 0;
    sync_span span = sync_span_of(data + second, bytes - second);
    encoder = encoder != NULL ? encoder : sync_encoder_new(1);
    FUZZ_CHECK(encoder != NULL);
    s.to = encoder;
    sync_buf_reset(&contents);
    if (sync_decoder_open(blob->data, blob->len, VALUE_BYTES_MAX, &d, NULL) == SYNC_OK &&
        sync_head_get(&span, &head, second != 0 ? SYNC_HEAD_WHOLE : SYNC_HEAD_CHANGES) == SYNC_OK) {
        s.head = &head;
        if (reshape(&s, d, &head) && finish(&s, d, &contents) && contents.len <= max) {
            memcpy(data, contents.data, contents.len);
            bytes = contents.len;
        }
    }
    sync_decoder_close(d);
    sync_head_free(&head);
    sync_row_free(&s.row);
    return bytes;
}
