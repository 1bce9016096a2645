#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (256u * 1024)

typedef enum sim_verb { VERB_SET, VERB_INSERT, VERB_DELETE, VERB_REWRITE } sim_verb;

typedef struct sim_event {
    sim_verb verb;
    int table;
    int col;
    uint32_t transaction;
    uint64_t key;
    uint64_t value;
    const char *key_text;
    const char *value_text;
    const sim_row *old; /* of a delete */
    bool weak;          /* perhaps no write: it may have won over others, and need not be found */
    bool rewrites;      /* the whole row was written */
} sim_event;

typedef struct transaction {
    sim_vector knew;
    int actor;
    uint32_t number; /* 0: genesis */
    int step;
    bool forgotten;
} transaction;

typedef struct block {
    struct block *next;
    size_t used;
    _Alignas(16) char bytes[BLOCK_BYTES];
} block;

static block *blocks;
static sim_event *events;
static size_t event_count, event_cap;
static transaction *transactions;
static uint32_t transaction_count, transaction_cap;
static bool
    moved[SIM_TABLES]; /* keys changed: a row that is known by its birth may have died under another number */
static bool renumbered[SIM_TABLES];

static bool doubled;

void ledger_doubled(void)
{
    doubled = true;
}

void ledger_moved(int table)
{
    moved[table] = true;
}

void ledger_renumbered(int table)
{
    moved[table] = renumbered[table] = true;
}

bool ledger_is_renumbered(int table)
{
    return table >= 0 && renumbered[table];
}

void vector_raise(sim_vector *to, const sim_vector *from)
{
    for (int i = 0; i < SIM_ACTORS; i++) {
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
    }
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    return memory;
}

void ledger_reset(void)
{
    while (blocks && blocks->next) {
        block *gone = blocks;
        blocks = blocks->next;
        free(gone);
    }
    if (blocks) {
        blocks->used = 0;
    }
    event_count = 0;
    transaction_count = 0;
    doubled = false;
    memset(moved, 0, sizeof moved);
    memset(renumbered, 0, sizeof renumbered);
}

void *ledger_alloc(size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > BLOCK_BYTES) {
        fprintf(stderr, "sim: a row of %zu bytes\n", bytes);
        abort();
    }
    if (blocks == NULL || blocks->used + bytes > BLOCK_BYTES) {
        block *b = must(malloc(sizeof *b));
        b->next = blocks;
        b->used = 0;
        blocks = b;
    }
    void *at = blocks->bytes + blocks->used;
    blocks->used += bytes;
    return at;
}

char *ledger_keep(const char *text, size_t bytes)
{
    char *kept = ledger_alloc(bytes + 1);
    memcpy(kept, text, bytes);
    kept[bytes] = '\0';
    return kept;
}

static const char *say(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ledger_keep(text, bytes < 0 ? 0 : bytes < (int)sizeof text ? (size_t)bytes : sizeof text - 1);
}

/* ---- drafts ---- */

static void put(sim_draft *draft, sim_event event)
{
    if (draft->count == draft->cap) {
        draft->cap = draft->cap ? draft->cap * 2 : 64;
        draft->event = must(realloc(draft->event, draft->cap * sizeof *draft->event));
    }
    draft->event[draft->count++] = event;
}

void draft_free(sim_draft *draft)
{
    free(draft->event);
    *draft = (sim_draft){0};
}

/* The whole row may have been written: of one without columns only this tells. */
static void put_rewrite(sim_draft *draft, int table, const sim_row *row)
{
    put(draft, (sim_event){.verb = VERB_REWRITE,
                           .table = table,
                           .col = -1,
                           .key = row->key,
                           .key_text = row->key_text,
                           .value_text = "",
                           .weak = true,
                           .rewrites = true});
}

static void put_cells(sim_draft *draft, const sim_schema *schema, int table, const sim_row *old,
                      const sim_row *row, bool rewrites)
{
    for (int c = 0; c < schema->table[table].count; c++) {
        bool same = old != NULL && old->cell[c] == row->cell[c];
        if (row->cell[c] != 0 && (rewrites || !same)) {
            put(draft, (sim_event){.verb = VERB_SET,
                                   .table = table,
                                   .col = c,
                                   .key = row->key,
                                   .value = row->worth[c],
                                   .key_text = row->key_text,
                                   .value_text = row->text[c],
                                   .weak = same,
                                   .rewrites = rewrites});
        }
    }
}

