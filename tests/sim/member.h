/* One database file on one machine, its connections, and what is known of it outside. */
#ifndef SIM_MEMBER_H
#define SIM_MEMBER_H

#include "ledger.h"
#include "vfs.h"

#include "sync_ext.h"

#define SIM_PATH  "/m%d/a.db"
#define SIM_MARKS 400 /* local transactions of one file */

/* A file as it was, for copies and backups. */
typedef struct sim_save {
    bool there;
    sim_image db, wal;
    sim_note note;
    sim_vector knew;
    uint32_t mark;
    bool late[SIM_TABLES][SIM_COLUMNS];
    bool tracked[SIM_TABLES];
    bool tail; /* entries that are not folded */
} sim_save;

typedef struct sim_member {
    bool used;
    int index;
    sim_machine *machine;
    char path[16];
    bool wal;
    bool full; /* synchronous=FULL */
    bool foreign_keys, recursive;
    bool uneven;     /* its schema is that of such files (sim_schema) */
    sqlite3 *engine; /* has the extension */
    sqlite3 *
        second; /* has it, too, since it was first needed: what one of them has loaded the other may change */
    sqlite3 *app; /* has not */
    sqlite3_stmt *dump[2][SIM_TABLES];
    bool late[SIM_TABLES][SIM_COLUMNS];
    bool tracked[SIM_TABLES];
    int actor;
    sim_vector knows;
    uint32_t mark;       /* local transactions committed */
    sim_vector *history; /* what it knew after each */
    bool busy;           /* a write of its application runs */
    bool open;           /* the application has a transaction open, by intent */
    sim_draft draft;     /* of the open transaction */
    bool deciding;       /* the machine died in COMMIT: the file itself says how that ended */
    sim_save backup;
} sim_member;

/* Both connections, without the second one with the extension. SQLITE_OK, or why not. */
int member_open(sim_member *m);
/* One of the two with the extension; NULL: it cannot be opened now. */
sqlite3 *member_either(sim_member *m, sim_dice *dice);
void member_close(sim_member *m);
void member_free(sim_member *m);

int member_sql(sqlite3 *db, const char *sql); /* sqlite3_exec */
int64_t member_int(sqlite3 *db, const char *sql, int64_t otherwise);

/* All tables as connection `db` of it sees them. */
int member_dump(sim_member *m, const sim_schema *schema, sqlite3 *db, sim_dump *to);
/* The text of a key in sync_conflict as dumps have it: NOCASE in lower case. It lives until ledger_reset. */
const char *member_key(const sim_table *t, const char *json);
/* Columns have come: the statements of member_dump are made anew. */
void member_schema_changed(sim_member *m);

/* Which columns that come late are there, as the file itself says. */
void member_columns(sim_member *m, const sim_schema *schema);

/* The bytes of the file and its log, as `cp` would take them. 0, or -1. */
int member_save(sim_member *m, sim_save *to);
void save_free(sim_save *s);

#endif
