#include "alter.h"

#include "adopted.h"
#include "apply.h"
#include "capture.h"
#include "ddl.h"
#include "declared.h"
#include "gone.h"
#include "rebuild.h"
#include "tokens.h"

#include <string.h>

enum { SHOWN_BYTES_MAX = 60 }; /* of a statement, in an error */

/* A table that is there because a statement of this call made it. */
typedef struct made {
    struct made *next;
    char *name; /* NULL: not any more */
} made;

/* A tracked table, as it was called when the call began; and what it was when a statement dropped it. */
typedef struct known {
    struct known *next;
    uint32_t tid;
    char *name;
    bool adjusted;
    bool dropped;
    bool kept;      /* its rows are in temp.sync_before_N */
    char *last;     /* its name when it was dropped */
    uint32_t count; /* the columns of that copy */
    uint32_t *cids;
    uint32_t *parents; /* of these columns: see sync_gone_parent() */
} known;

typedef struct alter {
    sync_db *s;
    sync_error *error;
    sync_arena arena;
    made *made;
    known *known;
    bool looked;     /* at references, before a statement that could break them */
    bool enforced;   /* the caller has foreign_keys on */
    int64_t orphans; /* that there were; -1: SQLite cannot tell */
    int number;      /* of the statement in hand, from 1 */
    const char *text;
    size_t bytes;
    sync_ddl ddl;
    char *name;           /* what it is about, without quotes; NULL: nothing */
    char *on;             /* the table of an index or a trigger */
    bool existed;         /* CREATE TABLE: there was one */
    uint32_t dropped_cid; /* of the tracked table `name`: the column that it drops, or UINT32_MAX */
    uint32_t dropped_tid;
} alter;

/* ---- errors ---- */

static int refuse(alter *a, int code, const char *why)
{
    size_t shown = a->bytes > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : a->bytes;
    while (shown < a->bytes && shown > 0 && (a->text[shown] & 0xc0) == 0x80) {
        shown--; /* not in the middle of a character */
    }
    return sync_fail(a->error, code, "sync_alter: statement %d (%.*s%s): %s", a->number, (int)shown, a->text,
                     shown < a->bytes ? "..." : "", why);
}

/* What SQLite says. */
static int refuse_as_told(alter *a)
{
    sync_error told = {0};
    int rc = sync_fail_db(a->s, &told, NULL);
    return refuse(a, rc, told.text);
}

/* With a name in it. */
static int refuse_name(alter *a, const char *format, const char *name)
{
    char why[512];
    sqlite3_snprintf(sizeof why, why, format, name);
    return refuse(a, SYNC_ERROR, why);
}

/* ---- names ---- */

static int take_name(alter *a, sync_ddl_name from, char **name)
{
    *name = NULL;
    if (from.bytes == 0) {
        return SYNC_OK;
    }
    *name = sync_arena_alloc(&a->arena, from.bytes + 1);
    if (*name == NULL) {
        return sync_fail_nomem(a->error);
    }
    sync_tokens_name(from.text, from.bytes, *name);
    return SYNC_OK;
}

static made *find_made(const alter *a, const char *name)
{
    made *m = a->made;
    while (m && (m->name == NULL || sqlite3_stricmp(m->name, name) != 0)) {
        m = m->next;
    }
    return m;
}

static known *find_known(const alter *a, uint32_t tid)
{
    known *k = a->known;
    while (k && k->tid != tid) {
        k = k->next;
    }
    return k;
}

static int count_tables(alter *a, const char *name, int64_t *count)
{
    return sync_query_int(
        a->s, count, 0, a->error,
        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = %Q COLLATE "
        "NOCASE",
        name);
}

/* ---- what may be said ---- */

