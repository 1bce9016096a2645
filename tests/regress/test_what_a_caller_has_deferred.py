"""sync_resolve switched PRAGMA defer_foreign_keys off for what it wrote, with which SQLite forgets what was violated until then: a caller who had deferred a
violation could commit it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from resolving import ResolveTest  # noqa: E402
from syncfile import tick  # noqa: E402

SCHEMA = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE); CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE h(p REFERENCES p%s);"


class WhatACallerHasDeferred(ResolveTest):
    def test_it_is_not_forgotten(self):
        for kind in ("", " DEFERRABLE INITIALLY DEFERRED"):
            for pragma in (0, 1):
                if not kind and not pragma:
                    continue  # is refused at once
                with self.subTest(kind=kind, pragma=pragma):
                    a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], SCHEMA % kind, "u")
                    a.sql("INSERT INTO u VALUES('k1', 1)")
                    tick()
                    b.sql("INSERT INTO u VALUES('k2', 1)")
                    self.level(a, b)
                    wanted = self.side(a, a)
                    a.x("PRAGMA foreign_keys = on")
                    a.x("BEGIN")
                    a.x(f"PRAGMA defer_foreign_keys = {pragma}")
                    a.x("INSERT INTO h VALUES('nobody')")
                    self.refused(a, "SELECT sync_resolve(id, ?) FROM sync_conflict", wanted, says=["cannot be settled now", "k1"])
                    self.refused(a, "COMMIT", says=["foreign key"])
                    a.x("INSERT INTO p VALUES('nobody')")
                    a.x("COMMIT")
                    self.resolve(a, wanted)
                    self.settled(a, b)
                    self.assertEqual(b.sql("SELECT id FROM u WHERE x = 1"), [("k1",)])
                    self.assertEqual(a.sql("PRAGMA foreign_key_check"), [])

    def test_what_is_violated_afterwards_counts_too(self):
        a, b = self.files("ab", SCHEMA % "", "u")
        a.sql("INSERT INTO u VALUES('k1', 1)")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 1)")
        self.level(a, b)
        a.x("PRAGMA foreign_keys = on")
        a.x("BEGIN")
        a.x("PRAGMA defer_foreign_keys = on")
        self.resolve(a, self.side(a, a))
        self.assertEqual(a.x("PRAGMA defer_foreign_keys"), [(1,)])
        a.x("INSERT INTO h VALUES('somebody')")
        self.refused(a, "COMMIT", says=["foreign key"])
        a.x("DELETE FROM h")
        a.x("COMMIT")
        self.settled(a, b)


if __name__ == "__main__":
    unittest.main()
