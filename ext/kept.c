#include "kept.h"

#include "claims.h"

int sync_kept_retry(sync_merging *m)
{
    sync_claims list = {.m = m};
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->table_count; i++) {
        sync_table *t = &m->s->tables[i];
        rc = t->missing ? SYNC_OK : sync_claims_listed(&list, t, false, "trigger");
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < list.count; i++) {
        rc = sync_bury_again(m, list.list[i].t, list.list[i].key, list.list[i].born);
    }
    sync_claims_free(&list);
    return rc;
}
