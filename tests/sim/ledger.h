/* What was written where, kept outside the files: every acknowledged write, and who could know of whom. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "schema.h"

#include <stddef.h>

#define SIM_ACTORS 96

/* How many transactions of each actor a file holds. An actor is a file from one loss of memory (copy, restore, power cut) to the next. */
typedef struct sim_vector {
    uint32_t at[SIM_ACTORS];
} sim_vector;

void vector_raise(sim_vector *to, const sim_vector *from);

/* The tables of one file at one moment. Texts live until ledger_reset. */
typedef struct sim_row {
    uint64_t key;
    const char *key_text;
    uint64_t cell[SIM_COLUMNS];  /* 0: the file has no such column */
    uint64_t worth[SIM_COLUMNS]; /* the same, of columns that convert: whatever type a number has */
    const char *text[SIM_COLUMNS];
} sim_row;

typedef struct sim_dump {
    int count[SIM_TABLES];
    sim_row *row[SIM_TABLES];
} sim_dump;

/* Writes of a transaction that is not committed yet. */
typedef struct sim_draft {
    struct sim_event *event;
    size_t count;
    size_t cap;
} sim_draft;

void ledger_reset(void);
char *ledger_keep(const char *text, size_t bytes); /* a copy that lives until ledger_reset */
void *ledger_alloc(size_t bytes);

/* Adds to the draft what changed from one dump to the next. rewrites: any cell may have been written with what it was; replaces: and any
** row may have been deleted and inserted again (INSERT OR REPLACE with recursive triggers). */
void draft_add(sim_draft *draft, const sim_schema *schema, const sim_dump *before, const sim_dump *after,
               bool rewrites, bool replaces);
/* A row that was held, and not among those that dumps show, was deleted. key_text: as in a dump. */
void draft_delete(sim_draft *draft, int table, const char *key_text);
/* A row that is not shown any more was not deleted: it is held. */
void draft_held(sim_draft *draft, int table, const char *key_text);
void draft_free(sim_draft *draft);

const sim_row *dump_row(const sim_dump *dump, int table, uint64_t key); /* NULL: none */
bool dump_has(const sim_dump *dump, int table, const char *key_text);

#define SIM_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t sim_hash(uint64_t h, const char *text, size_t bytes); /* of key_text: sim_row.key */

/* Rows that were there when their table was tracked: below all writes. */
void ledger_genesis(const sim_schema *schema, const sim_dump *dump, int table, int actor);

/* The draft is committed: the next transaction of `actor`, which knew what `knew` says and then itself. */
void ledger_commit(sim_draft *draft, int actor, sim_vector *knew, int step);

/* A row of this table, named by its number, may have another one elsewhere. */
void ledger_moved(int table);
/* Rows of this table came under other numbers in a merge: what became of one is told by its values alone. */
void ledger_renumbered(int table);
bool ledger_is_renumbered(int table); /* -1: no */

/* What was inserted and not folded may have been born twice, in two files or under two ids: a delete kills what it saw, and no more. */
void ledger_doubled(void);

/* Writes that no file of these holds any more are not asked for. */
void ledger_forget(const sim_vector *const *held, int count);

/* Whether (table, key) is in a file's sync_conflict. value_text, unless it is NULL: or a row of any key that has this value. */
typedef bool (*sim_aside)(void *context, int table, const char *key_text, const char *value_text);

/* NULL, or which write was lost (lives until ledger_reset). */
const char *ledger_check(const sim_schema *schema, const sim_dump *final, bool forgets, sim_aside aside,
                         void *context); /* forgets: deletes may have been forgotten */

size_t ledger_count(void);

#endif
