/* What another file holds, learned twice: joined. */
#include "seen.h"

#include "codec.h"
#include "message.h"
#include "options.h"
#include "peer_limits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NOWHERE UINT32_MAX

bool peer_buf_set(sync_buf *to, const void *data, size_t bytes)
{
    sync_buf_reset(to);
    sync_buf_put(to, data, bytes);
    return !to->oom;
}

/* The sites of a head in order, so that a blob with many costs little. */
typedef struct site_index {
    uint32_t count;
    struct site_place {
        const uint8_t *id;
        uint32_t at;
    } * places;
} site_index;

static int compare_places(const void *a, const void *b)
{
    return memcmp(((const struct site_place *)a)->id, ((const struct site_place *)b)->id, SYNC_SITE_BYTES);
}

/* Borrows from head. SYNC_OK or SYNC_NOMEM. */
static int index_sites(site_index *index, const sync_head *head)
{
    index->places = sync_alloc(head->site_count * sizeof index->places[0]);
    if (index->places == NULL) {
        return head->site_count > 0 ? SYNC_NOMEM : SYNC_OK;
    }
    index->count = head->site_count;
    for (uint32_t s = 0; s < head->site_count; s++) {
        index->places[s].id = head->sites[s];
        index->places[s].at = s;
    }
    qsort(index->places, index->count, sizeof index->places[0], compare_places);
    return SYNC_OK;
}

static uint32_t find_site(const site_index *index, const uint8_t id[SYNC_SITE_BYTES])
{
    const struct site_place wanted = {id, 0};
    const struct site_place *found =
        index->count > 0 ? bsearch(&wanted, index->places, index->count, sizeof wanted, compare_places)
                         : NULL;
    return found != NULL ? found->at : NOWHERE;
}

