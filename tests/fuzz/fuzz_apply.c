/* Changesets (pack.h says how input becomes them) merged into a file, several one after the other: between them stands SPLIT. What is refused
** leaves the file as it was, bit for bit; what is merged leaves it sound, and does nothing a second time. */
#include "file.h"
#include "fuzz.h"
#include "pack.h"

#include <string.h>

static const char split[] = "<SPLIT>"; /* also in the dictionary */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_files();
    return 0;
}

static void check_sound(sqlite3 *db)
{
    int64_t wrong = -1;
    FUZZ_CHECK(fuzz_run(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'", NULL,
                        0, &wrong) == SQLITE_OK);
    FUZZ_CHECK(wrong == 0);
    FUZZ_CHECK(fuzz_run(db, "SELECT count(*) FROM pragma_foreign_key_check", NULL, 0, &wrong) == SQLITE_OK);
    FUZZ_CHECK(wrong == 0);
    FUZZ_CHECK(fuzz_run(db, "SELECT * FROM sync_changes", NULL, 0, NULL) == SQLITE_OK);
    FUZZ_CHECK(fuzz_run(db, "SELECT * FROM sync_conflict", NULL, 0, NULL) == SQLITE_OK);
    FUZZ_CHECK(fuzz_run(db, "SELECT sync_changeset()", NULL, 0, NULL) == SQLITE_OK);
}

static void merge(sqlite3 *db, const sync_buf *blob)
{
    int64_t changed = 0;
    bool before = fuzz_is_untouched(db, FUZZ_OURS);
    int rc = fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, &changed);
    FUZZ_CHECK(rc == SQLITE_OK || !before || fuzz_is_untouched(db, FUZZ_OURS));
}

/* The same in a file of its own: foretold, merged, looked at, merged again. */
static void merge_with_care(sqlite3 *db, const sync_buf *blob)
{
    int64_t changed = 0;
    int described = fuzz_run(db, "SELECT json_type(sync_describe(?1))", blob->data, blob->len, NULL);
    int foretold = fuzz_run(db, "SELECT sync_apply(?1, '{\"dry_run\": true}')", blob->data, blob->len, NULL);
    int merged = fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, &changed);
    FUZZ_CHECK(foretold == merged && (merged != SQLITE_OK || described == SQLITE_OK));
    check_sound(db);
    merged = fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, &changed);
    FUZZ_CHECK(merged != SQLITE_OK || changed == 0);
}

/* The changesets between the SPLITs, one after the other. */
static void merge_all(sqlite3 *db, const uint8_t *data, size_t bytes,
                      void (*how)(sqlite3 *, const sync_buf *))
{
    for (;;) {
        const uint8_t *next = bytes > 0 ? memmem(data, bytes, split, sizeof split - 1) : NULL;
        size_t length = next != NULL ? (size_t)(next - data) : bytes;
        how(db, fuzz_pack(data, length));
        if (next == NULL) {
            return;
        }
        data = next + sizeof split - 1;
        bytes -= length + sizeof split - 1;
    }
}

/* Most inputs are refused: they meet a connection that is kept until something gets past it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static sqlite3 *kept;
    if (kept == NULL) {
        kept = fuzz_open(FUZZ_OURS);
        fuzz_extend(kept);
    }
    fuzz_reset_world();
    merge_all(kept, data, bytes, merge);
    if (fuzz_is_untouched(kept, FUZZ_OURS)) {
        return 0;
    }
    fuzz_close(kept);
    kept = NULL;
    sqlite3 *db = fuzz_open(FUZZ_OURS);
    fuzz_extend(db);
    merge_all(db, data, bytes, merge_with_care);
    fuzz_close(db);
    return 0;
}
