/* Heads and matrices, without compression around them. The first byte says of what: even a changeset, odd a seen blob (its check is set right).
** What can be read is written to what reads the same. */
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

static void check_head(const uint8_t *data, size_t bytes, sync_head_kind kind)
{
    static sync_buf one, two;
    sync_head head;
    sync_span span = sync_span_of(data, bytes);
    int rc = sync_head_get(&span, &head, kind);
    if (rc != SYNC_OK) {
        FUZZ_CHECK(head.tables == NULL && head.sites == NULL && head.base.cell == NULL);
        return;
    }
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
    check_head(copy + 1, bytes - 1, (copy[0] & 1) != 0 ? SYNC_HEAD_SEEN : SYNC_HEAD_CHANGES);
    free(copy);
    return 0;
}
