/* Opening a delta: which tables, against which vectors, from which position. */
#include "changes_internal.h"

#include "clocks.h"
#include "request.h"

#include <string.h>

/* Sorts c->local so that tables come after those they refer to (cycles stay as they are), and numbers them. A row is shown only where
** its parents are: this way most are at once. */
static void order_parents_first(sync_changes *c, uint32_t count)
{
    const sync_db *s = c->s;
    for (uint32_t done = 0; done < count; done++) {
        uint32_t pick = done;
        for (uint32_t i = done; i < count; i++) {
            bool waits = false;
            for (uint32_t f = 0; !waits && f < s->fk_count; f++) {
                const sync_fk *fk = &s->fks[f];
                for (uint32_t p = done; !waits && fk->child_tid == s->tables[c->local[i]].tid && p < count;
                     p++) {
                    waits = p != i && s->tables[c->local[p]].tid == fk->parent_tid;
                }
            }
            if (!waits) {
                pick = i;
                break;
            }
        }
        uint32_t table = c->local[pick];
        memmove(&c->local[done + 1], &c->local[done], (pick - done) * sizeof *c->local);
        c->local[done] = table;
        c->place[table] = done;
    }
}

/* What a key means that is made of references can be told only to who tracks the tables that it refers to. */
static bool knows_parents(const sync_db *s, const sync_table *t, const sync_head *receiver)
{
    bool knows = true;
    for (uint32_t i = 0; t->meant && knows && i < t->key_count; i++) {
        bool named = t->key_parents[i] == 0;
        for (uint32_t p = 0; !named && p < s->table_count; p++) {
            for (uint32_t r = 0; !named && s->tables[p].tid == t->key_parents[i] && r < receiver->table_count;
                 r++) {
                named = sqlite3_stricmp(receiver->tables[r].name, s->tables[p].name) == 0;
            }
        }
        knows = named;
    }
    return knows;
}

/* The tables of the delta: those that both have, by name; rows are sent of those with news only, so others need no columns. */
static int choose_tables(sync_changes *c, const sync_request *request, sync_error *error)
{
    sync_db *s = c->s;
    uint32_t count = 0;
    c->local = sync_alloc((s->table_count + 1) * sizeof *c->local);
    c->place = sync_alloc((s->table_count + 1) * sizeof *c->place);
    if (!c->local || !c->place) {
        return sync_fail_nomem(error);
    }
    for (uint32_t t = 0; t < s->table_count; t++) {
        bool wanted = !s->tables[t].missing && request->seen == NULL;
        for (uint32_t r = 0; !s->tables[t].missing && r < c->receiver.table_count; r++) {
            if (sqlite3_stricmp(c->receiver.tables[r].name, s->tables[t].name) != 0) {
                continue;
            }
            sync_error why = {0};
            int rc = sync_head_match(&s->tables[t], &c->receiver.tables[r], &why);
            if (rc != SYNC_OK && !request->skip_refused) {
                return sync_fail(error, rc, "%s", why.text);
            }
            wanted = rc == SYNC_OK && knows_parents(s, &s->tables[t], &c->receiver);
        }
        c->place[t] = UINT32_MAX;
        if (wanted && (!c->rules || sync_rules_of(c->rules, &s->tables[t]))) {
            c->local[count++] = t;
        }
    }
    order_parents_first(c, count);
    int rc = sync_head_set_tables(&c->head, count);
    return rc == SYNC_OK ? SYNC_OK : sync_fail(error, rc, "too many tables for one changeset");
}

/* The receiver's vector and cursor for one table of the head. */
static void take_vector(sync_changes *c, uint32_t h, uint32_t own)
{
    const sync_db *s = c->s;
    const sync_head *r = &c->receiver;
    for (uint32_t t = 0; t < r->table_count; t++) {
        if (sqlite3_stricmp(r->tables[t].name, s->tables[c->local[h]].name) != 0) {
            continue;
        }
        for (uint32_t sid = 1; sid < s->sites.count; sid++) {
            uint32_t at = sync_head_site(r, s->site_ids[sid]);
            uint64_t hlc = at == UINT32_MAX ? 0 : sync_matrix_at(&r->base, t, at);
            sync_matrix_set(&c->base, h, sid, hlc);
            sync_matrix_set(&c->head.base, h, c->wire[sid], hlc);
        }
        uint64_t start = own == UINT32_MAX ? 0 : sync_matrix_at(&r->start, t, own);
        sync_matrix_set(&c->head.start, h, 0, start <= (uint64_t)c->newest ? start : 0);
    }
}

