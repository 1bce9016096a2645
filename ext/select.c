#include "select.h"

#include "fold.h"
#include "watched.h"

#include <string.h>

/* A row that was sent. `id`: table and key as it is shown; `known`: what it is known by over there. Both lie in the selection's bytes. */
typedef struct entry {
    uint32_t hash; /* of id */
    uint32_t next; /* of the same slot, + 1; 0: none */
    uint32_t tid;
    uint32_t seen; /* the choice that saw it last; 0: forgotten */
    uint32_t gone; /* the choice that found that it may not be seen any more; 0: none has */
    size_t id_at, id_bytes;
    size_t known_at, known_bytes;
    int64_t seq;
} entry;

/* A table, and how the choice in hand looked at it. */
typedef struct looked {
    sync_watched rule;
    bool
        all; /* at all its rows: those that it has not seen may not be seen; otherwise only at those that were written */
} looked;

struct sync_selection {
    bool begun; /* a whole delta has been read */
    uint32_t choice;
    uint32_t forgotten; /* entries that are nobody's any more */
    uint32_t count, room;
    entry *entries;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t *slots;     /* index of the first entry, + 1 */
    sync_buf bytes;
    sync_buf id; /* of the row in hand */
    uint32_t table_count;
    looked *tables;
};

sync_selection *sync_selection_new(void)
{
    sync_selection *had = sync_alloc(sizeof *had);
    if (had) {
        memset(had, 0, sizeof *had);
    }
    return had;
}

void sync_selection_reset(sync_selection *had)
{
    for (uint32_t i = 0; i < had->table_count; i++) {
        sync_watched_free(&had->tables[i].rule);
    }
    sync_free(had->tables);
    sync_free(had->entries);
    sync_free(had->slots);
    sync_buf_free(&had->bytes);
    sync_buf_free(&had->id);
    memset(had, 0, sizeof *had);
}

void sync_selection_free(sync_selection *had)
{
    if (had) {
        sync_selection_reset(had);
        sync_free(had);
    }
}

bool sync_selection_whole(const sync_selection *had)
{
    return !had->begun;
}

void sync_selection_sent(sync_selection *had)
{
    had->begun = true;
}

/* What is remembered is bounded. */
static int check_size(const sync_selection *had, sync_error *error)
{
    size_t bytes = had->bytes.len + had->room * (sizeof(entry) + 2 * sizeof(uint32_t));
    return bytes <= SYNC_SELECTION_BYTES_MAX
               ? SYNC_OK
               : sync_fail(error, SYNC_TOOBIG,
                           "the rules let it see more rows than can be kept account of (%u MiB): let it see "
                           "all of them",
                           SYNC_SELECTION_BYTES_MAX >> 20);
}

static void put_key(sync_buf *buf, const sync_table *t, const sync_value *key)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(buf, &key[i]);
    }
}

/* Table and key of the row in hand, into had->id. */
static int identify(sync_selection *had, const sync_table *t, const sync_value *shown, sync_error *error)
{
    sync_buf_reset(&had->id);
    sync_buf_put_varint(&had->id, t->tid);
    put_key(&had->id, t, shown);
    return had->id.oom ? sync_fail_nomem(error) : SYNC_OK;
}

static entry *find(const sync_selection *had)
{
    uint32_t hash = sync_hash(had->id.data, had->id.len);
    uint32_t at = had->slot_count ? had->slots[hash & (had->slot_count - 1)] : 0;
    while (at > 0) {
        entry *e = &had->entries[at - 1];
        if (e->hash == hash && e->seen > 0 && e->id_bytes == had->id.len &&
            memcmp(had->bytes.data + e->id_at, had->id.data, had->id.len) == 0) {
            return e;
        }
        at = e->next;
    }
    return NULL;
}