/* Is it a trigger of ours, or an index? */
static int check_own_parts(alter *a)
{
    int64_t ours = 0;
    int rc = a->s->has_meta
                 ? sync_query_int(
                       a->s, &ours, 0, a->error,
                       "SELECT count(*) FROM main.sqlite_schema AS m WHERE m.name = %Q COLLATE NOCASE"
                       " AND (m.name IN ('sync_conflict_row', 'sync_conflict_held') OR (m.type = 'trigger' "
                       "AND EXISTS (SELECT 1"
                       " FROM main.sync_table AS t WHERE m.name GLOB 'sync_' || t.tid || '_[biudk]*')))",
                       a->name)
                 : SYNC_OK;
    return rc == SYNC_OK && ours ? refuse_name(a, "%s belongs to sync_ext", a->name) : rc;
}

static int check_target(alter *a)
{
    int64_t hidden = 0;
    sync_ddl_name schema = a->ddl.schema;
    char *in = NULL;
    int rc = take_name(a, a->ddl.name, &a->name);
    rc = rc == SYNC_OK ? take_name(a, a->ddl.on, &a->on) : rc;
    rc = rc == SYNC_OK ? take_name(a, schema, &in) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    if (a->ddl.temporary || (in && sqlite3_stricmp(in, "main") != 0)) {
        return refuse(a, SYNC_ERROR, "only the database main");
    }
    const char *names[] = {a->name, a->on};
    for (size_t i = 0; rc == SYNC_OK && i < sizeof names / sizeof *names; i++) {
        if (names[i] && sync_capture_owns_table(a->s, names[i])) {
            return refuse_name(a, "%s belongs to sync_ext", names[i]);
        }
        rc = names[i] && in == NULL
                 ? sync_query_int(a->s, &hidden, 0, a->error,
                                  "SELECT count(*) FROM temp.sqlite_schema WHERE name = %Q COLLATE NOCASE",
                                  names[i])
                 : rc;
        if (rc == SYNC_OK && hidden) {
            return refuse_name(a, "there is a temp.%s, which would be meant: write main before the name",
                               names[i]);
        }
    }
    return rc == SYNC_OK ? check_own_parts(a) : rc;
}

static int check_statement(alter *a, sqlite3_stmt *stmt)
{
    int rc = SYNC_OK;
    if (a->ddl.kind == SYNC_DDL_OTHER) {
        return refuse(
            a, SYNC_ERROR,
            "only ALTER TABLE, CREATE and DROP of tables, indexes, triggers and views, and INSERT INTO a"
            " table that an earlier statement of the same call made");
    }
    if (sqlite3_bind_parameter_count(stmt) > 0) {
        return refuse(a, SYNC_ERROR, "a parameter has no value here");
    }
    rc = check_target(a);
    if (rc == SYNC_OK && a->ddl.kind == SYNC_DDL_INSERT && find_made(a, a->name) == NULL) {
        rc = refuse_name(
            a, "%s is not a table that an earlier statement of this call made: write to it outside", a->name);
    }
    return rc;
}