void draft_add(sim_draft *draft, const sim_schema *schema, const sim_dump *before, const sim_dump *after,
               bool rewrites, bool replaces)
{
    for (int t = 0; t < schema->count; t++) {
        int i = 0, j = 0;
        while (i < before->count[t] || j < after->count[t]) {
            const sim_row *old = i < before->count[t] ? &before->row[t][i] : NULL;
            const sim_row *row = j < after->count[t] ? &after->row[t][j] : NULL;
            if (row == NULL || (old != NULL && old->key < row->key)) {
                put(draft,
                    (sim_event){VERB_DELETE, t, -1, 0, old->key, 0, old->key_text, "", old, false, false});
                i++;
            } else if (old == NULL || row->key < old->key) {
                put(draft,
                    (sim_event){VERB_INSERT, t, -1, 0, row->key, 0, row->key_text, "", NULL, false, false});
                put_cells(draft, schema, t, NULL, row, true);
                j++;
            } else {
                put_cells(draft, schema, t, old, row, rewrites);
                if (rewrites) {
                    put_rewrite(draft, t, row);
                }
                if (rewrites && replaces) {
                    put(draft, (sim_event){VERB_INSERT, t, -1, 0, row->key, 0, row->key_text, "", NULL, true,
                                           false});
                }
                i++;
                j++;
            }
        }
    }
}

const sim_row *dump_row(const sim_dump *dump, int table, uint64_t key)
{
    for (int i = 0; i < dump->count[table]; i++) {
        if (dump->row[table][i].key == key) {
            return &dump->row[table][i];
        }
    }
    return NULL;
}

uint64_t sim_hash(uint64_t h, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        h = (h ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

bool dump_has(const sim_dump *dump, int table, const char *key_text)
{
    return dump_row(dump, table, sim_hash(SIM_HASH_START, key_text, strlen(key_text))) != NULL;
}

void draft_delete(sim_draft *draft, int table, const char *key_text)
{
    static const sim_row unknown;
    put(draft, (sim_event){.verb = VERB_DELETE,
                           .table = table,
                           .col = -1,
                           .key = sim_hash(SIM_HASH_START, key_text, strlen(key_text)),
                           .key_text = key_text,
                           .value_text = "",
                           .old = &unknown});
}

void draft_held(sim_draft *draft, int table, const char *key_text)
{
    size_t left = 0;
    for (size_t i = 0; i < draft->count; i++) {
        const sim_event *e = &draft->event[i];
        if (e->verb != VERB_DELETE || e->table != table || strcmp(e->key_text, key_text) != 0) {
            draft->event[left++] = *e;
        }
    }
    draft->count = left;
}

static uint32_t new_transaction(transaction t)
{
    if (transaction_count == transaction_cap) {
        transaction_cap = transaction_cap ? transaction_cap * 2 : 256;
        transactions = must(realloc(transactions, transaction_cap * sizeof *transactions));
    }
    transactions[transaction_count] = t;
    return transaction_count++;
}

static void enter(const sim_draft *draft, uint32_t number)
{
    bool came[SIM_TABLES] = {0}, went[SIM_TABLES] = {0};
    for (size_t i = 0; i < draft->count; i++) {
        const sim_event *e = &draft->event[i];
        came[e->table] = came[e->table] || e->verb == VERB_INSERT;
        went[e->table] = went[e->table] || e->verb == VERB_DELETE;
        moved[e->table] = moved[e->table] || (came[e->table] && went[e->table]);
    }
    if (event_count + draft->count > event_cap) {
        event_cap = (event_count + draft->count) * 2;
        events = must(realloc(events, event_cap * sizeof *events));
    }
    for (size_t i = 0; i < draft->count; i++) {
        events[event_count] = draft->event[i];
        events[event_count++].transaction = number;
    }
}

void ledger_genesis(const sim_schema *schema, const sim_dump *dump, int table, int actor)
{
    sim_draft draft = {0};
    for (int i = 0; i < dump->count[table]; i++) {
        const sim_row *row = &dump->row[table][i];
        put(&draft,
            (sim_event){VERB_INSERT, table, -1, 0, row->key, 0, row->key_text, "", NULL, false, false});
        put_cells(&draft, schema, table, NULL, row, true);
    }
    enter(&draft, new_transaction((transaction){.number = 0, .actor = actor}));
    draft_free(&draft);
}

void ledger_commit(sim_draft *draft, int actor, sim_vector *knew, int step)
{
    knew->at[actor]++;
    uint32_t number = new_transaction(
        (transaction){.knew = *knew, .actor = actor, .number = knew->at[actor], .step = step});
    enter(draft, number);
    draft->count = 0;
}

void ledger_forget(const sim_vector *const *held, int count)
{
    for (uint32_t i = 0; i < transaction_count; i++) {
        transaction *t = &transactions[i];
        bool known = t->number == 0;
        for (int h = 0; h < count && !known; h++) {
            known = held[h]->at[t->actor] >= t->number;
        }
        t->forgotten = t->forgotten || !known;
    }
}

size_t ledger_count(void)
{
    return event_count;
}

/* ---- the check ---- */

/* Whether `a` certainly happened before `b`, so that it cannot have won over it. */
static bool before(const sim_event *a, const sim_event *b)
{
    const transaction *ta = &transactions[a->transaction];
    const transaction *tb = &transactions[b->transaction];
    if (a->transaction == b->transaction) {
        return a < b && ta->number != 0;
    }
    if (ta->number == 0) {
        return tb->number != 0;
    }
    return tb->number != 0 && tb->knew.at[ta->actor] >= ta->number;
}

typedef struct checker {
    const sim_schema *schema;
    const sim_dump *final;
    bool forgets;
    sim_aside aside;
    void *context;
} checker;

/* Did somebody who did not know of this delete write the row whole, so that who had forgotten it took the row, and let it be written to, until it met somebody who had not? */
static bool is_kept_until(const sim_event *d, const sim_event *e)
{
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *w = &events[i];
        if ((w->verb == VERB_INSERT || w->rewrites) && w->table == d->table && w->key == d->key &&
            !before(w, d) && !before(d, w) && before(w, e)) {
            return true;
        }
    }
    return false;
}

static bool is_deleted(const checker *c, const sim_event *e)
{
    bool any_key = moved[e->table] && schema_by_birth(c->schema, e->table);
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *d = &events[i];
        if (d->verb == VERB_DELETE && d->table == e->table && (any_key || d->key == e->key) &&
            (!before(d, e) || (c->forgets && is_kept_until(d, e)))) {
            return true;
        }
    }
    return false;
}