bool sync_changes_genesis_due(const sync_changes *c, uint32_t h)
{
    const sync_table *t = &c->s->tables[c->local[h]];
    /* Whoever has read past the tracking has them, though perhaps nobody holds all of that site any more. */
    uint64_t start = sync_matrix_at(&c->head.start, h, 0);
    bool unread = (uint64_t)t->genesis_seq > start;
    return t->epoch > sync_matrix_at(&c->base, h, t->genesis_site) &&
           (unread || (start == 0 && c->receiver.table_count > 0));
}

/* What this file holds of a site, its own tail included. */
static uint64_t own_seen(const sync_changes *c, const sync_matrix *seen, uint32_t h, uint32_t sid)
{
    return sid == c->s->own_site ? c->hlc : sync_matrix_at(seen, c->local[h], sid);
}

/* Deletes that the receiver has not seen have been forgotten here: the table is sent whole, and nothing of it left out, so that the
** receiver can tell what is gone. */
static void look_for_whole(sync_changes *c, const sync_matrix *floor, const sync_matrix *seen, uint32_t h)
{
    const sync_db *s = c->s;
    sync_table_head *head = &c->head.tables[h];
    for (uint32_t sid = 1; sid < s->sites.count; sid++) {
        head->whole =
            head->whole || sync_below_floor(sync_matrix_at(floor, c->local[h], sid),
                                            own_seen(c, seen, h, sid), sync_matrix_at(&c->base, h, sid));
    }
    if (!head->whole) {
        return;
    }
    for (uint32_t sid = 1; sid < s->sites.count; sid++) {
        uint64_t below = sync_matrix_at(floor, c->local[h], sid), held = own_seen(c, seen, h, sid);
        sync_matrix_set(&c->head.floor, h, c->wire[sid], below);
        sync_matrix_set(&c->head.held, h, c->wire[sid], held > below ? held : below);
        sync_matrix_set(&c->base, h, sid, 0);
        sync_matrix_set(&c->head.base, h, c->wire[sid], 0);
    }
    sync_matrix_set(&c->head.start, h, 0, 0);
    c->head.wholes++;
}

/* Is this table sent by its clocks rather than by the journal? */
bool sync_changes_scans(const sync_changes *c, uint32_t h)
{
    return !c->overlay && c->newest > 0 && sync_matrix_at(&c->head.start, h, 0) == 0;
}

/* Columns are named for tables that may send rows. */
static int name_tables(sync_changes *c, sync_error *error)
{
    sync_db *s = c->s;
    bool *news = sync_alloc(s->table_count + 1);
    if (news == NULL) {
        return sync_fail_nomem(error);
    }
    memset(news, 0, s->table_count + 1);
    uint64_t lowest = (uint64_t)c->newest;
    for (uint32_t h = 0; h < c->head.table_count; h++) {
        uint64_t start = sync_matrix_at(&c->head.start, h, 0);
        news[c->local[h]] = start == 0 || sync_changes_genesis_due(c, h);
        c->scans = c->scans || sync_changes_scans(c, h);
        if (!sync_changes_scans(c, h) && start < lowest) {
            lowest = start;
        }
    }
    c->position = (int64_t)lowest;
    int rc = sync_clocks_named(s, c->position, INT64_MAX, news, error);
    for (uint32_t h = 0; rc == SYNC_OK && h < c->head.table_count; h++) {
        const sync_table *t = &s->tables[c->local[h]];
        bool whole = c->head.tables[h].whole;
        rc = sync_head_own_table(t, &c->head.tables[h], news[c->local[h]], error);
        c->head.tables[h].whole = whole;
        c->head.tables[h].lives = t->lives;
        c->head.forgets = c->head.forgets || whole || t->lives;
    }
    sync_free(news);
    return rc;
}

