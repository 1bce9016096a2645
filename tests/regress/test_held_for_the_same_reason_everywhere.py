"""Whoever lacks a parent competes for nothing: that is the reason it is listed with, in whatever order things came. In a history of the simulation a row that was held
for a UNIQUE value went on being listed for it when its parent was held afterwards, while another file said that the parent was missing."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v UNIQUE, p REFERENCES t);"


class Reasons(SyncTest):
    def test_in_every_order(self):
        a, b, c = self.files("abc", SCHEMA, "t")
        a.script("INSERT INTO t VALUES('parent', 1, NULL), ('child', 2, 'parent'), ('grandchild', 3, 'child')")
        tick()
        b.script("INSERT INTO t VALUES('takes 2', 2, NULL), ('takes 3', 3, NULL)")
        tick()
        c.sql("INSERT INTO t VALUES('takes 1', 1, NULL)")
        whole = [file.changeset() for file in (a, b, c)]
        for order in itertools.permutations(whole):
            file = self.file("to" + str(whole.index(order[0])) + str(whole.index(order[1])), SCHEMA, "t")
            for changeset in order:
                file.apply(changeset)
            self.assertEqual(file.sql("SELECT key, reason FROM sync_conflict ORDER BY key"),
                             [('["child"]', "foreign key"), ('["grandchild"]', "foreign key"), ('["parent"]', "unique")])


if __name__ == "__main__":
    unittest.main()
