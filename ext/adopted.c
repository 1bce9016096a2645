#include "adopted.h"

#include "orphans.h"

int sync_adopted(sync_db *s, uint32_t count, sync_error *error)
{
    sync_merging m = {0};
    sync_orphans orphans = {0};
    if (count == 0 || s->fk_count == 0) {
        return SYNC_OK;
    }
    int rc = sync_orphans_there(s, s->tables[s->table_count - count].tid, &orphans, error);
    if (rc == SYNC_OK && orphans.count) {
        rc = sync_merging_begin(&m, s, error);
        rc = rc == SYNC_OK ? sync_orphans_note(&m, &orphans) : rc;
        rc = sync_merging_end(&m, rc);
    }
    sync_orphans_free(&orphans);
    return rc;
}