static int prepare_head(sync_changes *c, const sync_request *request, sync_error *error)
{
    sync_db *s = c->s;
    uint32_t tables = c->head.table_count;
    sync_matrix floor = {0}, seen = {0};
    int rc = sync_head_own_sites(s, &c->head, c->wire, error);
    rc = rc == SYNC_OK ? sync_engine_floor(s, &floor, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_seen(s, &seen, error) : rc;
    if (rc == SYNC_OK) {
        rc = sync_matrix_init(&c->head.base, tables, c->head.site_count);
        rc = rc == SYNC_OK ? sync_matrix_init(&c->head.floor, tables, c->head.site_count) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&c->head.held, tables, c->head.site_count) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&c->head.start, tables, 1) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&c->base, tables, s->sites.count) : rc;
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one changeset");
    }
    uint32_t own = sync_head_site(&c->receiver, s->site_ids[s->own_site]);
    for (uint32_t h = 0; rc == SYNC_OK && !c->selection && h < tables; h++) {
        take_vector(c, h, own);
        if (request->seen == NULL && request->version > 0) {
            sync_matrix_set(&c->head.start, h, 0, (uint64_t)request->version);
        }
        look_for_whole(c, &floor, &seen, h);
    }
    sync_matrix_free(&floor);
    sync_matrix_free(&seen);
    return rc != SYNC_OK ? rc : c->selection ? sync_changes_select(c, error) : name_tables(c, error);
}

int sync_changes_open(sync_db *s, const sync_request *request, sync_changes **out, sync_error *error)
{
    *out = NULL;
    sync_changes *c = sync_alloc(sizeof *c);
    if (c == NULL) {
        return sync_fail_nomem(error);
    }
    memset(c, 0, sizeof *c);
    c->s = s;
    c->rules = request->rules;
    c->selection = request->rules ? request->selection : NULL;
    c->overlay = s->overlay.valid && s->overlay.entries > 0;
    c->hlc = s->overlay.valid ? s->overlay.hlc : s->hlc;
    c->wire = sync_alloc(s->sites.count * sizeof *c->wire);
    int rc = c->wire ? SYNC_OK : sync_fail_nomem(error);
    if (rc == SYNC_OK && s->encoder == NULL) {
        s->encoder = sync_encoder_new(SYNC_ZSTD_LEVEL);
        rc = s->encoder ? SYNC_OK : sync_fail_nomem(error);
    }
    if (rc == SYNC_OK && request->seen) {
        rc = sync_seen_get(request->seen, request->seen_bytes, &c->receiver, error);
    }
    rc = rc == SYNC_OK ? sync_query_int(s, &c->newest, 0, error, "SELECT max(seq) FROM main.sync_journal")
                       : rc;
    if (rc == SYNC_OK && request->parts) {
        const sync_env *env = sync_env_get();
        rc = env->random(env->context, &c->head.delta, sizeof c->head.delta) == 0
                 ? SYNC_OK
                 : sync_fail(error, SYNC_IOERR, "no random numbers to tell deltas apart");
    }
    rc = rc == SYNC_OK ? choose_tables(c, request, error) : rc;
    rc = rc == SYNC_OK ? prepare_head(c, request, error) : rc;
    rc = rc == SYNC_OK
             ? sync_borrow(s, &c->runs_stmt, error,
                           "SELECT seq, tid & %d FROM main.sync_journal WHERE seq > ?1 ORDER BY seq LIMIT %d",
                           SYNC_TID_MASK, SYNC_RUN_ENTRIES_MAX)
             : rc;
    if (rc == SYNC_OK && c->newest - c->position + (c->scans ? c->newest : 0) > SYNC_LONG_ENTRIES) {
        rc = sync_engine_cache_widen(s, &c->cache, error);
    }
    if (rc != SYNC_OK) {
        sync_changes_close(c);
        return rc;
    }
    *out = c;
    return SYNC_OK;
}

void sync_changes_close(sync_changes *c)
{
    if (c == NULL) {
        return;
    }
    sync_error ignored = {0};
    sqlite3_reset(c->stmt);                                    /* belongs to its table */
    (void)sync_engine_cache_restore(c->s, c->cache, &ignored); /* a larger cache harms nobody */
    sync_return(c->s, c->runs_stmt);
    sync_head_free(&c->head);
    sync_head_free(&c->receiver);
    sync_matrix_free(&c->base);
    sync_row_free(&c->row);
    sync_row_free(&c->out);
    sync_free(c->wire);
    sync_free(c->local);
    sync_free(c->place);
    sync_free(c);
}
