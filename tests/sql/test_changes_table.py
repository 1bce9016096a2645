"""The virtual table sync_changes: what it shows, in which order, and what it looks up instead of scanning."""
import json
import os
import struct
import unittest

from syncfile import SyncTest, tick

T = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
ALL = "SELECT * FROM sync_changes"
CELLS = "SELECT key, op, col, value, cl FROM sync_changes"


def steps(connection, statement, *values):
    """How many instructions SQLite executes for a statement, those of the engine's own statements with them."""
    count = 0

    def step():
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    try:
        connection.execute(statement, values).fetchall()
    finally:
        connection.set_progress_handler(None, 1)
    return count


class Shown(SyncTest):
    def test_existence_and_cells(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 'one')")
        self.assertEqual(file.x(CELLS), [('["k"]', "insert", None, None, 1), ('["k"]', "insert", "a", 1, 1), ('["k"]', "insert", "b", "one", 1)])
        tick()
        file.sql("UPDATE t SET b = 'two'")
        self.assertEqual(file.x(CELLS), [('["k"]', "insert", None, None, 1), ('["k"]', "insert", "a", 1, 1), ('["k"]', "update", "b", "two", 1)])
        file.sql("DELETE FROM t")
        self.assertEqual(file.x(CELLS), [('["k"]', "delete", None, None, 2)])
        file.sql("INSERT INTO t VALUES('k', 3, NULL)")
        self.assertEqual(file.x(CELLS), [('["k"]', "insert", None, None, 3), ('["k"]', "insert", "a", 3, 3), ('["k"]', "insert", "b", None, 3)])
        tick()
        file.sql("INSERT OR REPLACE INTO t VALUES('k', 4, 4)")
        self.assertEqual(file.x("SELECT DISTINCT op, cl FROM sync_changes"), [("insert", 3)])

    def test_a_row_that_is_only_a_key(self):
        file = self.file("a", "CREATE TABLE k(x TEXT, y INT, PRIMARY KEY(x, y)); INSERT INTO k VALUES('g', 0);", "k")
        file.sql("INSERT INTO k VALUES('n', 1)")
        self.assertEqual(file.x(CELLS), [('["g",0]', "insert", None, None, 1), ('["n",1]', "insert", None, None, 1)])

    def test_identity_row_has_a_tombstone_for_each_life(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n")
        for i in range(3):
            file.sql("INSERT INTO n VALUES(7, ?)", i)
            file.sql("DELETE FROM n")
        file.sql("INSERT INTO n VALUES(7, 'alive')")
        expected = [("delete", None, None, 2)] * 3 + [("insert", None, None, 1), ("insert", "v", "alive", 1)]
        for fold in (False, True):
            self.assertEqual(file.x("SELECT op, col, value, cl FROM sync_changes WHERE key = '[7]'"), expected)
            file.fold()

    def test_a_number_that_changed_hands(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n")
        file.sql("INSERT INTO n VALUES(3, 'three'), (4, 'four')")
        file.sql("UPDATE OR REPLACE n SET id = 4 WHERE id = 3")
        expected = [("delete", None, None), ("insert", None, None), ("insert", "v", "three")]
        for fold in (False, True):
            self.assertEqual(sorted(file.x("SELECT op, col, value FROM sync_changes WHERE key = '[4]'"), key=lambda row: (row[1] or "", row[0])), expected)
            self.assertEqual(file.x("SELECT op, col FROM sync_changes WHERE key = '[3]'"), [("delete", None)])
            rowids = file.x("SELECT rowid FROM sync_changes")
            self.assertEqual(len(rowids), len(set(rowids)))
            file.fold()

    def test_genesis_before_and_after_writes(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g1', 1, 2), ('g2', 3, 4);", "t")
        tracked = file.version()
        self.assertEqual(file.x("SELECT DISTINCT version, op, cl, site FROM sync_changes"), [(tracked, "insert", 1, file.site())])
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes"), 6)
        file.sql("UPDATE t SET a = 5 WHERE id = 'g2'")
        written = file.version()
        for fold in (False, True):
            self.assertEqual(file.x("SELECT version, key, op, col, value FROM sync_changes"), [
                (tracked, '["g1"]', "insert", None, None), (tracked, '["g1"]', "insert", "a", 1), (tracked, '["g1"]', "insert", "b", 2),
                (written, '["g2"]', "insert", None, None), (written, '["g2"]', "update", "a", 5), (written, '["g2"]', "insert", "b", 4)])
            file.fold()

    def test_stamps_sort_by_time_with_genesis_below(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2);", "t")
        file.sql("BEGIN")
        for i in range(30):     # more than ten in one millisecond: counters of one and two digits
            file.sql("INSERT INTO t VALUES(?, 1, 2)", f"k{i:02}")
        file.sql("COMMIT")
        rows = file.x("SELECT stamp, time, key FROM sync_changes WHERE col = 'a' ORDER BY stamp")
        self.assertEqual([json.loads(row[2])[0] for row in rows], ["g"] + [f"k{i:02}" for i in range(30)])
        self.assertEqual(len({row[0] for row in rows}), 31)
        self.assertEqual([row[1] for row in rows], sorted(row[1] for row in rows))
        self.assertEqual(file.x("SELECT DISTINCT typeof(stamp), typeof(time), typeof(site), length(site) FROM sync_changes"), [("text", "integer", "blob", 16)])
        for stamp, time, _ in rows:
            self.assertIn(file.one("SELECT strftime('%Y-%m-%dT%H:%M:', ? / 1000, 'unixepoch')", time), stamp)

    def test_values_bit_for_bit(self):
        file = self.file("a", T, "t")
        values = ("NULL", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.0", "-0.0", "9e999", "-9e999", "0.1", "''", "'text'",
                  "CAST(x'610062' AS TEXT)", "CAST(x'61ff62' AS TEXT)", "x''", "x'00ff'", "zeroblob(100000)", "'日本'")
        for i, value in enumerate(values):
            file.sql(f"INSERT INTO t VALUES('k{i}', {value}, 0)")
        for fold in (False, True):
            self.assertEqual(file.raw("SELECT value FROM sync_changes WHERE col = 'a' ORDER BY version", extended=True),
                             file.raw("SELECT a FROM t ORDER BY rowid"))
            file.fold()
        self.assertEqual(struct.pack(">d", file.one("SELECT value FROM sync_changes WHERE key = '[\"k6\"]' AND col = 'a'")), struct.pack(">d", -0.0))

    def test_keys_that_json_cannot_hold(self):
        file = self.file("a", "CREATE TABLE k(x, y, PRIMARY KEY(x, y));", "k")
        for value, expected in (("x'00ff'", {"$blob": "00ff"}), ("x''", {"$blob": ""}), ("CAST(x'61ff' AS TEXT)", {"$text": "61ff"}),
                                ("CAST(x'6100' AS TEXT)", {"$text": "6100"}), ("'\"q'", '"q'), ("2.5", 2.5)):
            file.sql(f"INSERT INTO k VALUES({value}, 1)")
            self.assertEqual(json.loads(file.x("SELECT key FROM sync_changes ORDER BY version DESC LIMIT 1")[0][0]), [expected, 1])

    def test_names_as_the_schema_spells_them(self):
        file = self.file("a", 'CREATE TABLE "Odd "" name"("The Key" TEXT PRIMARY KEY, "sélect" TEXT);', 'Odd " name')
        file.sql("""INSERT INTO "Odd "" name" VALUES('k', 'v')""")
        self.assertEqual(file.x("SELECT tbl, col, value FROM sync_changes WHERE col IS NOT NULL AND tbl = 'Odd \" name'"), [('Odd " name', "sélect", "v")])

    def test_many_columns(self):
        for count in (63, 125, 1999):
            file = self.file(f"a{count}", "CREATE TABLE w(id TEXT PRIMARY KEY, %s);" % ", ".join(f"c{i}" for i in range(count)) +
                             "INSERT INTO w(id, c0) VALUES('g', 'first');", "w")
            file.sql(f"INSERT INTO w(id, c0, c{count - 1}) VALUES('k', 1, 'last')")
            tick()
            file.sql(f"UPDATE w SET c{count - 1} = 'newest' WHERE id = 'k'")
            for fold in (False, True):
                self.assertEqual(file.one("SELECT count(*) FROM sync_changes"), 2 * (count + 1))
                self.assertEqual(file.x("SELECT col, value FROM sync_changes WHERE op = 'update'"), [(f"c{count - 1}", "newest")])
                self.assertEqual(file.one("SELECT value FROM sync_changes WHERE key = '[\"g\"]' AND col = 'c0'"), "first")
                file.fold()

    def test_generated_columns_are_left_out(self):
        file = self.file("a", "CREATE TABLE t(g AS (a || 'v'), id TEXT PRIMARY KEY, s AS (a || 's') STORED, a TEXT); INSERT INTO t(id, a) VALUES('g', 'x');", "t")
        file.sql("INSERT INTO t(id, a) VALUES('k', 'y')")
        self.assertEqual(file.x("SELECT col, value FROM sync_changes WHERE col IS NOT NULL"), [("a", "x"), ("a", "y")])

    def test_a_text_encoding_of_16_bits(self):
        file = self.file("a", "PRAGMA encoding = 'UTF-16le';" + T + "INSERT INTO t VALUES('gé', 'ä', 1);", "t")
        file.sql("INSERT INTO t VALUES('k日', '本', 2)")
        for fold in (False, True):
            self.assertEqual(file.x("SELECT key, value FROM sync_changes WHERE col = 'a' AND tbl = 't'"), [('["gé"]', "ä"), ('["k日"]', "本")])
            file.fold()


class OfOthers(SyncTest):
    def test_what_was_merged(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1, 2)")
        b.pull(a)
        tick()
        b.sql("UPDATE t SET b = 9")
        sites = dict(b.x("SELECT col, site FROM sync_changes WHERE col IS NOT NULL"))
        self.assertEqual(sites, {"a": a.site(), "b": b.site()})
        a.pull(b)
        self.assertEqual(a.cells(), b.cells())

    def test_held_rows(self):
        a, b = self.files("ab", "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE, v);", "u")
        a.sql("INSERT INTO u VALUES('k1', 'same', 'of a')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 'of b')")
        self.level(a, b)
        self.assertEqual(len(a.rows("u")), 1)
        for file in (a, b):
            self.assertEqual(sorted(file.x("SELECT key, value FROM sync_changes WHERE col = 'v'")), [('["k1"]', "of a"), ('["k2"]', "of b")])

    def test_columns_that_are_not_here(self):
        a, b = self.files("ab", T, "t")
        a.sql("ALTER TABLE t ADD COLUMN extra TEXT")
        a.sql("INSERT INTO t VALUES('k', 1, 2, 'pending')")
        b.pull(a)
        self.assertEqual(b.x("SELECT value FROM sync_changes WHERE col = 'extra'"), [("pending",)])
        self.assertEqual(a.cells(), b.cells())

    def test_cells_that_a_constraint_refuses_show_what_is_merged(self):
        a = self.file("a", T, "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, a CHECK(a < 10), b);", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 2)")
        b.pull(a)
        tick()
        a.sql("UPDATE t SET a = 99, b = 3")
        b.pull(a)
        self.assertEqual(b.one("SELECT value FROM sync_changes WHERE col = 'a'"), 99)
        self.assertEqual(a.cells(), b.cells())

    def test_a_row_gone_behind_the_triggers_back_is_not_told_of(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k1', 1, 2), ('k2', 1, 2)")
        file.fold()
        triggers = file.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'sync%'")
        for name, _ in triggers:
            file.sql(f'DROP TRIGGER "{name}"')
        file.sql("DELETE FROM t WHERE id = 'k1'")
        for _, sql in triggers:
            file.sql(sql)
        self.assertEqual(file.x("SELECT DISTINCT key FROM sync_changes"), [('["k2"]',)])

    def test_a_table_that_is_gone(self):
        file = self.file("a", T + "CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        file.sql("INSERT INTO t VALUES('k1', 1, 2)")
        file.sql("INSERT INTO u VALUES('k1')")
        file.sql("DROP TABLE t")
        self.assertEqual(file.x("SELECT DISTINCT tbl FROM sync_changes"), [("u",)])
        self.assertEqual(file.x("SELECT * FROM sync_changes WHERE tbl = 't'"), [])


class VirtualAndReal(SyncTest):
    """What is shown of a tail that was not folded is what a fold makes of it."""

    def check(self, schema, table, *statements):
        file = self.file(f"f{len(self._files)}", schema, table)
        for statement in statements[::2]:
            file.sql(statement)
            tick()
        file.fold()
        for statement in statements:
            file.sql(statement)
            virtual = file.raw(ALL, extended=True)
            for version in range(file.version() + 2):
                self.assertEqual(file.raw(ALL + " WHERE version > ?", version, extended=True), [row for row in virtual if int(row[1:].split(",")[0]) > version])
            reader = self.open(os.path.basename(file.path))
            reader.x("BEGIN")
            self.assertEqual(reader.raw(ALL, extended=True), virtual)
            reader.close()
        self.assertGreater(file.fold(), 0)
        self.assertEqual(file.raw(ALL, extended=True), virtual)

    def test_text_keys(self):
        self.check(T + "INSERT INTO t VALUES('g1', 1, 1), ('g2', 2, 2), ('g3', 3, 3);", "t",
                   "INSERT OR REPLACE INTO t VALUES('k1', 1, 1), ('k2', 2, 2)", "UPDATE t SET a = a + 1 WHERE id IN ('g1', 'k1')",
                   "DELETE FROM t WHERE id IN ('g2', 'k2')", "UPDATE t SET b = 5 WHERE id = 'g3'", "INSERT OR REPLACE INTO t VALUES('g2', 7, 7)",
                   "UPDATE OR IGNORE t SET id = 'moved' WHERE id = 'k1'", "UPDATE t SET b = 6 WHERE id IN ('k1', 'g3', 'moved')")

    def test_nocase_keys(self):
        self.check("CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, a) WITHOUT ROWID; INSERT INTO t VALUES('G1', 1), ('g2', 2), ('Gé', 3);", "t",
                   "INSERT OR REPLACE INTO t VALUES('Key', 1)", "UPDATE t SET id = lower(id), a = 2 WHERE id = 'key'", "UPDATE t SET id = 'g1', a = 3 WHERE id = 'G1'",
                   "DELETE FROM t WHERE id = 'G2'", "INSERT OR REPLACE INTO t VALUES('KEY', 4)", "UPDATE t SET a = 9 WHERE id = 'gé'")

    def test_composite_keys_of_any_type(self):
        self.check("CREATE TABLE t(x, y, a, PRIMARY KEY(x, y)); INSERT INTO t VALUES(1, 'g', 0), (1.5, x'00', 0);", "t",
                   "INSERT OR REPLACE INTO t VALUES(1, 2, 3), (1.0, 4, 5), ('1', 2, 3), (x'31', 2, 3)", "UPDATE t SET a = 6 WHERE x = 1",
                   "UPDATE OR REPLACE t SET y = 'h' WHERE y = 'g'", "DELETE FROM t WHERE x = 1.5", "UPDATE t SET a = 7 WHERE typeof(x) = 'text'")

    def test_numbers(self):
        self.check("CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES(1, 'g1'), (2, 'g2'), (3, 'g3');", "t",
                   "INSERT OR REPLACE INTO t VALUES(10, 1), (11, 2)", "DELETE FROM t WHERE id IN (2, 10)", "INSERT OR REPLACE INTO t VALUES(2, 'again'), (10, 'again')",
                   "UPDATE OR REPLACE t SET id = 20 WHERE id = 11", "UPDATE OR REPLACE t SET id = 3 WHERE id = 1", "DELETE FROM t WHERE id = 10",
                   "INSERT OR REPLACE INTO t VALUES(10, 'third')", "UPDATE t SET a = 'x' WHERE id IN (3, 20)")

    def test_a_long_tail_in_a_transaction(self):
        file = self.file("a", T, "t")
        file.x("BEGIN")
        file.x("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 25000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        self.assertEqual(file.x("SELECT count(*), sum(value) FROM sync_changes WHERE col = 'a'"), [(25000, 25000 * 25001 // 2)])
        file.x("COMMIT")
        self.assertEqual(file.x("SELECT count(*), sum(value) FROM sync_changes WHERE col = 'a'"), [(25000, 25000 * 25001 // 2)])


class Order(SyncTest):
    def three(self):
        file = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a); CREATE TABLE u(id TEXT PRIMARY KEY, a); CREATE TABLE v(id INTEGER PRIMARY KEY, a);"
                         "INSERT INTO t VALUES('g1', 1), ('g2', 2); INSERT INTO u VALUES('g1', 1), ('g2', 2); INSERT INTO v VALUES(1, 1), (2, 2);", "u")
        file.sql("INSERT INTO u VALUES('k1', 1)")
        file.track("t")
        file.sql("INSERT INTO t VALUES('k1', 1)")
        file.sql("UPDATE u SET a = 2 WHERE id = 'g2'")
        file.track("v")
        file.sql("INSERT INTO v VALUES(3, 3)")
        file.sql("DELETE FROM t WHERE id = 'g1'")
        return file

    def test_by_version_among_tables_and_geneses(self):
        file = self.three()
        for fold in (False, True):
            rows = file.x(ALL)
            self.assertEqual([row[0] for row in rows], sorted(row[0] for row in rows))
            self.assertEqual(file.x(ALL + " ORDER BY version"), rows)
            down = file.x(ALL + " ORDER BY version DESC")
            self.assertEqual([row[0] for row in down], sorted((row[0] for row in rows), reverse=True))
            self.assertEqual(sorted(down, key=repr), sorted(rows, key=repr))
            self.assertEqual({row[1] for row in rows}, {"t", "u", "v"})
            self.assertEqual(len({row[0] for row in rows if row[3] == "insert" and row[2] in ('["g1"]', "[1]")}), 2)
            file.fold()

    def test_sorting_is_left_to_the_table_where_it_can_be(self):
        file = self.three()
        for order, sorts in (("version", False), ("version DESC", False), ("version, tbl", True), ("tbl", True), ("stamp", True)):
            plan = " ".join(row[3] for row in file.x(f"EXPLAIN QUERY PLAN {ALL} ORDER BY {order}"))
            self.assertEqual("B-TREE" in plan, sorts, plan)
        for statement in (f"{ALL} WHERE version IN (6, 2, 4) ORDER BY version", f"{ALL} WHERE tbl IN ('u', 't') ORDER BY version DESC",
                          "SELECT DISTINCT version FROM sync_changes ORDER BY version DESC", "SELECT version FROM sync_changes GROUP BY version ORDER BY version"):
            versions = [row[0] for row in file.x(statement)]
            self.assertTrue(versions)
            self.assertEqual(versions, sorted(versions, reverse="DESC" in statement), statement)

    def test_the_newest_first_without_reading_the_rest(self):
        file = self.file("a", T, "t")
        file.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        file.fold()
        newest = ALL + " ORDER BY version DESC LIMIT 3"
        self.assertEqual(file.one(newest), file.version())
        self.assertLess(steps(file.extended, newest) * 10, steps(file.extended, ALL))


class PushedDown(SyncTest):
    OTHER = "CREATE TABLE u(id TEXT PRIMARY KEY, v); INSERT INTO u VALUES('g', 1);"
    SEEN = f"WITH seen AS MATERIALIZED ({ALL}) SELECT * FROM seen"

    def both(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2);" + self.OTHER, "t", "u")
        for i in range(4):
            file.sql("INSERT INTO t VALUES(?, 1, 2)", f"k{i}")
            file.sql("INSERT INTO u VALUES(?, 1)", f"k{i}")
        file.sql("DELETE FROM t WHERE id = 'k1'")
        return file

    def same(self, file, where, *values):
        found = sorted(file.x(f"{ALL} WHERE {where}", *values), key=repr)
        self.assertEqual(found, sorted(file.x(f"{self.SEEN} WHERE {where}", *values), key=repr), (where, values))
        return found

    def test_bounds_of_any_type(self):
        file = self.both()
        some = 0
        for bound in (-1, 0, 1, 2, 3, 5, 99, 2**63 - 1, -2**63, 2.5, 3.0, -0.5, 1e300, -1e300, float("inf"), float("-inf"), 9.3e18, -9.3e18, "3", "2.5", " 3 ",
                      "x", "", b"", b"3", None):
            for operator in (">", ">=", "<", "<=", "=", "IS", "<>"):
                some += len(self.same(file, f"version {operator} ?", bound))
                self.same(file, f"tbl = 'u' AND version {operator} ?", bound)
        self.assertGreater(some, 0)
        for low, high in ((2, 4), (4, 2), (None, 3), (3, 3), (-5, 500), (2.5, 3.5)):
            self.same(file, "version BETWEEN ? AND ?", low, high)
            self.same(file, "version > ? AND version < ? AND version > 1 AND version < 9", low, high)
            self.same(file, "version > ? AND version = ?", low, high)

    def test_tables(self):
        file = self.both()
        for name, count in (("t", None), ("u", None), ("T", 0), ("none", 0), ("u ", 0), (None, 0), (5, 0), (b"u", 0), ("", 0)):
            found = self.same(file, "tbl = ?", name)
            self.assertEqual(len(found) > 0, count is None, name)
        self.assertTrue(self.same(file, "tbl = 'U' COLLATE NOCASE"))
        self.assertTrue(self.same(file, "tbl = 'u  ' COLLATE RTRIM"))
        self.assertTrue(self.same(file, "tbl IN ('u', 'none', 't')"))
        self.assertTrue(self.same(file, "tbl = 't' AND tbl = 't'"))
        self.assertFalse(self.same(file, "tbl = 't' AND tbl = 'u'"))

    def test_one_or_the_other(self):
        file = self.both()
        for where in ("version = 4 OR tbl = 'u'", "version > 5 OR tbl = 'u' OR version < 3", "(version = 3 OR version = 1) OR (tbl = 't' AND version = 2)",
                      "version = 2 OR version = 2 OR tbl = 't'"):
            self.assertTrue(self.same(file, where))

    def test_rows_are_told_apart(self):
        file = self.both()
        for fold in (False, True):
            everything = file.x("SELECT rowid, * FROM sync_changes")
            self.assertEqual(len({row[0] for row in everything}), len(everything))
            for where in ("version > 4", "tbl = 'u'", "version = 2", "1 ORDER BY version DESC"):
                self.assertLessEqual(set(file.x(f"SELECT rowid, * FROM sync_changes WHERE {where}")), set(everything))
            file.fold()

    def test_what_is_looked_up_is_not_scanned(self):
        file = self.file("a", T + self.OTHER, "t", "u")
        file.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        file.sql("INSERT INTO u VALUES('k', 1)")
        file.fold()
        last = file.version()
        everything = steps(file.extended, ALL)
        for where in (f"version > {last - 1}", f"version >= {last}", f"version = {last}", "version = 5", f"version BETWEEN {last} AND {last + 9}",
                      "version BETWEEN 5 AND 9", "version > 5 AND version < 9", "version = NULL", "tbl = 'none'", f"tbl = 'u' AND version > {last - 1}"):
            self.assertLess(steps(file.extended, f"{ALL} WHERE {where}") * 10, everything, where)
        self.assertLess(steps(file.extended, f"{ALL} WHERE tbl = 'u'") * 2, everything)

    def test_plans(self):
        file = self.both()
        plans = {where: file.x(f"EXPLAIN QUERY PLAN {ALL} WHERE {where}")[0][3] for where in ("1", "version > 3", "version < 3", "version = 3", "tbl = 't'")}
        self.assertEqual(len(set(plans.values())), 5, plans)


if __name__ == "__main__":
    unittest.main()