/* Somebody wrote `value`, and not before `e` (which of two stamps a write gets is not known where it was stamped twice, by clocks that differ). Rows that are known by their birth may have been written under another number. */
static bool is_overwritten(const sim_event *e, uint64_t value, bool any_key)
{
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->verb == VERB_SET && w->table == e->table && w->col == e->col && w->value == value &&
            (any_key || w->key == e->key) && (doubled || !before(w, e))) {
            return true;
        }
    }
    return false;
}

static bool shown_elsewhere(const checker *c, const sim_event *e)
{
    for (int i = 0; i < c->final->count[e->table]; i++) {
        if (c->final->row[e->table][i].worth[e->col] == e->value) {
            return true;
        }
    }
    return false;
}

/* A row that came under another number and is held there is in no table: that the same cell was written later is told by its entry. */
static bool is_overwritten_aside(const checker *c, const sim_event *e)
{
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->verb == VERB_SET && w->table == e->table && w->col == e->col && w->key == e->key &&
            before(e, w) && c->aside(c->context, w->table, w->key_text, w->value_text)) {
            return true;
        }
    }
    return false;
}

/* A row that came under another number was written there, perhaps; one that refers to it has another number than was written. */
static bool follows_number(const checker *c, const sim_event *e)
{
    int parent = c->schema->table[e->table].column[e->col].parent;
    bool refers = parent >= 0 && renumbered[parent];
    for (size_t i = 0; (refers || renumbered[e->table]) && i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->verb == VERB_SET && w->table == e->table && w->col == e->col && !before(w, e) &&
            ((refers && w->key == e->key) || (renumbered[e->table] && shown_elsewhere(c, w)))) {
            return true;
        }
    }
    return false;
}

/* A row that came anew where the column was not known has what ADD COLUMN fills in. */
static bool is_renewed(const checker *c, const sim_event *e)
{
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->table == e->table && w->key == e->key && (w->weak || w->verb == VERB_INSERT) &&
            !before(w, e)) {
            return c->schema->table[e->table].column[e->col].late;
        }
    }
    return false;
}

static bool is_inserted_again(const sim_event *d)
{
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->verb == VERB_INSERT && w->table == d->table && w->key == d->key && !before(w, d)) {
            return true;
        }
    }
    return false;
}

/* A number that was given up for another one may be what is left of it in the end. */
static bool is_moved(const sim_event *d)
{
    for (size_t i = 0; renumbered[d->table] && i < event_count; i++) {
        const sim_event *w = &events[i];
        if (w->verb == VERB_INSERT && w->table == d->table && w->transaction == d->transaction) {
            return true;
        }
    }
    return false;
}

