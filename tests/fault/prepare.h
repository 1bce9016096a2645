/* The files on which something fails: a.db, and b.db where there is another. Each function makes them in the current directory, with WAL or without, and
** the gift. */
#ifndef PREPARE_H
#define PREPARE_H

#include "scenario.h"

/* Texts are UTF-16 in the files made from here on: SQLite needs memory to read each of them as UTF-8. */
void prepare_encoding(bool utf16);

/* What a.db writes in some of them. */
extern const char *const prepare_ours;

/* What the statement gives, with a gift bound to its first parameter, if there is one. */
gift prepare_ask(sqlite3 *db, const char *sql, const gift *with);

void prepare_close(sqlite3 *db);

void prepare_untracked(gift *g, bool wal);
void prepare_pair(gift *g, bool wal); /* a tracked table with a key of two columns */
void prepare_wide(gift *g,
                  bool wal); /* an untracked table with more columns than a journal entry has bits for */
void prepare_expressions(gift *g, bool wal); /* an untracked table with UNIQUE expressions */
void prepare_tracked(gift *g, bool wal);     /* tracked, nothing written since */
void prepare_written(gift *g, bool wal);     /* tracked and written to */
void prepare_sender(gift *g, bool wal);      /* the same; the gift is what b.db has seen */
void prepare_copied(gift *g, bool wal);      /* a copy: it takes another id first */
void prepare_receiver(gift *g, bool wal);    /* the gift is a changeset that conflicts */
void prepare_settling(gift *g, bool wal);    /* it is merged, rows are held; the gift makes room for some */
void prepare_stale(
    gift *g,
    bool wal); /* b.db has forgotten deletes that a.db does not know of; the gift has the tables whole */
void prepare_followed(gift *g,
                      bool wal); /* both have met, and something is deleted; the gift is what b.db holds */
void prepare_format_1(gift *g, bool wal); /* metadata as the first version made them */
void prepare_held(
    gift *g,
    bool
        wal); /* held: a row that lost its number, with others that refer to it, and one whose value another has */
void prepare_empty(gift *g, bool wal); /* no tables; the gift is the schema of another file */

/* Two files with a schema of their own, which write and meet; the gift is b.db's changeset. */
void prepare_triggers(gift *g, bool wal);  /* triggers of the application that write into tracked tables */
void prepare_long(gift *g, bool wal);      /* so many bytes that the fast lane takes them */
void prepare_children(gift *g, bool wal);  /* parents go whose children stay here */
void prepare_uncounted(gift *g, bool wal); /* a parent goes to which a table refers that is not tracked */
void prepare_waiting(gift *g,
                     bool wal); /* values have waited for columns that are there now, by ADD and by RENAME */
void prepare_orphans(gift *g, bool wal); /* children without parents, and a number that was given away */
void prepare_adopted(gift *g, bool wal); /* the gift has the parent of an orphan */
void prepare_tags(gift *g, bool wal);    /* rows of one number, with keys that refer to them */
void prepare_contest(gift *g, bool wal); /* numbers, UNIQUE values and references contradict each other */
void prepare_many(gift *g, bool wal);    /* a long tail, its keys in no order */
void prepare_abrupt(gift *g, bool wal);  /* a trigger rolls the transaction back */
void prepare_lost(gift *g, bool wal);    /* tables that are gone, renamed, rebuilt or without triggers */

/* What people decide about, in sync_conflict. */
void prepare_genesis(gift *g, bool wal);    /* rows from before tracking that differ */
void prepare_keeping(gift *g, bool wal);    /* two rows of one number, which is part of keys */
void prepare_parentless(gift *g, bool wal); /* held and shown rows without their parents */
void prepare_values(gift *g, bool wal);     /* rows with one value under UNIQUE indexes of all kinds */
void prepare_noted(gift *g, bool wal);      /* parents go while others are missing already */
void prepare_unfit(gift *g, bool wal);      /* rows and cells that a CHECK refuses */

void prepare_dropping(gift *g, bool wal); /* columns of rows with other numbers may be dropped */
void prepare_renamed(gift *g, bool wal);  /* a program renamed a table and keys */
void prepare_columns(gift *g, bool wal);  /* a program dropped columns, and added one */
void prepare_misfit(gift *g, bool wal);   /* keys in the journal are spelled otherwise than in the table */
void prepare_numbers(gift *g, bool wal);  /* rows that refer to each other lost their numbers */
void prepare_types(gift *g, bool wal);    /* a column of another type */
void prepare_parts(gift *g, bool wal);    /* the gift: parts of one changeset, each behind its length */

#endif
