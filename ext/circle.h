/* Rows held because of rows that are held: which of them can be shown together. */
#ifndef SYNC_CIRCLE_H
#define SYNC_CIRCLE_H

#include "merging.h"

/* A held row. */
typedef struct sync_candidate {
    sync_table *t;
    sync_value *key;
    sync_stamp born;
    bool dropped;     /* a parent is neither shown nor among those that stay */
    uint32_t next;    /* in the hash chain: index + 1 */
    uint32_t waiting; /* first of those that wait for it: index of an edge + 1 */
    uint32_t lacks;   /* candidates that it waits for itself */
    bool shown;
} sync_candidate;

/* Shows those of `list` (held for "foreign key") whose parents are all shown or among them: the greatest such set. Chains of any length take time linear in
** rows and references; rows that refer to each other in circles are shown together or not at all. *shown: at least one was. */
int sync_circle_show(sync_merging *m, sync_candidate *list, uint32_t count, bool *shown);

#endif
