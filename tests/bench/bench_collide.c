/* Two files apart hand out the same numbers: invoices with their lines, exchanged until both have all. Beside it the same with numbers that never meet. */
#include "bench.h"

enum { LINES = 5 };

static const char schema[] =
    "CREATE TABLE invoice(id INTEGER PRIMARY KEY, customer TEXT, total REAL);"
    "CREATE TABLE line(id INTEGER PRIMARY KEY, invoice INTEGER NOT NULL REFERENCES invoice ON DELETE "
    "CASCADE, no INT, what TEXT, price REAL);"
    "CREATE INDEX line_invoice ON line(invoice); SELECT sync_track('invoice'), sync_track('line')";

static sqlite3 *shop(const options *o, const char *file, int first, int count)
{
    char sql[1024];
    db_remove(o->dir, file);
    sqlite3 *db = db_open(o->dir, file, &o->contenders[0]);
    db_run(db, schema);
    snprintf(
        sql, sizeof sql,
        "BEGIN; WITH n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO invoice SELECT i, 'customer ' || i %% 97, i / 3.0 FROM n;"
        "WITH n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO line SELECT i, 1 + (i - 1) / %d, i %% %d, 'thing ' || i %% 31, i / 7.0 FROM n; COMMIT;"
        "SELECT sync_fold()",
        first, first + count - 1, 1 + (first - 1) * LINES, (first + count - 1) * LINES, LINES, LINES);
    db_run(db, sql);
    db_checkpoint(db);
    return db;
}

static void pull(sqlite3 *to, sqlite3 *from)
{
    sqlite3_stmt *seen = db_prepare(to, "SELECT sync_seen()"),
                 *changes = db_prepare(from, "SELECT sync_changeset(?1)"),
                 *apply = db_prepare(to, "SELECT sync_apply(?1)");
    if (sqlite3_step(seen) != SQLITE_ROW || sqlite3_bind_value(changes, 1, sqlite3_column_value(seen, 0)) ||
        sqlite3_step(changes) != SQLITE_ROW ||
        sqlite3_bind_value(apply, 1, sqlite3_column_value(changes, 0))) {
        die("nothing can be exchanged");
    }
    sqlite3_finalize(seen);
    sqlite3_finalize(changes);
    db_step(to, apply);
    sqlite3_finalize(apply);
}

/* No invoice is missing, no line is under another one, and both files have the same. */
static void must_be_whole(sqlite3 *a, sqlite3 *b, int size)
{
    static const char sums[] =
        "SELECT sum(i.id * 31 + l.id) FROM invoice AS i JOIN line AS l ON l.invoice = i.id "
        "WHERE i.customer = 'customer ' || round(i.total * 3) % 97";
    static const char lines[] = "SELECT count(*) FROM invoice AS i JOIN line AS l ON l.invoice = i.id";
    if (db_number(a, sums) != db_number(b, sums) || db_number(a, lines) != 2.0 * size * LINES ||
        db_number(a, "SELECT count(*) FROM sync_conflict") != 0) {
        die("the invoices of both files are not in both");
    }
}

/* older_first: the file whose invoices keep their numbers hears first, takes the other's under other ones, and tells their maker. */
static double both_ways(const options *o, const contender *who, int size, bool older_first)
{
    sqlite3 *a = shop(o, "a.db", 1, size), *b = shop(o, "b.db", who ? 1 : size + 1, size);
    double start = now_us();
    for (int round = 0; round < 2; round++) {
        pull(older_first ? a : b, older_first ? b : a);
        pull(older_first ? b : a, older_first ? a : b);
    }
    double us = (now_us() - start) / size;
    must_be_whole(a, b, size);
    db_close(a, &o->contenders[0]);
    db_close(b, &o->contenders[0]);
    db_remove(o->dir, "a.db");
    db_remove(o->dir, "b.db");
    return us;
}

double collide(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    return both_ways(o, who, size, false);
}

double collide_older_first(const options *o, const workload *w, const contender *who, int size)
{
    (void)w;
    return both_ways(o, who, size, true);
}
