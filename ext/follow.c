#include "follow.h"

#include "catalog.h"
#include "declared.h"

#include <string.h>

/* The table that our triggers on `tid` hang on, in the arena of the metadata; NULL if there are none. */
static int find_triggers(sync_db *s, uint32_t tid, char **on, sync_error *error)
{
    static const char *const events[] = {"insert", "update", "delete"};
    const char *table = NULL;
    *on = NULL;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        char name[32];
        sqlite3_snprintf(sizeof name, name, "sync_%u_%s", tid, events[i]);
        const sync_object *o = sync_catalog_find(s, SYNC_OBJECT_TRIGGER, name);
        if (o == NULL || (table && strcmp(table, o->table) != 0)) {
            return SYNC_OK;
        }
        table = o->table;
    }
    *on = sync_schema_string(&s->metadata, table);
    return *on ? SYNC_OK : sync_fail_nomem(error);
}

/* Has the table a key of as many columns as sync_table says, and a name that no other entry has there? */
static int can_follow(sync_db *s, const sync_table *t, const sync_base_table *base, bool *can,
                      sync_error *error)
{
    int64_t count = 0;
    *can = false;
    if (!base->exists || !base->ordinary) {
        return SYNC_OK;
    }
    int rc = sync_query_int(s, &count, 0, error,
                            "SELECT json_array_length(key) FROM main.sync_table WHERE tid = %u AND NOT EXISTS"
                            " (SELECT 1 FROM main.sync_table WHERE name = %Q AND tid <> %u)",
                            t->tid, base->name, t->tid);
    *can = count > 0 && count == base->key_count;
    return rc;
}

int sync_follow_look(sync_db *s, sync_table *t, const sync_base_table *base, sync_error *error)
{
    char *on = NULL;
    bool can = false;
    sync_base_table there;
    if (!t->missing && !t->untriggered) {
        return SYNC_OK;
    }
    int rc = find_triggers(s, t->tid, &on, error);
    if (rc != SYNC_OK || on == NULL) {
        return rc;
    }
    if (base->exists && sqlite3_stricmp(on, base->name) != 0) {
        t->missing = true;
        return SYNC_OK;
    }
    if (!t->missing) {
        return SYNC_OK;
    }
    if (!base->exists) {
        rc = sync_schema_read(s, &s->metadata, on, &there, error);
        base = &there;
    }
    rc = rc == SYNC_OK ? can_follow(s, t, base, &can, error) : rc;
    t->moved_to = rc == SYNC_OK && can ? on : NULL;
    return rc;
}

static int follow(sync_db *s, const sync_table *t, sync_error *error)
{
    bool renamed = sqlite3_stricmp(t->moved_to, t->name) != 0;
    int rc = SYNC_OK;
    if (renamed) {
        rc =
            sync_exec(s, error,
                      "UPDATE main.sync_table SET options = iif(options ->> 'formerly' = %Q COLLATE NOCASE,"
                      " json_remove(options, '$.formerly'), json_set(options, '$.formerly', name)), name = %Q"
                      " WHERE tid = %u;"
                      "UPDATE main.sync_conflict SET tbl = %Q WHERE tid = %u",
                      t->moved_to, t->moved_to, t->tid, t->moved_to, t->tid);
        rc = rc == SYNC_OK ? sync_engine_ask_anew(s, t->tid, true, error) : rc;
    }
    return rc == SYNC_OK
               ? sync_exec(s, error,
                           "UPDATE main.sync_table SET key = (SELECT json_group_array(name) FROM (SELECT "
                           "name AS name"
                           " FROM pragma_table_info(%Q, 'main') WHERE pk ORDER BY pk)) WHERE tid = %u",
                           t->moved_to, t->tid)
               : rc;
}

/* Before any of them has its new name: they may have exchanged them. */
static int follow_declared(sync_db *s, sync_error *error)
{
    uint32_t count = 0;
    sync_renaming *renamed = sync_alloc((s->table_count + 1) * sizeof *renamed);
    for (uint32_t i = 0; renamed && i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        if (t->moved_to && sqlite3_stricmp(t->moved_to, t->name) != 0) {
            renamed[count++] = (sync_renaming){t->name, t->moved_to};
        }
    }
    int rc = renamed ? sync_declared_follow(s, 0, renamed, count, error) : sync_fail_nomem(error);
    sync_free(renamed);
    return rc;
}

int sync_follow_all(sync_db *s, sync_error *error)
{
    bool any = false;
    int rc = follow_declared(s, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        if (s->tables[i].moved_to) {
            rc = follow(s, &s->tables[i], error);
            any = true;
        }
    }
    rc = rc == SYNC_OK && any ? sync_engine_changed(s, false, error) : rc;
    return rc == SYNC_OK && any ? sync_engine_refresh(s, error) : rc;
}
