"""A row that is held was listed a second time when it came again under another spelling of its key, where only the application knows the key's collation:
its entry was found by the bytes of the key. What the row became later left the first entry behind for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402


def dashes_do_not_count(x, y):
    x, y = x.replace("-", ""), y.replace("-", "")
    return (x > y) - (x < y)


class Collations(SyncTest):
    def setUp(self):
        super().setUp()
        self.all = self.a, self.b, self.c = self.files("abc", "")
        for file in self.all:
            for connection in (file.plain, file.extended):
                connection.create_collation("dashless", dashes_do_not_count)
            file.script("CREATE TABLE t(id TEXT COLLATE dashless, part INT, v UNIQUE, w, PRIMARY KEY(id, part));")
            file.track("t")

    def held(self):
        return [file.sql("SELECT key FROM sync_conflict WHERE held ORDER BY id") for file in self.all]

    def test_one_entry_whatever_the_spelling(self):
        self.a.script("INSERT INTO t VALUES('long', 1, 5, ''); INSERT INTO t VALUES('long', 2, 6, '')")
        exchange(self.a, self.c)
        later = []
        for spelling in ("lo-ng", "-long"):
            tick()
            self.c.sql("UPDATE t SET id = ?, w = id WHERE id = 'long' AND part = 1", spelling)
            later.append((spelling, self.c.cut_for(self.a)))
        tick()
        self.b.script("INSERT INTO t VALUES('one', 1, 5, ''); INSERT INTO t VALUES('two', 1, 6, '')")
        exchange(self.a, self.b)
        for spelling, changeset in later:
            self.a.apply(changeset)
            self.assertEqual(self.a.sql("SELECT key FROM sync_conflict WHERE held ORDER BY key"), [(f'["{spelling}",1]',), ('["long",2]',)])
        exchange(*self.all)
        self.assertEqual([sorted(entries) for entries in self.held()], [[('["-long",1]',), ('["long",2]',)]] * 3)
        tick()
        self.b.script("DELETE FROM t WHERE part = 1 AND id = 'one'")
        exchange(*self.all)
        self.assertEqual(self.held(), [[('["long",2]',)]] * 3)
        self.assertEqual(self.b.sql("SELECT id, w FROM t WHERE part = 1 ORDER BY id"), [("-long", "lo-ng"), ("two", "")])


if __name__ == "__main__":
    unittest.main()
