"""Numbers, UNIQUE values and references that hang on each other: who was shown first stayed, so files differed for ever."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402


class WhoIsShown(SyncTest):
    def contest(self, schema, tables, *writers, late=0):
        """Each writer is a list of scripts, which run one after the other, all writers' first ones first. Hubs hear of them in every order: of each writer
        at once, or after each of its scripts; some track the `late` last tables only then. All files must show and hold the same in the end:
        what they show."""
        orders = list(itertools.permutations(range(len(writers))))
        files = [self.file(f"w{i}", schema, *tables) for i in range(len(writers))]
        at_once = [self.file(f"h{i}", schema, *tables) for i in range(len(orders))]
        by_parts = [self.file(f"p{i}", schema, *tables) for i in range(len(orders))]
        by_tables = [self.file(f"t{i}", schema, *tables[:-late]) for i in range(len(orders)) if late]
        for scripts in itertools.zip_longest(*writers):
            for file, script in zip(files, scripts):
                if script:
                    file.script(f"PRAGMA foreign_keys = on; BEGIN; {script}; COMMIT;")
                    tick()
            for hub, order in zip(by_parts, orders):
                hub.pull(*(files[i] for i in order))
        for hub, order in zip(at_once + by_tables, itertools.cycle(orders)):
            hub.pull(*(files[i] for i in order))
        for hub in by_tables:
            hub.track(*tables[-late:])
        everybody = files + at_once + by_parts + by_tables
        self.level(*everybody)
        for file in everybody:
            self.assertEqual(file.held(), files[0].held())
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
            invariants.check(file.path)
        return {table: files[0].sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables}

    def test_a_number_a_value_and_a_parent(self):
        """The younger 1000 has the value; without it the older 1000 has no parent; without that the number is free. Or the other way round."""
        schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, p REFERENCES t);"
        shown = self.contest(schema, ["t"],
                             ["INSERT INTO t VALUES(1, NULL, NULL), (2, 'u', NULL)", "INSERT INTO t VALUES(3, NULL, NULL), (1000, NULL, 2)"],
                             ["SELECT 1", "INSERT INTO t VALUES(1000, 'u', NULL)"])
        self.assertEqual(shown, {"t": [(1, None, None), (3, None, None), (1000, "u", None)]})

    def test_a_circle_of_which_one_number_is_contested(self):
        """The older claim has the number, also where it is only supported by rows that wait for it."""
        schema = ("CREATE TABLE t(k INTEGER PRIMARY KEY, v, p REFERENCES t DEFERRABLE INITIALLY DEFERRED);"
                  "CREATE TABLE w(k INTEGER PRIMARY KEY, t REFERENCES t);")
        shown = self.contest(schema, ["t", "w"],
                             ["INSERT INTO t VALUES(1000, 'a', 3), (3, 'a', 2), (2, 'a', 3); INSERT INTO w VALUES(1, 3)"],
                             ["INSERT INTO t VALUES(3, 'b', NULL); INSERT INTO w VALUES(2, 3)"],
                             ["INSERT INTO t VALUES(4, 'c', NULL), (1000, 'c', 4); INSERT INTO w VALUES(3, 1000)"], late=1)
        last = shown["t"][-1][0]  # displaced twice: it left a gap, which depends on the moment of its birth
        self.assertEqual(shown, {"t": [(2, "a", 3), (3, "a", 2), (4, "c", None), (1000, "a", 3), (1001, "b", None), (last, "c", 4)],
                                 "w": [(1, 3), (2, 1001), (3, last)]})

    def test_a_circle_through_two_tables(self):
        schema = ("CREATE TABLE x(k INTEGER PRIMARY KEY, v UNIQUE, y REFERENCES y DEFERRABLE INITIALLY DEFERRED);"
                  "CREATE TABLE y(k INTEGER PRIMARY KEY, x REFERENCES x DEFERRABLE INITIALLY DEFERRED);")
        shown = self.contest(schema, ["x", "y"],
                             ["INSERT INTO x VALUES(1, 'a', 2); INSERT INTO y VALUES(2, 1)"],
                             ["INSERT INTO x VALUES(1, 'b', 3); INSERT INTO y VALUES(3, 1)"],
                             ["INSERT INTO x VALUES(5, 'a', 3); INSERT INTO y VALUES(3, 5), (6, NULL)"])
        self.assertEqual(shown, {"x": [(1, "b", 3), (5, "a", 7)], "y": [(3, 1), (6, None), (7, 5)]})

    def test_values_and_parents_without_numbers(self):
        """Each of two rows has the value that the other's parent wants: the newer one is shown, with its parent."""
        schema = "CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE, p REFERENCES t);"
        shown = self.contest(schema, ["t"],
                             ["INSERT INTO t VALUES('a', 1, NULL)", "INSERT INTO t VALUES('b', 2, 'a')"],
                             ["INSERT INTO t VALUES('c', 2, NULL)", "SELECT 1", "INSERT INTO t VALUES('d', 1, 'c')"])
        self.assertEqual(shown, {"t": [("c", 2, None), ("d", 1, "c")]})

    def test_a_chain_of_references_by_another_column_that_arrives_child_first(self):
        schema = "CREATE TABLE t(k TEXT PRIMARY KEY, code UNIQUE, boss REFERENCES t(code));"
        a, b = self.files("ab", schema, "t")
        a.script("PRAGMA foreign_keys = on; INSERT INTO t VALUES" + ", ".join(f"('{i}', {i}, NULL)" for i in range(20)))
        for i in range(19, 0, -1):
            a.x("UPDATE t SET boss = ? WHERE k = ?", i - 1, str(i))
        self.level(a, b)
        self.assertEqual(b.held(), [])


if __name__ == "__main__":
    unittest.main()
