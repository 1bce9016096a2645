#include "hints.h"

#include "catalog.h"

#include <string.h>

/* What a column of the new row will be. REPLACE puts the DEFAULT where a NOT NULL column would be NULL, after the triggers that run before. */
static void put_new(sqlite3_str *str, const sync_table *t, const char *column)
{
    const char *preset = NULL;
    for (uint32_t i = 0; i < t->col_count; i++) {
        const sync_column *c = &t->cols[i];
        preset = c->filled && sqlite3_stricmp(c->name, column) == 0 ? c->preset : preset;
    }
    sqlite3_str_appendf(str, preset ? "ifnull(NEW.\"%w\", (%s))" : "NEW.\"%w\"", column, preset);
}

/* The term as the new row has it: its columns are those of a subquery, so that it can stand there as it is. */
static int put_term_of_new(sync_db *s, sqlite3_str *str, const sync_table *t, const char *term,
                           sync_error *error)
{
    sqlite3_stmt *stmt;
    bool any = false;
    int rc =
        sync_prepare(s, &stmt, error,
                     "SELECT name FROM pragma_table_xinfo(%Q, 'main') WHERE instr(lower(%Q), lower(name)) OR"
                     " instr(lower(%Q), lower(replace(name, '\"', '\"\"')))",
                     t->name, term, term);
    if (rc != SYNC_OK) {
        return rc;
    }
    sqlite3_str_appendf(str, "(SELECT %s", term);
    while ((rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        sqlite3_str_appendall(str, any ? ", " : " FROM (SELECT ");
        put_new(str, t, name);
        sqlite3_str_appendf(str, " AS \"%w\"", name);
        any = true;
    }
    sqlite3_str_appendall(str, any ? "))" : ")");
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* The rows that have the same under this index as the new one: said so that the index itself finds them. */
static int put_same(sync_db *s, sqlite3_str *str, const sync_table *t, const sync_unique *u,
                    sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t c = 0; rc == SYNC_OK && c < u->count; c++) {
        sqlite3_str_appendall(str, c ? " AND " : "");
        if (u->terms[c] == NULL) {
            sqlite3_str_appendf(str, "t.\"%w\" = ", u->cols[c]);
            put_new(str, t, u->cols[c]);
            sqlite3_str_appendf(str, " COLLATE \"%w\"", u->collations[c]);
        } else {
            sqlite3_str_appendf(str, "(%s) COLLATE \"%w\" = ", u->terms[c], u->collations[c]);
            rc = put_term_of_new(s, str, t, u->terms[c], error);
        }
    }
    if (u->where) {
        sqlite3_str_appendf(str, " AND (%s)", u->where);
    }
    return rc;
}

int sync_hints_text(sync_db *s, const sync_table *t, bool update, char **text, sync_error *error)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->unique_count; i++) {
        if (t->uniques[i].count == 0) {
            continue;
        }
        sqlite3_str_appendall(str, "INSERT INTO sync_journal(tid, op, at, ");
        sync_str_numbers(str, t, "k%d", ", ");
        sqlite3_str_appendf(str, ") SELECT %u, %d, %s, ", t->tid, SYNC_OP_HINT, SYNC_AT_SQL);
        sync_str_keys(str, t, "\"%w\"", ", ");
        sqlite3_str_appendf(str, " FROM \"%w\" AS t WHERE ", t->name);
        rc = put_same(s, str, t, &t->uniques[i], error);
        sqlite3_str_appendall(str, " AND NOT (");
        for (uint32_t k = 0; k < t->key_count; k++) {
            sqlite3_str_appendf(str, "%st.\"%w\" IS %s.\"%w\"", k ? " AND " : "", t->key_names[k],
                                update ? "OLD" : "NEW", t->key_names[k]);
        }
        sqlite3_str_appendall(str, ");\n    ");
    }
    *text = sqlite3_str_finish(str);
    return rc != SYNC_OK || *text ? rc : sync_fail_nomem(error);
}

/* Are these statements missing in the triggers? */
static int hints_lacking(sync_db *s, const sync_table *t, bool *lacking, sync_error *error)
{
    int rc = SYNC_OK;
    *lacking = false;
    for (int update = 0; rc == SYNC_OK && !*lacking && update < 2; update++) {
        char *text = NULL, name[32];
        sqlite3_snprintf(sizeof name, name, "sync_%u_before_%s", t->tid, update ? "update" : "insert");
        const sync_object *o = sync_catalog_find(s, SYNC_OBJECT_TRIGGER, name);
        rc = sync_hints_text(s, t, update != 0, &text, error);
        *lacking = rc == SYNC_OK && (o == NULL || o->sql == NULL || strstr(o->sql, text) == NULL);
        sqlite3_free(text);
    }
    return rc;
}

int sync_hints_look(sync_db *s, sync_table *t, sync_error *error)
{
    char ours[32];
    int own = 0, telling = 0;
    int64_t newest = 0, oldest = INT64_MAX; /* of the others, of ours */
    const sync_object *table = sync_catalog_find(s, SYNC_OBJECT_TABLE, t->name);
    sqlite3_snprintf(sizeof ours, ours, "sync_%u_", t->tid);
    size_t bytes = strlen(ours);
    for (const sync_object *o = table ? table->next : NULL; o; o = o->next) {
        bool mine = strcmp(o->table, t->name) == 0 && strncmp(o->name, ours, bytes) == 0 && o->name[bytes] &&
                    strchr("biudk", o->name[bytes]);
        own += mine;
        telling += mine && o->name[bytes] != 'b';
        newest = !mine && o->place > newest ? o->place : newest;
        oldest = mine && o->place < oldest ? o->place : oldest;
        t->user_triggers = t->user_triggers || !mine;
    }
    /* SQLite fires the newest first: ours, or one of the application's may end the statement before them */
    t->unseen = telling < 5;
    t->untriggered = own != (t->hints ? 7 : 5) || newest > oldest;
    return !t->untriggered && t->hints ? hints_lacking(s, t, &t->untriggered, error) : SYNC_OK;
}