/* Room for one more entry, with half as many entries as slots. */
static int make_room(sync_selection *had, sync_error *error)
{
    if (had->count < had->room) {
        return SYNC_OK;
    }
    uint32_t room = had->room ? 2 * had->room : 256;
    entry *entries = sync_realloc(had->entries, room * sizeof *entries);
    had->entries = entries ? entries : had->entries;
    uint32_t *slots = entries ? sync_alloc(2 * (size_t)room * sizeof *slots) : NULL;
    if (slots == NULL) {
        return sync_fail_nomem(error);
    }
    memset(slots, 0, 2 * (size_t)room * sizeof *slots);
    for (uint32_t i = 0; i < had->count; i++) {
        uint32_t *slot = &slots[had->entries[i].hash & (2 * room - 1)];
        had->entries[i].next = *slot;
        *slot = i + 1;
    }
    sync_free(had->slots);
    had->slots = slots;
    had->slot_count = 2 * room;
    had->room = room;
    return SYNC_OK;
}

static int add(sync_selection *had, const sync_table *t, size_t known_bytes, entry **to, sync_error *error)
{
    int rc = make_room(had, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    entry *e = &had->entries[had->count++];
    *e = (entry){.hash = sync_hash(had->id.data, had->id.len), .tid = t->tid, .id_at = had->bytes.len};
    e->id_bytes = had->id.len;
    e->known_at = e->id_at + e->id_bytes;
    e->known_bytes = known_bytes;
    uint32_t *slot = &had->slots[e->hash & (had->slot_count - 1)];
    e->next = *slot;
    *slot = had->count;
    sync_buf_put(&had->bytes, had->id.data, had->id.len);
    *to = e;
    return SYNC_OK;
}

/* What is known of the row beside its key: birth, and whom key parts mean. */
static void put_known(sync_buf *buf, const sync_table *t, const sync_value *wire, const sync_row *row)
{
    put_key(buf, t, wire);
    sync_stamp_put(buf, row->born, 0);
    for (uint32_t i = 0; i < row->ref_count; i++) {
        if (row->refs[i].col >= SYNC_REF_KEY) {
            sync_buf_put_varint(buf, row->refs[i].col);
            sync_buf_put_zigzag(buf, row->refs[i].number);
            sync_stamp_put(buf, row->refs[i].born, 0);
        }
    }
}

int sync_selection_note(sync_selection *had, const sync_table *t, const sync_value *shown, int64_t seq,
                        const sync_value *wire, const sync_row *row, sync_error *error)
{
    sync_buf known = {0};
    int rc = identify(had, t, shown, error);
    entry *e = rc == SYNC_OK ? find(had) : NULL; /* known by the same: sync_selection_displaces saw to that */
    if (rc == SYNC_OK && !e) {
        put_known(&known, t, wire, row);
        rc = known.oom ? sync_fail_nomem(error) : add(had, t, known.len, &e, error);
        sync_buf_put(&had->bytes, known.data, known.len);
        rc = rc == SYNC_OK && had->bytes.oom ? sync_fail_nomem(error) : rc;
        rc = rc == SYNC_OK ? check_size(had, error) : rc;
    }
    if (rc == SYNC_OK) {
        e->seq = seq;
        e->seen = had->choice;
    }
    sync_buf_free(&known);
    return rc;
}

/* What an entry's row is known by. False: it cannot be said for lack of memory. */
static bool tell(const sync_selection *had, const sync_table *t, const entry *e, sync_selected *one)
{
    sync_span span = sync_span_of(had->bytes.data + e->known_at, e->known_bytes);
    bool memory = true;
    one->row = (sync_row){.cl = 1};
    for (uint32_t i = 0; i < t->key_count; i++) {
        one->key[i] = sync_value_get(&span);
    }
    one->row.born = sync_stamp_get(&span, 0, UINT32_MAX);
    while (memory && sync_span_left(&span) > 0) {
        sync_ref ref = {.col = (uint32_t)sync_span_varint(&span)};
        ref.number = sync_span_zigzag(&span);
        ref.born = sync_stamp_get(&span, 0, UINT32_MAX);
        memory = sync_row_add_ref(&one->row, ref) == SYNC_OK;
    }
    return memory;
}

void sync_selection_forget(sync_selection *had, uint32_t at)
{
    had->entries[at].seen = 0;
    had->forgotten++;
}

bool sync_selection_unseen(sync_selection *had, const sync_table *t, uint32_t *at, sync_selected *one)
{
    bool all = true;
    for (uint32_t i = 0; i < had->table_count; i++) {
        all = all && (had->tables[i].rule.tid != t->tid || had->tables[i].all);
    }
    for (; *at < had->count; ++*at) {
        entry *e = &had->entries[*at];
        if (e->tid == t->tid && e->seen > 0 &&
            (all ? e->seen != had->choice : e->gone == had->choice && e->seen != had->choice)) {
            return tell(had, t, e, one);
        }
    }
    return false;
}

bool sync_selection_displaces(sync_selection *had, const sync_table *t, const sync_value *shown,
                              const sync_value *wire, const sync_row *row, sync_selected *other)
{
    sync_error ignored = {0};
    entry *e = identify(had, t, shown, &ignored) == SYNC_OK ? find(had) : NULL;
    if (!e) {
        return false;
    }
    sync_buf known = {0};
    put_known(&known, t, wire, row);
    bool same = !known.oom && e->known_bytes == known.len &&
                memcmp(had->bytes.data + e->known_at, known.data, known.len) == 0;
    sync_buf_free(&known);
    if (same || !tell(had, t, e, other)) {
        return false;
    }
    sync_selection_forget(had, (uint32_t)(e - had->entries));
    return true;
}

/* ---- choosing ---- */

/* Without the entries that are forgotten. */
static int tidy(sync_selection *had, sync_error *error)
{
    sync_selection fresh = {.begun = had->begun, .choice = had->choice};
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < had->count; i++) {
        const entry *e = &had->entries[i];
        entry *to = NULL;
        const sync_table t = {.tid = e->tid};
        if (e->seen == 0) {
            continue;
        }
        sync_buf_reset(&fresh.id);
        sync_buf_put(&fresh.id, had->bytes.data + e->id_at, e->id_bytes);
        rc = fresh.id.oom ? sync_fail_nomem(error) : add(&fresh, &t, e->known_bytes, &to, error);
        sync_buf_put(&fresh.bytes, had->bytes.data + e->known_at, e->known_bytes);
        if (rc == SYNC_OK) {
            to->seq = e->seq;
            to->seen = e->seen;
        }
    }
    if (rc == SYNC_OK && !fresh.bytes.oom) {
        fresh.tables = had->tables;
        fresh.table_count = had->table_count;
        had->tables = NULL;
        had->table_count = 0;
    }
    rc = rc == SYNC_OK && fresh.bytes.oom ? sync_fail_nomem(error) : rc;
    if (rc == SYNC_OK) {
        sync_selection swap = *had;
        *had = fresh;
        fresh = swap;
    }
    sync_selection_reset(&fresh);
    return rc;
}

