#include "quota.h"

#include "message.h"

#include <stdlib.h>
#include <sys/statvfs.h>

static int64_t page_bytes(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int64_t bytes = 0;
    if (sqlite3_prepare_v2(db, "PRAGMA main.page_size", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        bytes = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return bytes;
}

bool peer_quota_set(peer_database *d, int64_t bytes, peer_failure *f)
{
    int64_t page = bytes > 0 ? page_bytes(d->db) : 1;
    d->bytes_max = bytes;
    if (bytes == 0) {
        return true;
    }
    char *sql = page > 0 ? peer_format("PRAGMA main.max_page_count = %lld",
                                       (long long)(bytes / page < UINT32_MAX ? bytes / page : UINT32_MAX - 1))
                         : NULL;
    int rc = sql != NULL ? sqlite3_exec(d->db, sql, NULL, NULL, NULL) : sqlite3_errcode(d->db);
    free(sql);
    return (sql != NULL && rc == SQLITE_OK) || peer_database_fail(d, f, "its size cannot be bounded", rc);
}

/* SQLite has one word for both. A disk on which it has just failed to write has next to nothing left. */
bool peer_quota_reached(const peer_database *d)
{
    struct statvfs st;
    return d->bytes_max > 0 &&
           (statvfs(d->path, &st) != 0 || (double)st.f_bavail * (double)st.f_frsize >= PEER_DISK_FULL_BYTES);
}
