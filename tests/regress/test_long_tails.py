"""A long run of entries is folded in the order of its keys: what comes of it is what folding it entry by entry gives."""
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMAS = {
    "text": "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, u UNIQUE, v);",
    "two columns": "CREATE TABLE t(k, l TEXT, u UNIQUE, v, PRIMARY KEY(k, l)) WITHOUT ROWID;",
    "number": "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v);",
}
KEYS = {
    "text": lambda dice: (dice.choice(("common prefix ", "", "Common ")) + str(dice.randrange(300)),),
    "two columns": lambda dice: (dice.choice((1, 1.5, "1", b"1", -7)), str(dice.randrange(90))),
    "number": lambda dice: (dice.randrange(-100, 300),),
}


class LongTails(SyncTest):
    def write(self, file, kind, dice, count):
        names = ("k", "l")[:2 if kind == "two columns" else 1]
        where, marks = " AND ".join(f"{n} = ?" for n in names), ", ".join("?" * (len(names) + 2))
        file.sql("BEGIN")
        for _ in range(count):
            key, u = KEYS[kind](dice), dice.randrange(2000)
            what = dice.random()
            if what < 0.5:
                file.sql(f"INSERT OR {dice.choice(('REPLACE', 'IGNORE'))} INTO t VALUES({marks})", *key, u, dice.random())
            elif what < 0.7:
                file.sql(f"UPDATE t SET v = ? WHERE {where}", dice.random(), *key)
            elif what < 0.8:
                file.sql(f"UPDATE OR REPLACE t SET {', '.join(n + ' = ?' for n in names)} WHERE {where}", *KEYS[kind](dice), *key)
            else:
                file.sql(f"DELETE FROM t WHERE {where}", *key)
        file.sql("COMMIT")

    def test_for_real_as_virtually(self):
        for kind, schema in SCHEMAS.items():
            with self.subTest(kind):
                dice = random.Random(kind)
                a, b, c = self.files([f"{kind} {n}" for n in "abc"], schema, "t")
                for count in (2000, 100, 3000):
                    self.write(a, kind, dice, count)
                    b.pull(a)
                    told = a.cells()
                    a.fold()
                    self.assertEqual(told, a.cells())
                    invariants.check(a.path)
                    self.assertEqual(a.rows("t"), b.rows("t"))
                c.pull(a)
                self.level(a, b, c)


if __name__ == "__main__":
    unittest.main()
