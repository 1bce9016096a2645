"""A key that changes leaves the old one as a delete and nothing else, and the row comes whole under the new one. Where the old version
stayed, readers of deltas got a row without its columns."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {
    "text": "CREATE TABLE t(id TEXT PRIMARY KEY, a NOT NULL, b NOT NULL);",
    "number": "CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL, b NOT NULL);",
    "two columns": "CREATE TABLE t(id, part DEFAULT 'p', a NOT NULL, b NOT NULL, PRIMARY KEY(id, part)) WITHOUT ROWID;",
    "nocase": "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY, a NOT NULL, b NOT NULL);",
}


class ChangedKeys(SyncTest):
    def described(self, file, changes):
        return json.loads(file.one("SELECT sync_describe(?)", changes))["rows"]

    def assert_whole(self, file, changes, gone, there):
        """Of the rows of `gone` a delta holds deletes, of those of `there` every column."""
        rows = {str(row["key"][0]): row for row in self.described(file, changes)}
        self.assertEqual(set(rows), gone | there)
        for key in gone:
            self.assertEqual((rows[key]["alive"], rows[key].get("cells", {})), (False, {}))
        for key in there:
            values = {column: cell["value"] for column, cell in rows[key]["cells"].items()}
            self.assertEqual(values, {"a": f"a{values['a'][1:]}", "b": f"b{values['a'][1:]}"})

    def test_one_row_after_another(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b, late = self.files([f"{label} {n}" for n in ("a", "b", "late")], schema, "t")
                a.sql("INSERT INTO t(id, a, b) VALUES(1, 'a1', 'b1'), (2, 'a2', 'b2')")
                exchange(a, b)
                version = a.version()
                a.sql("UPDATE t SET id = 10 WHERE id = 1")
                a.sql("UPDATE t SET id = 11 WHERE id = 10")  # through a key that no reader ever saw
                for changes in (a.cut_for(b), a.changeset(version)):
                    self.assert_whole(a, changes, {"1", "10"}, {"11"})
                b.pull(a)
                self.level(a, b)
                late.pull(b)
                self.assert_same(a, b, late)
                self.assertEqual(late.sql("SELECT CAST(id AS INT), a, b FROM t ORDER BY 1"), [(2, "a2", "b2"), (11, "a1", "b1")])

    def test_rows_that_exchange_their_keys(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = self.files([f"{label} {n}" for n in "ab"], schema, "t")
                a.sql("INSERT INTO t(id, a, b) VALUES(1, 'a1', 'b1'), (2, 'a2', 'b2')")
                exchange(a, b)
                a.script("BEGIN; UPDATE t SET id = 99 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 99; COMMIT;")
                b.pull(a)
                self.assertEqual(b.sql("SELECT CAST(id AS INT), a, b FROM t ORDER BY 1"), [(1, "a2", "b2"), (2, "a1", "b1")])
                self.level(a, b)

    def test_an_edit_under_the_old_key_makes_no_half_row(self):
        """b.db edits one cell of a row whose key a.db has changed: NOT NULL columns would be missing if the old key came back."""
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = self.files([f"{label} {n}" for n in "ab"], schema, "t")
                a.sql("INSERT INTO t(id, a, b) VALUES(1, 'a1', 'b1')")
                exchange(a, b)
                a.sql("UPDATE t SET id = 10")
                tick()
                b.sql("UPDATE t SET a = 'edited'")
                self.level(a, b)
                self.assertEqual(b.sql("SELECT CAST(id AS INT), b FROM t"), [(10, "b1")])
                self.assertEqual(b.held(), [])


if __name__ == "__main__":
    unittest.main()
