/* Files of which some have forgotten deletes. */
#include "prepare.h"

#include <stdlib.h>

/* a.db has what b.db wrote, and the other way round. */
static void meet(gift *g, bool wal)
{
    prepare_receiver(g, wal);
    sqlite3 *db = scenario_open("a.db", false), *other = scenario_open("b.db", false);
    free(prepare_ask(db, "SELECT sync_apply(?1)", g).data);
    free(g->data);
    gift seen = prepare_ask(other, "SELECT sync_seen()", NULL);
    gift ours = prepare_ask(db, "SELECT sync_changeset(?1)", &seen);
    free(prepare_ask(other, "SELECT sync_apply(?1)", &ours).data);
    free(seen.data);
    free(ours.data);
    *g = (gift){0};
    prepare_close(db);
    prepare_close(other);
}

void prepare_stale(gift *g, bool wal)
{
    meet(g, wal);
    sqlite3 *db = scenario_open("a.db", false), *other = scenario_open("b.db", false);
    scenario_exec(other, "DELETE FROM note WHERE rowid % 2; DELETE FROM person; INSERT INTO note(id, title) "
                         "VALUES('n10', 'of b'),"
                         " ('both', 'of b'); SELECT sync_compact('{\"age\": 0}')");
    scenario_exec(
        db, "INSERT INTO note(id, title) VALUES('own', 'of a'), ('both', 'of a'); UPDATE note SET n = 1");
    gift seen = prepare_ask(db, "SELECT sync_seen()", NULL);
    *g = prepare_ask(other, "SELECT sync_changeset(?1)", &seen);
    free(seen.data);
    prepare_close(db);
    prepare_close(other);
}

void prepare_followed(gift *g, bool wal)
{
    meet(g, wal);
    sqlite3 *db = scenario_open("a.db", false), *other = scenario_open("b.db", false);
    *g = prepare_ask(other, "SELECT sync_seen()", NULL);
    scenario_exec(db, "DELETE FROM note WHERE rowid % 2; DELETE FROM person");
    prepare_close(db);
    prepare_close(other);
}

void prepare_format_1(gift *g, bool wal)
{
    prepare_written(g, wal);
    sqlite3 *db = scenario_open("a.db", true);
    scenario_exec(db, "ALTER TABLE sync_meta DROP COLUMN floor; ALTER TABLE sync_meta DROP COLUMN met; ALTER "
                      "TABLE sync_table DROP COLUMN lives; ALTER TABLE sync_site DROP COLUMN own;"
                      " DROP TABLE sync_peer; UPDATE sync_meta SET format = 1");
    prepare_close(db);
}