int sync_selection_begin(sync_selection *had, sync_error *error)
{
    had->choice++;
    return had->forgotten > 1024 && had->forgotten > had->count / 2 ? tidy(had, error) : SYNC_OK;
}

static void append_seq(sqlite3_str *sql, const sync_table *t, const char *schema)
{
    sqlite3_str_appendf(sql, "(SELECT sync_c.seq FROM %s.sync_row_%u AS sync_c WHERE ", schema, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%ssync_c.k%u = \"%w\".\"%w\"", i ? " AND " : "", i + 1, t->name,
                            t->key_names[i]);
    }
    sqlite3_str_appendall(sql, "), ");
}

static const char *rule_text(const sync_rules *rules, const sync_table *t)
{
    const char *rule = sync_rules_read(sync_rules_of(rules, t));
    return rule ? rule : "1";
}

/* All rows that may be seen: key, and journal entry. */
static char *choice_sql(const sync_db *s, const sync_rules *rules, const sync_table *t, bool overlay)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, t, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, ", coalesce(");
    if (overlay) {
        append_seq(sql, t, "temp");
    }
    append_seq(sql, t, "main");
    sqlite3_str_appendf(sql, "0) FROM main.\"%w\" WHERE ", t->name);
    sync_str_keys(sql, t, "\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendf(sql, " AND (%s\n)", rule_text(rules, t));
    return sqlite3_str_finish(sql);
}