/* Where the delete has been forgotten, a file may bring along a row that it wrote whole without knowing of it; or, if nobody has met it, one
** from before its tracking; or one that two files stamped as theirs, the other of which is deleted. */
static bool is_brought_along(const checker *c, const sim_event *d)
{
    for (size_t i = 0; c->forgets && i < event_count; i++) {
        const sim_event *w = &events[i];
        bool genesis = w->verb == VERB_INSERT && transactions[w->transaction].number == 0 &&
                       transactions[w->transaction].actor != transactions[d->transaction].actor;
        bool apart = w->rewrites && !before(w, d);
        bool twice = doubled && (w->verb == VERB_INSERT || w->rewrites);
        if (w->table == d->table && w->key == d->key && (genesis || apart || twice)) {
            return true;
        }
    }
    return false;
}

/* What ADD COLUMN fills in is no write. */
static bool is_default(const checker *c, const sim_event *e, const char *shown)
{
    const sim_column *col = &c->schema->table[e->table].column[e->col];
    const char *text = col->deflt == NULL ? "n" : *col->deflt == '\'' ? "tdflt" : "i7";
    return col->late && strcmp(shown, text) == 0;
}

/* A row that is held may have come under another number, and is listed there; one whose key refers to a row that was given another number, and is gone, under
** the number that this had at birth. */
static bool is_held(const checker *c, const sim_event *e)
{
    const sim_table *t = &c->schema->table[e->table];
    bool refers = (t->refers[0] >= 0 || t->refers[1] >= 0) && schema_by_birth(c->schema, e->table);
    bool elsewhere =
        e->verb == VERB_SET ? schema_by_birth(c->schema, e->table) : renumbered[e->table] || refers;
    return c->aside(c->context, e->table, e->key_text, elsewhere ? e->value_text : NULL);
}

static const char *check_set(const checker *c, const sim_event *e)
{
    if (is_default(c, e, e->value_text)) {
        return NULL;
    }
    const sim_row *row = dump_row(c->final, e->table, e->key);
    bool by_row = schema_by_birth(c->schema, e->table);
    if (row && (row->worth[e->col] == e->value || is_overwritten(e, row->worth[e->col], by_row))) {
        return NULL;
    }
    if (row && is_default(c, e, row->text[e->col]) && is_renewed(c, e)) {
        return NULL;
    }
    if (is_deleted(c, e) || (by_row && (shown_elsewhere(c, e) || is_overwritten_aside(c, e))) ||
        follows_number(c, e) || is_held(c, e)) {
        return NULL;
    }
    return row ? row->text[e->col] : "no row";
}

static const char *check_delete(const checker *c, const sim_event *e)
{
    const sim_row *row = dump_row(c->final, e->table, e->key);
    if (row == NULL || is_inserted_again(e) || is_moved(e) || is_brought_along(c, e)) {
        return NULL;
    }
    if (schema_by_birth(c->schema, e->table)) { /* another row may have the number by now */
        bool same = true, telling = false;
        for (int i = 0; i < c->schema->table[e->table].count; i++) {
            same = same && (row->worth[i] == e->old->worth[i] || e->old->worth[i] == 0);
            telling = telling || (row->text[i] && e->old->cell[i] != 0 &&
                                  strncmp(row->text[i], "tw", 2) == 0); /* nobody else writes this value */
        }
        return same && telling && !doubled ? "the row" : NULL;
    }
    return "the row";
}

/* A row whose key refers to one that came under another number has come under another key; and who was given another number by hand may get one more. */
static bool is_elsewhere(const sim_event *e)
{
    return renumbered[e->table];
}

const char *ledger_check(const sim_schema *schema, const sim_dump *final, bool forgets, sim_aside aside,
                         void *context)
{
    static const char *const verbs[] = {"SET", "INSERT", "DELETE"};
    checker c = {schema, final, forgets, aside, context};
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *e = &events[i];
        const transaction *t = &transactions[e->transaction];
        const char *wrong = NULL;
        if (t->forgotten || e->weak) {
            continue;
        }
        if (e->verb == VERB_SET) {
            wrong = check_set(&c, e);
        } else if (e->verb == VERB_DELETE) {
            wrong = check_delete(&c, e);
        } else if (!dump_row(final, e->table, e->key) && !is_deleted(&c, e) && !is_elsewhere(e) &&
                   !is_held(&c, e)) {
            wrong = "no row";
        }
        if (wrong) {
            return say("a write was lost: %s %s %s %s%s%s (step %d, actor %d.%u); there is: %s",
                       verbs[e->verb], schema->table[e->table].name, e->key_text,
                       e->col >= 0 ? schema->table[e->table].column[e->col].name : "",
                       e->col >= 0 ? " = " : "", e->value_text, t->step, t->actor, t->number, wrong);
        }
    }
    return NULL;
}
