/* Merging what its author may not have been allowed to write: row by row, by rules (rules.h). A row must satisfy its table's rule as it was and as it has become; one that
** does not is left out as if it had not been sent. What a row becomes is known once all is merged, so a merge that finds such rows then is taken back and done again without
** them. Source: docs/MERGE.md, "Selections". */
#ifndef SYNC_GATE_H
#define SYNC_GATE_H

#include "merging.h"
#include "rules.h"

/* Zero-initialise, set the rules; sync_gate_free at the end. */
typedef struct sync_gate {
    const sync_rules *rules;
    uint64_t *barred; /* hashes of rows that are left out for what they would become, ascending */
    uint32_t barred_count, barred_room;
    uint32_t passes;
    bool again;     /* this pass has barred some: nothing of it may stay */
    int64_t listed; /* the last entry of sync_conflict before this pass */
    sync_buf row;   /* the one in hand, as it is known here */
    sync_buf
        passed; /* rows that this pass has merged, and the entries of sync_conflict that came with each */
    sync_encoder *report; /* names rows that this pass has left out; NULL: none yet */
    uint32_t refused;     /* how many */
    bool
        blind; /* its author wrote to a row that has ended here, or is hidden from him now, and keeps what he had of it */
} sync_gate;

/* Before each pass, in its transaction. */
int sync_gate_begin(sync_gate *g, sync_db *s, sync_error *error);

typedef enum sync_admission {
    SYNC_ADMITTED,
    SYNC_REFUSED,
    SYNC_IGNORED /* the end of a row that nobody here knows: it is not noted, so that nobody ends what others have yet to begin */
} sync_admission;

/* May the row be merged? known: something was known of it before; row: as merged; slot: as sync_find gave it. After it has been, sync_gate_merged is due. */
int sync_gate_admit(sync_gate *g, sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                    const sync_slot *slot, bool known, sync_admission *may);

/* That row has been merged. from, to: the last entry of sync_conflict before and after that. */
int sync_gate_merged(sync_gate *g, int64_t from, int64_t to, sync_error *error);

/* sent: a row as it came; row: what has become of it here, so far. Sets g->blind where its author does not see what stands now. */
int sync_gate_compare(sync_gate *g, sync_merging *m, sync_table *t, const sync_value *key,
                      const sync_row *sent, const sync_row *row, const sync_slot *slot);

/* Is it barred already? */
bool sync_gate_bars(const sync_gate *g, const sync_table *t, const sync_value *key, sync_stamp born);

/* Names a row that was left out, as it came, in the report. */
int sync_gate_report(sync_gate *g, const sync_head *head, uint32_t table, const sync_value *key,
                     const sync_row *wire, sync_error *error);

/* After everything is settled: sets g->again if a row has become what its author may not make of it, or has put somebody else's aside. */
int sync_gate_look_back(sync_gate *g, sync_merging *m);

/* The report as a changeset, borrowed from the gate; NULL: nothing was left out. */
int sync_gate_finish(sync_gate *g, const void **report, size_t *bytes, sync_error *error);

void sync_gate_free(sync_gate *g);

#endif
