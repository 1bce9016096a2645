/* Which rows somebody may see and change: SQL expressions over a row and :user. Source: docs/MERGE.md, "Selections". */
#ifndef SYNC_RULES_H
#define SYNC_RULES_H

#include "engine.h"
#include "sync_ext.h"

/* The rule of a table: the first that names it, or names all ("*"). NULL: nobody whom these rules bind may see it. */
const sync_rule *sync_rules_of(const sync_rules *rules, const sync_table *t);

/* What decides whether a row of the table may be seen, or written, as SQL; NULL: it may, always. */
const char *sync_rules_read(const sync_rule *rule);
const char *sync_rules_write(const sync_rule *rule);

/* Binds :user in a statement that has `expression` in it (NULL: none), and nothing else that could be bound but parameters whose names begin
** with :sync_. SYNC_ERROR names another one. */
int sync_rules_bind(sync_db *s, const sync_rules *rules, const sync_table *t, sqlite3_stmt *stmt,
                    sync_error *error);

/* A statement over a rule could not be prepared or run: puts before what SQLite says whose rule it is. Returns rc. */
int sync_rules_fail(const sync_table *t, int rc, sync_error *error);

/* *may: does the row that the base table shows under `key` satisfy the rule for writing it (write), or seeing it? One that is not there does not. */
int sync_rules_judge(sync_db *s, const sync_rules *rules, sync_table *t, const sync_value *key, bool write,
                     bool *may, sync_error *error);

#endif
