"""A row that one side cannot show, between others that it can, stalls no link: everything else arrives, both ways, and the row itself as
soon as it may."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from synctest import Case, connect, dump, eventually, plain  # noqa: E402

SCHEMA = """
CREATE TABLE checked(id TEXT PRIMARY KEY, v{check});
CREATE TABLE needed(id TEXT PRIMARY KEY, v{null});
CREATE TABLE typed(id TEXT PRIMARY KEY, v {integer}){strict};
CREATE TABLE raised(id TEXT PRIMARY KEY, v);
CREATE TABLE rolled(id TEXT PRIMARY KEY, v);
CREATE TABLE mail(id TEXT PRIMARY KEY, v UNIQUE);
CREATE TABLE numbered(id INTEGER PRIMARY KEY, v);
CREATE TABLE parent(id TEXT PRIMARY KEY);
CREATE TABLE child(id TEXT PRIMARY KEY, v REFERENCES parent);
"""
LAX = SCHEMA.format(check="", null="", integer="", strict="")
HARD = SCHEMA.format(check=" CHECK (v <> 'poison')", null=" NOT NULL", integer="INT", strict=" STRICT") + """
CREATE TRIGGER refuses BEFORE INSERT ON raised WHEN NEW.v = 'poison' BEGIN SELECT RAISE(ABORT, 'not here'); END;
CREATE TRIGGER rolls BEFORE INSERT ON rolled WHEN NEW.v = 'poison' BEGIN SELECT RAISE(ROLLBACK, 'not here'); END;
"""
TABLES = ["checked", "needed", "typed", "raised", "rolled", "mail", "numbered", "child"]
POISON = {"needed": "NULL", "child": "'nobody'", "mail": "'taken'"}


class Poison(Case):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.path("a.db"), self.path("b.db")
        plain(self.a, LAX)
        plain(self.b, HARD)
        server = self.serve(self.a)
        self.follower = self.sync(self.b, server.url)
        plain(self.a, "INSERT INTO checked VALUES('first', 0)")
        eventually(lambda: self.count("checked") == 1, "the first row")

    def count(self, table, where="1", db=None):
        return int(plain(db or self.b, f"SELECT count(*) FROM {table} WHERE {where}"))

    def test_everything_else_arrives(self):
        plain(self.b, "INSERT INTO mail VALUES('b', 'taken'); INSERT INTO numbered VALUES(5, 'of b')")
        eventually(lambda: self.count("mail", db=self.a) == 1 and self.count("numbered", db=self.a) == 1, "the rows of b.db")
        statements = ["PRAGMA foreign_keys = off", "BEGIN"]
        for table in TABLES:
            poison = POISON.get(table, "'poison'")
            for i in range(600):               # in more than one part of a delta
                value = poison if i == 300 else "NULL" if table in ("mail", "child") else str(i)
                statements.append(f"INSERT INTO {table} VALUES({1000 + i}, {value})" if table == "numbered"
                                  else f"INSERT OR IGNORE INTO {table} VALUES('row {i}', {value})")
        plain(self.a, ";\n".join(statements + ["COMMIT"]))
        for table in TABLES:
            refused = table in ("checked", "needed", "typed", "raised", "rolled", "child")
            there = 600 - refused + (table in ("checked", "numbered"))
            eventually(lambda: self.count(table) == there, f"{there} rows of {table}, there are {self.count(table)}")
        plain(self.b, "INSERT INTO checked VALUES('from b', 1)")
        eventually(lambda: self.count("checked", "id = 'from b'", self.a) == 1, "the other way")
        held = connect(self.b).execute("SELECT tbl, reason FROM sync_conflict WHERE held ORDER BY tbl").fetchall()
        self.assertEqual([tbl for tbl, _ in held], ["checked", "child", "needed", "raised", "rolled", "typed"])
        plain(self.a, "UPDATE checked SET v = 1 WHERE v = 'poison'; UPDATE needed SET v = 1 WHERE v IS NULL; UPDATE typed SET v = 1 WHERE v = 'poison';"
                      "UPDATE raised SET v = 1 WHERE v = 'poison'; UPDATE rolled SET v = 1 WHERE v = 'poison'; INSERT INTO parent VALUES('nobody')")
        eventually(lambda: dump(self.a) == dump(self.b), "equal files, once nothing is refused any more")
        self.assertIsNone(self.follower.process.poll())
        self.follower.stop()
        invariants.check(self.b)


if __name__ == "__main__":
    unittest.main()
