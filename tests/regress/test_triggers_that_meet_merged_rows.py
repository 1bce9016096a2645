"""A trigger that inserts a row into another tracked table meets, in a merge, the row that it made elsewhere. It failed, and the row that it hangs on was held for ever: a clone
lacked all of them."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

KEYS = {
    "key": "order_id TEXT PRIMARY KEY, note",
    "number": "id INTEGER PRIMARY KEY, order_id UNIQUE, note",
    "random": "id TEXT PRIMARY KEY DEFAULT (hex(randomblob(8))), order_id UNIQUE, note",
    "clause": "id TEXT PRIMARY KEY DEFAULT (hex(randomblob(8))), order_id UNIQUE ON CONFLICT FAIL, note",
    "rollback": "id TEXT PRIMARY KEY DEFAULT (hex(randomblob(8))), order_id UNIQUE ON CONFLICT ROLLBACK, note",
    "pair": "order_id, note, UNIQUE(order_id, note), PRIMARY KEY(order_id, note)",
}
FILL = """
INSERT INTO orders VALUES('o1', 5), ('o2', 6), ('o3', 7);
UPDATE orders SET amount = amount + 1 WHERE id <> 'o3';
DELETE FROM orders WHERE id = 'o2';
"""


def schema(audit, orders, events=("INSERT",), when="AFTER", key="id TEXT PRIMARY KEY"):
    text = f"CREATE TABLE {orders}({key}, amount); CREATE TABLE {audit};"
    name = audit.split("(")[0]
    for event in events:
        row = "OLD" if event == "DELETE" else "NEW"
        text += f"CREATE TRIGGER on_{event} {when} {event} ON {orders} BEGIN INSERT INTO {name}(order_id, note) VALUES({row}.id, '{event}'); END;"
    return text


class Meeting(SyncTest):
    def complete(self, *files):
        """All equal, nothing held, and a file that comes new to it is complete at once."""
        self.level(*files)
        for file in files:
            self.assertEqual(file.held(), [])

    def test_inserted(self):
        """Whichever table comes first in a merge, and whether the row is new or changed."""
        for key, columns in KEYS.items():
            for orders in ("orders", "sales"):
                for when in ("BEFORE", "AFTER"):
                    with self.subTest(key=key, orders=orders, when=when):
                        name = f"{key}{orders}{when}"
                        audit = ("audit" if orders == "orders" else "zaudit")
                        text = schema(f"{audit}({columns})", orders, when=when)
                        a, b, c = self.files([n + name for n in "abc"], text, orders, audit)
                        b.sql(f"INSERT INTO {orders} VALUES('o1', 5), ('o2', 5)")
                        a.pull(b)
                        b.sql(f"UPDATE {orders} SET amount = 6")
                        a.pull(b)
                        self.assertEqual(a.sql(f"SELECT * FROM {orders}"), [("o1", 6), ("o2", 6)])
                        c.sql(f"INSERT INTO {orders} VALUES('o3', 7)")
                        b.sql(f"DELETE FROM {orders} WHERE id = 'o1'")
                        self.complete(a, b, c)
                        self.assertEqual(a.sql(f"SELECT order_id FROM {audit} ORDER BY 1"), [("o1",), ("o2",), ("o3",)])
                        d = self.file("d" + name, text, orders, audit)
                        self.complete(a, d)
                        self.assertEqual(d.sql(f"SELECT id FROM {orders}"), [("o2",), ("o3",)])

    def test_every_event(self):
        for when in ("BEFORE", "AFTER"):
            for recursive in (0, 1):
                with self.subTest(when=when, recursive=recursive):
                    text = schema(f"audit({KEYS['pair']})", "orders", ("INSERT", "UPDATE", "DELETE"), when)
                    a, b = self.files([n + when + str(recursive) for n in "ab"], text, "orders", "audit")
                    for file in (a, b):
                        file.extended.execute(f"PRAGMA recursive_triggers = {recursive}")
                    a.script(FILL)
                    self.complete(a, b)
                    b.script("INSERT INTO orders VALUES('o4', 8); UPDATE orders SET amount = 9 WHERE id = 'o3'")
                    self.complete(a, b)
                    a.script("DELETE FROM orders WHERE id = 'o1'")
                    b.pull(a)
                    self.complete(a, b)
                    self.assertEqual(b.sql("SELECT id FROM orders ORDER BY id"), [("o3",), ("o4",)])
                    self.assertEqual(len(b.rows("audit")), 9)

    def test_deleted(self):
        """The note of the delete comes before the delete: the row stayed, and the note of it too."""
        for key, columns in KEYS.items():
            with self.subTest(key):
                a, b = self.files([n + key for n in "ab"], schema(f"audit({columns})", "orders", ("DELETE",)), "orders", "audit")
                a.sql("INSERT INTO orders VALUES('o1', 5), ('o2', 5)")
                self.complete(a, b)
                a.sql("DELETE FROM orders WHERE id = 'o1'")
                b.pull(a)
                self.assertEqual(b.sql("SELECT id FROM orders"), [("o2",)])
                self.complete(a, b)
                self.assertEqual(b.x("SELECT count(*) FROM sync_conflict"), [(0,)])

    def test_a_key_spelled_otherwise(self):
        """What is put back has its own spelling, not that of the trigger."""
        text = schema("gone(order_id TEXT COLLATE NOCASE PRIMARY KEY, note)", "orders", ("DELETE",), key="id TEXT COLLATE NOCASE PRIMARY KEY")
        for word in ("INSERT", "INSERT OR REPLACE"):
            with self.subTest(word):
                a, b = self.files([n + word[7:] for n in "ab"], text.split("CREATE TRIGGER")[0], "orders", "gone")
                b.script("CREATE TRIGGER" + text.split("CREATE TRIGGER")[1].replace("BEGIN INSERT", "BEGIN " + word))
                a.sql("INSERT INTO orders VALUES('O1', 5)")
                self.complete(a, b)
                a.script("INSERT INTO gone VALUES('o1', 'DELETE'); DELETE FROM orders")
                b.pull(a)
                self.complete(a, b)
                self.assertEqual(b.sql("SELECT order_id FROM gone"), [("o1",)])

    def test_numbers_that_both_gave(self):
        """The younger row gets another number, in both tables: it is taken out, and put back, which the triggers see again."""
        text = schema("audit(order_id INTEGER PRIMARY KEY, note)", "orders", ("INSERT",), key="id INTEGER PRIMARY KEY")
        a, b = self.files("ab", text, "orders", "audit")
        a.sql("INSERT INTO orders(amount) VALUES(1), (2)")
        tick()
        b.sql("INSERT INTO orders(amount) VALUES(3), (4)")
        self.complete(a, b)
        self.assertEqual([row[0] for row in a.sql("SELECT amount FROM orders ORDER BY 1")], [1, 2, 3, 4])
        self.assertEqual(a.sql("SELECT count(*) FROM audit"), [(4,)])

    def test_conflicts_with_nobody(self):
        """NOT NULL and CHECK, because what the trigger reads has not come yet; and rows of tables that are not tracked."""
        text = """CREATE TABLE customer(id TEXT PRIMARY KEY, name); CREATE TABLE orders(id TEXT PRIMARY KEY, customer, n);
            CREATE TABLE audit(id TEXT PRIMARY KEY, name NOT NULL, n CHECK(n < 10)); CREATE TABLE mine(id TEXT PRIMARY KEY, n);
            CREATE TRIGGER a1 AFTER INSERT ON orders BEGIN INSERT INTO audit VALUES(NEW.id, (SELECT name FROM customer WHERE id = NEW.customer), NEW.n); END;
            CREATE TRIGGER a2 AFTER UPDATE ON orders BEGIN UPDATE audit SET n = n + 1 WHERE id = NEW.id; END;
            CREATE TRIGGER a3 AFTER INSERT ON orders BEGIN INSERT INTO mine VALUES(NEW.id, NEW.n); END"""
        for customer in ("customer", "zcustomer"):
            with self.subTest(customer):
                a, b = self.files([n + customer for n in "ab"], text.replace("customer", customer), customer, "orders", "audit")
                a.script(f"INSERT INTO {customer} VALUES('c', 'Ada'); INSERT INTO orders VALUES('o1', 'c', 9); INSERT INTO orders VALUES('o2', 'c', 1)")
                b.sql("INSERT INTO mine VALUES('o2', 'of b')")
                b.pull(a)
                a.sql("UPDATE audit SET n = 8 WHERE id = 'o1'")
                a.sql("UPDATE orders SET n = 3")
                a.sql("UPDATE audit SET n = 5")
                b.sql("UPDATE audit SET n = 9")
                self.complete(a, b)
                self.assertEqual(b.sql("SELECT * FROM mine ORDER BY id"), [("o1", 9), ("o2", "of b")])

    def test_values_that_clash_while_a_trigger_fails(self):
        """Who of the rows with one value is shown is seen by displacing the other: the trigger failed in that too, and each file showed its own."""
        text = """CREATE TABLE name(id TEXT PRIMARY KEY, name); CREATE TABLE audit(id TEXT PRIMARY KEY, name NOT NULL); CREATE TABLE orders(id TEXT PRIMARY KEY, of, n UNIQUE);
            CREATE TRIGGER a1 AFTER INSERT ON orders BEGIN INSERT INTO audit VALUES(NEW.id, (SELECT name FROM name WHERE id = NEW.of)); END"""
        a, b = self.files("ab", text, "orders", "audit")
        for file, key in ((a, "a"), (b, "b")):
            file.script(f"INSERT INTO name VALUES('{key}', 'name'); INSERT INTO orders VALUES('{key}', '{key}', 1)")
            tick()
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM orders"), [("b",)])
        self.assertEqual(a.held(), [("orders", '["a"]', "unique")])
        self.assertEqual(a.held(), b.held())

    def test_indexes_that_triggers_keep(self):
        """The other triggers fire, for either row."""
        text = """CREATE TABLE doc(id INTEGER PRIMARY KEY, body); CREATE TABLE gone(doc_id INTEGER PRIMARY KEY, body); CREATE TABLE audit(doc_id INTEGER PRIMARY KEY, body);
            CREATE VIRTUAL TABLE fts USING fts5(body, content = 'doc', content_rowid = 'id');
            CREATE VIRTUAL TABLE fts_audit USING fts5(body, content = 'audit', content_rowid = 'doc_id');
            CREATE TABLE latest(id PRIMARY KEY, body);
            CREATE TRIGGER l1 AFTER INSERT ON doc BEGIN INSERT INTO audit VALUES(NEW.id, NEW.body); INSERT OR REPLACE INTO latest VALUES(1, NEW.body); END;
            CREATE TRIGGER l2 AFTER DELETE ON doc BEGIN INSERT INTO gone VALUES(OLD.id, OLD.body); INSERT OR REPLACE INTO latest VALUES(1, OLD.body); END;
            """ + "".join(f"""CREATE TRIGGER {f}i AFTER INSERT ON {t} BEGIN INSERT INTO {f}(rowid, body) VALUES(NEW.{k}, NEW.body); END;
            CREATE TRIGGER {f}d AFTER DELETE ON {t} BEGIN INSERT INTO {f}({f}, rowid, body) VALUES('delete', OLD.{k}, OLD.body); END;
            CREATE TRIGGER {f}u AFTER UPDATE ON {t} BEGIN INSERT INTO {f}({f}, rowid, body) VALUES('delete', OLD.{k}, OLD.body);
                INSERT INTO {f}(rowid, body) VALUES(NEW.{k}, NEW.body); END;""" for f, t, k in (("fts", "doc", "id"), ("fts_audit", "audit", "doc_id")))
        a, b = self.files("ab", text, "audit", "doc", "gone")
        a.script("INSERT INTO doc(body) VALUES('red apple'), ('green pear'), ('blue plum'); UPDATE audit SET body = 'yellow' WHERE doc_id = 2")
        self.complete(a, b)
        a.script("DELETE FROM doc WHERE id = 1; UPDATE gone SET body = body || ' pie'; UPDATE doc SET body = 'white pear' WHERE id = 2")
        self.complete(a, b)
        for file in (a, b):
            for f in ("fts", "fts_audit"):
                file.sql(f"INSERT INTO {f}({f}, rank) VALUES('integrity-check', 1)")
            self.assertEqual(file.sql("SELECT rowid FROM fts('apple OR pear OR plum') ORDER BY 1"), [(2,), (3,)])
            self.assertEqual(file.sql("SELECT rowid FROM fts_audit('yellow OR green')"), [(2,)])
        self.assertEqual(b.sql("SELECT body FROM latest"), [("red apple",)])

    def test_what_rows_are_refused_for(self):
        """RAISE is the row's, and so is what it meets itself."""
        a = self.file("a", schema("audit(order_id TEXT PRIMARY KEY, note)", "orders"), "orders", "audit")
        b = self.file("b", schema("audit(order_id TEXT PRIMARY KEY, note)", "orders").replace("amount)", "amount UNIQUE CHECK(amount < 100))")
                      + "CREATE TRIGGER no AFTER INSERT ON orders WHEN NEW.amount = 13 BEGIN SELECT RAISE(ABORT, 'never 13'); END", "orders", "audit")
        b.sql("INSERT INTO orders VALUES('b', 1)")
        tick()
        a.sql("INSERT INTO orders VALUES('unlucky', 13), ('large', 100), ('same', 1)")
        for _ in range(2):
            b.pull(a)
            a.pull(b)
            b.fold()
        self.assertEqual(b.x("SELECT key, reason, detail FROM sync_conflict WHERE held ORDER BY key"),
                         [('["b"]', "unique", "another row has the same value under a UNIQUE index"), ('["large"]', "check", "CHECK constraint failed: amount < 100"),
                          ('["unlucky"]', "trigger", "never 13")])
        self.assertEqual(b.sql("SELECT id FROM orders"), [("same",)])
        self.assertEqual(b.sql("SELECT order_id FROM audit ORDER BY 1"), a.sql("SELECT order_id FROM audit ORDER BY 1"))

    def test_what_is_taken_out_takes_nothing_along(self):
        """In a transaction of the application that enforces foreign keys, too."""
        text = schema(f"audit({KEYS['key']})", "orders", ("INSERT", "UPDATE"))
        text = text.replace("VALUES(NEW.id, 'UPDATE')", "VALUES('u' || NEW.id, 'UPDATE')")
        a, b = self.files("ab", text, "orders", "audit")
        b.script("CREATE TABLE mine(id PRIMARY KEY, audit REFERENCES audit ON DELETE CASCADE)")
        for file in (a, b):
            file.extended.execute("PRAGMA foreign_keys = on")
        a.sql("INSERT INTO orders VALUES('o1', 5)")
        self.complete(a, b)
        b.sql("INSERT INTO audit VALUES('uo1', 'of b')")
        b.sql("INSERT INTO mine VALUES(1, 'uo1')")
        a.sql("UPDATE orders SET amount = 7")
        b.x("BEGIN")
        b.pull(a)
        b.x("COMMIT")
        self.assertEqual(b.sql("SELECT id, audit FROM mine"), [(1, "uo1")])
        self.assertEqual(b.sql("SELECT amount FROM orders"), [(7,)])
        self.complete(a, b)

    def test_a_value_given_to_another_row(self):
        """INSERT OR REPLACE with keys of its own: who had the value goes back, and who has it meanwhile goes first."""
        text = """CREATE TABLE page(id TEXT PRIMARY KEY, title); CREATE TABLE slug(id TEXT PRIMARY KEY, name UNIQUE, page);
            CREATE TRIGGER p AFTER UPDATE ON page BEGIN INSERT OR REPLACE INTO slug VALUES(hex(randomblob(8)), NEW.title, NEW.id); END;
            CREATE TRIGGER s AFTER INSERT ON page BEGIN UPDATE slug SET name = NULL; UPDATE slug SET name = iif(id = 'x', 'b', 'a') WHERE id IN ('x', 'y'); END"""
        a, b = self.files("ab", text, "page", "slug")
        a.sql("INSERT INTO page VALUES('p', 'one'), ('q', 'two')")
        self.complete(a, b)
        a.script("UPDATE page SET title = 'same' WHERE id = 'p'; UPDATE page SET title = 'other' WHERE id = 'q'")
        self.complete(a, b)
        a.script("UPDATE page SET title = 'same', id = id")
        self.complete(a, b)
        b.script("DELETE FROM slug; INSERT INTO slug VALUES('x', 'a', 1), ('y', 'b', 2)")
        self.complete(a, b)
        self.assertEqual(exchange(a, b), 0)
        a.script("INSERT INTO page VALUES('r', 'three'); UPDATE slug SET name = iif(id = 'x', 'a2', 'b2')")
        b.script("UPDATE slug SET page = 5")
        self.complete(a, b)


class TriggersOfTheirOwnTable(SyncTest):
    def test_values_that_clash(self):
        """To see whom a row displaces, triggers were made to fire for themselves, and never came to an end: all merges failed."""
        for index in ("u", "lower(u)"):
            with self.subTest(index):
                text = f"""CREATE TABLE t(id TEXT PRIMARY KEY, u, changed); CREATE UNIQUE INDEX t_u ON t({index});
                    CREATE TRIGGER mi AFTER INSERT ON t BEGIN UPDATE t SET changed = 1 WHERE id = NEW.id; END;
                    CREATE TRIGGER mu AFTER UPDATE ON t BEGIN UPDATE t SET changed = changed + 1 WHERE id = NEW.id; END;"""
                a, b = self.files([n + index for n in "ab"], text, "t")
                a.sql("INSERT INTO t VALUES('a', 'v', 0)")
                tick()
                b.sql("INSERT INTO t VALUES('b', 'v', 0)")
                self.level(a, b)
                self.assertEqual(a.sql("SELECT id FROM t"), [("b",)])
                self.assertEqual(a.held(), [("t", '["a"]', "unique")])


if __name__ == "__main__":
    unittest.main()
