/* Changesets (pack.h says how input becomes them) merged into a file, several one after the other: between them stands FUZZ_SPLIT. What is refused
** leaves the file as it was, bit for bit; what is merged leaves it sound, and does nothing a second time. Then somebody decides about what is held, and
** deletes are forgotten: the rows stay what they are, also when it all comes once more. */
#include "file.h"
#include "fuzz.h"
#include "pack.h"
#include "reshape.h"

#include <string.h>

static const char split[] = FUZZ_SPLIT;
static bool refused; /* one of this input's changesets */

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

/* Does a row come twice? No engine says so; one that did could contradict itself: of a table that comes whole the first of both may lack what the
** second one has, and that is told of anew when it comes again. */
static bool repeats_itself(sqlite3 *db, const sync_buf *blob)
{
    int64_t twice = 0;
    int rc = fuzz_run(
        db,
        "SELECT EXISTS (SELECT 1 FROM json_each(sync_describe(?1), '$.rows') GROUP BY value ->> '$.table',"
        " lower(replace(value ->> '$.key', '\"', '')) HAVING count(*) > 1)",
        blob->data, blob->len, &twice);
    return rc != SQLITE_OK || twice != 0;
}

/* Merges again what was merged. True: nothing was changed by it, no stamp either. */
static bool is_old(sqlite3 *db, const sync_buf *blob)
{
    static const char state[] = "SELECT * FROM sync_changes";
    int64_t changed = 0;
    uint64_t before = fuzz_digest(db, state);
    int merged = fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, &changed);
    return merged != SQLITE_OK || (changed == 0 && fuzz_digest(db, state) == before);
}

/* The same in a file of its own: foretold, merged, looked at, merged again. */
static void merge_with_care(sqlite3 *db, const sync_buf *blob)
{
    int described = fuzz_run(db, "SELECT json_type(sync_describe(?1))", blob->data, blob->len, NULL);
    int foretold = fuzz_run(db, "SELECT sync_apply(?1, '{\"dry_run\": true}')", blob->data, blob->len, NULL);
    int merged = fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, NULL);
    refused = refused || merged != SQLITE_OK;
    FUZZ_CHECK(foretold == merged && (merged != SQLITE_OK || described == SQLITE_OK));
    check_sound(db);
    FUZZ_CHECK(is_old(db, blob) || (repeats_itself(db, blob) && is_old(db, blob)));
}

/* All that a program sees. */
static uint64_t digest_rows(sqlite3 *db)
{
    static const char *const tables[] = {"SELECT * FROM note", "SELECT * FROM person", "SELECT * FROM tag",
                                         "SELECT * FROM item", "SELECT * FROM entry",  "SELECT * FROM cover"};
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        all = all * 31 + fuzz_digest(db, tables[i]);
    }
    return all;
}

static void decide(sqlite3 *db)
{
    static const char *const decisions[] = {
        "SELECT sync_resolve((SELECT min(id) FROM sync_conflict), 'ours')",
        "SELECT sync_resolve((SELECT max(id) FROM sync_conflict), 'theirs')",
        "SELECT sync_resolve((SELECT min(id) FROM sync_conflict), 'keep both')",
    };
    for (size_t i = 0; i < sizeof decisions / sizeof decisions[0]; i++) {
        fuzz_run(db, decisions[i], NULL, 0, NULL);
    }
    /* what that made room for, and who lost a number by it */
    FUZZ_CHECK(fuzz_run(db, "SELECT sync_apply(NULL)", NULL, 0, NULL) == SQLITE_OK);
    check_sound(db);
}

static void forget(sqlite3 *db)
{
    uint64_t before = digest_rows(db);
    FUZZ_CHECK(fuzz_run(db, "SELECT sync_compact('{\"age\": 0}')", NULL, 0, NULL) == SQLITE_OK);
    check_sound(db);
    FUZZ_CHECK(digest_rows(db) == before);
}

/* What was merged before, where deletes have been forgotten since. Several may contradict each other: if one gives another life the stamp of a life
** that the other one knows, a table that comes whole ends it. */
static void merge_after_all(sqlite3 *db, const sync_buf *blob)
{
    uint64_t before = digest_rows(db);
    fuzz_run(db, "SELECT sync_apply(?1)", blob->data, blob->len, NULL);
    FUZZ_CHECK(digest_rows(db) == before);
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
    refused = false;
    sqlite3 *db = fuzz_open(FUZZ_OURS);
    fuzz_extend(db);
    merge_all(db, data, bytes, merge_with_care);
    decide(db);
    forget(db);
    if (!refused && memmem(data, bytes, split, sizeof split - 1) == NULL) {
        merge_after_all(db, fuzz_pack(data, bytes));
        check_sound(db);
    }
    fuzz_close(db);
    return 0;
}

/* Half of the mutations are of what one of the changesets says, the others of bytes. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned int seed)
{
    uint8_t *from = data;
    size_t left = bytes;
    if (seed % 2 != 0) {
        return LLVMFuzzerMutate(data, bytes, max);
    }
    for (unsigned int skip = seed / 2 % 3; skip > 0; skip--) {
        uint8_t *next = memmem(from, left, split, sizeof split - 1);
        from = next != NULL ? next + sizeof split - 1 : from;
        left = bytes - (size_t)(from - data);
    }
    uint8_t *end = left > 0 ? memmem(from, left, split, sizeof split - 1) : NULL;
    size_t length = end != NULL ? (size_t)(end - from) : left, behind = left - length;
    uint8_t *tail = malloc(behind + 1);
    FUZZ_CHECK(tail != NULL);
    memcpy(tail, from + length, behind);
    length = fuzz_reshape(from, length, length + max - bytes, seed / 6);
    memcpy(from + length, tail, behind);
    free(tail);
    return (size_t)(from - data) + length + behind;
}
