/* Tables whose key is made of references: tags such as entry(list, track), details such as detail(customer). With identity key a row of such a table is
** known by the rows that those parts of its key mean, not by their numbers, which may change.
**
** While a row is shown, its clock lies under the key that it shows: the numbers say what is meant. Otherwise (held, or dead) it lies under what it is known by: each
** part that refers to a row table is a blob there, with that row's number at birth and its birth stamp. */
#ifndef SYNC_MEANT_H
#define SYNC_MEANT_H

#include "clocks.h"

/* Which row of a row table a number means: the one that is shown under it; else the last one that a program deleted there; else a row from before
** tracking. */
int sync_meant_number(sync_db *s, sync_table *parent, sync_place place, int64_t number, sync_stamp *born,
                      int64_t *birth, sync_error *error);

/* The last of the rows that programs of this file deleted under a number; born_by: of those born up to this stamp (UINT64_MAX: of all). */
int sync_meant_deleted(sync_db *s, sync_table *parent, sync_place place, int64_t number, uint64_t born_by,
                       bool *found, sync_stamp *born, int64_t *birth, sync_error *error);

/* Has a number passed to a row that was born after `hlc`? now: the key part as it is known. *passed: so it has, and *was
** (arena) is how that part was known before; *anybody: then it meant the last older row that was deleted there, else nobody. */
int sync_meant_before(sync_db *s, sync_table *parent, sync_place place, int64_t number, const sync_value *now,
                      uint64_t hlc, bool *passed, bool *anybody, sync_value *was, sync_arena *arena,
                      sync_error *error);

/* A key part as a row is known by it. False when out of memory. */
bool sync_meant_part(sync_arena *arena, int64_t birth, sync_stamp born, sync_value *part);

/* The reverse; false: it is no such part. */
bool sync_meant_get(const sync_db *s, const sync_value *part, int64_t *birth, sync_stamp *born);

/* What the row shown under a key is known by. */
int sync_meant_known(sync_db *s, sync_table *t, sync_place place, const sync_value *shown, sync_value *known,
                     sync_arena *arena, sync_error *error);

/* The same of a row that arrives: its numbers at birth, and references that say whose they are. */
int sync_meant_arrived(const sync_table *t, const sync_value *key, const sync_row *row, sync_value *known,
                       sync_arena *arena, sync_error *error);

/* The reverse: numbers at birth, and the references, which are added to `row` (may be NULL) where it has none. */
int sync_meant_birth(const sync_db *s, const sync_table *t, const sync_value *known, sync_value *birth,
                     sync_row *row, sync_error *error);

/* Takes references of key parts out of a row: where its clock lies says the same. */
void sync_meant_strip(const sync_table *t, sync_row *row);

#endif
