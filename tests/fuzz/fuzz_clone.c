/* The schema that another side sends for a clone, made into an empty file. What fails leaves it empty; what does not is a sound file. */
#include "file.h"
#include "fuzz.h"

#include "clone.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_files();
    return 0;
}

static void left_out(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    (void)context;
    FUZZ_CHECK(kind != NULL && name != NULL && why != NULL && sql != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    sqlite3 *db = NULL;
    sync_error error = {0};
    int64_t objects = -1;
    FUZZ_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    fuzz_extend(db);
    int rc = sync_clone_load(db, data, bytes, left_out, NULL, &error);
    FUZZ_CHECK((rc == SYNC_OK) == (error.code == SYNC_OK));
    if (rc != SYNC_OK) {
        FUZZ_CHECK(fuzz_run(db, "SELECT count(*) FROM sqlite_schema", NULL, 0, &objects) == SQLITE_OK);
        FUZZ_CHECK(objects == 0);
    } else {
        FUZZ_CHECK(fuzz_run(db, "PRAGMA integrity_check", NULL, 0, NULL) == SQLITE_OK);
    }
    fuzz_close(db);
    return 0;
}
