"""A changeset was cut before its sender heard of a delete, and arrived after the sender had said that it holds it and the receiver had forgotten it. The receiver judged it by
what the sender held by then, took the row for new without telling of it anew, and the two never agreed again."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(k TEXT PRIMARY KEY, v);"


class Late(SyncTest):
    def test_it_is_told_of_anew(self):
        for told in ("acknowledged", "age"):
            for others in (False, True):
                with self.subTest(told=told, others=others):
                    a, b = self.files([f"{name}{told}{others}" for name in "ab"], SCHEMA, "t")
                    a.sql("INSERT INTO t VALUES('x', 'of a')")
                    a.sql("DELETE FROM t")
                    tick()
                    b.sql("INSERT INTO t VALUES('x', 'of b')")
                    if others:
                        b.sql("INSERT INTO t VALUES('y', 1), ('z', 2)")
                    late = b.cut_for(a)
                    b.pull(a)
                    self.assertEqual(b.sql("SELECT * FROM t WHERE k = 'x'"), [])
                    a.x("SELECT sync_heard(?)", b.seen())
                    a.x("SELECT sync_compact('{}')" if told == "acknowledged" else """SELECT sync_compact('{"age": 0}')""")
                    a.apply(late)
                    exchange(a, b)
                    self.assert_same(a, b)
                    a.close(), b.close()

    def test_what_was_cut_afterwards_makes_no_traffic(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('x', 'of a')")
        a.sql("DELETE FROM t")
        exchange(a, b)
        a.x("SELECT sync_heard(?)", b.seen())
        self.assertEqual(a.one("SELECT sync_compact('{}')"), 1)
        b.sql("INSERT INTO t VALUES('new', 1)")
        self.assertEqual(a.pull(b), 1)
        self.assertIsNone(a.cut_for(b))


if __name__ == "__main__":
    unittest.main()
