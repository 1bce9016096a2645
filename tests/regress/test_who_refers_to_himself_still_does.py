"""sync_resolve 'keep both' gave a row another number, and what referred to it followed; but where the row referred to itself, it then referred to the row that
has its old number."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from resolving import ResolveTest  # noqa: E402
from syncfile import exchange, tick  # noqa: E402

# The number of a row of `fixed`, which is known by its own, is such a number, so the row is inserted anew.
SCHEMA = "CREATE TABLE p(id INTEGER PRIMARY KEY, boss REFERENCES p, deputy REFERENCES p, n); CREATE TABLE fixed(id INTEGER PRIMARY KEY REFERENCES p);"


class Itself(ResolveTest):
    def test_in_each_file(self):
        for where in (0, 1):
            for edited in (False, True):
                with self.subTest(where=where, edited=edited):
                    files = a, b = self.files([f"{n}{where}{edited}" for n in "ab"], SCHEMA, "p")
                    for file in files:
                        file.track("fixed", options='{"identity": "row"}')
                    a.sql("INSERT INTO p VALUES(1, 1, NULL, 'A')")
                    tick()
                    b.sql("INSERT INTO p VALUES(1, 1, 1, 'B'), (2, 1, 2, 'C')")
                    self.level(a, b)
                    self.resolve(files[where], "keep both", reason="number")
                    if edited:
                        files[where].sql("UPDATE p SET n = 'B!' WHERE n = 'B'")
                    exchange(a, b)
                    self.settled(a, b)
                    name = "B!" if edited else "B"
                    self.assertEqual(a.sql("SELECT p.n, boss.n, deputy.n FROM p JOIN p AS boss ON boss.id = p.boss LEFT JOIN p AS deputy ON deputy.id = p.deputy ORDER BY 1"),
                                     [("A", "A", None), (name, name, name), ("C", name, "C")])
                    a.close(), b.close()


if __name__ == "__main__":
    unittest.main()
