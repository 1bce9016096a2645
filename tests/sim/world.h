/* One run: some files, what happens to them step by step, and how it must end. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "member.h"

#include <setjmp.h>

#define SIM_MEMBERS  16
#define SIM_MESSAGES 256

typedef enum sim_letter { LETTER_SEEN, LETTER_PART } sim_letter;

typedef struct sim_message {
    sim_letter letter;
    int from, to;
    int64_t due_ms;
    uint8_t *bytes;
    size_t size;
    bool first, last;
    bool saved;     /* kept, and delivered once more some day */
    unsigned delta; /* of all that were ever sent */
    sim_vector knew;
} sim_message;

typedef struct sim_plan { /* what may happen in this run */
    bool crashes, power, errors, net_faults, skew, copies, restores, late_columns, neighbours, held_open,
        compacts, clones;
    bool
        stray; /* parts of an older delta come after those of a newer one, as no single link would bring them */
} sim_plan;

typedef struct sim_world {
    uint64_t seed;
    int step;
    int steps;
    bool trace;
    jmp_buf failed;
    sim_plan plan;
    sim_schema schema;
    sim_member member[SIM_MEMBERS];
    int count;
    int machines;
    int actors;
    unsigned token;
    unsigned attempts; /* commits that were begun */
    sim_dice *dice;    /* of the step that runs */
    sim_message message[SIM_MESSAGES];
    int messages;
    unsigned deltas;
    unsigned newest[SIM_MEMBERS][SIM_MEMBERS]; /* from, to: the delta that began last */
    bool cut[SIM_MEMBERS][SIM_MEMBERS];        /* from, to: nothing arrives */
    int away_until[SIM_MEMBERS];               /* step: the file writes, and meets nobody */
    bool orphans;                              /* somebody wrote with foreign keys off */
    int intruder;                              /* whose application acts in the middle */
    uint64_t statements, merges, crashes, writes, clones;
} sim_world;

extern sim_world world;

/* Ends the run: it failed. */
_Noreturn void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void world_say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* with --trace */

/* A code that may come while others write, or the disk fails; anything else fails the run, with `what`. */
bool world_may_fail(const sim_member *m, int rc, const char *what, const char *error);

/* setup.c: files, tables, rows from before, tracking. */
void setup_world(sim_dice *dice);
void setup_plan(
    sim_dice *dice); /* what may happen, and for how long: differs between runs that begin alike */
void setup_track(sim_member *m, int table);
sim_member *setup_member(sim_dice *dice); /* empty file; NULL: no room */
void setup_schema(sim_member *m, bool triggers);

/* write.c: the application. */
void write_some(sim_member *m, sqlite3 *db, int statements);
void write_commit(sim_member *m, sqlite3 *db);
void write_rollback(sim_member *m, sqlite3 *db);
void write_column(sim_member *m, int table, int col);
void write_upkeep(sim_member *m);
void write_compaction(sim_member *m);
void write_intrusion(void);
/* Adds to its draft what changed from one dump to the next, as draft_add. Only what is tracked is written down; rows from before are, when
** their table is tracked. */
void write_note(sim_member *m, const sim_dump *before, const sim_dump *after, bool rewrites, bool moves);

/* calls.c: what a person decides. */
void calls_resolve(sim_member *m);
void calls_alter(sim_member *m);

/* traffic.c: messages and merges. */
void traffic_ask(int receiver, int sender);
void traffic_tell(int who, int to); /* sync_heard() of what it holds now */
bool traffic_away(int who);
void traffic_deliver(void); /* what is due */
void traffic_drop_all(void);
/* Without a network: rows that came, or -1 if it could not be done now. */
int64_t traffic_pull(int receiver, int sender, bool must);
void traffic_by_sql(int receiver, int sender);

/* faults.c: crashes, copies, restores. */
void faults_arm(sim_member *m);
void faults_restart(sim_member *m, bool power);
void faults_copy(sim_member *from);
void faults_clone(sim_member *from); /* its schema in a new file, which deltas fill */
void faults_backup(sim_member *m);
void faults_restore(sim_member *m);
int faults_actor(void); /* a new one; -1: none left */

/* settle.c: the end. */
void settle_world(void);

/* Runs of SIM_ALIKE successive seeds begin alike: with the files, tables and rows of their first one. Making those takes about as long as
** what happens to them afterwards, so whoever does many runs makes them once, and plays each in a process of its own.
** NULL: it went well; otherwise why not (lives until the next run). only: the steps that are made, NULL: all. */
#define SIM_ALIKE 16
const char *world_begin(uint64_t seed, bool trace);
const char *world_play(uint64_t seed, const bool *only);
void world_end(void);
#define SIM_STEPS_MAX 200

#endif