/* A number that changes with the schema of any other database than main, whatever a name has come to mean. */
static int schemas_elsewhere(alter *a, int64_t *sum)
{
    sqlite3_stmt *stmt;
    *sum = 0;
    int rc = sync_prepare(a->s, &stmt, a->error, "SELECT name FROM pragma_database_list WHERE seq > 0");
    while (rc == SYNC_OK && (rc = sync_step(a->s, stmt, a->error)) == SQLITE_ROW) {
        int64_t version = 0;
        const char *name;
        rc = sync_column_text(stmt, 0, &name, a->error);
        rc = rc == SYNC_OK ? sync_query_int(a->s, &version, 0, a->error, "PRAGMA \"%w\".schema_version", name)
                           : rc;
        *sum += version;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* ---- references ---- */

static int count_orphans(sync_db *s, int64_t *count, sync_error *error)
{
    return sync_query_int(s, count, 0, error, "SELECT count(*) FROM pragma_foreign_key_check");
}

static int look_at_references(alter *a)
{
    sync_error unable = {0};
    if (!a->enforced || a->looked || (a->ddl.kind != SYNC_DDL_DROP_TABLE && a->ddl.kind != SYNC_DDL_INSERT)) {
        return SYNC_OK;
    }
    a->looked = true;
    int rc = count_orphans(a->s, &a->orphans, &unable);
    if (rc != SYNC_OK) {
        a->orphans = -1;
    }
    return rc == SYNC_NOMEM ? sync_fail_nomem(a->error) : SYNC_OK;
}

static int check_references(alter *a)
{
    int64_t now = 0;
    if (!a->looked || a->orphans < 0) {
        return SYNC_OK;
    }
    sync_error why = {0};
    int rc = count_orphans(a->s, &now, &why);
    if (rc != SYNC_OK) {
        return sync_fail(a->error, rc, "sync_alter: %s", why.text);
    }
    return now <= a->orphans
               ? SYNC_OK
               : sync_fail(a->error, SQLITE_CONSTRAINT_FOREIGNKEY,
                           "sync_alter: %lld rows would refer to rows that are no longer there (PRAGMA "
                           "foreign_key_check names them; with PRAGMA foreign_keys = off nobody asks)",
                           (long long)(now - a->orphans));
}

/* ---- before and after a statement ---- */

/* Columns that are about to go, and tables: what they hold is put aside. */
static int before_statement(alter *a)
{
    int64_t there = 0, lost = 0, ignored = 0;
    a->dropped_cid = a->dropped_tid = UINT32_MAX;
    int rc = look_at_references(a);
    if (rc == SYNC_OK && a->ddl.kind == SYNC_DDL_CREATE_TABLE) {
        rc = count_tables(a, a->name, &there);
        a->existed = there != 0;
    }
    bool drops = a->ddl.kind == SYNC_DDL_DROP_TABLE;
    sync_table *t = a->s->has_meta ? sync_engine_table(a->s, a->name) : NULL;
    if (rc != SYNC_OK || t == NULL || (!drops && a->ddl.column.bytes == 0)) {
        return rc;
    }
    rc =
        sync_local(a->s, INT64_MAX, &ignored, a->error); /* what triggers of the application did on the way */
    rc = rc == SYNC_OK ? sync_engine_refresh(a->s, a->error) : rc;
    t = rc == SYNC_OK ? sync_engine_table(a->s, a->name) : NULL;
    known *k = t ? find_known(a, t->tid) : NULL;
    if (k == NULL) {
        return rc;
    }
    a->dropped_tid = t->tid;
    if (drops) {
        k->last = a->name;
        k->kept = !t->missing;
        k->cids = sync_arena_alloc(&a->arena, (t->col_count + 1) * sizeof *k->cids);
        k->parents = sync_arena_alloc(&a->arena, (t->col_count + 1) * sizeof *k->parents);
        for (uint32_t c = 0; k->cids && k->parents && c < t->col_count; c++) {
            if (t->cols[c].present) {
                k->parents[k->count] = sync_gone_parent(a->s, t, c);
                k->cids[k->count++] = c;
            }
        }
        rc = k->cids && k->parents ? SYNC_OK : sync_fail_nomem(a->error);
        return rc == SYNC_OK && k->kept ? sync_rebuild_keep(a->s, t, a->error) : rc;
    }
    char *column = NULL;
    rc = take_name(a, a->ddl.column, &column);
    for (uint32_t c = 0; rc == SYNC_OK && !t->missing && c < t->col_count; c++) {
        if (t->cols[c].present && sqlite3_stricmp(t->cols[c].name, column) == 0) {
            a->dropped_cid = c;
        }
    }
    if (rc == SYNC_OK && a->dropped_cid != UINT32_MAX) {
        rc = sync_gone_cells(a->s, t, SYNC_GONE_TABLE, &a->dropped_cid, NULL, 1, &lost, a->error);
        rc = rc == SYNC_OK ? sync_capture_drop_triggers(a->s, t->tid, a->error) : rc;
    }
    return rc;
}

/* Which tables are those of this call? */
static int note_made(alter *a)
{
    made *m = find_made(a, a->name);
    if (a->ddl.kind == SYNC_DDL_CREATE_TABLE && !a->existed) {
        m = sync_arena_alloc(&a->arena, sizeof *m);
        if (m == NULL) {
            return sync_fail_nomem(a->error);
        }
        *m = (made){.next = a->made, .name = a->name};
        a->made = m;
    } else if (m && a->ddl.kind == SYNC_DDL_DROP_TABLE) {
        m->name = NULL;
    } else if (m && a->ddl.to.bytes) {
        return take_name(a, a->ddl.to, &m->name);
    }
    return SYNC_OK;
}

/* A dropped table is out of the way under a name of its own, so that one that is made under its name is let alone until all is done. */
static int note_gone(alter *a)
{
    int rc;
    if (a->dropped_tid != UINT32_MAX && a->dropped_cid != UINT32_MAX) {
        find_known(a, a->dropped_tid)->adjusted = true;
        rc = sync_exec(a->s, a->error, "UPDATE main.sync_column SET present = %d WHERE tid = %u AND cid = %u",
                       SYNC_COLUMN_LEFT, a->dropped_tid, a->dropped_cid);
    } else if (a->dropped_tid != UINT32_MAX && a->ddl.kind == SYNC_DDL_DROP_TABLE) {
        find_known(a, a->dropped_tid)->dropped = true;
        rc = sync_exec(a->s, a->error, "UPDATE main.sync_table SET name = 'sync_dropped_%u' WHERE tid = %u",
                       a->dropped_tid, a->dropped_tid);
    } else {
        return SYNC_OK;
    }
    return rc == SYNC_OK ? sync_engine_changed(a->s, false, a->error) : rc;
}

/* Names, columns and triggers as they are now. */
static int learn(alter *a)
{
    bool any = false;
    if (!a->s->has_meta) {
        return SYNC_OK;
    }
    int rc = sync_engine_refresh(a->s, a->error);
    for (uint32_t i = 0; rc == SYNC_OK && i < a->s->table_count; i++) {
        const sync_table *t = &a->s->tables[i];
        known *k = find_known(a, t->tid);
        if (k && (t->moved_to || (!t->missing && (t->late || t->untriggered)))) {
            k->adjusted = any = true;
        }
    }
    return rc == SYNC_OK && any ? sync_capture_learn(a->s, false, a->error) : rc;
}

static int run_statement(alter *a, sqlite3_stmt *stmt)
{
    int64_t before = 0, after = 0;
    int rc = check_statement(a, stmt);
    rc = rc == SYNC_OK ? before_statement(a) : rc;
    rc = rc == SYNC_OK ? schemas_elsewhere(a, &before) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    }
    if (rc != SQLITE_DONE) {
        return refuse_as_told(a);
    }
    rc = schemas_elsewhere(a, &after);
    if (rc == SYNC_OK && after != before) {
        rc = refuse(a, SYNC_ERROR, "only the database main");
    }
    rc = rc == SYNC_OK ? note_made(a) : rc;
    return rc == SYNC_OK ? note_gone(a) : rc;
}

/* Where the statement ends, which SQLite may not have told. */
static size_t statement_bytes(const char *sql, const char *rest)
{
    const char *at = sql;
    for (size_t n; rest == NULL && (n = sync_tokens_next(at)) > 0 && *at != ';';) {
        at += n;
        at += sync_tokens_skip(at);
    }
    size_t bytes = (size_t)((rest ? rest : at) - sql);
    while (bytes > 0 && strchr("; \t\r\n\f", sql[bytes - 1])) {
        bytes--;
    }
    return bytes;
}

static int run_all(alter *a, const char *sql)
{
    int rc = SYNC_OK;
    while (rc == SYNC_OK && *sql) {
        sqlite3_stmt *stmt = NULL;
        const char *rest = sql;
        sql += sync_tokens_skip(sql);
        sync_ddl_read(sql, &a->ddl);
        a->number += a->ddl.kind != SYNC_DDL_NOTHING;
        a->text = sql;
        a->name = a->on = NULL;
        rc = sqlite3_prepare_v2(a->s->db, sql, -1, &stmt, &rest);
        a->bytes = statement_bytes(sql, rc == SQLITE_OK ? rest : NULL);
        if (rc != SQLITE_OK) {
            rc = refuse_as_told(a);
        } else if (stmt) {
            rc = run_statement(a, stmt);
        }
        sqlite3_finalize(stmt);
        rc = rc == SYNC_OK && stmt ? learn(a) : rc;
        sql = rest;
    }
    return rc;
}

/* ---- tables that were dropped ---- */

/* The table that stands in the place of a dropped one: of the name that it had last, or of the one that it had when the call began, if that was
** made by it. NULL: nobody. */
static int find_successor(alter *a, const known *k, char **name)
{
    char *names[] = {k->last, k->name};
    int rc = SYNC_OK;
    *name = NULL;
    for (int i = 0; rc == SYNC_OK && *name == NULL && i < 2; i++) {
        int64_t there = 0;
        rc = count_tables(a, names[i], &there);
        bool free = rc == SYNC_OK && there && sync_engine_table(a->s, names[i]) == NULL;
        *name = free && (i == 0 || find_made(a, names[i])) ? names[i] : NULL;
    }
    return rc;
}

/* The key is another one: clocks of the old one say nothing of it. */
static int adopt_anew(alter *a, known *k, const char *name)
{
    char placeholder[40];
    const sync_table *t = sync_engine_tid(a->s, k->tid);
    bool by_key = t && strstr(t->options, "\"identity\":\"key\"") != NULL;
    bool own = t && !by_key && t->genesis_own && t->rowid_alias; /* said of rows by number alone */
    char *references = NULL;
    uint32_t adopted = 0;
    int rc = t ? sync_declared_of(a->s, t, &references, a->error) : SYNC_OK;
    sync_wish wish = {name, by_key ? SYNC_BY_KEY : -1, own ? 1 : -1, references};
    sqlite3_snprintf(sizeof placeholder, placeholder, "sync_dropped_%u", k->tid);
    rc = rc == SYNC_OK ? sync_exec(a->s, a->error, "UPDATE main.sync_table SET name = %Q WHERE tid = %u",
                                   placeholder, k->tid)
                       : rc;
    rc = rc == SYNC_OK ? sync_engine_changed(a->s, false, a->error) : rc;
    rc = rc == SYNC_OK ? sync_engine_refresh(a->s, a->error) : rc;
    rc = rc == SYNC_OK ? sync_capture_track(a->s, &wish, 1, &adopted, a->error) : rc;
    sqlite3_free(references);
    rc = rc == SYNC_OK ? sync_capture_untrack(a->s, placeholder, a->error) : rc;
    return rc == SYNC_OK ? sync_adopted(a->s, adopted, a->error) : rc;
}

/* Columns that the rebuilt table has no more take their values along; what else changed is journaled. */
static int compare(alter *a, known *k)
{
    int64_t ignored = 0;
    uint32_t count = 0, *gone = sync_arena_alloc(&a->arena, (k->count + 1) * sizeof *gone);
    uint32_t *parents = sync_arena_alloc(&a->arena, (k->count + 1) * sizeof *parents);
    sync_table *t = sync_engine_tid(a->s, k->tid);
    if (gone == NULL || parents == NULL || t == NULL) {
        return sync_fail_nomem(a->error);
    }
    for (uint32_t i = 0; i < k->count; i++) {
        if (!t->cols[k->cids[i]].present) {
            parents[count] = k->parents[i];
            gone[count++] = k->cids[i];
        }
    }
    int rc = count ? sync_gone_cells(a->s, t, SYNC_GONE_BEFORE, gone, parents, count, &ignored, a->error)
                   : SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) { /* not lost: before anybody thinks so */
        rc = sync_exec(a->s, a->error, "UPDATE main.sync_column SET present = %d WHERE tid = %u AND cid = %u",
                       SYNC_COLUMN_LEFT, k->tid, gone[i]);
    }
    rc = rc == SYNC_OK ? sync_engine_changed(a->s, false, a->error) : rc;
    rc = rc == SYNC_OK ? sync_capture_learn(a->s, false, a->error) : rc;
    t = rc == SYNC_OK ? sync_engine_tid(a->s, k->tid) : NULL;
    return t ? sync_rebuild_compare(a->s, t, k->cids, k->count, a->error) : rc;
}

