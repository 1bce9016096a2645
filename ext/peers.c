#include "peers.h"

#include "request.h"

#include <string.h>

/* What a file has said before; *m stays empty where it has said nothing. */
static int read_peer(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], sync_matrix *m, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_borrow(s, &stmt, error, "SELECT seen FROM main.sync_peer WHERE site = ?1");
    rc = rc == SYNC_OK && sqlite3_bind_blob(stmt, 1, site, SYNC_SITE_BYTES, SQLITE_STATIC)
             ? sync_fail_db(s, error, NULL)
             : rc;
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(stmt, 0);
        rc = blob ? sync_engine_unpack(s, blob, (size_t)sqlite3_column_bytes(stmt, 0), m, error)
                  : sync_fail(error, SYNC_CORRUPT, "sync_peer: what a file holds is damaged");
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int write_peer(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], const sync_matrix *m,
                      sync_error *error)
{
    const sync_env *env = sync_env_get();
    sqlite3_stmt *stmt = NULL;
    sync_buf packed = {0};
    int rc = sync_engine_pack(s, m, &packed, error);
    rc = rc == SYNC_OK
             ? sync_borrow(s, &stmt, error,
                           "INSERT INTO main.sync_peer(site, at, seen) VALUES(?1, ?2, ?3) ON CONFLICT(site)"
                           " DO UPDATE SET at = excluded.at, seen = excluded.seen")
             : rc;
    if (rc == SYNC_OK && (sqlite3_bind_blob(stmt, 1, site, SYNC_SITE_BYTES, SQLITE_STATIC) ||
                          sqlite3_bind_int64(stmt, 2, env->now_ms(env->context)) ||
                          sqlite3_bind_blob64(stmt, 3, packed.data, packed.len, SQLITE_STATIC))) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sync_return(s, stmt);
    sync_buf_free(&packed);
    return rc;
}

int sync_peers_said(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], sync_matrix *held, sync_error *error)
{
    int rc = read_peer(s, site, held, error);
    if (rc == SYNC_OK && held->cell == NULL) {
        rc = sync_matrix_init(held, s->table_count, s->sites.count);
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one vector");
    }
    return rc;
}

int sync_peers_note(sync_db *s, const uint8_t site[SYNC_SITE_BYTES], const sync_matrix *held, bool *news,
                    sync_error *error)
{
    sync_matrix joined = {0};
    *news = false;
    int rc = sync_peers_said(s, site, &joined, error);
    for (uint32_t t = 0; rc == SYNC_OK && t < held->tables; t++) {
        for (uint32_t i = 0; i < held->sites; i++) {
            *news = *news || sync_matrix_at(held, t, i) > sync_matrix_at(&joined, t, i);
            sync_matrix_raise(&joined, t, i, sync_matrix_at(held, t, i));
        }
    }
    rc = rc == SYNC_OK ? write_peer(s, site, &joined, error) : rc; /* that it was heard of counts as well */
    sync_matrix_free(&joined);
    return rc;
}

/* One table of a blob, as far as this file knows its sites. */
static void take_table(sync_db *s, const sync_head *head, uint32_t h, uint32_t t, sync_matrix *held)
{
    sync_matrix_set(held, t, 0, 1);
    for (uint32_t w = 0; w < head->site_count; w++) {
        uint32_t sid = sync_engine_find_site(s, head->sites[w]);
        if (sid != 0) {
            sync_matrix_set(held, t, sid, sync_matrix_at(&head->base, h, w));
        }
    }
}

int sync_peers_hear(sync_db *s, const void *seen, size_t bytes, bool *news, sync_error *error)
{
    sync_head head = {0};
    sync_matrix held = {0};
    sync_error misfit = {0};
    *news = false;
    int rc = sync_seen_get(seen, bytes, &head, error);
    if (rc == SYNC_OK && memcmp(head.site, s->site_ids[s->own_site], SYNC_SITE_BYTES) != 0) {
        rc = sync_matrix_init(&held, s->table_count, s->sites.count);
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one vector");
        for (uint32_t h = 0; rc == SYNC_OK && h < head.table_count; h++) {
            const sync_table *t = sync_engine_table(s, head.tables[h].name);
            if (t && !t->missing && sync_head_match(t, &head.tables[h], &misfit) == SYNC_OK) {
                take_table(s, &head, h, (uint32_t)(t - s->tables), &held);
            }
        }
        rc = rc == SYNC_OK ? sync_peers_note(s, head.site, &held, news, error) : rc;
    }
    sync_matrix_free(&held);
    sync_head_free(&head);
    return rc;
}

int sync_peers_forget(sync_db *s, int64_t since_ms, int64_t *gone, sync_error *error)
{
    int rc = sync_exec(
        s, error,
        "DELETE FROM main.sync_peer WHERE at < %lld OR site = (SELECT site FROM main.sync_site WHERE"
        " sid = %u)",
        (long long)since_ms, s->own_site);
    *gone = sqlite3_changes64(s->db);
    return rc;
}

/* Lowers `lowest` to what one file holds. */
static void lower(const sync_matrix *held, sync_matrix *lowest, bool *known)
{
    for (uint32_t t = 0; t < held->tables; t++) {
        bool has = sync_matrix_at(held, t, 0) != 0;
        for (uint32_t i = 1; has && i < held->sites; i++) {
            uint64_t hlc = sync_matrix_at(held, t, i);
            if (!known[t] || hlc < sync_matrix_at(lowest, t, i)) {
                sync_matrix_set(lowest, t, i, hlc);
            }
        }
        known[t] = known[t] || has;
    }
}

int sync_peers_lowest(sync_db *s, sync_matrix *lowest, bool *known, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sync_matrix_init(lowest, s->table_count, s->sites.count);
    rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one vector");
    memset(known, 0, s->table_count);
    rc = rc == SYNC_OK ? sync_borrow(s, &stmt, error, "SELECT seen FROM main.sync_peer") : rc;
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_matrix held = {0};
        const void *blob = sqlite3_column_blob(stmt, 0);
        rc = blob ? sync_engine_unpack(s, blob, (size_t)sqlite3_column_bytes(stmt, 0), &held, error)
                  : sync_fail(error, SYNC_CORRUPT, "sync_peer: what a file holds is damaged");
        if (rc == SYNC_OK) {
            lower(&held, lowest, known);
        }
        sync_matrix_free(&held);
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
