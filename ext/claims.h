/* Rows that may be shown or held, decided together; and which of them rely on which. */
#ifndef SYNC_CLAIMS_H
#define SYNC_CLAIMS_H

#include "merging.h"

#define SYNC_NO_CLAIM UINT32_MAX

typedef struct sync_claim {
    sync_table *t;
    sync_value *key;
    sync_stamp born;
    bool numbered;      /* it has a number, which others may claim too: */
    sync_value number;  /* that under which it is shown, or claims to be */
    sync_stamp since;   /* and since when */
    sync_stamp given;   /* when it was given that number */
    sync_value *at;     /* t->meant: the key that it shows, or would show */
    bool shown;         /* it is in the base table */
    int64_t listed_at;  /* when it was put on the list of sync_conflict */
    bool listed_parent; /* it is listed as held because a parent is missing */
    bool lacks_parent;  /* one is neither shown nor a claim that may be */
    bool left;          /* nothing shown is in its way so far */
    bool stays;         /* see sync_claims_support */
    bool wins;          /* it is to be shown */
    bool outdated;      /* another one, that wins, has its number */
    bool refused;       /* it cannot be shown, whoever else is */
    const char *reason; /* and why, as sync_conflict has it; NULL: it is listed with that */
    const char *detail;
    bool loaded;
    sync_row row;     /* see sync_claims_load */
    uint32_t next;    /* in the hash chain: index + 1 */
    uint32_t waiting; /* first of those that rely on it: index of an edge + 1 */
    uint32_t needs;   /* first of those that it relies on */
    uint32_t unmet;   /* see sync_claims_order */
} sync_claim;

struct sync_edge;

struct sync_claims {
    sync_merging *m;
    uint32_t count, cap;
    sync_claim *list;
    uint32_t slot_count;
    uint32_t *slots; /* index into list + 1 */
    struct sync_edge *edges;
    uint32_t edge_count, edge_cap;
    uint32_t *stack;
    uint32_t depth;
    sync_buf buf;
    sync_arena arena; /* keys, contents */
};

/* `m` set and the rest zero to begin with; sync_claims_free in any case. */
void sync_claims_free(sync_claims *c);

/* Adds a row, unless it is there. *at: its index. */
int sync_claims_add(sync_claims *c, sync_table *t, const sync_value *key, sync_stamp born, uint32_t *at);

/* Adds the rows of a table that sync_conflict lists: as held, in whole or in some cells, or not; for that reason (NULL: for any). */
int sync_claims_listed(sync_claims *list, sync_table *t, bool held, const char *reason);

/* Takes number and seniority from the row's state, whether it is shown and where, from what sync_find gave. */
int sync_claims_note(sync_claims *c, uint32_t at, const sync_row *row, const sync_slot *slot);

/* The key under which it is shown, or claims to be; good as long as the claim stays where it is. */
const sync_value *sync_claim_at(const sync_claim *one);

/* SYNC_NO_CLAIM: it is none of them. */
uint32_t sync_claims_find(sync_claims *c, const sync_table *t, const sync_value *key, sync_stamp born);

/* Keeps the content of a row that is shown, so that it can be taken out of the table for a while. */
int sync_claims_load(sync_claims *c, uint32_t at);

/* The whole content of a row, held or loaded. Values are good until the next call. row: zero or used before, to be freed. */
int sync_claims_read(sync_claims *c, uint32_t at, sync_row *row);

/* Looks up whom those that are left rely on: rows of the base table, or claims. Those who miss another parent (what is shown without it does not), or rely on
** such, are not left any more. */
int sync_claims_look(sync_claims *c);

/* Takes out of those that stay whoever relies on a claim that neither stays nor wins: the greatest set that can stand by itself remains. */
void sync_claims_support(sync_claims *c);

/* The same for those that win, when one of them does not any more. */
void sync_claims_lose(sync_claims *c, uint32_t at);

/* A row is not left any more, nor are those that rely on it. */
void sync_claims_give_up(sync_claims *c, uint32_t at);

/* Marks as staying, and no others, a claim and all that are left and that it relies on, at any depth. list: room for all claims. */
void sync_claims_ancestors(sync_claims *c, uint32_t at, uint32_t *list, uint32_t *count);

/* Those that win, parents first; who refer to each other in circles, and who relies on them, come last. */
void sync_claims_order(sync_claims *c, uint32_t *list, uint32_t *count);

#endif
