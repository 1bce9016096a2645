#include "compacting.h"

#include "exits.h"
#include "file.h"
#include "log.h"

#include <stdio.h>

/* Deletes that are remembered still. */
static const char kept_sql[] = "SELECT count(*) FROM sync_changes WHERE op = 'delete'";

static bool compact(const peer_file *file, const peer_words *w, int64_t *forgotten, peer_failure *f)
{
    sqlite3_stmt *stmt =
        w->value[PEER_WORD_AGE] != NULL
            ? peer_file_prepare(file, f, "SELECT sync_compact('{\"age\": %lld}')", w->number[PEER_WORD_AGE])
            : peer_file_prepare(file, f, "SELECT sync_compact()");
    int rc = stmt != NULL ? peer_file_step(file, stmt, f) : SQLITE_ERROR;
    *forgotten = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW;
}

int peer_compacting_run(const peer_words *w)
{
    peer_failure f = {0};
    peer_file file;
    int64_t forgotten = 0, kept = 0;
    bool good = peer_file_open(&file, w->file[0], &f) && compact(&file, w, &forgotten, &f) &&
                peer_file_ask(&file, kept_sql, &kept, &f);
    peer_file_close(&file);
    if (!good) {
        peer_error(f.code, "%s", f.text);
        return f.code;
    }
    peer_event("compacted", (peer_field[]){PEER_TEXT("file", w->file[0]), PEER_NUMBER("forgotten", forgotten),
                                           PEER_NUMBER("kept", kept), PEER_END});
    if (w->value[PEER_WORD_JSON] == NULL) {
        printf("%s: %lld deletes forgotten, %lld kept\n", w->file[0], (long long)forgotten, (long long)kept);
    }
    return PEER_EXIT_OK;
}
