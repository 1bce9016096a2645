#include "codec_internal.h"

#include <stdlib.h>

static void *alloc_zeroed(size_t count, size_t size)
{
    void *block = sync_alloc(count * size);
    if (block != NULL) {
        memset(block, 0, count * size);
    }
    return block;
}

static void free_names(char **names, uint32_t count)
{
    for (uint32_t i = 0; names != NULL && i < count; i++) {
        sync_free(names[i]);
    }
    sync_free(names);
}

static void free_table(sync_table_head *t)
{
    sync_free(t->name);
    free_names(t->key_names, t->key_count);
    free_names(t->key_collations, t->key_count);
    sync_free(t->key_affinities);
    free_names(t->col_names, t->col_count);
    *t = (sync_table_head){0};
}

void sync_head_free(sync_head *head)
{
    for (uint32_t t = 0; t < head->table_count; t++) {
        free_table(&head->tables[t]);
    }
    sync_free(head->tables);
    sync_free(head->sites);
    sync_matrix_free(&head->base);
    sync_matrix_free(&head->start);
    sync_matrix_free(&head->floor);
    sync_matrix_free(&head->held);
    *head = (sync_head){0};
}

int sync_head_set_sites(sync_head *head, uint32_t count)
{
    if (count > SYNC_SITES_MAX) {
        return SYNC_TOOBIG;
    }
    uint8_t(*sites)[SYNC_SITE_BYTES] = alloc_zeroed(count, SYNC_SITE_BYTES);
    if (sites == NULL && count > 0) {
        return SYNC_NOMEM;
    }
    sync_free(head->sites);
    head->sites = sites;
    head->site_count = count;
    return SYNC_OK;
}

int sync_head_set_tables(sync_head *head, uint32_t count)
{
    if (count > SYNC_TABLES_MAX) {
        return SYNC_TOOBIG;
    }
    sync_table_head *tables = alloc_zeroed(count, sizeof tables[0]);
    if (tables == NULL && count > 0) {
        return SYNC_NOMEM;
    }
    for (uint32_t t = 0; t < head->table_count; t++) {
        free_table(&head->tables[t]);
    }
    sync_free(head->tables);
    head->tables = tables;
    head->table_count = count;
    return SYNC_OK;
}

/* Replaces *slot by a copy of `bytes` bytes of name. */
static int set_name(char **slot, const void *name, size_t bytes)
{
    if (bytes > SYNC_NAME_BYTES_MAX) {
        return SYNC_TOOBIG;
    }
    char *copy = sync_alloc(bytes + 1);
    if (copy == NULL) {
        return SYNC_NOMEM;
    }
    memcpy(copy, name, bytes);
    copy[bytes] = '\0';
    sync_free(*slot);
    *slot = copy;
    return SYNC_OK;
}

static int set_names(char ***names, uint32_t *count, uint32_t wanted, uint32_t max)
{
    if (wanted > max) {
        return SYNC_TOOBIG;
    }
    if (wanted > 0) {
        *names = alloc_zeroed(wanted, sizeof(char *));
        if (*names == NULL) {
            return SYNC_NOMEM;
        }
    }
    *count = wanted;
    return SYNC_OK;
}

/* Room for affinities and collations of as many key columns as there are names. */
static int set_key_kinds(sync_table_head *t)
{
    if (t->key_count > 0) {
        t->key_collations = alloc_zeroed(t->key_count, sizeof(char *));
        t->key_affinities = alloc_zeroed(t->key_count, 1);
    }
    return t->key_count == 0 || (t->key_collations != NULL && t->key_affinities != NULL) ? SYNC_OK
                                                                                         : SYNC_NOMEM;
}

int sync_table_head_init(sync_table_head *t, const char *name, sync_identity identity, uint32_t key_count,
                         uint32_t col_count)
{
    *t = (sync_table_head){.identity = identity};
    int rc = set_name(&t->name, name, strlen(name));
    if (rc == SYNC_OK) {
        rc = set_names(&t->key_names, &t->key_count, key_count, SYNC_KEY_COLUMNS_MAX);
    }
    if (rc == SYNC_OK) {
        rc = set_key_kinds(t);
    }
    if (rc == SYNC_OK) {
        rc = set_names(&t->col_names, &t->col_count, col_count, SYNC_COLUMNS_MAX);
    }
    if (rc != SYNC_OK) {
        free_table(t);
    }
    return rc;
}

