"""RAISE(ROLLBACK) in a trigger, or a conflict under OR ROLLBACK in its body, takes the whole transaction away: the merge did not notice, went on
writing in autocommit, and left damaged metadata. It is done again, with the row held."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE other(id TEXT PRIMARY KEY, v); CREATE TABLE log(x UNIQUE); CREATE TABLE mine(x);"
RAISES = {
    "raise": "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.v = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'not that'); END;",
    "after": "CREATE TRIGGER no AFTER INSERT ON t WHEN NEW.v = 'bad' BEGIN INSERT INTO mine VALUES(1); SELECT RAISE(ROLLBACK, 'not that'); END;",
    "or": "INSERT INTO log VALUES('bad'); CREATE TRIGGER no AFTER INSERT ON t WHEN NEW.v = 'bad' BEGIN INSERT OR ROLLBACK INTO log VALUES(NEW.v); END;",
    "clause": "DROP TABLE log; CREATE TABLE log(x UNIQUE ON CONFLICT ROLLBACK); INSERT INTO log VALUES('bad');"
              "CREATE TRIGGER no AFTER INSERT ON t WHEN NEW.v = 'bad' BEGIN INSERT INTO log VALUES(NEW.v); END;",
}


class RollBack(SyncTest):
    def pair(self, name, triggers):
        a = self.file("a" + name, TABLE, "t", "other")
        b = self.file("b" + name, TABLE, "t", "other")
        b.script(triggers)
        return a, b

    def test_the_row_is_held_and_nothing_else(self):
        for name, triggers in RAISES.items():
            with self.subTest(name):
                a, b = self.pair(name, triggers)
                b.sql("INSERT INTO t VALUES('local', 1)")
                a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'bad'), ('3', 'good'), ('4', 'bad'); ")
                a.sql("INSERT INTO other VALUES('o', 1)")
                b.pull(a)
                self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("1",), ("3",), ("local",)])
                self.assertEqual(b.sql("SELECT id FROM other"), [("o",)])
                self.assertEqual(b.held(), [("t", '["2"]', "trigger"), ("t", '["4"]', "trigger")])
                self.assertEqual(b.sql("SELECT count(*) FROM mine"), [(0,)])
                invariants.check(b.path)
                self.assertEqual(b.pull(a), 0)
                a.sql("UPDATE t SET v = 'good now' WHERE id = '2'")
                b.pull(a)
                self.assertEqual(b.held(), [("t", '["4"]', "trigger")])
                b.sql("DROP TRIGGER no")
                b.sql("INSERT INTO t VALUES('again', 1)")
                b.fold()
                self.level(a, b)
                self.assertEqual(b.held(), [])

    def test_updates_and_deletes(self):
        a, b = self.pair("", "CREATE TRIGGER no_update BEFORE UPDATE ON t WHEN NEW.v = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'not that'); END;"
                             "CREATE TRIGGER no_delete BEFORE DELETE ON t WHEN OLD.v = 'keep' BEGIN SELECT RAISE(ROLLBACK, 'not away'); END;")
        a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'keep'), ('3', 'good')")
        b.pull(a)
        a.script("UPDATE t SET v = 'bad' WHERE id = '1'; DELETE FROM t WHERE id = '2'; UPDATE t SET v = 'better' WHERE id = '3'")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id, v FROM t ORDER BY id"), [("1", "good"), ("2", "keep"), ("3", "better")])
        self.assertEqual(b.x("SELECT key, reason, detail, held FROM sync_conflict ORDER BY key"),
                         [('["1"]', "trigger", "not that", 1), ('["2"]', "trigger", "not away", 0)])

    def test_held_rows_that_would_be_shown(self):
        """What is tried again by the next merge, or by a fold, may roll it back as well."""
        a, b = self.pair("", RAISES["raise"])
        a.sql("INSERT INTO t VALUES('1', 'bad')")
        b.pull(a)
        b.sql("INSERT INTO t VALUES('local', 1)")
        self.assertEqual(b.fold(), 1)
        a.sql("INSERT INTO t VALUES('2', 'good')")
        b.pull(a)
        self.assertEqual(b.held(), [("t", '["1"]', "trigger")])
        self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("2",), ("local",)])

    def test_many(self):
        """More than are tried again in one go: new ones are held each, and no merge fails."""
        a, b = self.pair("", RAISES["raise"])
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO t SELECT i, iif(i % 2, 'bad', i) FROM n")
        for i in range(3):
            a.sql("INSERT INTO other VALUES(?, 1)", str(i))
            a.sql("INSERT INTO t VALUES(?, 'good')", "g%d" % i)
            b.pull(a)
        self.assertEqual(b.sql("SELECT count(*) FROM t"), [(23,)])
        self.assertEqual(len(b.held()), 20)
        invariants.check(b.path)

    def test_where_values_clash(self):
        """The trial that finds out who is in the way fires triggers too. A row that is only put aside is not for them to keep."""
        unique = "CREATE UNIQUE INDEX u ON t(v);"
        for name, triggers, shown, held in (("insert", "BEFORE INSERT ON t WHEN NEW.id = 'a'", "b", "a"), ("delete", "AFTER DELETE ON t WHEN OLD.id = 'b'", "a", "b")):
            with self.subTest(name):
                a, b = self.pair(name, unique + f"CREATE TRIGGER no {triggers} BEGIN SELECT RAISE(ROLLBACK, 'not that'); END;")
                b.sql("INSERT INTO t VALUES('b', 'same')")
                tick()
                a.sql("INSERT INTO t VALUES('a', 'same'), ('c', 'more')")
                b.pull(a)
                self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [(shown,), ("c",)])
                self.assertEqual([row[1] for row in b.held()], [f'["{held}"]'])
                self.assertEqual(b.x("PRAGMA recursive_triggers"), [(0,)])
                invariants.check(b.path)

    def test_inside_a_transaction_of_the_caller(self):
        """That is gone: one error, which names the row; nothing is written after it. The next attempt holds the row."""
        for name, triggers in RAISES.items():
            with self.subTest(name):
                a, b = self.pair(name, triggers)
                a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'bad'), ('3', 'good')")
                changes = a.changeset()
                b.extended.execute("BEGIN")
                b.x("INSERT INTO mine VALUES('lost')")
                message = self.refused(b, "SELECT sync_apply(?)", changes, says=("table t", '["2"]', "rolled", "again"))
                self.assertFalse(b.extended.in_transaction, message)
                self.assertEqual(b.sql("SELECT count(*) FROM t"), [(0,)])
                self.assertEqual(b.sql("SELECT count(*) FROM mine"), [(0,)])
                self.assertEqual(b.sql("SELECT count(*) FROM sync_applying"), [(0,)])
                invariants.check(b.path)
                b.extended.execute("BEGIN")
                b.apply(changes)
                b.x("INSERT INTO mine VALUES('kept')")
                b.extended.execute("COMMIT")
                self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("1",), ("3",)])
                self.assertEqual(b.held(), [("t", '["2"]', "trigger")])

    def test_the_trigger_is_gone_at_the_next_attempt(self):
        """The row was held all the same, until the attempt after that."""
        a, b = self.pair("", RAISES["raise"])
        a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'bad')")
        changes = a.changeset()
        b.extended.execute("BEGIN")
        self.refused(b, "SELECT sync_apply(?)", changes, says=("rolled",))
        b.sql("DROP TRIGGER no")
        b.apply(changes)
        self.assertEqual((b.sql("SELECT id FROM t ORDER BY id"), b.held()), ([("1",), ("2",)], []))

    def test_of_temp(self):
        a, b = self.pair("", "")
        b.extended.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON main.t WHEN NEW.v = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'not that'); END")
        a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'bad')")
        b.pull(a)
        self.assertEqual((b.sql("SELECT id FROM t"), len(b.held())), ([("1",)], 1))

    def test_a_dry_run(self):
        a, b = self.pair("", RAISES["raise"])
        a.sql("INSERT INTO t VALUES('1', 'good'), ('2', 'bad')")
        said = b.one("SELECT group_concat(value ->> 'op' || (value ->> 'key')) FROM json_each(sync_apply(?, '{\"dry_run\":true}'))", a.changeset())
        self.assertEqual(sorted(said.split(",")), ['hold["2"]', 'insert["1"]'])
        self.assertEqual(b.sql("SELECT count(*) FROM t"), [(0,)])


if __name__ == "__main__":
    unittest.main()
