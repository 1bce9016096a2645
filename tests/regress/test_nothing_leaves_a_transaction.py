"""A changeset asked for inside a transaction that is then rolled back would tell others of what never was, under versions that the next
transaction uses again."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from synctest import ShellError, shell  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
WRITES = ["INSERT INTO t VALUES('ghost', 1)", "UPDATE t SET v = 'ghost'", "DELETE FROM t", "INSERT INTO n(v) VALUES('ghost')",
          "INSERT INTO t VALUES('ghost', 1); DELETE FROM t WHERE id = 'ghost'", "SELECT sync_touch('t', 'k')"]
ASKS = ["sync_changeset()", "sync_changeset(0)", "sync_changeset(sync_version())", "sync_seen()"]


class RolledBack(SyncTest):
    def start(self, names="ab"):
        a, b = self.files(names, T, "t", "n")
        a.sql("INSERT INTO t VALUES('k', 'real')")
        exchange(a, b)
        return a, b

    def test_it_is_refused_in_the_stock_shell(self):
        a, b = self.start()
        a.close()
        for write in WRITES:
            for ask in ASKS:
                for begin, end in (("BEGIN", "ROLLBACK"), ("SAVEPOINT s", "ROLLBACK TO s; RELEASE s"), ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT")):
                    with self.subTest(write=write, ask=ask, begin=begin):
                        with self.assertRaisesRegex(ShellError, "may still be rolled back"):
                            shell(a.path, f"{begin}; {write}; SELECT {ask}; {end};")
        self.assertIsNone(a.cut_for(b))

    def test_what_comes_after_the_rollback_is_told_whole(self):
        """The same numbers of entries, rows and columns; only what they mean differs."""
        for i, write in enumerate(WRITES):
            with self.subTest(write):
                a, b = self.start((f"a{i}", f"b{i}"))
                a.x("BEGIN")
                for statement in write.split("; "):
                    a.x(statement)
                a.x("SELECT count(*) FROM sync_changes")     # looking is allowed, and must leave nothing behind
                a.x("SELECT * FROM sync_status")
                for ask in ASKS:
                    self.refused(a, f"SELECT {ask}", says=["rolled back"])
                a.x("ROLLBACK")
                a.x("INSERT INTO n(v) VALUES('real')")
                a.x("UPDATE t SET v = 'real again'")
                b.pull(a)
                self.assertEqual((b.sql("SELECT * FROM t"), b.sql("SELECT * FROM n")), ([("k", "real again")], [(1, "real")]))
                self.level(a, b)


if __name__ == "__main__":
    unittest.main()
