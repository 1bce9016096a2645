/* The order in which tables are settled: a row is decided when those that it refers to are. */
#ifndef SYNC_ORDER_H
#define SYNC_ORDER_H

#include "engine.h"

/* Tables that refer to each other in a circle, and what lies between such circles, are one group; each other table is one of its own. Which tables stand
** together follows from the foreign keys alone, so that all files decide the same rows together. */
typedef struct sync_order {
    sync_table **tables; /* parents first; those of one group stand together */
    uint32_t *group;     /* by index of the table */
    uint32_t count;      /* of tables */
} sync_order;

/* sync_order_free in any case. */
int sync_order_init(sync_order *o, sync_db *s, sync_error *error);
void sync_order_free(sync_order *o);

/* Of the group that begins there in o->tables: the index behind its last table. */
uint32_t sync_order_end(const sync_order *o, const sync_db *s, uint32_t first);

/* Does a foreign key inside a group refer to other columns than a key? Who is meant is seen only when it is shown, so claims do not tell. */
bool sync_order_refers_by_value(const sync_order *o, sync_db *s, uint32_t group);

/* *circular: the table refers to itself, if over others. */
int sync_order_circular(sync_db *s, const sync_table *t, bool *circular, sync_error *error);

#endif
