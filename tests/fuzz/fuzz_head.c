/* Heads and matrices, without compression around them. The first byte says of what: modulo 4, 0 a changeset of the first format, 1 a seen blob,
** 2 a changeset of the second format, 3 one of the third. What can be read is written to what reads the same, and from then on to the same bytes. */
#include "fuzz.h"
#include "pack.h"

#include "codec_internal.h"

#include <sqlite3.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock for each allocation */
    return 0;
}

static void put(sync_buf *to, const sync_head *head, sync_head_kind kind)
{
    sync_error error = {0};
    sync_buf_reset(to);
    FUZZ_CHECK(sync_head_put(to, head, kind, &error) == SYNC_OK && !to->oom);
}

/* What codec.h and docs/FORMAT.md promise of the second format, and that the first says nothing of it. */
static void check_wholes(const sync_head *head, sync_head_kind kind)
{
    uint32_t wholes = 0;
    FUZZ_CHECK(head->forgets == (kind == SYNC_HEAD_WHOLE) && sync_head_kind_of(head) != SYNC_HEAD_SEEN);
    for (uint32_t t = 0; t < head->table_count; t++) {
        const sync_table_head *table = &head->tables[t];
        bool floor = false;
        for (uint32_t i = 0; head->forgets && i < head->site_count; i++) {
            floor = floor || sync_matrix_at(&head->floor, t, i) != 0;
        }
        FUZZ_CHECK((table->whole == floor || kind == SYNC_HEAD_SELECTION) && (table->lives & 1) == 0 &&
                   (head->forgets || table->lives == 0) &&
                   (table->known == 0 || kind == SYNC_HEAD_SELECTION));
        wholes += table->whole;
    }
    FUZZ_CHECK(head->wholes == wholes || kind == SYNC_HEAD_SELECTION);
    FUZZ_CHECK((head->purpose != SYNC_FOR_ALL) == (kind == SYNC_HEAD_SELECTION));
    FUZZ_CHECK(head->purpose != SYNC_FOR_AUTHOR || wholes == 0);
}

static void check_head(const uint8_t *data, size_t bytes, sync_head_kind kind)
{
    static sync_buf one, two;
    sync_head head;
    sync_span span = sync_span_of(data, bytes);
    int rc = sync_head_get(&span, &head, kind);
    if (rc != SYNC_OK) {
        FUZZ_CHECK(head.tables == NULL && head.sites == NULL && head.base.cell == NULL);
        FUZZ_CHECK(head.floor.cell == NULL && head.held.cell == NULL);
        return;
    }
    check_wholes(&head, kind);
    put(&one, &head, kind);
    sync_head_free(&head);
    span = sync_span_of(one.data, one.len);
    FUZZ_CHECK(sync_head_get(&span, &head, kind) == SYNC_OK && sync_span_left(&span) == 0);
    put(&two, &head, kind);
    FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    sync_head_free(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    uint8_t *copy = malloc(bytes); /* a byte past its end is past the block's */
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    static const sync_head_kind kinds[] = {SYNC_HEAD_CHANGES, SYNC_HEAD_SEEN, SYNC_HEAD_WHOLE,
                                           SYNC_HEAD_SELECTION};
    check_head(copy + 1, bytes - 1, kinds[copy[0] % (sizeof kinds / sizeof kinds[0])]);
    free(copy);
    return 0;
}
