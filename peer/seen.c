/* What another file holds, learned twice: joined. */
#include "seen.h"

#include "codec.h"

#include <string.h>

#define NOWHERE UINT32_MAX

bool peer_buf_set(sync_buf *to, const void *data, size_t bytes)
{
    sync_buf_reset(to);
    sync_buf_put(to, data, bytes);
    return !to->oom;
}

static uint32_t find_site(const sync_head *head, const uint8_t id[SYNC_SITE_BYTES])
{
    for (uint32_t s = 0; s < head->site_count; s++) {
        if (memcmp(head->sites[s], id, SYNC_SITE_BYTES) == 0) {
            return s;
        }
    }
    return NOWHERE;
}

static bool same_table(const sync_table_head *a, const sync_table_head *b)
{
    if (strcmp(a->name, b->name) != 0 || a->identity != b->identity || a->key_count != b->key_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->key_count; i++) {
        if (strcmp(a->key_names[i], b->key_names[i]) != 0) {
            return false;
        }
    }
    return true;
}

static uint32_t find_table(const sync_head *head, const sync_table_head *like)
{
    for (uint32_t t = 0; t < head->table_count; t++) {
        if (same_table(&head->tables[t], like)) {
            return t;
        }
    }
    return NOWHERE;
}

/* Makes room in `head` for sites of `other` that it lacks, keeping what it holds. */
static int widen(sync_head *head, const sync_head *other)
{
    uint32_t before = head->site_count, count = before;
    for (uint32_t s = 0; s < other->site_count; s++) {
        count += find_site(head, other->sites[s]) == NOWHERE;
    }
    if (count == before) {
        return SYNC_OK;
    }
    sync_head wide = {0};
    sync_matrix base = {0}, start = {0};
    int rc = sync_head_set_sites(&wide, count);
    rc = rc == SYNC_OK ? sync_matrix_init(&base, head->table_count, count) : rc;
    rc = rc == SYNC_OK ? sync_matrix_init(&start, head->table_count, count) : rc;
    if (rc != SYNC_OK) {
        sync_matrix_free(&base);
        sync_head_free(&wide);
        return rc;
    }
    memcpy(wide.sites, head->sites, (size_t)before * SYNC_SITE_BYTES);
    uint32_t at = before;
    for (uint32_t s = 0; s < other->site_count; s++) {
        if (find_site(head, other->sites[s]) == NOWHERE) {
            memcpy(wide.sites[at++], other->sites[s], SYNC_SITE_BYTES);
        }
    }
    for (uint32_t t = 0; t < head->table_count; t++) {
        for (uint32_t s = 0; s < before; s++) {
            sync_matrix_set(&base, t, s, sync_matrix_at(&head->base, t, s));
            sync_matrix_set(&start, t, s, sync_matrix_at(&head->start, t, s));
        }
    }
    sync_free(head->sites);
    sync_matrix_free(&head->base);
    sync_matrix_free(&head->start);
    head->sites = wide.sites;
    head->site_count = count;
    head->base = base;
    head->start = start;
    return SYNC_OK;
}

static void raise_to(sync_head *head, const sync_head *other)
{
    for (uint32_t t = 0; t < head->table_count; t++) {
        uint32_t from = find_table(other, &head->tables[t]);
        if (from == NOWHERE) {
            continue;
        }
        for (uint32_t s = 0; s < other->site_count; s++) {
            uint32_t to = find_site(head, other->sites[s]);
            sync_matrix_raise(&head->base, t, to, sync_matrix_at(&other->base, from, s));
            sync_matrix_raise(&head->start, t, to, sync_matrix_at(&other->start, from, s));
        }
    }
}

int peer_seen_join(const sync_buf *newer, const sync_buf *older, sync_buf *out)
{
    sync_head a = {0}, b = {0};
    sync_error error = {0};
    sync_buf_reset(out);
    int rc = sync_seen_get(newer->data, newer->len, &a, &error);
    rc = rc == SYNC_OK ? sync_seen_get(older->data, older->len, &b, &error) : rc;
    rc = rc == SYNC_OK ? widen(&a, &b) : rc;
    if (rc == SYNC_OK) {
        raise_to(&a, &b);
        rc = sync_seen_put(out, &a);
        rc = rc == SYNC_OK && out->oom ? SYNC_NOMEM : rc;
    }
    if (rc != SYNC_OK) {
        sync_buf_reset(out);
    }
    sync_head_free(&a);
    sync_head_free(&b);
    return rc;
}

bool peer_seen_same_tables(const sync_buf *a, const sync_buf *b)
{
    sync_head x = {0}, y = {0};
    sync_error error = {0};
    bool same = sync_seen_get(a->data, a->len, &x, &error) == SYNC_OK &&
                sync_seen_get(b->data, b->len, &y, &error) == SYNC_OK && x.table_count == y.table_count;
    for (uint32_t t = 0; same && t < x.table_count; t++) {
        same = find_table(&y, &x.tables[t]) != NOWHERE;
    }
    sync_head_free(&x);
    sync_head_free(&y);
    return same;
}
