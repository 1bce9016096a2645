#include "orphans.h"

#include "meant.h"

#include <string.h>

/* The folded entries of one table, as j; borrow_over binds which they are. */
static void append_entries(const sync_table *t, sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, "j.seq > ?1 AND j.seq <= ?2 AND j.tid & %d = %u", SYNC_TID_MASK, t->tid);
}

/* A statement over the entries above `after`; every fold asks the same again. Takes the text. *stmt: for sync_return, also on error. */
static int borrow_over(sync_db *s, int64_t after, char *owned_sql, sqlite3_stmt **stmt, sync_error *error)
{
    *stmt = NULL;
    int rc = owned_sql ? sync_borrow(s, stmt, error, "%s", owned_sql) : sync_fail_nomem(error);
    sqlite3_free(owned_sql);
    if (rc == SYNC_OK && (sqlite3_bind_int64(*stmt, 1, after) || sqlite3_bind_int64(*stmt, 2, s->folded))) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc;
}

/* The row c has a value in each column of the foreign key, and no parent. */
static void append_lacks(const sync_table *parent, const sync_fk *fk, sqlite3_str *sql)
{
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "c.\"%w\" IS NOT NULL AND ", fk->from[i]);
    }
    sqlite3_str_appendf(sql, "NOT EXISTS (SELECT 1 FROM main.\"%w\" AS p WHERE ", parent->name);
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = c.\"%w\"", i ? " AND " : "", fk->to[i], fk->from[i]);
    }
    sqlite3_str_appendall(sql, ")");
}

/* Children that were written, and have no parent. */
static void append_written(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                           sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j CROSS JOIN main.\"%w\" AS c ON ", child->name);
    sync_str_match_base(sql, child, "c", "j");
    sqlite3_str_appendall(sql, " WHERE ");
    append_entries(child, sql);
    sqlite3_str_appendall(sql, " AND ");
    append_lacks(parent, fk, sql);
}

/* Children that were there when one of the two tables was adopted; of many the first, since adopting takes no longer where there are more. */
static void append_there(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                         sqlite3_str *sql)
{
    sqlite3_str_appendall(sql,
                          " FROM (SELECT "); /* each by its name: what * calls them is the host's to say */
    for (uint32_t i = 0; i < child->key_count; i++) {
        sqlite3_str_appendf(sql, "\"%w\" AS \"%w\", ", child->key_names[i], child->key_names[i]);
    }
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" AS \"%w\"", i ? ", " : "", fk->from[i], fk->from[i]);
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" LIMIT %d) AS c WHERE ?1 = ?1 AND ?2 = ?2 AND ", child->name,
                        SYNC_ADOPTED_ROWS_MAX);
    append_lacks(parent, fk, sql);
}

/* Children of parents that are gone, by a foreign key to their key. */
static void append_left(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                        sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j CROSS JOIN main.\"%w\" AS c WHERE ", child->name);
    append_entries(parent, sql);
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM main.\"%w\" AS p WHERE ", parent->name);
    sync_str_match_base(sql, parent, "p", "j");
    sqlite3_str_appendall(sql, ")");
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, " AND c.\"%w\" = j.k%d", fk->from[i], (int)i + 1);
    }
}

static int collect(sync_db *s, sync_table *child, const sync_fk *fk, int64_t after, char *owned_sql,
                   sync_orphans *o, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = borrow_over(s, after, owned_sql, &stmt, error);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        if (o->count == o->cap) {
            uint32_t cap = o->cap ? o->cap * 2 : 16;
            sync_orphan *wider = sync_realloc(o->list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(error);
                break;
            }
            o->list = wider;
            o->cap = cap;
        }
        sync_value *key = sync_arena_alloc(&o->arena, child->key_count * sizeof *key);
        for (uint32_t i = 0; key && i < child->key_count; i++) {
            sync_value v = sync_column_value(stmt, (int)i);
            key = sync_arena_value(&o->arena, &v, &key[i]) ? key : NULL;
        }
        if (key == NULL) {
            rc = sync_fail_nomem(error);
            break;
        }
        o->list[o->count++] = (sync_orphan){.t = child, .fk = fk, .key = key};
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Without an index, looking for the children of one parent reads them all. */
static int is_indexed(sync_db *s, const sync_table *child, const sync_fk *fk, int64_t *indexed,
                      sync_error *error)
{
    *indexed = child->rowid_alias && sqlite3_stricmp(child->key_names[0], fk->from[0]) == 0;
    return *indexed ? SYNC_OK
                    : sync_query_int(s, indexed, 0, error,
                                     "SELECT EXISTS (SELECT 1 FROM pragma_index_list(%Q, 'main') AS l,"
                                     " pragma_index_info(l.name, 'main') AS i WHERE NOT l.partial AND "
                                     "i.seqno = 0 AND i.name = %Q COLLATE NOCASE)",
                                     child->name, fk->from[0]);
}

typedef void append_which(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                          sqlite3_str *sql);

static int find_by(sync_db *s, const sync_fk *fk, append_which *which, int64_t after, sync_orphans *o,
                   sync_error *error)
{
    sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, child, "c.\"%w\"", ", ");
    which(child, parent, fk, sql);
    sqlite3_str_appendf(sql, " LIMIT %d", SYNC_ORPHANS_NOTED_MAX);
    return collect(s, child, fk, after, sqlite3_str_finish(sql), o, error);
}