/* Names are SQLite's: upper and lower case of a-z are the same. */
static bool same_table(const sync_table_head *a, const sync_table_head *b)
{
    if (strcasecmp(a->name, b->name) != 0 || a->identity != b->identity || a->key_count != b->key_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->key_count; i++) {
        if (strcasecmp(a->key_names[i], b->key_names[i]) != 0 ||
            a->key_affinities[i] != b->key_affinities[i] ||
            strcasecmp(a->key_collations[i], b->key_collations[i]) != 0) {
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

/* Gives `head` the sites `sites` of which the first are its own, keeping what it holds. */
static int widen(sync_head *head, const uint8_t (*sites)[SYNC_SITE_BYTES], uint32_t count)
{
    uint32_t before = head->site_count;
    sync_matrix base = {0}, start = {0};
    int rc = sync_matrix_init(&base, head->table_count, count);
    rc = rc == SYNC_OK ? sync_matrix_init(&start, head->table_count, count) : rc;
    rc = rc == SYNC_OK ? sync_head_set_sites(head, count) : rc;
    if (rc != SYNC_OK) {
        sync_matrix_free(&base);
        sync_matrix_free(&start);
        return rc;
    }
    memcpy(head->sites, sites, (size_t)count * SYNC_SITE_BYTES);
    for (uint32_t t = 0; t < head->table_count; t++) {
        for (uint32_t s = 0; s < before; s++) {
            sync_matrix_set(&base, t, s, sync_matrix_at(&head->base, t, s));
            sync_matrix_set(&start, t, s, sync_matrix_at(&head->start, t, s));
        }
    }
    sync_matrix_free(&head->base);
    sync_matrix_free(&head->start);
    head->base = base;
    head->start = start;
    return SYNC_OK;
}

/* Makes room in `head` for sites of `other` that it lacks. to[s]: where site s of `other` is in `head`. */
static int place_sites(sync_head *head, const sync_head *other, uint32_t *to)
{
    site_index index = {0};
    uint32_t count = head->site_count;
    uint8_t(*sites)[SYNC_SITE_BYTES] =
        sync_alloc(((size_t)head->site_count + other->site_count) * SYNC_SITE_BYTES);
    int rc = sites != NULL ? index_sites(&index, head) : SYNC_NOMEM;
    if (rc == SYNC_OK) {
        memcpy(sites, head->sites, (size_t)count * SYNC_SITE_BYTES);
        for (uint32_t s = 0; s < other->site_count; s++) {
            to[s] = find_site(&index, other->sites[s]);
            if (to[s] == NOWHERE) {
                memcpy(sites[count], other->sites[s], SYNC_SITE_BYTES);
                to[s] = count++;
            }
        }
        rc =
            count > head->site_count ? widen(head, (const uint8_t(*)[SYNC_SITE_BYTES])sites, count) : SYNC_OK;
    }
    sync_free(index.places);
    sync_free(sites);
    return rc;
}

static int raise_to(sync_head *head, const sync_head *other)
{
    uint32_t *to = sync_alloc(other->site_count * sizeof to[0]);
    int rc = to != NULL ? place_sites(head, other, to) : SYNC_NOMEM;
    for (uint32_t t = 0; rc == SYNC_OK && t < head->table_count; t++) {
        uint32_t from = find_table(other, &head->tables[t]);
        for (uint32_t s = 0; from != NOWHERE && s < other->site_count; s++) {
            sync_matrix_raise(&head->base, t, to[s], sync_matrix_at(&other->base, from, s));
            sync_matrix_raise(&head->start, t, to[s], sync_matrix_at(&other->start, from, s));
        }
    }
    sync_free(to);
    return rc;
}

int peer_seen_join(const sync_buf *newer, const sync_buf *older, sync_buf *out)
{
    sync_head a = {0}, b = {0};
    sync_error error = {0};
    sync_buf_reset(out);
    int rc = sync_seen_get(newer->data, newer->len, &a, &error);
    rc = rc == SYNC_OK ? sync_seen_get(older->data, older->len, &b, &error) : rc;
    rc = rc == SYNC_OK ? raise_to(&a, &b) : rc;
    rc = rc == SYNC_OK ? sync_seen_put(out, &a) : rc;
    rc = rc == SYNC_OK && out->oom ? SYNC_NOMEM : rc;
    if (rc != SYNC_OK) {
        sync_buf_reset(out);
    }
    sync_head_free(&a);
    sync_head_free(&b);
    return rc;
}

static void lower(sync_matrix *m, uint32_t t, uint32_t s, uint64_t most)
{
    if (sync_matrix_at(m, t, s) > most) {
        sync_matrix_set(m, t, s, most);
    }
}

/* The first `sites` of a, of which one is its own. to[s]: where site s of a is in b, or NOWHERE. */
static void lower_to(sync_head *a, const sync_head *b, const uint32_t *to, uint32_t sites)
{
    for (uint32_t t = 0; t < a->table_count; t++) {
        uint32_t like = find_table(b, &a->tables[t]);
        for (uint32_t s = 0; like != NOWHERE && s < sites; s++) {
            lower(&a->base, t, s, to[s] != NOWHERE ? sync_matrix_at(&b->base, like, to[s]) : 0);
            lower(&a->start, t, s, to[s] != NOWHERE ? sync_matrix_at(&b->start, like, to[s]) : 0);
        }
    }
}

int peer_seen_meet(const sync_buf *own, const sync_buf *other, bool itself, sync_buf *out)
{
    sync_head a = {0}, b = {0};
    sync_error error = {0};
    site_index index = {0};
    uint32_t *to = NULL;
    sync_buf_reset(out);
    int rc = sync_seen_get(own->data, own->len, &a, &error);
    rc = rc == SYNC_OK ? sync_seen_get(other->data, other->len, &b, &error) : rc;
    rc = rc == SYNC_OK ? index_sites(&index, &b) : rc;
    if (rc == SYNC_OK) {
        to = sync_alloc((a.site_count + 1) * sizeof to[0]);
        rc = to != NULL ? SYNC_OK : SYNC_NOMEM;
    }
    for (uint32_t s = 0; rc == SYNC_OK && s < a.site_count; s++) {
        to[s] = find_site(&index, a.sites[s]);
    }
    if (rc == SYNC_OK) {
        lower_to(&a, &b, to, itself ? 1 : a.site_count);
        rc = sync_seen_put(out, &a);
    }
    rc = rc == SYNC_OK && out->oom ? SYNC_NOMEM : rc;
    if (rc != SYNC_OK) {
        sync_buf_reset(out);
    }
    sync_free(to);
    sync_free(index.places);
    sync_head_free(&a);
    sync_head_free(&b);
    return rc;
}

static bool is_listed(const char *list, const char *table)
{
    bool listed = false;
    for (char *name; (name = peer_track_next(&list)) != NULL; free(name)) {
        listed = listed || strcasecmp(name, table) == 0;
    }
    return listed;
}

int peer_seen_only(const sync_buf *seen, const char *list, sync_buf *out)
{
    sync_head all = {0}, kept = {0};
    sync_error error = {0};
    uint32_t count = 0;
    sync_buf_reset(out);
    if (seen->len == 0) {
        return SYNC_OK;
    }
    int rc = sync_seen_get(seen->data, seen->len, &all, &error);
    for (uint32_t t = 0; rc == SYNC_OK && t < all.table_count; t++) { /* those that stay to the front */
        if (is_listed(list, all.tables[t].name)) {
            sync_table_head swap = all.tables[count];
            all.tables[count] = all.tables[t];
            all.tables[t] = swap;
            for (uint32_t s = 0; s < all.site_count; s++) {
                sync_matrix_set(&all.base, count, s, sync_matrix_at(&all.base, t, s));
                sync_matrix_set(&all.start, count, s, sync_matrix_at(&all.start, t, s));
            }
            count++;
        }
    }
    kept = all;
    kept.table_count = count;
    rc = rc == SYNC_OK ? sync_matrix_init(&kept.base, count, all.site_count) : rc;
    rc = rc == SYNC_OK ? sync_matrix_init(&kept.start, count, all.site_count) : rc;
    for (uint32_t t = 0; rc == SYNC_OK && t < count; t++) {
        for (uint32_t s = 0; s < all.site_count; s++) {
            sync_matrix_set(&kept.base, t, s, sync_matrix_at(&all.base, t, s));
            sync_matrix_set(&kept.start, t, s, sync_matrix_at(&all.start, t, s));
        }
    }
    rc = rc == SYNC_OK && count > 0 ? sync_seen_put(out, &kept) : rc;
    rc = rc == SYNC_OK && out->oom ? SYNC_NOMEM : rc;
    if (rc != SYNC_OK) {
        sync_buf_reset(out);
    }
    if (kept.base.cell != all.base.cell) {
        sync_matrix_free(&kept.base);
    }
    if (kept.start.cell != all.start.cell) {
        sync_matrix_free(&kept.start);
    }
    sync_head_free(&all);
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

/* Is every number of table `a` of x at least in table `b` of y? `to`: where the sites of x are in y. */
static bool reaches(const sync_head *x, uint32_t a, const sync_head *y, uint32_t b, const uint32_t *to)
{
    for (uint32_t s = 0; s < x->site_count; s++) {
        uint64_t base = to[s] != NOWHERE ? sync_matrix_at(&y->base, b, to[s]) : 0;
        uint64_t start = to[s] != NOWHERE ? sync_matrix_at(&y->start, b, to[s]) : 0;
        if (sync_matrix_at(&x->base, a, s) > base || sync_matrix_at(&x->start, a, s) > start) {
            return false;
        }
    }
    return true;
}

/* Where memory is short it did, which costs no more than to be told anew. */
static bool went_back(const sync_head *later, const sync_head *earlier)
{
    site_index index = {0};
    uint32_t *to = sync_alloc(earlier->site_count * sizeof to[0]);
    bool back = earlier->site_count > 0 && (to == NULL || index_sites(&index, later) != SYNC_OK);
    for (uint32_t s = 0; !back && s < earlier->site_count; s++) {
        to[s] = find_site(&index, earlier->sites[s]);
    }
    for (uint32_t t = 0; !back && t < earlier->table_count; t++) {
        uint32_t now = find_table(later, &earlier->tables[t]);
        back = now == NOWHERE || !reaches(earlier, t, later, now, to);
    }
    sync_free(index.places);
    sync_free(to);
    return back;
}

bool peer_seen_went_back(const sync_buf *later, const sync_buf *earlier)
{
    sync_head x = {0}, y = {0};
    sync_error error = {0};
    /* what cannot be read leaves its head empty */
    (void)sync_seen_get(later->data, later->len, &x, &error);
    (void)sync_seen_get(earlier->data, earlier->len, &y, &error);
    bool back = went_back(&x, &y);
    sync_head_free(&x);
    sync_head_free(&y);
    return back;
}

bool peer_seen_site(const sync_buf *seen, uint8_t site[SYNC_SITE_BYTES])
{
    sync_head head = {0};
    sync_error error = {0};
    bool good = sync_seen_get(seen->data, seen->len, &head, &error) == SYNC_OK;
    memcpy(site, head.site, SYNC_SITE_BYTES);
    sync_head_free(&head);
    return good;
}

struct peer_twins {
    sync_head theirs, implied, own;
};

static bool names_site(const sync_head *head, const uint8_t site[SYNC_SITE_BYTES])
{
    bool named = false;
    for (uint32_t s = 0; !named && s < head->site_count; s++) {
        named = memcmp(head->sites[s], site, SYNC_SITE_BYTES) == 0;
    }
    return named;
}

peer_twins *peer_twins_open(const sync_buf *theirs, const sync_buf *implied, const sync_buf *own)
{
    sync_error error = {0};
    peer_twins *twins = sync_alloc(sizeof *twins);
    if (twins == NULL) {
        return NULL;
    }
    memset(twins, 0, sizeof *twins);
    if (sync_seen_get(theirs->data, theirs->len, &twins->theirs, &error) != SYNC_OK ||
        sync_seen_get(implied->data, implied->len, &twins->implied, &error) != SYNC_OK ||
        sync_seen_get(own->data, own->len, &twins->own, &error) != SYNC_OK ||
        names_site(&twins->own, twins->theirs.site)) {
        peer_twins_close(twins);
        return NULL;
    }
    return twins;
}

void peer_twins_close(peer_twins *twins)
{
    if (twins != NULL) {
        sync_head_free(&twins->theirs);
        sync_head_free(&twins->implied);
        sync_head_free(&twins->own);
        sync_free(twins);
    }
}

/* The same tables and sites in the same order, and the same numbers; the first site is each file's own. */
static bool are_twins(const sync_head *a, const sync_head *b)
{
    bool same = a->table_count == b->table_count && a->site_count == b->site_count &&
                memcmp(a->sites + 1, b->sites + 1, (a->site_count - 1) * sizeof a->sites[0]) == 0;
    for (uint32_t t = 0; same && t < a->table_count; t++) {
        same = same_table(&a->tables[t], &b->tables[t]);
        for (uint32_t s = 1; same && s < a->site_count; s++) {
            same = sync_matrix_at(&a->base, t, s) == sync_matrix_at(&b->base, t, s) &&
                   sync_matrix_at(&a->start, t, s) == sync_matrix_at(&b->start, t, s);
        }
    }
    return same;
}

bool peer_twins_suit(peer_twins *twins, const sync_buf *theirs, sync_buf *implied)
{
    sync_head head = {0}, *after = &twins->implied;
    sync_error error = {0};
    sync_buf_reset(implied);
    bool suits = sync_seen_get(theirs->data, theirs->len, &head, &error) == SYNC_OK &&
                 are_twins(&head, &twins->theirs) && !names_site(&twins->own, head.site);
    if (suits) {
        memcpy(after->site, head.site, SYNC_SITE_BYTES);
        memcpy(after->sites[0], head.site, SYNC_SITE_BYTES);
        for (uint32_t t = 0; t < head.table_count; t++) {
            sync_matrix_set(&after->base, t, 0, sync_matrix_at(&head.base, t, 0));
            sync_matrix_set(&after->start, t, 0, sync_matrix_at(&head.start, t, 0));
        }
        suits = sync_seen_put(implied, after) == SYNC_OK;
    }
    sync_head_free(&head);
    return suits;
}

/* The table of that name, however it is spelled; NULL: there is none. */
static const sync_table_head *find_namesake(const sync_head *head, const sync_table_head *table)
{
    for (uint32_t t = 0; t < head->table_count; t++) {
        if (strcasecmp(head->tables[t].name, table->name) == 0) {
            return &head->tables[t];
        }
    }
    return NULL;
}

/* One more name behind a list; takes and returns the list. */
static char *list_name(char *list, const char *name)
{
    char *longer = list != NULL ? peer_format("%s, %s", list, name) : peer_strdup(name);
    free(list);
    return longer;
}

static bool same_keys(const sync_table_head *a, const sync_table_head *b)
{
    bool same = a->key_count == b->key_count;
    for (uint32_t i = 0; same && i < a->key_count; i++) {
        same = strcasecmp(a->key_names[i], b->key_names[i]) == 0;
    }
    return same;
}

static char *describe_keys(const sync_table_head *here, const sync_table_head *there)
{
    char *x = NULL, *y = NULL;
    for (uint32_t i = 0; i < here->key_count; i++) {
        x = list_name(x, here->key_names[i]);
    }
    for (uint32_t i = 0; i < there->key_count; i++) {
        y = list_name(y, there->key_names[i]);
    }
    char *text = peer_format("its key is (%s) here and (%s) there", x != NULL ? x : "", y != NULL ? y : "");
    free(x);
    free(y);
    return text;
}

/* What same_table() found to differ. */
static char *describe_misfit(const sync_table_head *here, const sync_table_head *there)
{
    static const char *const affinities[] = {[SYNC_STORES_ANY] = "BLOB",
                                             [SYNC_STORES_TEXT] = "TEXT",
                                             [SYNC_STORES_NUMERIC] = "NUMERIC",
                                             [SYNC_STORES_REAL] = "REAL"};
    if (here->identity != there->identity) {
        return peer_format("its identity is \"%s\" here and \"%s\" there",
                           here->identity == SYNC_BY_ROW ? "row" : "key",
                           there->identity == SYNC_BY_ROW ? "row" : "key");
    }
    if (!same_keys(here, there)) {
        return describe_keys(here, there);
    }
    for (uint32_t i = 0; i < here->key_count; i++) {
        const char *x = here->key_collations[i], *y = there->key_collations[i];
        if (here->key_affinities[i] != there->key_affinities[i]) {
            return peer_format("its key column %s has affinity %s here and %s there", here->key_names[i],
                               affinities[here->key_affinities[i]], affinities[there->key_affinities[i]]);
        }
        if (strcasecmp(x, y) != 0) {
            return peer_format("its key column %s has collation %s here and %s there", here->key_names[i],
                               *x != 0 ? x : "BINARY", *y != 0 ? y : "BINARY");
        }
    }
    return peer_strdup("it differs");
}

char *peer_seen_misfit(const sync_buf *a, const sync_buf *b, uint32_t number, char **why)
{
    sync_head x = {0}, y = {0};
    sync_error error = {0};
    char *name = NULL;
    *why = NULL;
    if (sync_seen_get(a->data, a->len, &x, &error) == SYNC_OK &&
        sync_seen_get(b->data, b->len, &y, &error) == SYNC_OK) {
        for (uint32_t t = 0; name == NULL && t < x.table_count; t++) {
            const sync_table_head *there = find_namesake(&y, &x.tables[t]);
            if (there != NULL && !same_table(&x.tables[t], there) && number-- == 0) {
                name = peer_strdup(x.tables[t].name);
                *why = describe_misfit(&x.tables[t], there);
            }
        }
    }
    sync_head_free(&x);
    sync_head_free(&y);
    return name;
}

char *peer_seen_alone(const sync_buf *a, const sync_buf *b, uint32_t *common)
{
    sync_head x = {0}, y = {0};
    sync_error error = {0};
    char *list = NULL;
    uint32_t alone = 0;
    *common = 0;
    /* what cannot be read leaves its head empty */
    (void)sync_seen_get(a->data, a->len, &x, &error);
    (void)sync_seen_get(b->data, b->len, &y, &error);
    for (uint32_t t = 0; t < x.table_count; t++) {
        if (find_namesake(&y, &x.tables[t]) != NULL) {
            ++*common;
        } else if (++alone <= PEER_NAMES_MAX) {
            list = list_name(list, x.tables[t].name);
        }
    }
    if (alone > PEER_NAMES_MAX) {
        char *more = peer_format("%u more", alone - PEER_NAMES_MAX);
        list = list_name(list, more);
        free(more);
    }
    sync_head_free(&x);
    sync_head_free(&y);
    return list;
}
