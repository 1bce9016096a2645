"""A real fold takes over what a virtual one on the same connection has made of the tail: the file is the same as if it had not."""
import random
import unittest

from syncfile import Case, File, connect, invariants

import replay

SCHEMA = """
CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, mail TEXT UNIQUE);
CREATE TABLE phone(number TEXT COLLATE NOCASE PRIMARY KEY, person INTEGER REFERENCES person, note TEXT);
CREATE TABLE pair(a INT, b TEXT, c, PRIMARY KEY(a, b)) WITHOUT ROWID;
CREATE TABLE loose(k TEXT PRIMARY KEY, v);
"""
NEWEST = "SELECT max(seq) FROM sync_journal"
CLOCKS = "SELECT name FROM main.sqlite_schema WHERE name GLOB 'sync_row_*' OR name GLOB 'sync_hidden_*' ORDER BY name"


def metadata(connection):
    """What the engine knows, but for times, for which of a row's journal entries is the live one, and for how a clock spells a key: the table says that."""
    known = {"sync_conflict": "SELECT tid, clock_key, reason FROM main.sync_conflict ORDER BY 1, 2",
             "sync_meta": "SELECT site, hlc, folded, generation FROM main.sync_meta"}
    for (table,) in connection.execute(CLOCKS).fetchall():
        keys = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})") if row[1] not in ("seq", "clock")]
        known[table] = f"SELECT {', '.join(keys)}, clock FROM main.{table} ORDER BY {', '.join(keys)}"
        if connection.execute("SELECT 'sync_row_' || tid FROM main.sync_table WHERE name = 'phone'").fetchone()[0] == table:
            known[table] = f"SELECT lower(k1), clock FROM main.{table} ORDER BY k1"
    return {table: connection.execute(sql).fetchall() for table, sql in known.items()}


def write(connection, chance):
    """One statement of an application; it may be refused."""
    number, other = chance.randint(1, 12), chance.randint(1, 12)
    letter = chance.choice("aAbBcCdD")
    verb = chance.choice(("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"))
    statement = chance.choice((
        f"{verb} INTO person VALUES({number}, 'n', 'mail{other}')",
        f"UPDATE OR IGNORE person SET name = name || '+', mail = 'mail{other}' WHERE id = {number}",
        f"UPDATE OR IGNORE person SET id = {other} WHERE id = {number}",
        f"DELETE FROM person WHERE id = {number}",
        f"{verb} INTO phone VALUES('{letter}', {number}, 'x')",
        f"UPDATE OR IGNORE phone SET number = '{letter.swapcase()}', note = {other} WHERE number = '{letter}'",
        f"DELETE FROM phone WHERE number = '{letter}'",
        f"{verb} INTO pair VALUES({number}, '{letter}', {other})",
        f"UPDATE OR IGNORE pair SET b = '{letter}', c = c + 1 WHERE a = {number}",
        f"DELETE FROM pair WHERE a > {number}",
        f"{verb} INTO loose VALUES({chance.choice(('NULL', number))}, 1)",
        f"UPDATE loose SET v = {other} WHERE k = '{number}'",
    ))
    try:
        connection.execute(statement)
    except Exception as error:  # pylint: disable=broad-except
        if "constraint" not in str(error):
            raise


class TakingOver(Case):
    def make(self):
        file = File(self.dir / "a.db")
        file.script(SCHEMA)
        return file.track_all()

    def test_the_clocks_are_copied(self):
        file = self.make()
        file.sql("INSERT INTO pair VALUES(1, 'x', 1)")
        file.x("SELECT sync_seen()")
        file.sql("INSERT INTO pair VALUES(2, 'y', 1)")
        ran = []
        file.extended.set_trace_callback(ran.append)
        self.assertEqual(file.one("SELECT sync_fold()"), 2)
        file.extended.set_trace_callback(None)
        self.assertTrue([sql for sql in ran if "FROM temp.sync_row" in sql and "INTO main.sync_row" in sql], ran)
        file.close()

    def test_a_host_that_drops_them_loses_nothing(self):
        file = self.make()
        file.sql("INSERT INTO pair VALUES(1, 'x', 1)")
        file.x("SELECT sync_seen()")
        file.x("PRAGMA temp_store = MEMORY")
        file.sql("INSERT INTO pair VALUES(2, 'y', 1)")
        file.x("SELECT sync_seen()")
        file.x("PRAGMA temp_store = FILE")
        self.assertEqual(file.one("SELECT sync_fold()"), 2)
        file.close()

    def test_the_file_is_the_same(self):
        seed = replay.seed(__file__, "TakingOver.test_the_file_is_the_same")
        chance = random.Random(seed)
        file = self.make()
        for turn in range(40):
            for _ in range(chance.randint(0, 3)):
                for _ in range(chance.randint(0, 12)):
                    write(file.plain, chance)
                file.x("SELECT sync_seen()")
            for _ in range(chance.randint(0, 3)):
                write(file.plain, chance)
            newest = file.sql(NEWEST)
            fresh = connect(file.path)
            fresh.execute("BEGIN")
            fresh.execute("SELECT sync_fold()").fetchall()
            own_entries = fresh.execute(NEWEST).fetchall() != newest  # they bear the time of the fold
            expected = metadata(fresh)
            fresh.execute("ROLLBACK")
            fresh.close()
            file.x("SELECT sync_fold()")
            if not own_entries:
                self.assertEqual(metadata(file.extended), expected, f"seed {seed}, turn {turn}")
            invariants.check(file.path, foreign_keys=False, stale_max=1)
        file.close()


if __name__ == "__main__":
    unittest.main()