int sync_table_head_key(sync_table_head *t, uint32_t i, const char *name, sync_affinity affinity,
                        const char *collation)
{
    if (i >= t->key_count) {
        return SYNC_MISUSE;
    }
    t->key_affinities[i] = (uint8_t)affinity;
    int rc = set_name(&t->key_names[i], name, strlen(name));
    return rc == SYNC_OK ? set_name(&t->key_collations[i], collation, strlen(collation)) : rc;
}

int sync_table_head_col(sync_table_head *t, uint32_t i, const char *name)
{
    return i < t->col_count ? set_name(&t->col_names[i], name, strlen(name)) : SYNC_MISUSE;
}

/* ---- writing ---- */

static bool matrix_is(const sync_matrix *m, uint32_t tables, uint32_t sites)
{
    return (tables == 0 || sites == 0) || (m->tables == tables && m->sites == sites);
}

static const char *misuse(const sync_head *head, sync_head_kind kind)
{
    if (head->site_count == 0 || memcmp(head->sites[0], head->site, SYNC_SITE_BYTES) != 0) {
        return "the first site of a head must be its maker's";
    }
    if (head->site_count > SYNC_SITES_MAX || head->table_count > SYNC_TABLES_MAX) {
        return "too many sites or tables in a head";
    }
    uint64_t names = 0;
    for (uint32_t t = 0; t < head->table_count; t++) {
        const sync_table_head *table = &head->tables[t];
        names += 2 * (uint64_t)table->key_count + (kind != SYNC_HEAD_SEEN ? table->col_count : 0);
    }
    if (names > SYNC_HEAD_NAMES_MAX) {
        return "too many columns in all tables together";
    }
    uint32_t starts = kind == SYNC_HEAD_SEEN ? head->site_count : 1;
    if (!matrix_is(&head->base, head->table_count, head->site_count) ||
        !matrix_is(&head->start, head->table_count, starts) ||
        (kind == SYNC_HEAD_WHOLE && (!matrix_is(&head->floor, head->table_count, head->site_count) ||
                                     !matrix_is(&head->held, head->table_count, head->site_count)))) {
        return "a matrix of a head has the wrong size";
    }
    for (uint32_t t = 0; t < head->table_count; t++) {
        const sync_table_head *table = &head->tables[t];
        bool named = table->name != NULL && table->key_count > 0;
        for (uint32_t i = 0; named && i < table->key_count; i++) {
            named = table->key_names[i] != NULL && table->key_collations[i] != NULL;
        }
        for (uint32_t i = 0; named && kind != SYNC_HEAD_SEEN && i < table->col_count; i++) {
            named = table->col_names[i] != NULL;
        }
        if (!named) {
            return "a table, key or column of a head has no name";
        }
    }
    return NULL;
}

static void put_names(sync_buf *buf, char **names, uint32_t count)
{
    sync_buf_put_varint(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        sync_buf_put_blob(buf, names[i], strlen(names[i]));
    }
}

int sync_head_put(sync_buf *buf, const sync_head *head, sync_head_kind kind, sync_error *error)
{
    const char *wrong = misuse(head, kind);
    if (wrong != NULL) {
        return sync_fail(error, SYNC_MISUSE, "%s", wrong);
    }
    sync_buf_put_varint(buf, head->site_count);
    sync_buf_put(buf, head->sites, (size_t)head->site_count * SYNC_SITE_BYTES);
    sync_buf_put_varint(buf, head->table_count);
    for (uint32_t t = 0; t < head->table_count; t++) {
        const sync_table_head *table = &head->tables[t];
        sync_buf_put_blob(buf, table->name, strlen(table->name));
        sync_buf_put_u8(buf, (uint8_t)table->identity);
        put_names(buf, table->key_names, table->key_count);
        for (uint32_t i = 0; i < table->key_count; i++) {
            sync_buf_put_u8(buf, table->key_affinities[i]);
            sync_buf_put_blob(buf, table->key_collations[i], strlen(table->key_collations[i]));
        }
        if (kind != SYNC_HEAD_SEEN) {
            put_names(buf, table->col_names, table->col_count);
        }
    }
    if (head->table_count > 0) {
        sync_matrix_put(buf, &head->base);
        sync_matrix_put(buf, &head->start);
    }
    if (kind != SYNC_HEAD_SEEN) {
        sync_buf_put_varint(buf, head->part);
        sync_buf_put_varint(buf, head->delta);
    }
    if (kind == SYNC_HEAD_SELECTION) {
        sync_buf_put_varint(buf, head->purpose);
    }
    for (uint32_t t = 0; kind == SYNC_HEAD_SELECTION && t < head->table_count; t++) {
        sync_buf_put_u8(buf, head->tables[t].whole);
        sync_buf_put_varint(buf, head->tables[t].known);
    }
    for (uint32_t t = 0; kind == SYNC_HEAD_WHOLE && t < head->table_count; t++) {
        sync_buf_put_varint(buf, head->tables[t].lives | head->tables[t].whole);
    }
    if (kind == SYNC_HEAD_WHOLE) {
        sync_matrix_put(buf, &head->floor);
        sync_matrix_put(buf, &head->held);
    }
    return SYNC_OK;
}