static int settle_dropped(alter *a, known *k)
{
    char *name = NULL, placeholder[40];
    sqlite3_snprintf(sizeof placeholder, placeholder, "sync_dropped_%u", k->tid);
    int rc = find_successor(a, k, &name);
    k->adjusted = true;
    if (rc == SYNC_OK && name == NULL) {
        rc = sync_capture_untrack(a->s, placeholder, a->error);
    } else if (rc == SYNC_OK) {
        rc = sync_exec(a->s, a->error, "UPDATE main.sync_table SET name = %Q WHERE tid = %u", name, k->tid);
        rc = rc == SYNC_OK ? sync_engine_changed(a->s, false, a->error) : rc;
        rc = rc == SYNC_OK ? sync_engine_refresh(a->s, a->error) : rc;
        const sync_table *t = rc == SYNC_OK ? sync_engine_tid(a->s, k->tid) : NULL;
        if (t && (t->missing || !k->kept)) {
            rc = adopt_anew(a, k, name);
        } else if (t) {
            rc = compare(a, k);
        }
    }
    return rc == SYNC_OK && k->kept ? sync_rebuild_drop(a->s, k->tid, a->error) : rc;
}

/* ---- the whole ---- */

static int note_known(alter *a)
{
    for (uint32_t i = 0; a->s->has_meta && i < a->s->table_count; i++) {
        known *k = sync_arena_alloc(&a->arena, sizeof *k);
        char *name = sync_schema_string(&a->arena, a->s->tables[i].name);
        if (k == NULL || name == NULL) {
            return sync_fail_nomem(a->error);
        }
        *k = (known){.next = a->known, .tid = a->s->tables[i].tid, .name = name};
        a->known = k;
    }
    return SYNC_OK;
}

