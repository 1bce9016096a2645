"""A mask of changed columns has room for 62; at 63, 64 and beyond a bit that fell off, or into the sign, marked another column or none."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

WIDTHS = [62, 63, 64, 200]
EDGES = {0, 1, 60, 61, 62, 63, 64, 65, 122, 123, 124, 125, 126, 185, 186, 187, 198, 199}


class Masks(SyncTest):
    def files_of(self, width, suffix=""):
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, %s);" % ", ".join(f"c{i}" for i in range(width))
        return self.files([f"{n}{width}{suffix}" for n in "ab"], schema, "t")

    def test_each_column_alone(self):
        """Each is updated in one file and its neighbours in the other; whatever is marked too much or too little loses a write."""
        for width in WIDTHS:
            with self.subTest(width):
                a, b = self.files_of(width)
                edges = sorted(i for i in EDGES if i < width)
                a.sql("INSERT INTO t(id) SELECT 'row ' || value FROM json_each(?)", str(edges))
                exchange(a, b)
                a.sql("BEGIN"), b.sql("BEGIN")
                everything = {f"row {i}": {i: f"a {i}"} for i in edges}
                for i in edges:
                    a.sql(f"UPDATE t SET c{i} = 'a {i}' WHERE id = 'row {i}'")
                    around = [j for j in (i - 1, i + 1, (i + 62) % width, (i + 64) % width) if 0 <= j < width and j != i]
                    b.sql(f"UPDATE t SET {', '.join(f'c{j} = ?1' for j in around)} WHERE id = 'row {i}'", f"b {i}")
                    everything[f"row {i}"].update({j: f"b {i}" for j in around})
                a.sql("COMMIT"), b.sql("COMMIT")
                self.level(a, b)
                for row in a.sql("SELECT * FROM t"):
                    self.assertEqual({j: v for j, v in enumerate(row[1:]) if v is not None}, everything[row[0]])

    def test_the_first_and_the_last_together_and_all(self):
        for width in WIDTHS:
            with self.subTest(width):
                a, b = self.files_of(width, " all")
                a.sql("INSERT INTO t(id) VALUES('ends'), ('all'), ('none')")
                exchange(a, b)
                a.sql(f"UPDATE t SET c0 = 'first', c{width - 1} = 'last' WHERE id = 'ends'")
                a.sql(f"UPDATE t SET {', '.join(f'c{i} = {i}' for i in range(width))} WHERE id = 'all'")
                a.sql(f"UPDATE t SET {', '.join(f'c{i} = c{i}' for i in range(width))} WHERE id = 'none'")
                told = {(key, col) for key, col in a.x("SELECT key ->> 0, col FROM sync_changes WHERE value IS NOT NULL AND col IS NOT NULL")}
                self.assertEqual(told, {("ends", "c0"), ("ends", f"c{width - 1}")} | {("all", f"c{i}") for i in range(width)})
                self.assertEqual(b.pull(a), 2)
                tick()
                b.sql(f"UPDATE t SET c{width - 1} = NULL")
                self.level(a, b)


if __name__ == "__main__":
    unittest.main()