uint8_t sync_head_format(const sync_head *head)
{
    switch (sync_head_kind_of(head)) {
    case SYNC_HEAD_SELECTION:
        return SYNC_FORMAT_VERSION_SELECTION;
    case SYNC_HEAD_WHOLE:
        return SYNC_FORMAT_VERSION_WHOLE;
    default:
        return SYNC_FORMAT_VERSION;
    }
}

/* ---- reading ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_sites(const void *a, const void *b)
{
    return memcmp(a, b, SYNC_SITE_BYTES);
}

/* SYNC_OK if no two of `count` things of `size` bytes are equal, SYNC_CORRUPT if some are, or SYNC_NOMEM. */
static int check_distinct(const void *things, size_t count, size_t size,
                          int (*compare)(const void *, const void *))
{
    if (count < 2) {
        return SYNC_OK;
    }
    uint8_t *sorted = sync_alloc(count * size);
    if (sorted == NULL) {
        return SYNC_NOMEM;
    }
    memcpy(sorted, things, count * size);
    qsort(sorted, count, size, compare);
    int rc = SYNC_OK;
    for (size_t i = 1; i < count && rc == SYNC_OK; i++) {
        rc = compare(sorted + (i - 1) * size, sorted + i * size) == 0 ? SYNC_CORRUPT : SYNC_OK;
    }
    sync_free(sorted);
    return rc;
}

static int check_tables_distinct(const sync_head *head)
{
    char **names = sync_alloc(head->table_count * sizeof names[0]);
    if (names == NULL) {
        return head->table_count > 0 ? SYNC_NOMEM : SYNC_OK;
    }
    for (uint32_t t = 0; t < head->table_count; t++) {
        names[t] = head->tables[t].name;
    }
    int rc = check_distinct(names, head->table_count, sizeof names[0], compare_names);
    sync_free(names);
    return rc;
}

/* A count of things that take at least `bytes` bytes each: so it cannot make us allocate more than was sent. */
static int get_count(sync_span *span, uint32_t *count, uint32_t max, size_t bytes)
{
    uint64_t v = sync_span_varint(span);
    if (span->bad) {
        return SYNC_CORRUPT;
    }
    if (v > max) {
        sync_span_fail(span, 0);
        return SYNC_TOOBIG;
    }
    if (v * bytes > sync_span_left(span)) {
        sync_span_fail(span, (size_t)v * bytes - sync_span_left(span));
        return SYNC_CORRUPT;
    }
    *count = (uint32_t)v;
    return SYNC_OK;
}

static int get_name(sync_span *span, char **slot)
{
    size_t bytes = 0;
    const uint8_t *name = sync_span_blob(span, SYNC_NAME_BYTES_MAX, &bytes);
    if (span->bad) {
        return SYNC_CORRUPT;
    }
    if (memchr(name, 0, bytes) != NULL) {
        sync_span_fail(span, 0);
        return SYNC_CORRUPT;
    }
    return set_name(slot, name, bytes);
}

/* Takes `wanted` names off what the head may still have. */
static int spend_names(sync_span *span, uint32_t *left, uint32_t wanted)
{
    if (wanted > *left) {
        sync_span_fail(span, 0);
        return SYNC_TOOBIG;
    }
    *left -= wanted;
    return SYNC_OK;
}

static int get_names(sync_span *span, char ***names, uint32_t *count, uint32_t max, uint32_t *left)
{
    uint32_t wanted = 0;
    int rc = get_count(span, &wanted, max, 1);
    if (rc == SYNC_OK) {
        rc = spend_names(span, left, wanted);
    }
    if (rc == SYNC_OK) {
        rc = set_names(names, count, wanted, max);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < wanted; i++) {
        rc = get_name(span, &(*names)[i]);
    }
    return rc == SYNC_OK ? check_distinct(*names, wanted, sizeof(char *), compare_names) : rc;
}

