"""INSERT OR REPLACE and UPDATE OR REPLACE put the DEFAULT in place of NULL in a NOT NULL column, and push out whoever has that under a UNIQUE index. Triggers that run
before see the NULL, so nobody was noted, and the row that was gone lived on in other files."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {
    "column": "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL DEFAULT 'none' UNIQUE, w);",
    "expression": "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL DEFAULT ('no' || 'ne'), w); CREATE UNIQUE INDEX t_v ON t(lower(v));",
    "partial": "CREATE TABLE t(id INTEGER PRIMARY KEY, v REAL NOT NULL DEFAULT 'none', w); CREATE UNIQUE INDEX t_v ON t(v) WHERE v > 1;",
    "quoted": "CREATE TABLE t(id TEXT PRIMARY KEY, \"v\"\"v\" NOT NULL DEFAULT 'none', w); CREATE UNIQUE INDEX t_v ON t(w IS NULL, \"v\"\"v\");",
    "name": "CREATE TABLE t(id INTEGER PRIMARY KEY, v DEFAULT none NOT NULL UNIQUE, w);",
    "quoted name": "CREATE TABLE t(id INTEGER PRIMARY KEY, v DEFAULT \"no'n\"\"e\" NOT NULL UNIQUE, w);",
    "numeric": "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT NOT NULL DEFAULT '7', w, UNIQUE(v));",
}


class Defaults(SyncTest):
    def test_whoever_has_the_default_goes(self):
        for name, schema in SCHEMAS.items():
            for write in ("INSERT OR REPLACE INTO t VALUES(3, NULL, 'new')", "UPDATE OR REPLACE t SET {v} = NULL, w = 'new' WHERE id = 2",
                          "REPLACE INTO t VALUES(3, 'x', 'new'), (4, NULL, 'new')"):
                with self.subTest(schema=name, write=write):
                    column = '"v""v"' if name == "quoted" else "v"
                    a, b = self.files([f"a{name}{write[:9]}", f"b{name}{write[:9]}"], schema, "t")
                    a.script(f"INSERT INTO t(id, w) VALUES(1, 'has the default'); INSERT INTO t(id, {column}, w) VALUES(2, 'u', 'other')")
                    exchange(a, b)
                    tick()
                    a.sql(write.format(v=column))
                    self.assertEqual(a.sql("SELECT count(*) FROM t WHERE id = 1"), [(0,)])
                    exchange(a, b)
                    self.assertEqual(b.rows("t"), a.rows("t"))
                    for file in (a, b):
                        self.assertEqual(file.held(), [])
                        self.assertEqual(file.x("SELECT json_extract(key, '$[0]') + 0 FROM sync_changes WHERE op = 'delete'"), [(1,)])

    def test_a_name_is_a_text(self):
        """A row that lived again in a file without the column has the DEFAULT here: in an expression that name would be a column."""
        for preset, value in (("none", "none"), ('"no""ne"', 'no"ne'), ("[no'ne]", "no'ne"), ("TRUE", 1), ("-5", -5), ("x'61'", b"a")):
            with self.subTest(preset=preset):
                a, b = self.files([name + str(abs(hash(preset))) for name in "ab"], "CREATE TABLE t(id TEXT PRIMARY KEY, none);", "t")
                a.sql("INSERT INTO t VALUES('k', 'a')")
                exchange(a, b)
                b.script(f"ALTER TABLE t ADD COLUMN late DEFAULT {preset}; UPDATE t SET late = 'written'")
                tick()
                a.script("DELETE FROM t; INSERT INTO t VALUES('k', 'again')")
                tick()
                a.script("DELETE FROM t; INSERT INTO t VALUES('k', 'again')")
                b.pull(a)
                self.assertEqual(b.sql("SELECT * FROM t"), [("k", "again", value)])


if __name__ == "__main__":
    unittest.main()