/* Keys that have been written since :sync_after; of those that may be seen their journal entry, of others NULL. */
static char *news_sql(const sync_db *s, const sync_rules *rules, const sync_table *t, bool overlay)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_numbers(sql, t, "sync_j.k%d", ", ");
    sqlite3_str_appendall(sql, ", (SELECT coalesce(");
    if (overlay) {
        append_seq(sql, t, "temp");
    }
    append_seq(sql, t, "main");
    sqlite3_str_appendf(sql, "0) FROM main.\"%w\" WHERE ", t->name);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "\"%w\".\"%w\" = sync_j.k%u AND ", t->name, t->key_names[i], i + 1);
    }
    sqlite3_str_appendf(sql, "(%s\n)) FROM (SELECT DISTINCT ", rule_text(rules, t));
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_journal WHERE seq > :sync_after AND tid & %d = %u) AS sync_j",
                        SYNC_TID_MASK, t->tid);
    return sqlite3_str_finish(sql);
}

/* Takes over `text`. */
static int prepare_choice(sync_db *s, const sync_rules *rules, const sync_table *t, char *text,
                          sqlite3_stmt **stmt, sync_error *error)
{
    int rc = text ? sync_borrow(s, stmt, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    return rc == SYNC_OK ? sync_rules_bind(s, rules, t, *stmt, error) : sync_rules_fail(t, rc, error);
}

/* The table of keys, empty; and the statement that fills it, to be given back. */
static int make_chosen(sync_db *s, const sync_table *t, sqlite3_stmt **insert, sync_error *error)
{
    int64_t fits = 0;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "sync_chosen_%u(", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "k%u COLLATE \"%w\", ", i + 1, t->key_collations[i]);
    }
    sqlite3_str_appendall(sql, "PRIMARY KEY(");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, ")) WITHOUT ROWID");
    char *text = sqlite3_str_finish(sql);
    int rc = text
                 ? sync_query_int(s, &fits, 0, error,
                                  "SELECT count(*) FROM temp.sqlite_schema WHERE sql = 'CREATE TABLE ' || %Q",
                                  text)
                 : sync_fail_nomem(error);
    if (rc == SYNC_OK && fits) {
        rc = sync_exec(s, error, "DELETE FROM temp.sync_chosen_%u", t->tid);
    } else if (rc == SYNC_OK) {
        rc = sync_overlay_clear(s, "chosen", t->tid, error);
        rc = rc == SYNC_OK ? sync_exec(s, error, "CREATE TABLE temp.%s", text) : rc;
    }
    sqlite3_free(text);
    sql = sqlite3_str_new(s->db);
    sync_str_numbers(sql, t, "?%d", ", ");
    text = sqlite3_str_finish(sql);
    rc = rc == SYNC_OK && !text ? sync_fail_nomem(error) : rc;
    rc = rc == SYNC_OK ? sync_borrow(s, insert, error, "INSERT OR IGNORE INTO temp.sync_chosen_%u VALUES(%s)",
                                     t->tid, text)
                       : rc;
    sqlite3_free(text);
    return rc;
}

