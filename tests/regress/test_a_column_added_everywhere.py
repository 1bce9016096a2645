"""A nullable column that is added everywhere is no change of any row: no traffic, however many rows there are and whoever adds it first."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from synctest import Case, dump, eventually, plain  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
ROWS = "WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 500) INSERT INTO {} SELECT i, i FROM c"
COLUMNS = ["added", "added DEFAULT NULL", "added TEXT DEFAULT 'given by the schema'", "added INT NOT NULL DEFAULT 7"]


class AddedColumns(SyncTest):
    def filled(self, names):
        files = self.files(names, T, "t", "n")
        for table in ("t", "n"):
            files[0].sql(ROWS.format(table))
        exchange(*files)
        return files

    def test_no_file_has_anything_to_say(self):
        for i, column in enumerate(COLUMNS):
            with self.subTest(column):
                files = self.filled([f"{name}{i}" for name in "abc"])
                versions = [file.version() for file in files]
                for file in files:
                    for table in ("t", "n"):
                        file.shell(f"ALTER TABLE {table} ADD COLUMN {column};")
                    for other in files:        # at each step of the way
                        self.assertIsNone(file.cut_for(other))
                for file in files:
                    file.fold()
                self.assertEqual(exchange(*files), 0)
                self.assertEqual([file.version() for file in files], versions)
                self.assert_same(*files)

    def test_the_first_write_to_it_sends_one_cell(self):
        a, b = self.filled("ab")
        for file in (a, b):
            file.shell("ALTER TABLE t ADD COLUMN added;")
        b.sql("UPDATE t SET v = 'unknown to a' WHERE id = '7'")
        a.sql("UPDATE t SET added = 1 WHERE id = '7'")
        self.assertEqual(b.pull(a), 1)
        self.assertEqual(b.sql("SELECT v, added FROM t WHERE id = '7'"), [("unknown to a", 1)])
        self.level(a, b)


class Links(Case):
    def test_linked_files_stay_silent(self):
        a, b = self.path("a.db"), self.path("b.db")
        for path in (a, b):
            plain(path, T)
        plain(a, ROWS.format("t"))
        server = self.serve(a)
        follower = self.sync(b, server.url)
        self.wait_same(a, b)
        eventually(lambda: self.merged(server, follower) == 500, "the events of it")
        for path in (a, b):
            plain(path, "ALTER TABLE t ADD COLUMN added")
        plain(a, "INSERT INTO t VALUES('after', 1, 1)")
        eventually(lambda: dump(a) == dump(b), "the row after it")
        plain(b, "DELETE FROM t WHERE id = 'after'")
        eventually(lambda: dump(a) == dump(b), "its delete")
        follower.stop(), server.stop()
        self.assertEqual(self.merged(server, follower), 500 + 2)

    def merged(self, *peers):
        return sum(event["rows"] for peer in peers for event in peer.all_events() if event["event"] == "merged")


if __name__ == "__main__":
    unittest.main()
