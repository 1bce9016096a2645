"""A merge in a connection whose triggers are switched off was refused for a trigger that wrote to sync_journal, which there was none of: the one that should have
written was missing."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402
from synctest import shell  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE k(id TEXT PRIMARY KEY, v);"


class TriggersSwitchedOff(SyncTest):
    def test_merging_says_so_and_changes_nothing(self):
        for rows in (2, 4000):  # many rows go another way, which switches triggers off by itself
            with self.subTest(rows=rows):
                a, b = self.files([f"a{rows}", f"b{rows}"], SCHEMA, "t", "k")
                a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO t SELECT i, hex(randomblob(60)) FROM n", rows)
                a.sql("INSERT INTO k VALUES('k', 1)")
                changeset = self.path(f"changes{rows}")
                changeset.write_bytes(a.cut_for(b))
                before = b.dump(), b.cells(), b.version()
                b.close()
                status, out, err = shell(b.path, f".dbconfig enable_trigger off\nSELECT sync_apply(readfile('{changeset}'))", check=False)
                self.assertNotEqual(status, 0, out)
                self.assertIn("triggers are switched off", err)
                self.assertEqual((b.dump(), b.cells(), b.version()), before)
                self.level(a, b)

    def test_they_stay_off(self):
        a, b = self.files("ab", SCHEMA, "t", "k")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO t SELECT i, hex(randomblob(60)) FROM n")
        changeset = self.path("changes")
        changeset.write_bytes(a.cut_for(b))
        b.close()
        out = shell(b.path, f".bail off\n.dbconfig enable_trigger off\nSELECT sync_apply(readfile('{changeset}'));\n.dbconfig enable_trigger", check=False)[1]
        self.assertEqual(out.split()[-2:], ["enable_trigger", "off"])


if __name__ == "__main__":
    unittest.main()