/* The row that stmt stands on, and that may be seen unless it has no journal entry there: is it news? */
static int consider(sync_db *s, sync_selection *had, sync_table *t, sqlite3_stmt *stmt, sqlite3_stmt *insert,
                    uint64_t *chosen, sync_error *error)
{
    const int last = (int)t->key_count;
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < t->key_count; i++) {
        key[i] = sync_column_value(stmt, (int)i);
    }
    int rc = identify(had, t, key, error);
    entry *e = rc == SYNC_OK ? find(had) : NULL;
    if (rc == SYNC_OK && sqlite3_column_type(stmt, last) == SQLITE_NULL) {
        if (e) {
            e->gone = had->choice;
        }
        return SYNC_OK;
    }
    if (e) {
        e->seen = had->choice;
    }
    if (rc != SYNC_OK || (e && e->seq == sqlite3_column_int64(stmt, last))) {
        return rc;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        rc = sync_bind_value(insert, (int)i + 1, &key[i]) ? sync_fail_db(s, error, NULL) : SYNC_OK;
    }
    ++*chosen;
    return rc == SYNC_OK ? sync_run(s, insert, error) : rc;
}

static looked *look_at(sync_selection *had, const sync_table *t, sync_error *error)
{
    for (uint32_t i = 0; i < had->table_count; i++) {
        if (had->tables[i].rule.tid == t->tid) {
            return &had->tables[i];
        }
    }
    looked *tables = sync_realloc(had->tables, (had->table_count + 1) * sizeof *tables);
    if (tables == NULL) {
        (void)sync_fail_nomem(error);
        return NULL;
    }
    had->tables = tables;
    tables[had->table_count] = (looked){.rule = {.tid = t->tid}};
    return &tables[had->table_count++];
}

/* Does another key never stand for what was sent under this one without an entry of the journal under both? */
static bool keys_stay(const sync_table *t)
{
    return t->identity == SYNC_BY_KEY && !t->meant && t->normal_keys;
}

static int bind_after(sync_db *s, sqlite3_stmt *stmt, int64_t after, sync_error *error)
{
    int at = sqlite3_bind_parameter_index(stmt, ":sync_after");
    return sqlite3_bind_int64(stmt, at, after) ? sync_fail_db(s, error, NULL) : SYNC_OK;
}

/* Which rows the choice is to look at, as a statement; NULL: none, for nothing has been written that the rule reads. */
static int open_choice(sync_db *s, sync_selection *had, const sync_rules *rules, sync_table *t, bool overlay,
                       looked *l, sqlite3_stmt **stmt, sync_error *error)
{
    char *all = choice_sql(s, rules, t, overlay);
    bool quiet = false;
    int rc = all ? SYNC_OK : sync_fail_nomem(error);
    if (rc == SYNC_OK && (rc = sync_watched_learn(s, &l->rule, all, error)) != SYNC_OK) {
        rc = sync_rules_fail(t, rc, error);
    }
    rc = rc == SYNC_OK && had->begun ? sync_watched_quiet(s, &l->rule, &quiet, error) : rc;
    bool some = had->begun && l->rule.alone && l->rule.upto > 0 && keys_stay(t);
    l->all = !quiet && !some;
    if (rc != SYNC_OK || quiet || some) {
        sqlite3_free(all);
    }
    if (rc != SYNC_OK || quiet) {
        return rc;
    }
    if (!some) {
        return prepare_choice(s, rules, t, all, stmt, error);
    }
    rc = prepare_choice(s, rules, t, news_sql(s, rules, t, overlay), stmt, error);
    return rc == SYNC_OK ? bind_after(s, *stmt, l->rule.upto, error) : rc;
}

int sync_selection_choose(sync_db *s, sync_selection *had, const sync_rules *rules, sync_table *t,
                          bool overlay, int64_t newest, uint64_t *chosen, sync_error *error)
{
    sqlite3_stmt *stmt = NULL, *insert = NULL;
    looked *l = look_at(had, t, error);
    int rc = l ? make_chosen(s, t, &insert, error) : SYNC_NOMEM;
    rc = rc == SYNC_OK ? open_choice(s, had, rules, t, overlay, l, &stmt, error) : rc;
    *chosen = 0;
    while (rc == SYNC_OK && stmt && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = consider(s, had, t, stmt, insert, chosen, error);
    }
    sync_return(s, stmt);
    sync_return(s, insert);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    if (rc == SYNC_OK) {
        l->rule.upto = newest;
    }
    return rc;
}
