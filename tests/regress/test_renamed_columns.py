"""ALTER TABLE RENAME COLUMN by a program that knows nothing of us: the column stays the same column, in every file that renames it too."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
from syncfile import SyncTest, tick  # noqa: E402

SCHEMAS = {
    "text": "CREATE TABLE t(id TEXT PRIMARY KEY, a, b TEXT);",
    "integer": "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT);",
    "unique": "CREATE TABLE t(id TEXT PRIMARY KEY, a UNIQUE, b TEXT);",
}


class Renamed(SyncTest):
    def meet(self, *files):
        for _ in files:
            for receiver in files:
                receiver.pull(*(sender for sender in files if sender is not receiver))

    def rows(self, file):
        return file.sql("SELECT * FROM t ORDER BY id")

    def write(self, file, statement, *values):
        tick()
        file.sql(statement, *values)

    def test_values_are_kept_whoever_renames_first(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = (self.file(f"{n} {label}", schema, "t") for n in "ab")
                a.sql("INSERT INTO t VALUES(1, 'a1', 'b1'), (2, 'a2', 'b2'), (3, 'a3', 'b3')")
                b.pull(a)
                a.sql("ALTER TABLE t RENAME COLUMN a TO z")
                self.write(a, "UPDATE t SET z = 'in a' WHERE id = 1")
                self.write(a, "INSERT INTO t VALUES(4, 'new in a', 'b4')")
                self.write(b, "UPDATE t SET a = 'in b' WHERE id = 2")
                self.write(b, "INSERT INTO t VALUES(5, 'new in b', 'b5')")
                self.meet(a, b)
                self.assertEqual(self.rows(a), [(1, "in a", "b1"), (2, "in b", "b2"), (3, "a3", "b3"), (4, "new in a", "b4"),
                                                (5, "new in b", "b5")] if label == "integer" else
                                 [(str(i), v, f"b{i}") for i, v in enumerate(("in a", "in b", "a3", "new in a", "new in b"), 1)])
                self.assertEqual([row[1] for row in self.rows(b)], ["a1", "in b", "a3", None, "new in b"])
                self.write(b, "UPDATE t SET a = 'later in b' WHERE id = 1")
                b.sql("ALTER TABLE t RENAME COLUMN a TO z")
                self.meet(a, b)
                self.assertEqual([row[1] for row in self.rows(a)], ["later in b", "in b", "a3", "new in a", "new in b"])
                self.assertEqual(self.rows(b), self.rows(a))
                self.write(b, "UPDATE t SET z = 'after' WHERE id = 4")
                self.meet(a, b)
                self.assertEqual([row[1] for row in self.rows(a)], ["later in b", "in b", "a3", "after", "new in b"])

    def test_a_file_between_that_has_the_old_name(self):
        a, b, c = (self.file(n, SCHEMAS["text"], "t") for n in "abc")
        a.sql("INSERT INTO t VALUES('k', 'first', '')")
        self.meet(a, b, c)
        for file in (a, c):
            file.sql("ALTER TABLE t RENAME COLUMN a TO z")
        self.write(a, "UPDATE t SET z = 'in a'")
        b.pull(a)
        c.pull(b)
        self.assertEqual(self.rows(c), [("k", "in a", "")])
        self.write(b, "UPDATE t SET a = 'in b'")
        c.pull(b)  # brings both names
        a.pull(c)
        self.assertEqual(self.rows(a), [("k", "in b", "")])
        b.sql("ALTER TABLE t RENAME COLUMN a TO z")
        self.meet(a, b, c)
        for file in (a, b, c):
            self.assertEqual(self.rows(file), [("k", "in b", "")])

    def test_names_that_go_round_and_back(self):
        a, b = (self.file(n, SCHEMAS["text"], "t") for n in "ab")
        a.sql("INSERT INTO t VALUES('k', 'a', 'b')")
        b.pull(a)
        swap = ("a TO tmp", "b TO a", "tmp TO b")
        for file in (a, b):
            for step in swap:
                file.sql(f"ALTER TABLE t RENAME COLUMN {step}")
        self.write(a, "UPDATE t SET b = 'was a'")
        self.meet(a, b)
        self.assertEqual((self.rows(a), self.rows(b)), ([("k", "was a", "b")],) * 2)
        a.sql('ALTER TABLE t RENAME COLUMN b TO "od""d, OLD. name"')
        self.write(a, 'UPDATE t SET "od""d, OLD. name" = 1')
        a.fold()
        a.sql('ALTER TABLE t RENAME COLUMN "od""d, OLD. name" TO b')
        self.write(b, "UPDATE t SET a = 'was b'")
        self.meet(a, b)
        self.assertEqual((self.rows(a), self.rows(b)), ([("k", 1, "was b")],) * 2)

    def test_a_new_column_of_the_former_name(self):
        a, b = (self.file(n, SCHEMAS["text"], "t") for n in "ab")
        a.sql("INSERT INTO t VALUES('k', 'first', '')")
        b.pull(a)
        for file in (a, b):
            file.sql("ALTER TABLE t RENAME COLUMN a TO z")
            file.fold()
            file.sql("ALTER TABLE t ADD COLUMN a")
        self.write(a, "UPDATE t SET a = 'another'")
        self.meet(a, b)
        self.write(b, "UPDATE t SET z = 'the first'")
        self.meet(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id, z, a FROM t"), [("k", "the first", "another")])

    def test_columns_of_every_group(self):
        columns = [f"c{i}" for i in range(130)]
        schema = f"CREATE TABLE t(id TEXT PRIMARY KEY, {', '.join(columns)});"
        a, b = (self.file(n, schema, "t") for n in "ab")
        a.sql("INSERT INTO t(id, c3, c70, c129) VALUES('k', 3, 70, 129)")
        b.pull(a)
        for name in ("c3", "c70", "c129"):
            a.sql(f"ALTER TABLE t RENAME COLUMN {name} TO new_{name}")
            self.write(a, f"UPDATE t SET new_{name} = new_{name} + 1")
        b.pull(a)
        for name in ("c129", "c70", "c3"):
            b.sql(f"ALTER TABLE t RENAME COLUMN {name} TO new_{name}")
        self.meet(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT new_c3, new_c70, new_c129 FROM t"), [(4, 71, 130)])

    def test_rows_that_are_held(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE t(id TEXT PRIMARY KEY, a, b REFERENCES p);"
        a, b = (self.file(n, schema, "t", "p") for n in "ab")
        a.sql("INSERT INTO p VALUES('p')")
        b.pull(a)
        b.sql("DELETE FROM p")
        self.write(a, "INSERT INTO t VALUES('k', 'under the old name', 'p')")
        b.pull(a)
        a.sql("ALTER TABLE t RENAME COLUMN a TO z")
        self.write(a, "UPDATE t SET z = 'under the new one'")
        b.pull(a)
        self.assertEqual(self.rows(b), [])
        b.sql("ALTER TABLE t RENAME COLUMN a TO z")
        b.fold()
        self.write(b, "INSERT INTO p VALUES('p')")
        b.fold()  # shows what it made room for
        self.meet(a, b)
        for file in (a, b):
            self.assertEqual(self.rows(file), [("k", "under the new one", "p")])


if __name__ == "__main__":
    unittest.main()