/* A table that was renamed and has its name again was never elsewhere. */
static int forget_detours(alter *a, size_t noted_before)
{
    int rc = SYNC_OK;
    for (const known *k = a->known; rc == SYNC_OK && k; k = k->next) {
        const sync_table *t = sync_engine_tid(a->s, k->tid);
        if (t && sqlite3_stricmp(t->name, k->name) == 0) {
            rc = sync_engine_ask_no_more(a->s, k->tid, noted_before, a->error);
        }
    }
    return rc;
}

static int run(alter *a, const char *sql, int64_t *adjusted)
{
    int64_t ignored = 0;
    size_t noted_before = a->s->anew.len;
    int rc = note_known(a);
    rc = rc == SYNC_OK ? run_all(a, sql) : rc;
    for (known *k = a->known; rc == SYNC_OK && k; k = k->next) {
        rc = k->dropped ? settle_dropped(a, k) : SYNC_OK;
    }
    rc = rc == SYNC_OK ? forget_detours(a, noted_before) : rc;
    rc = rc == SYNC_OK && a->s->has_meta ? sync_local(a->s, INT64_MAX, &ignored, a->error) : rc;
    rc = rc == SYNC_OK ? check_references(a) : rc;
    *adjusted = 0;
    for (const known *k = a->known; k; k = k->next) {
        *adjusted += k->adjusted;
    }
    return rc;
}

int sync_alter(sync_db *s, const char *sql, bool enforced, int64_t *adjusted, sync_error *error)
{
    alter a = {.s = s, .error = error};
    int on = 0, open = 0, most = 0;
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on); /* asks; cannot fail */
    (void)sqlite3_db_status(s->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &most, 0);
    if (open) {
        return sync_fail(
            error, SYNC_ERROR,
            "sync_alter: this transaction has rows without their parents: SQLite would not notice that"
            " they get them. Set that right first");
    }
    /* DROP TABLE would delete the rows that refer to the table. The pragma does nothing inside a transaction, this does. */
    if (on && sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL) != SQLITE_OK) {
        return sync_fail_db(s, error, "foreign keys");
    }
    a.enforced = enforced || on;
    int rc = run(&a, sql, adjusted);
    if (on) {
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    }
    sync_arena_free(&a.arena);
    return rc;
}
