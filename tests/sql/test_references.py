"""Foreign keys of other shapes: parts of keys, several in one row, values that are no numbers, circles with others beside them, rows without parents."""
import unittest

from syncfile import SyncTest, exchange, tick


class References(SyncTest):
    def named(self, names, schema, *tables):
        return self.files([f"{n}{len(self._files)}" for n in names], schema, *tables)

    def shut(self, *files):
        for file in files:
            file.close()

    def sound(self, *files):
        for file in files:
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])

    def test_values_that_are_no_numbers(self):
        """NULL refers to nobody; a text that no row has as its number is an orphan where it was written, and held elsewhere."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, q REFERENCES p, w);"
        a, b = self.named("ab", schema, "p", "c")
        a.script("PRAGMA foreign_keys = off; INSERT INTO p VALUES(1, 'A'); INSERT INTO c VALUES('null', NULL, 1, 0), ('text', 'x', 1, 0), ('both', 1, 1, 0), ('real', 1.5, NULL, 0)")
        tick()
        b.sql("INSERT INTO p VALUES(1, 'B')")
        b.script("INSERT INTO c VALUES('other', 1, NULL, 0), ('third', 1, 1, 0)")
        exchange(a, b)
        self.assertEqual(b.held(), [("c", '["real"]', "foreign key"), ("c", '["text"]', "foreign key")])
        self.assertEqual(a.sql("SELECT c.id, p.v, q.v FROM c LEFT JOIN p ON p.id = c.p LEFT JOIN p AS q ON q.id = c.q WHERE typeof(c.p) IN ('integer', 'null') ORDER BY 1"),
                         [("both", "A", "A"), ("null", None, "A"), ("other", "B", None), ("third", "B", "B")])
        a.sql("UPDATE c SET p = 1 WHERE id = 'text'")
        a.sql("UPDATE c SET p = NULL, w = 1 WHERE id = 'real'")
        self.level(a, b)
        self.sound(a, b)
        self.assertEqual(b.sql("SELECT v FROM c JOIN p ON p.id = c.p WHERE c.id = 'text'"), [("A",)])

    def test_both_parents_of_an_orphan_come(self):
        """It means those that came under these numbers, from then on, in all files."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, q REFERENCES p);"
        a, b, d = self.named("abd", schema, "p", "c")
        a.script("PRAGMA foreign_keys = off; INSERT INTO c VALUES('k', 7, 8), ('l', 7, NULL), ('m', 9, 7)")
        a.fold()
        self.assertEqual(a.x("SELECT count(*) FROM sync_conflict WHERE NOT held"), [(3,)])
        b.sql("INSERT INTO p VALUES(7, 'seven'), (8, 'eight')")
        a.pull(b)
        self.assertEqual(a.x("SELECT key FROM sync_conflict"), [('["m"]',)])
        exchange(a, b)
        d.pull(b)
        self.assertEqual(d.sql("SELECT c.id, p.v, q.v FROM c JOIN p ON p.id = c.p LEFT JOIN p AS q ON q.id = c.q ORDER BY 1"), [("k", "seven", "eight"), ("l", "seven", None)])
        self.assertEqual(d.held(), [("c", '["m"]', "foreign key")])
        b.sql("INSERT INTO p VALUES(9, 'nine')")
        exchange(a, b, d)
        self.level(a, b, d)
        self.sound(a, b, d)

    def test_many_orphans_and_a_parent_that_was_replaced(self):
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p); CREATE INDEX c_p ON c(p);"
        a, b = self.named("ab", schema, "p", "c")
        a.sql("INSERT INTO p VALUES(1, 'old'), (2, 'stays')")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO c SELECT i, 1 + i % 2 FROM n")
        self.level(a, b)
        a.script("PRAGMA foreign_keys = off; DELETE FROM p WHERE id = 1")
        a.fold()
        self.assertEqual(a.x("SELECT count(*) FROM sync_conflict WHERE NOT held"), [(50,)])
        a.script("PRAGMA foreign_keys = off; INSERT INTO p VALUES(1, 'new'); UPDATE p SET v = 'stays, edited' WHERE id = 2")
        exchange(a, b)
        self.level(a, b)
        self.sound(a, b)
        self.assertEqual(b.sql("SELECT p.v, count(*) FROM c JOIN p ON p.id = c.p GROUP BY 1"), [("new", 50), ("stays, edited", 50)])

    def test_numbers_of_several_tables_that_pass_to_new_rows(self):
        """In one fold: children that referred to the old row by its number refer to the new one, which is said to all."""
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE q(id INTEGER PRIMARY KEY, v);"
                  "CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, q REFERENCES q); CREATE TABLE d(p INTEGER REFERENCES p, n, PRIMARY KEY(p, n));")
        a, b = self.named("ab", schema, "p", "q", "c", "d")
        numbers = range(1, 40)
        a.plain.executemany("INSERT INTO p VALUES(?, 'old')", [(n,) for n in numbers])
        a.plain.executemany("INSERT INTO q VALUES(?, 'old')", [(n,) for n in numbers])
        a.plain.executemany("INSERT INTO c VALUES(?, ?, ?)", [(f"c{n}", n, n) for n in numbers])
        self.level(a, b)
        b.sql("UPDATE q SET v = 'elsewhere' WHERE id = 3")
        a.script("PRAGMA foreign_keys = off; DELETE FROM p WHERE id < 30; INSERT INTO p SELECT id, 'new' FROM q WHERE id < 30;"
                 "DELETE FROM q WHERE id = 5; INSERT INTO q VALUES(5, 'new')")
        exchange(a, b)
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT p.v, count(*) FROM p JOIN c ON c.p = p.id GROUP BY 1 ORDER BY 1"), [("new", 29), ("old", 10)])
            self.assertEqual(file.sql("SELECT c.id FROM q JOIN c ON c.q = q.id WHERE q.v = 'new'"), [("c5",)] if file is a else file.sql("SELECT c.id FROM q JOIN c ON c.q = q.id WHERE q.v = 'new'"))

    def test_a_key_in_another_order_than_the_reference(self):
        schema = ("CREATE TABLE p(a TEXT, b INTEGER, v, PRIMARY KEY(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, b INTEGER, a TEXT, FOREIGN KEY(b, a) REFERENCES p(b, a));"
                  "CREATE INDEX c_ab ON c(b, a);")
        a, b = self.named("ab", schema, "p", "c")
        a.script("INSERT INTO p VALUES('x', 1, ''), ('y', 2, ''); INSERT INTO c VALUES('c1', 1, 'x'), ('c2', 2, 'y')")
        self.level(a, b)
        b.sql("INSERT INTO c VALUES('c3', 1, 'x')")
        a.script("DELETE FROM c WHERE id = 'c1'; DELETE FROM p WHERE a = 'x'")
        exchange(a, b)
        self.assertEqual(a.held(), [("c", '["c3"]', "foreign key")])
        self.assertEqual(b.held(), a.held())
        b.sql("INSERT INTO p VALUES('x', 1, 'again')")
        exchange(a, b)
        self.level(a, b)
        self.sound(a, b)

    def test_columns_of_the_parent_that_are_no_key_change(self):
        """Whoever refers to the old value is held, whoever refers to another column of the row is not."""
        schema = ("CREATE TABLE p(id TEXT PRIMARY KEY, a, b, v, UNIQUE(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, a, b, FOREIGN KEY(a, b) REFERENCES p(a, b));"
                  "CREATE TABLE d(id TEXT PRIMARY KEY, p REFERENCES p);")
        a, b = self.named("ab", schema, "p", "c", "d")
        a.script("INSERT INTO p VALUES('k', 1, 1, ''), ('l', 2, 2, ''); INSERT INTO d VALUES('d', 'k')")
        self.level(a, b)
        b.sql("INSERT INTO c VALUES('c1', 1, 1), ('c2', 2, 2)")
        a.sql("UPDATE p SET v = 'no matter'")
        tick()
        a.sql("UPDATE p SET b = 7 WHERE id = 'k'")
        exchange(a, b)
        self.assertEqual(b.held(), [("c", '["c1"]', "foreign key")])
        self.assertEqual(a.held(), b.held())
        b.sql("UPDATE p SET b = 1 WHERE id = 'k'")
        exchange(a, b)
        self.level(a, b)
        self.sound(a, b)

    def test_a_circle_and_who_refers_to_it_from_outside(self):
        schema = ("CREATE TABLE a(id INTEGER PRIMARY KEY, b REFERENCES b DEFERRABLE INITIALLY DEFERRED, v UNIQUE);"
                  "CREATE TABLE b(id INTEGER PRIMARY KEY, a REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
                  "CREATE TABLE outer(id INTEGER PRIMARY KEY, a REFERENCES a, v UNIQUE); CREATE TABLE leaf(id TEXT PRIMARY KEY, o REFERENCES outer);"
                  "CREATE TABLE root(id INTEGER PRIMARY KEY); CREATE TABLE mid(id INTEGER PRIMARY KEY, r REFERENCES root, a REFERENCES a);")
        tables = ("a", "b", "outer", "leaf", "root", "mid")
        x, y = self.named("xy", schema, *tables)
        x.script("BEGIN; INSERT INTO a VALUES(1, 1, 'x'); INSERT INTO b VALUES(1, 1); COMMIT; INSERT INTO outer VALUES(1, 1, 'o'); INSERT INTO leaf VALUES('lx', 1);"
                 "INSERT INTO root VALUES(1); INSERT INTO mid VALUES(1, 1, 1)")
        tick()
        y.script("BEGIN; INSERT INTO a VALUES(2, 2, 'y'); INSERT INTO b VALUES(2, 2); COMMIT; INSERT INTO outer VALUES(1, 2, 'o'); INSERT INTO leaf VALUES('ly', 1);"
                 "INSERT INTO root VALUES(1); INSERT INTO mid VALUES(1, 1, 2)")
        exchange(x, y)
        self.level(x, y)
        self.assertEqual(x.sql("SELECT a.v FROM a JOIN b ON a.b = b.id AND b.a = a.id ORDER BY 1"), [("x",), ("y",)])
        self.assertEqual(x.sql("SELECT a.v FROM outer JOIN a ON a.id = outer.a"), [("y",)])  # its value was written later
        self.assertEqual([row[0] for row in x.held()], ["leaf", "outer"])
        self.assertEqual(x.sql("SELECT a.v FROM mid JOIN a ON a.id = mid.a JOIN root ON root.id = mid.r ORDER BY 1"), [("x",), ("y",)])

    def test_rows_whose_keys_are_references(self):
        """They follow their parents to other numbers, and refer to whom they referred."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, boss REFERENCES p, n); CREATE TABLE k(p INTEGER PRIMARY KEY REFERENCES p, boss REFERENCES k);"
        a, b = self.named("ab", schema, "p", "k")
        a.script("INSERT INTO p VALUES(1, 1, 'A'); INSERT INTO k VALUES(1, 1)")
        tick()
        b.script("INSERT INTO p VALUES(1, 1, 'B'), (2, 1, 'C'); INSERT INTO k VALUES(2, 2)")
        exchange(a, b)
        self.level(a, b)
        self.sound(a, b)
        self.assertEqual(a.sql("SELECT p.n, boss.n FROM p JOIN p AS boss ON boss.id = p.boss ORDER BY 1"), [("A", "A"), ("B", "B"), ("C", "B")])
        self.assertEqual(a.sql("SELECT p.n FROM k JOIN p ON p.id = k.p ORDER BY 1"), [("A",), ("C",)])

    def test_a_row_whose_key_is_a_reference_loses_a_value(self):
        """It is taken out of the table, and still means the parent that it meant."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE d(p INTEGER REFERENCES p, n, u UNIQUE, q REFERENCES p, PRIMARY KEY(p, n));"
        a, b, c = self.named("abc", schema, "p", "d")
        a.script("INSERT INTO p VALUES(1, 'one'), (2, 'two'); INSERT INTO d VALUES(1, 1, 'a', 2), (1, 2, 'b', NULL)")
        self.level(a, b, c)
        a.sql("UPDATE d SET u = 'same', q = 1 WHERE n = 1")
        tick()
        b.sql("UPDATE d SET u = 'same', q = 2 WHERE n = 2")
        exchange(a, b)
        c.pull(b, a)
        for file in (a, b, c):
            self.assertEqual(file.held(), [("d", "[1,1]", "unique")])
            self.assertEqual(file.sql("SELECT n, q FROM d"), [(2, 2)])
        c.sql("UPDATE d SET u = 'free' WHERE n = 2")
        exchange(a, b, c)
        self.level(a, b, c)
        self.sound(a, b, c)
        self.assertEqual(a.sql("SELECT n, u, q FROM d ORDER BY n"), [(1, "same", 1), (2, "free", 2)])

    def test_a_delete_that_a_trigger_refuses_while_children_are_held(self):
        """The parent stays where it is, and that is said."""
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY, u UNIQUE); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);"
        a, b = self.named("ab", schema, "p", "c")
        b.script("CREATE TRIGGER keep_c BEFORE DELETE ON c BEGIN SELECT RAISE(ABORT, 'children stay'); END")
        a.script("INSERT INTO p VALUES('k', 1); INSERT INTO c VALUES('c', 'k')")
        exchange(a, b)
        a.script("DELETE FROM c; DELETE FROM p")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT id FROM c"), [("c",)])
        self.assertEqual({row for row in b.x("SELECT tbl, reason, detail FROM sync_conflict") if row[0] == "c"}, {("c", "trigger", "children stay")})
        self.assertEqual(b.sql("SELECT id FROM p"), [])


if __name__ == "__main__":
    unittest.main()