static int get_key_kinds(sync_span *span, sync_table_head *t, uint32_t *names_left)
{
    int rc = spend_names(span, names_left, t->key_count);
    rc = rc == SYNC_OK ? set_key_kinds(t) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        t->key_affinities[i] = (uint8_t)sync_span_u8(span);
        if (t->key_affinities[i] > SYNC_STORES_REAL) {
            sync_span_fail(span, 0);
        }
        rc = get_name(span, &t->key_collations[i]);
    }
    return rc;
}

static int get_table(sync_span *span, sync_table_head *t, sync_head_kind kind, uint32_t *names_left)
{
    int rc = get_name(span, &t->name);
    unsigned identity = sync_span_u8(span);
    if (rc == SYNC_OK && identity > SYNC_BY_ROW) {
        sync_span_fail(span, 0);
    }
    t->identity = identity == SYNC_BY_ROW ? SYNC_BY_ROW : SYNC_BY_KEY;
    if (rc == SYNC_OK) {
        rc = get_names(span, &t->key_names, &t->key_count, SYNC_KEY_COLUMNS_MAX, names_left);
    }
    if (rc == SYNC_OK && t->key_count == 0) {
        sync_span_fail(span, 0);
        rc = SYNC_CORRUPT;
    }
    if (rc == SYNC_OK) {
        rc = get_key_kinds(span, t, names_left);
    }
    if (rc == SYNC_OK && kind != SYNC_HEAD_SEEN) {
        rc = get_names(span, &t->col_names, &t->col_count, SYNC_COLUMNS_MAX, names_left);
    }
    return rc;
}

static int get_sites(sync_span *span, sync_head *head)
{
    uint32_t count = 0;
    int rc = get_count(span, &count, SYNC_SITES_MAX, SYNC_SITE_BYTES);
    if (rc == SYNC_OK && count == 0) {
        sync_span_fail(span, 0);
        rc = SYNC_CORRUPT;
    }
    if (rc == SYNC_OK) {
        rc = sync_head_set_sites(head, count);
    }
    if (rc == SYNC_OK) {
        size_t bytes = (size_t)count * SYNC_SITE_BYTES;
        memcpy(head->sites, sync_span_bytes(span, bytes), bytes);
        memcpy(head->site, head->sites[0], SYNC_SITE_BYTES);
        rc = check_distinct(head->sites, count, SYNC_SITE_BYTES, compare_sites);
    }
    return rc;
}

static int get_tables(sync_span *span, sync_head *head, sync_head_kind kind)
{
    uint32_t count = 0, names_left = SYNC_HEAD_NAMES_MAX;
    int rc = get_count(span, &count, SYNC_TABLES_MAX, 3);
    if (rc == SYNC_OK) {
        rc = sync_head_set_tables(head, count);
    }
    for (uint32_t t = 0; rc == SYNC_OK && t < count; t++) {
        rc = get_table(span, &head->tables[t], kind, &names_left);
    }
    return rc == SYNC_OK ? check_tables_distinct(head) : rc;
}

static int get_part(sync_span *span, sync_head *head)
{
    uint64_t part = sync_span_varint(span);
    uint64_t delta = sync_span_varint(span);
    if (part > UINT32_MAX || delta > UINT32_MAX) {
        sync_span_fail(span, 0);
    }
    head->part = (uint32_t)part;
    head->delta = (uint32_t)delta;
    return span->bad ? SYNC_CORRUPT : SYNC_OK;
}

/* Of tables that come whole something has been forgotten, of the others nothing is said. */
static bool forgets(const sync_head *head, uint32_t table)
{
    bool some = false;
    for (uint32_t i = 0; i < head->site_count; i++) {
        some = some || sync_matrix_at(&head->floor, table, i) != 0;
    }
    return some;
}

static int get_wholes(sync_span *span, sync_head *head)
{
    head->forgets = true;
    for (uint32_t t = 0; t < head->table_count; t++) {
        uint64_t lives = sync_span_varint(span);
        head->tables[t].whole = lives & 1;
        head->tables[t].lives = lives & ~UINT64_C(1);
        head->wholes += head->tables[t].whole;
    }
    int rc = span->bad ? SYNC_CORRUPT : SYNC_OK;
    rc = rc == SYNC_OK ? sync_matrix_get(span, &head->floor, head->table_count,
                                         head->table_count > 0 ? head->site_count : 0)
                       : rc;
    rc = rc == SYNC_OK ? sync_matrix_get(span, &head->held, head->table_count,
                                         head->table_count > 0 ? head->site_count : 0)
                       : rc;
    for (uint32_t t = 0; rc == SYNC_OK && t < head->table_count; t++) {
        if (forgets(head, t) != head->tables[t].whole) {
            sync_span_fail(span, 0);
            rc = SYNC_CORRUPT;
        }
    }
    return rc;
}

