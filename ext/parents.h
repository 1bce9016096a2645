/* Foreign keys during a merge: parents that are not shown, children of rows that go. */
#ifndef SYNC_PARENTS_H
#define SYNC_PARENTS_H

#include "merging.h"

/* The first parent of a row that is not shown. */
typedef struct sync_missing {
    char why[SYNC_ERROR_BYTES]; /* "" if none is missing */
    sync_table *parent;
    bool has_key; /* the foreign key refers to the parent's key: it is known by this one */
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born;   /* identity row: of the row that is meant */
    uint32_t from, at; /* foreign keys before `from` are not looked at; which one it is */
} sync_missing;

/* Looks for a parent that is not shown, from missing->from on (0: all). key: as the row is shown, or claims to be. Foreign keys whose columns the row does not carry keep what they have. Values are borrowed. */
int sync_parents_missing(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                         const sync_slot *slot, sync_missing *missing);

/* *gone: the missing parent may be known here, and be dead. */
int sync_parents_gone(sync_merging *m, const sync_missing *missing, bool *gone);

/* Makes every cell of a shown row carried (sync_base_load; key: as it is shown), and sets its references to what its foreign keys mean: cells that were carried before keep what
** they mean. spelled: may be NULL. */
int sync_parents_load(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                      sync_value *spelled, bool *exists);

/* Gives cells that refer to rows of row tables the numbers under which these are shown here, where they are. Values that are not carried stay. */
int sync_parents_renumber(sync_merging *m, const sync_table *t, const sync_value *key, sync_row *row);

/* The reverse: their numbers at birth, as rows that are held or sent have them. */
void sync_parents_at_birth(sync_row *row);

/* Keys of the shown children of a shown row by one foreign key, into the arena; the list is to be freed, see sync_read_keys. */
int sync_parents_children(sync_merging *m, const sync_fk *fk, const sync_table *parent,
                          const sync_table *child, const sync_value *key, sync_value ***list,
                          uint32_t *count);

/* Holds the children of a shown row that is about to go, for ever or not; with `changing`, only those that refer to columns which it carries. */
int sync_hold_children(sync_merging *m, sync_table *parent, const sync_value *key, const sync_row *changing,
                       bool for_ever);

#endif