/* Which tables do the folded entries name? *named: by index, for sync_free, NULL on error. */
static int name_tables(sync_db *s, int64_t after, bool **named, sync_error *error)
{
    *named = sync_alloc(s->table_count + 1);
    if (*named == NULL) {
        return sync_fail_nomem(error);
    }
    memset(*named, 0, s->table_count + 1);
    int rc = sync_clocks_named(s, after, s->folded, *named, error);
    if (rc != SYNC_OK) {
        sync_free(*named);
        *named = NULL;
    }
    return rc;
}

/* A number that has passed to another row. */
typedef struct passing {
    int64_t number;
    uint64_t born; /* when that row was */
} passing;

/* Adds a number if it means a row now that was born since; clock: that row's, or of one that had the number in between. */
static int add_reborn(sync_db *s, sync_table *parent, int64_t number, const sync_value *clock, uint64_t hlc,
                      sync_buf *numbers, sync_error *error)
{
    sync_row row = {0};
    sync_stamp means = SYNC_STAMP_NONE;
    int64_t birth;
    int rc = sync_clocks_unpack(s, parent, clock, &row);
    rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "a clock of %s is damaged", parent->name);
    if (rc == SYNC_OK && row.born.hlc > hlc) {
        rc = sync_meant_number(s, parent, SYNC_IN_FILE, number, &means, &birth, error);
    }
    if (rc == SYNC_OK && means.hlc > hlc && sync_stamp_equal(means, row.born)) {
        sync_buf_put(numbers, &(passing){number, means.hlc}, sizeof(passing));
        rc = numbers->oom ? sync_fail_nomem(error) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* The numbers of one table that passed from a row that is gone (or held) to one born since, which may be gone as well. *count of them in `numbers`, for sync_buf_free in any case. */
static int list_reborn(sync_db *s, sync_table *parent, int64_t after, uint64_t hlc, sync_buf *numbers,
                       uint32_t *count, sync_error *error)
{
    sqlite3_stmt *stmt;
    *count = 0;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        sql,
        "SELECT j.k1, c.clock FROM main.sync_journal AS j CROSS JOIN main.sync_row_%u AS c ON "
        "c.k1 = j.k1 AND c.seq = j.seq WHERE EXISTS (SELECT 1 FROM main.sync_hidden_%u AS h "
        "WHERE h.k1 = j.k1) AND ",
        parent->tid, parent->tid);
    append_entries(parent, sql);
    sqlite3_str_appendf(
        sql,
        " UNION ALL SELECT j.k1, h.clock FROM main.sync_journal AS j CROSS JOIN "
        "main.sync_hidden_%u AS h ON h.k1 = j.k1 AND h.seq = j.seq WHERE NOT EXISTS (SELECT 1 "
        "FROM main.sync_row_%u AS c WHERE c.k1 = j.k1) AND ",
        parent->tid, parent->tid);
    append_entries(parent, sql);
    int rc = borrow_over(s, after, sqlite3_str_finish(sql), &stmt, error);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 1);
        rc = add_reborn(s, parent, sqlite3_column_int64(stmt, 0), &clock, hlc, numbers, error);
    }
    sync_return(s, stmt);
    *count = (uint32_t)(numbers->len / sizeof(passing));
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Rows that show one of these numbers. */
static int collect_children(sync_db *s, sync_table *child, const sync_fk *fk, const sync_buf *numbers,
                            uint32_t i, passing *one, sync_orphans *o, sync_error *error)
{
    memcpy(one, numbers->data + i * sizeof *one, sizeof *one);
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, child, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE \"%w\" = ?1 AND ?2 = ?2", child->name, fk->from[0]);
    return collect(s, child, fk, one->number, sqlite3_str_finish(sql), o, error);
}

/* Rows whose key refers to one of these numbers. */
static int find_reborn(sync_db *s, const sync_fk *fk, int64_t after, sync_orphans *o, sync_error *error)
{
    sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
    sync_buf numbers = {0};
    uint32_t count = 0, first = o->count;
    int rc = list_reborn(s, parent, after, o->since, &numbers, &count, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        passing one;
        rc = collect_children(s, child, fk, &numbers, i, &one, o, error);
    }
    for (uint32_t c = first; c < o->count; c++) {
        o->list[c].reborn = true;
    }
    sync_buf_free(&numbers);
    return rc;
}

