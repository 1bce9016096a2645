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

#endif
