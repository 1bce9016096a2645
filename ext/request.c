/* The receiver's side of a delta: what it holds, mapped to this file's tables and sites; and this file's own seen blob. */
#include "request.h"

#include <string.h>

uint32_t sync_head_site(const sync_head *head, const uint8_t id[SYNC_SITE_BYTES])
{
    for (uint32_t i = 0; i < head->site_count; i++) {
        if (memcmp(head->sites[i], id, SYNC_SITE_BYTES) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

static sync_affinity key_affinity(const sync_table *t, uint32_t i)
{
    switch (t->key_affinity[i]) {
    case 'b':
        return SYNC_STORES_ANY;
    case 't':
        return SYNC_STORES_TEXT;
    case 'r':
        return SYNC_STORES_REAL;
    default:
        return SYNC_STORES_NUMERIC;
    }
}

static const char *key_collation(const sync_table *t, uint32_t i)
{
    return sqlite3_stricmp(t->key_collations[i], "BINARY") == 0 ? "" : t->key_collations[i];
}

/* Does the column hold the same values to be one key on both sides? What is one here and two there would be lost. */
static int match_key_column(const sync_table *t, const sync_table_head *theirs, uint32_t i, sync_error *error)
{
    static const char *const affinities[] = {[SYNC_STORES_ANY] = "BLOB",
                                             [SYNC_STORES_TEXT] = "TEXT",
                                             [SYNC_STORES_NUMERIC] = "NUMERIC",
                                             [SYNC_STORES_REAL] = "REAL"};
    const char *collation = key_collation(t, i), *other = theirs->key_collations[i];
    sync_affinity affinity = key_affinity(t, i);
    if (affinity != theirs->key_affinities[i]) {
        return sync_fail(error, SYNC_SCHEMA, "table %s: key column %s has affinity %s here and %s there",
                         t->name, t->key_names[i], affinities[affinity],
                         affinities[theirs->key_affinities[i]]);
    }
    if (sqlite3_stricmp(collation, other) != 0) {
        return sync_fail(error, SYNC_SCHEMA, "table %s: key column %s has collation %s here and %.64s there",
                         t->name, t->key_names[i], *collation ? collation : "BINARY",
                         *other ? other : "BINARY");
    }
    return SYNC_OK;
}

int sync_head_match(const sync_table *t, const sync_table_head *theirs, sync_error *error)
{
    if (t->identity != theirs->identity) {
        return sync_fail(error, SYNC_SCHEMA, "table %s is tracked with identity \"%s\" here and \"%s\" there",
                         t->name, t->identity == SYNC_BY_ROW ? "row" : "key",
                         theirs->identity == SYNC_BY_ROW ? "row" : "key");
    }
    bool same = t->key_count == theirs->key_count;
    for (uint32_t i = 0; same && i < t->key_count; i++) {
        same = sqlite3_stricmp(t->key_names[i], theirs->key_names[i]) == 0;
    }
    if (!same) {
        return sync_fail(error, SYNC_SCHEMA, "table %s has other key columns there than here (%s%s)", t->name,
                         t->key_names[0], t->key_count > 1 ? ", ..." : "");
    }
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        rc = match_key_column(t, theirs, i, error);
    }
    return rc;
}

/* Own site first, then the others by local number: wire[sid] is the place of each. */
int sync_head_own_sites(sync_db *s, sync_head *head, uint32_t *wire, sync_error *error)
{
    int rc = sync_head_set_sites(head, s->sites.count - 1);
    if (rc != SYNC_OK) {
        return sync_fail(error, rc, "the sites of this file do not fit a changeset");
    }
    uint32_t next = 1;
    wire[0] = 0;
    for (uint32_t sid = 1; sid < s->sites.count; sid++) {
        wire[sid] = sid == s->own_site ? 0 : next++;
        memcpy(head->sites[wire[sid]], s->site_ids[sid], SYNC_SITE_BYTES);
    }
    memcpy(head->site, s->site_ids[s->own_site], SYNC_SITE_BYTES);
    return SYNC_OK;
}

/* Name, identity and key of a table; columns where asked for. */
int sync_head_own_table(const sync_table *t, sync_table_head *to, bool columns, sync_error *error)
{
    uint32_t cols = columns ? t->col_count : 0;
    int rc = sync_table_head_init(to, t->name, t->identity, t->key_count, cols);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        rc = sync_table_head_key(to, i, t->key_names[i], key_affinity(t, i), key_collation(t, i));
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < cols; i++) {
        rc = sync_table_head_col(to, i, t->cols[i].name);
    }
    return rc == SYNC_OK ? SYNC_OK
                         : sync_fail(error, rc, "table %s: its names do not fit a changeset", t->name);
}

int sync_changes_seen(sync_db *s, sync_buf *buf, sync_error *error)
{
    sync_head head = {0};
    sync_matrix seen = {0}, cursors = {0};
    uint32_t count = 0;
    uint32_t *wire = sync_alloc(s->sites.count * sizeof *wire);
    if (wire == NULL) {
        return sync_fail_nomem(error);
    }
    int rc = sync_head_own_sites(s, &head, wire, error);
    for (uint32_t t = 0; t < s->table_count; t++) {
        count += !s->tables[t].missing;
    }
    rc = rc == SYNC_OK ? sync_engine_seen(s, &seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_cursors(s, &cursors, error) : rc;
    if (rc == SYNC_OK && (rc = sync_head_set_tables(&head, count)) == SYNC_OK &&
        (rc = sync_matrix_init(&head.base, count, head.site_count)) == SYNC_OK) {
        rc = sync_matrix_init(&head.start, count, head.site_count);
    }
    rc = rc == SYNC_OK || error->code ? rc
                                      : sync_fail(error, rc, "what this file holds does not fit a seen blob");
    for (uint32_t t = 0, to = 0; rc == SYNC_OK && t < s->table_count; t++) {
        if (s->tables[t].missing) {
            continue;
        }
        rc = sync_head_own_table(&s->tables[t], &head.tables[to], false, error);
        for (uint32_t sid = 1; sid < s->sites.count; sid++) {
            uint64_t hlc =
                sid == s->own_site && s->overlay.valid ? s->overlay.hlc : sync_matrix_at(&seen, t, sid);
            sync_matrix_set(&head.base, to, wire[sid], hlc);
            sync_matrix_set(&head.start, to, wire[sid], sync_matrix_at(&cursors, t, sid));
        }
        to++;
    }
    if (rc == SYNC_OK) {
        rc = sync_seen_put(buf, &head);
        rc = rc == SYNC_OK && buf->oom ? SYNC_NOMEM : rc;
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "no seen blob");
    }
    sync_matrix_free(&seen);
    sync_matrix_free(&cursors);
    sync_head_free(&head);
    sync_free(wire);
    return rc;
}

int sync_changes_behind(sync_db *s, const void *seen, size_t bytes, bool *behind, sync_error *error)
{
    sync_head head = {0};
    *behind = false;
    /* what was told from a virtual fold is above the clock in the file */
    uint64_t told = s->overlay.valid && s->overlay.hlc > s->hlc ? s->overlay.hlc : s->hlc;
    int rc = sync_seen_get(seen, bytes, &head, error);
    uint32_t own = rc == SYNC_OK ? sync_head_site(&head, s->site_ids[s->own_site]) : UINT32_MAX;
    for (uint32_t t = 0; rc == SYNC_OK && own != UINT32_MAX && t < head.table_count; t++) {
        *behind = *behind ||
                  (sync_engine_table(s, head.tables[t].name) && sync_matrix_at(&head.base, t, own) > told);
    }
    sync_head_free(&head);
    return rc;
}
