"""The power fails after a batch has left, and takes the newest commits of the log along (synchronous=NORMAL). The file must get its own lost
rows back from those who have them, and what it writes from then on must not pass for what was lost. Long, with SYNC_POWER_CUTS=2000:
scripts/soak.sh."""
import os
import random
import struct
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import replay  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

CUTS = int(os.environ.get("SYNC_POWER_CUTS", "16"))
SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
BOOT_AT, CHECK_AT = 48, 88  # docs/FORMAT.md, "Witness"


def after_another_boot(witness):
    """The witness as the machine finds it when it has started again: its boot id is no more."""
    said = witness[:BOOT_AT] + b"another boot".ljust(CHECK_AT - BOOT_AT, b"\0")
    check = 0xCBF29CE484222325
    for byte in said:
        check = (check ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return said + struct.pack(">Q", check)


class PowerCuts(SyncTest):
    def history(self, label, dice):
        """Commits of a.db of which most have left; returns what was on the disk before them, the log of them, and the witness."""
        a, b = self.files((f"{label} a", f"{label} b"), SCHEMA, "t", "n")
        a.sql("INSERT INTO t VALUES('k', 'before')")
        exchange(a, b)
        a.fold()
        main = a.snapshot()
        for connection in (a.plain, a.extended):
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        for i in range(8):
            a.script(f"INSERT INTO t VALUES('row {i}', {i}); UPDATE t SET v = 'as of {i}' WHERE id = 'k'; DELETE FROM t WHERE id = 'row {i - 3}';"
                     f"INSERT INTO n VALUES({i}, 'n {i}')")
            if dice.random() < 0.3:
                a.fold()
            if dice.random() < 0.7:
                b.pull(a)
        b.pull(a)
        return a, b, main, Path(a.path + "-wal").read_bytes(), Path(a.path + "-sync").read_bytes()

    def cut(self, label, dice):
        a, b, main, log, witness = self.history(label, dice)
        expected, had = b.dump(), a.site()
        a.overwrite(main)
        Path(a.path + "-wal").write_bytes(log[:dice.randrange(len(log))])
        Path(a.path + "-sync").write_bytes(after_another_boot(witness) if dice.random() < 0.5 else witness)
        a.sql("INSERT OR REPLACE INTO t VALUES('after', 'the cut')")   # programs write before anything of ours looks
        a.sql("INSERT INTO n VALUES(100, 'after the cut')")
        exchange(a, b)
        self.assert_same(a, b)
        self.assertEqual(a.sql("SELECT v FROM t WHERE id = 'after'"), [("the cut",)])
        self.assertEqual([row for row in b.rows("t") if "after" not in row], expected["t"])
        kept = {v for (v,) in a.sql("SELECT v FROM n")} | {v for (v,) in a.x("SELECT coalesce(ours ->> 'v', theirs ->> 'v') FROM sync_conflict WHERE held")}
        self.assertLessEqual({f"n {i}" for i in range(8)} | {"after the cut"}, kept)
        self.assertNotEqual(a.site(), had)     # what it stamps from now on cannot pass for what was lost
        a.close(), b.close()

    def test_the_file_gets_its_own_rows_back(self):
        seed = replay.seed(__file__, "PowerCuts.test_the_file_gets_its_own_rows_back", SYNC_POWER_CUTS=CUTS)
        for i in range(CUTS):
            with self.subTest(i):
                self.cut(str(i), random.Random(f"{seed} {i}"))

    def test_what_a_copy_took_along_comes_back_too(self):
        """Nothing had been told to anybody, but the file was copied with a fold in its log. It lost that, kept its id, and held for its own what it did not have."""
        a = self.file("a", SCHEMA, "t", "n")
        before = a.snapshot()
        a.script("INSERT INTO n VALUES(1, 'one'), (2, 'two'); INSERT INTO t VALUES('k', 'v')")
        a.fold()
        witness = Path(a.path + "-sync").read_bytes()
        had = a.site()
        c = self.copy(a, "c")
        a.overwrite(before)
        Path(a.path + "-sync").write_bytes(after_another_boot(witness))
        a.sql("INSERT INTO n VALUES(1, 'after the cut')")
        c.sql("INSERT INTO n VALUES(3, 'of the copy')")
        exchange(a, c)
        self.assertNotEqual(a.site(), had)
        self.assert_same(a, c)
        self.assertEqual({v for (v,) in a.sql("SELECT v FROM n")}, {"one", "two", "of the copy", "after the cut"})
        self.assertEqual(a.sql("SELECT * FROM t"), [("k", "v")])


if __name__ == "__main__":
    unittest.main()
