/* One message of sync.v1: what can be read is written back to the same bytes. The last eight bytes, the check, are set right first. */
#include "fuzz.h"

#include "frame.h"

#include <string.h>

enum { CHECK_BYTES = 8 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* A message that says the same need not have the same bytes only where nothing was left out: fields have one encoding each. */
static void write_back(const sync_frame *frame, const uint8_t *data, size_t bytes)
{
    static sync_buf again;
    sync_buf_reset(&again);
    FUZZ_CHECK(sync_frame_put(&again, frame) == SYNC_OK);
    FUZZ_CHECK(again.len == bytes && memcmp(again.data, data, bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static sync_buf message;
    sync_error error = {0};
    sync_frame frame;
    size_t body = bytes > CHECK_BYTES ? bytes - CHECK_BYTES : 0;
    sync_buf_reset(&message);
    sync_buf_put(&message, data, body);
    sync_buf_put_u64(&message, sync_frame_check(data, body));
    FUZZ_CHECK(!message.oom);

    /* A block of its own, of exactly that size, so that one byte too many is seen. */
    uint8_t *copy = malloc(message.len);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, message.data, message.len);
    int rc = sync_frame_get(copy, message.len, &frame, &error);
    FUZZ_CHECK((rc == SYNC_OK) == (error.code == SYNC_OK) && rc == error.code);
    if (rc == SYNC_OK) {
        FUZZ_CHECK(frame.payload_bytes < message.len && strcmp(sync_frame_name(frame.type), "?") != 0);
        write_back(&frame, copy, message.len);
    }
    free(copy);
    return 0;
}
