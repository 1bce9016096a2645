/* The same writes as one statement for all rows: no round trip a row, and what a trigger adds weighs the more. */
#include "bench.h"

static const char *const bulk_sql[] = {
    [PHASE_INSERT] = "INSERT INTO t(id, a, b, c, d) SELECT id, a, b, c, d FROM source",
    [PHASE_UPDATE_1] = "UPDATE t SET a = a || '+'",
    [PHASE_UPDATE_4] = "UPDATE t SET a = a || '-', b = b || '-', c = c + 1, d = d + 1",
    [PHASE_DELETE] = "DELETE FROM t WHERE id > 0", /* all; without WHERE SQLite looks at no row */
};

static void fill_source(sqlite3 *db, const workload *w, key_kind key)
{
    db_run(db, "CREATE TEMP TABLE source(id, a TEXT, b TEXT, c INT, d REAL); BEGIN");
    sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO source(id, a, b, c, d) VALUES(?1, ?2, ?3, ?4, ?5)");
    for (int i = 0; i < w->count; i++) {
        bind_row(stmt, w, key, 0, i);
        db_step(db, stmt);
    }
    sqlite3_finalize(stmt);
    db_run(db, "COMMIT");
}

void bulk_writes(sqlite3 *db, const workload *w, key_kind key, double us[PHASE_DELETE + 1])
{
    fill_source(db, w, key);
    for (phase p = PHASE_INSERT; p <= PHASE_DELETE; p++) {
        db_checkpoint(db);
        double start = now_us();
        db_run(db, bulk_sql[p]);
        us[p] = (now_us() - start) / w->count;
    }
}
