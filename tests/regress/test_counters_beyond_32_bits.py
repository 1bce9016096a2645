"""Numbers that pass 32 bits: versions, lives, rows, the counts that the witness keeps. Cut to 32, a cursor begins again at nothing."""
import time
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from rawchangeset import HLC_PER_MS, Changeset  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
EDGES = [2 ** 31, 2 ** 32]


class Counters(SyncTest):
    def aged(self, name, versions):
        """A file that has recorded so many changes already, and merged as often."""
        file = self.file(name, T, "t", "n")
        file.script(f"UPDATE sync_journal SET seq = seq + {versions}; UPDATE sync_table SET genesis_seq = genesis_seq + {versions};"
                    f"UPDATE sync_meta SET folded = folded + {versions}, count = count + {versions};")
        return file

    def test_versions(self):
        for edge in EDGES:
            with self.subTest(edge):
                a, b = self.aged(f"a{edge}", edge - 6), self.file(f"b{edge}", T, "t", "n")
                for i in range(8):
                    a.sql("INSERT INTO t VALUES(?, 0)", f"row {i}")
                    version = a.version()
                    a.sql("INSERT INTO n VALUES(?, ?)", i, i)
                    a.sql("UPDATE t SET v = ? WHERE id = 'row 0'", i)
                    self.assertEqual(a.version(), version + 2)
                    if i == 4:
                        a.fold()
                    b.pull(a)
                    self.assertIsNone(a.cut_for(b))
                    self.assertIsNone(a.changeset(a.version()))
                    self.assertEqual(b.apply(a.changeset(version)), 0)
                self.assertGreater(a.version(), edge)
                self.level(a, b)
                self.assertEqual(len(b.rows("t")) + len(b.rows("n")), 16)

    def test_a_witness_with_large_counts(self):
        """Beyond the edge a restored file must still be told from one that went on."""
        for edge in EDGES:
            with self.subTest(edge):
                a, b = self.aged(f"w{edge}", edge - 3), self.file(f"v{edge}", T, "t", "n")
                site = a.site()
                a.sql("INSERT INTO t VALUES('before', 0)")
                exchange(a, b)
                self.assertEqual(a.site(), site)
                backup = a.snapshot()
                for i in range(5):
                    a.sql("INSERT INTO t VALUES(?, 0)", f"lost {i}")
                    exchange(a, b)
                self.assertEqual(a.site(), site)
                a.overwrite(backup)
                self.assertNotEqual(a.site(), site)
                self.level(a, b)
                self.assertEqual(len(a.rows("t")), 6)

    def test_lives(self):
        for lives in (2 ** 31 - 1, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32 + 1):
            with self.subTest(lives):
                a, b = self.file(f"a{lives}", T, "t"), self.file(f"b{lives}", T, "t")
                for file in (a, b):
                    self.assertEqual(file.apply(Changeset("k", "often born", int(time.time() * 1000), site=bytes(15) + b"\1", lives=lives).blob()), 1)
                a.sql("DELETE FROM t")
                b.sql("UPDATE t SET v = 'did not know'")
                exchange(a, b)
                self.assertEqual(b.sql("SELECT * FROM t"), [])
                b.sql("INSERT INTO t VALUES('k', 'again')")
                self.level(a, b)
                self.assertEqual(a.x("SELECT DISTINCT cl FROM sync_changes"), [(lives + 2,)])

    def test_more_lives_than_the_clock_has_ticked(self):
        """A row that comes with all the lives that 64 bits can count: its next delete counted as none, and the file could not be read any more."""
        a, b = self.files("ab", T, "t")
        now = int(time.time() * 1000)
        for lives in (2 ** 63 - 1, 2 ** 63 + 1, 2 ** 64 - 1, (now + 1000) * HLC_PER_MS + 1):
            self.refused(a, "SELECT sync_apply(?)", Changeset("k", "v", now, lives=lives).blob())
        self.assertEqual(a.apply(Changeset("k", "v", now, lives=now * HLC_PER_MS - 1).blob()), 1)  # as many as there can be
        a.sql("DELETE FROM t")
        a.sql("INSERT INTO t VALUES('k', 'next')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT v FROM t"), [("next",)])

    def test_numbers_of_rows(self):
        a, b = self.files("ab", T, "t", "n")
        for edge in EDGES + [2 ** 53, 2 ** 62]:
            a.sql("INSERT INTO n VALUES(?1 - 1, 'below'), (?1, 'at'), (?1 + 1, 'above'), (-?1, 'negative')", edge)
        self.level(a, b)
        b.sql("UPDATE n SET v = 'edited' WHERE v = 'at'")
        b.sql("DELETE FROM n WHERE v = 'above'")
        self.level(a, b)
        self.assertEqual(a.rows("n"), b.rows("n"))
        self.assertEqual(a.sql("SELECT count(*) FROM n WHERE v = 'edited'"), [(4,)])
        invariants.check(a.path)


if __name__ == "__main__":
    unittest.main()
