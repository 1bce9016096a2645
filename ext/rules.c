#include "rules.h"

#include <string.h>

const sync_rule *sync_rules_of(const sync_rules *rules, const sync_table *t)
{
    for (size_t i = 0; i < rules->count; i++) {
        const char *name = rules->list[i].table;
        if (strcmp(name, "*") == 0 || sqlite3_stricmp(name, t->name) == 0) {
            return &rules->list[i];
        }
    }
    return NULL;
}

const char *sync_rules_read(const sync_rule *rule)
{
    return rule->read;
}

const char *sync_rules_write(const sync_rule *rule)
{
    return rule->write ? rule->write : rule->read;
}

int sync_rules_bind(sync_db *s, const sync_rules *rules, const sync_table *t, sqlite3_stmt *stmt,
                    sync_error *error)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
        const char *name = sqlite3_bind_parameter_name(stmt, i);
        if (name && strncmp(name, ":sync_", 6) == 0) {
            continue;
        }
        if (!name || strcmp(name, ":user") != 0) {
            return sync_fail(error, SYNC_ERROR,
                             "the rule of table %s has a parameter %.64s: there is only :user", t->name,
                             name ? name : "without a name");
        }
        if (sqlite3_bind_text(stmt, i, rules->user, -1, SQLITE_STATIC) != SQLITE_OK) {
            return sync_fail_db(s, error, NULL);
        }
    }
    return SYNC_OK;
}

int sync_rules_fail(const sync_table *t, int rc, sync_error *error)
{
    char why[SYNC_ERROR_BYTES];
    sqlite3_snprintf(sizeof why, why, "%s", error->text);
    sync_error_clear(error);
    return sync_fail(error, rc, "the rule of table %s: %s", t->name, why);
}

int sync_rules_judge(sync_db *s, const sync_rules *rules, sync_table *t, const sync_value *key, bool write,
                     bool *may, sync_error *error)
{
    const sync_rule *rule = sync_rules_of(rules, t);
    const char *expression = !rule ? "0" : write ? sync_rules_write(rule) : sync_rules_read(rule);
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "SELECT (%s\n) FROM main.\"%w\" WHERE ", expression ? expression : "1", t->name);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" = :sync_%u", i ? " AND " : "", t->key_names[i], i);
    }
    char *text = sqlite3_str_finish(sql);
    *may = false;
    int rc = text ? sync_borrow(s, &stmt, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    rc = rc == SYNC_OK ? sync_rules_bind(s, rules, t, stmt, error) : sync_rules_fail(t, rc, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        char name[24];
        sqlite3_snprintf(sizeof name, name, ":sync_%u", i);
        if (sync_bind_value(stmt, sqlite3_bind_parameter_index(stmt, name), &key[i]) != SQLITE_OK) {
            rc = sync_fail_db(s, error, NULL);
        }
    }
    if (rc == SYNC_OK) {
        rc = sync_step(s, stmt, error);
        *may = rc == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : sync_rules_fail(t, rc, error);
    }
    sync_return(s, stmt);
    return rc;
}