int sync_orphans_find(sync_db *s, int64_t after, uint64_t hlc, sync_orphans *o, sync_error *error)
{
    bool *named;
    if (s->fk_count == 0 || s->folded <= after) {
        return SYNC_OK;
    }
    o->since = hlc;
    int rc = name_tables(s, after, &named, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        int64_t indexed = 0;
        if (!child || !parent || child->missing || parent->missing) {
            continue;
        }
        if (fk->to_row && child->meant && fk->from_col >= SYNC_REF_KEY && named[parent - s->tables]) {
            rc = find_reborn(s, fk, after, o, error);
        }
        if (rc != SYNC_OK || fk->derived || fk->soft) {
            continue;
        }
        if (named[child - s->tables]) {
            rc = find_by(s, fk, append_written, after, o, error);
        }
        if (rc == SYNC_OK && fk->to_key && named[parent - s->tables]) {
            rc = is_indexed(s, child, fk, &indexed, error);
            rc = rc == SYNC_OK && indexed ? find_by(s, fk, append_left, after, o, error) : rc;
        }
    }
    sync_free(named);
    return rc;
}

int sync_orphans_there(sync_db *s, uint32_t first, sync_orphans *o, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        if (!fk->derived && !fk->soft && !child->missing && !parent->missing &&
            (child->tid >= first || parent->tid >= first)) {
            rc = find_by(s, fk, append_there, 0, o, error);
        }
    }
    return rc;
}

void sync_orphans_free(sync_orphans *o)
{
    sync_free(o->list);
    sync_arena_free(&o->arena);
}

/* Was the reference written before the row was born that has its number now? Later ones mean that row anyway. */
static int is_older(sync_merging *looking, const sync_orphan *child, uint64_t born, bool *older)
{
    sync_row row = {0};
    sync_slot slot;
    sync_arena_reset(&looking->arena);
    int rc = sync_find_shown(looking, child->t, child->key, &row, &slot);
    const sync_cell *cell = sync_row_find(&row, child->fk->from_col);
    *older = !cell || cell->stamp.hlc < born;
    sync_row_free(&row);
    return rc;
}

/* Journals children as written in the column that refers to their parent. *count: raised by how many. */
static int follow(sync_merging *looking, const sync_orphan *list, uint32_t list_count, uint64_t born,
                  int64_t *count)
{
    const sync_env *env = sync_env_get();
    const sync_table *child = list->t;
    uint32_t column = list->fk->from_col;
    sync_db *s = looking->s;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, child, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(%u, %lld, %lld, ",
                        child->tid | (column / SYNC_MASK_COLUMNS) << SYNC_GROUP_SHIFT,
                        (long long)1 << (column % SYNC_MASK_COLUMNS), (long long)env->now_ms(env->context));
    for (uint32_t i = 0; i < child->key_count; i++) {
        sqlite3_str_appendf(sql, "%s?%d", i ? ", " : "", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, looking->error, sqlite3_str_finish(sql));
    for (uint32_t i = 0; rc == SYNC_OK && i < list_count; i++) {
        bool older = false;
        rc = is_older(looking, &list[i], born, &older);
        if (rc == SYNC_OK && older) {
            rc = sync_clocks_bind_key(s, stmt, child, list[i].key, looking->error);
            rc = rc == SYNC_OK ? sync_run(s, stmt, looking->error) : rc;
            *count += rc == SYNC_OK;
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* The same of the children that a foreign key finds under the numbers that have passed. */
static int follow_by(sync_db *s, const sync_fk *fk, int64_t after, uint64_t hlc, int64_t *count,
                     sync_error *error)
{
    sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
    sync_merging looking = {.s = s, .error = error};
    sync_orphans children = {0};
    sync_buf numbers = {0};
    uint32_t number_count = 0;
    int rc = list_reborn(s, parent, after, hlc, &numbers, &number_count, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < number_count; i++) {
        passing one;
        children.count = 0;
        sync_arena_reset(&children.arena);
        rc = collect_children(s, child, fk, &numbers, i, &one, &children, error);
        rc = rc == SYNC_OK && children.count
                 ? follow(&looking, children.list, children.count, one.born, count)
                 : rc;
    }
    sync_buf_free(&numbers);
    sync_orphans_free(&children);
    sync_arena_free(&looking.arena);
    sync_row_free(&looking.other);
    return rc;
}

int sync_orphans_follow(sync_db *s, int64_t after, uint64_t hlc, int64_t *count, sync_error *error)
{
    bool *named;
    *count = 0;
    if (s->fk_count == 0 || s->folded <= after) {
        return SYNC_OK;
    }
    int rc = name_tables(s, after, &named, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        if (fk->to_row && fk->from_col < SYNC_REF_KEY && child && parent && !child->missing &&
            !parent->missing && named[parent - s->tables]) {
            rc = follow_by(s, fk, after, hlc, count, error);
        }
    }
    sync_free(named);
    return rc;
}
