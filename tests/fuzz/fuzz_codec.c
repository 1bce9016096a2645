/* Changesets of all formats and seen blobs (pack.h says how input becomes one): every promise of the decoder about what it gives out, and that what
** can be read is written to what reads the same, and from then on to the same bytes. */
#include "fuzz.h"
#include "pack.h"

#include "codec.h"

#include <sqlite3.h>
#include <string.h>

enum { VALUE_BYTES_MAX = 1 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock for each allocation */
    return 0;
}

/* Reads each byte of a value. */
static void touch(const sync_value *v)
{
    static volatile uint8_t sum;
    FUZZ_CHECK(v->type <= SYNC_BLOB);
    for (size_t i = 0; (v->type == SYNC_TEXT || v->type == SYNC_BLOB) && i < v->bytes; i++) {
        sum = (uint8_t)(sum ^ ((const uint8_t *)v->data)[i]);
    }
}

static void check_row(const sync_head *head, const sync_table_head *table, const sync_value *key,
                      const sync_row *row)
{
    for (uint32_t k = 0; k < table->key_count; k++) {
        touch(&key[k]);
    }
    FUZZ_CHECK(row->cl >= 1 && (table->identity == SYNC_BY_KEY || row->cl <= 2));
    FUZZ_CHECK(!row->held && row->stamp.site < head->site_count && row->born.site < head->site_count);
    FUZZ_CHECK(row->origin.site < head->site_count && row->since.site < head->site_count);
    FUZZ_CHECK(table->identity == SYNC_BY_KEY ? sync_stamp_is_none(row->born)
                                              : sync_stamp_is_none(row->origin));
    FUZZ_CHECK(sync_stamp_is_none(row->origin) || ((head->forgets || head->purpose != SYNC_FOR_ALL) &&
                                                   sync_row_alive(row) && !sync_stamp_is_none(row->stamp)));
    FUZZ_CHECK(table->identity == SYNC_BY_ROW || !row->moved);
    FUZZ_CHECK(sync_row_alive(row) || (row->count == 0 && !sync_stamp_is_none(row->stamp)));
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        FUZZ_CHECK(cell->col < table->col_count && (i == 0 || cell[-1].col < cell->col));
        FUZZ_CHECK(cell->carried && !cell->fresh && cell->stamp.site < head->site_count);
        FUZZ_CHECK(!sync_stamp_is_none(cell->stamp));
        touch(&cell->value);
    }
    for (uint32_t i = 0; i < row->ref_count; i++) {
        uint32_t col = row->refs[i].col;
        FUZZ_CHECK(col < table->col_count || (col >= SYNC_REF_KEY && col - SYNC_REF_KEY < table->key_count));
        FUZZ_CHECK(row->refs[i].born.site < head->site_count);
    }
}

/* Reads a changeset and writes what it says, up to where it is damaged, with an encoder. True if it was read to its end: *again is then the same
** changeset, borrowed until the encoder is used again. */
static bool copy_changeset(const uint8_t *blob, size_t bytes, sync_encoder *to, const void **again,
                           size_t *again_bytes)
{
    sync_error error = {0};
    sync_decoder *d = NULL;
    uint32_t table = 0;
    uint64_t rows = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    int rc = sync_decoder_open(blob, bytes, VALUE_BYTES_MAX, &d, &error);
    FUZZ_CHECK((d != NULL) == (rc == SYNC_OK));
    const sync_head *head = d != NULL ? sync_decoder_head(d) : NULL;
    FUZZ_CHECK(head == NULL || sync_encoder_begin(to, head, &error) == SYNC_OK);
    while (d != NULL && (rc = sync_decoder_next(d, &table, &key, &row, &error)) == SYNC_ROW) {
        FUZZ_CHECK(table < head->table_count);
        check_row(head, &head->tables[table], key, row);
        FUZZ_CHECK(sync_encoder_row(to, table, key, row, &error) == SYNC_OK);
        rows++;
    }
    FUZZ_CHECK((rc == SYNC_DONE) == (error.code == SYNC_OK));
    if (d != NULL && rc == SYNC_DONE) {
        const sync_closing *closing = sync_decoder_closing(d);
        FUZZ_CHECK(closing == NULL || closing->rows == rows);
        FUZZ_CHECK(sync_encoder_finish(to, closing, again, again_bytes, &error) == SYNC_OK);
    }
    sync_decoder_close(d);
    return rc == SYNC_DONE;
}

static void check_changeset(const uint8_t *blob, size_t bytes)
{
    static sync_encoder *one, *two;
    const void *first = NULL, *second = NULL;
    size_t first_bytes = 0, second_bytes = 0;
    if (one == NULL) {
        one = sync_encoder_new(1);
        two = sync_encoder_new(1);
        FUZZ_CHECK(one != NULL && two != NULL);
    }
    if (copy_changeset(blob, bytes, one, &first, &first_bytes)) {
        FUZZ_CHECK(copy_changeset(first, first_bytes, two, &second, &second_bytes));
        FUZZ_CHECK(first_bytes == second_bytes && memcmp(first, second, first_bytes) == 0);
    }
}

static void check_seen(const uint8_t *blob, size_t bytes)
{
    static sync_buf one, two;
    sync_error error = {0};
    sync_head head;
    if (sync_seen_get(blob, bytes, &head, &error) != SYNC_OK) {
        FUZZ_CHECK(head.tables == NULL && head.sites == NULL && error.code != SYNC_OK);
        return;
    }
    sync_buf_reset(&one);
    sync_buf_reset(&two);
    FUZZ_CHECK(sync_seen_put(&one, &head) == SYNC_OK);
    sync_head_free(&head);
    FUZZ_CHECK(sync_seen_get(one.data, one.len, &head, &error) == SYNC_OK);
    FUZZ_CHECK(sync_seen_put(&two, &head) == SYNC_OK);
    FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    sync_head_free(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const sync_buf *packed = fuzz_pack(data, bytes);
    uint8_t *copy = malloc(packed->len); /* a byte past its end is past the block's */
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, packed->data, packed->len);
    check_changeset(copy, packed->len);
    check_seen(copy, packed->len);
    free(copy);
    return 0;
}