/* A selection presumes nothing: neither that its receiver holds something, nor that it has read so far. */
static bool presumes(const sync_head *head)
{
    bool some = false;
    for (uint32_t t = 0; t < head->table_count; t++) {
        some = some || sync_matrix_at(&head->start, t, 0) != 0;
        for (uint32_t i = 0; i < head->site_count; i++) {
            some = some || sync_matrix_at(&head->base, t, i) != 0;
        }
    }
    return some;
}

static int get_selection(sync_span *span, sync_head *head)
{
    uint64_t purpose = sync_span_varint(span);
    if (purpose != SYNC_FOR_LEAF && purpose != SYNC_FOR_AUTHOR) {
        sync_span_fail(span, 0);
    }
    head->purpose = (sync_purpose)purpose;
    for (uint32_t t = 0; t < head->table_count; t++) {
        unsigned whole = sync_span_u8(span);
        head->tables[t].whole = whole == 1;
        head->tables[t].known = sync_span_varint(span);
        if (whole > (purpose == SYNC_FOR_LEAF)) {
            sync_span_fail(span, 0);
        }
    }
    if (presumes(head)) {
        sync_span_fail(span, 0);
    }
    return span->bad ? SYNC_CORRUPT : SYNC_OK;
}

int sync_head_get(sync_span *span, sync_head *head, sync_head_kind kind)
{
    *head = (sync_head){0};
    int rc = get_sites(span, head);
    if (rc == SYNC_OK) {
        rc = get_tables(span, head, kind);
    }
    if (rc == SYNC_OK) {
        rc = sync_matrix_get(span, &head->base, head->table_count,
                             head->table_count > 0 ? head->site_count : 0);
    }
    if (rc == SYNC_OK) {
        uint32_t starts = kind == SYNC_HEAD_SEEN ? head->site_count : 1;
        rc = sync_matrix_get(span, &head->start, head->table_count, head->table_count > 0 ? starts : 0);
    }
    if (rc == SYNC_OK && kind != SYNC_HEAD_SEEN) {
        rc = get_part(span, head);
    }
    if (rc == SYNC_OK && kind == SYNC_HEAD_WHOLE) {
        rc = get_wholes(span, head);
    }
    if (rc == SYNC_OK && kind == SYNC_HEAD_SELECTION) {
        rc = get_selection(span, head);
    }
    if (rc != SYNC_OK) {
        sync_head_free(head);
    }
    return rc;
}

int sync_preamble_check(const void *blob, size_t bytes, const char *magic, sync_head_kind *kind,
                        sync_error *error)
{
    bool seen = strcmp(magic, SYNC_MAGIC_SEEN) == 0;
    const char *what = seen ? "sync_seen blob" : "changeset";
    unsigned newest = seen ? SYNC_FORMAT_VERSION : SYNC_FORMAT_VERSION_SELECTION;
    if (bytes < SYNC_PREAMBLE_BYTES || memcmp(blob, magic, SYNC_MAGIC_BYTES) != 0) {
        return sync_fail(error, SYNC_CORRUPT, "not a %s: the first bytes are wrong", what);
    }
    unsigned format = ((const uint8_t *)blob)[SYNC_MAGIC_BYTES];
    if (format > newest) {
        return sync_fail(error, SYNC_FORMAT,
                         "this %s has format %u; this version knows %u: use a newer sync_ext", what, format,
                         newest);
    }
    if (format < SYNC_FORMAT_VERSION) {
        return sync_fail(error, SYNC_CORRUPT, "this %s is damaged: there is no format %u", what, format);
    }
    *kind = seen                                      ? SYNC_HEAD_SEEN
            : format == SYNC_FORMAT_VERSION_SELECTION ? SYNC_HEAD_SELECTION
            : format == SYNC_FORMAT_VERSION_WHOLE     ? SYNC_HEAD_WHOLE
                                                      : SYNC_HEAD_CHANGES;
    return SYNC_OK;
}
