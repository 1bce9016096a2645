"""What two files make of the same row: cells, deletes, geneses, numbers."""
import itertools
import json
import random
import time
import unittest

from syncfile import SyncTest, exchange, tick

K = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
N = "CREATE TABLE n(id INTEGER PRIMARY KEY, a, b);"
FAMILY = N + "CREATE TABLE c(id TEXT PRIMARY KEY, n INT REFERENCES n, v); CREATE TABLE g(id TEXT PRIMARY KEY, c TEXT REFERENCES c);"


class ByKey(SyncTest):
    def start(self, *rows, names="ab"):
        files = self.files(names, K, "t")
        for row in rows:
            files[0].sql("INSERT INTO t VALUES(?, ?, ?)", *row)
        self.level(*files)
        tick()
        return files

    def test_different_cells_of_one_row(self):
        a, b = self.start(("k", 1, 1))
        a.shell("UPDATE t SET a = 'from a';")
        b.shell("UPDATE t SET b = 'from b';")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, b FROM t"), [("from a", "from b")])

    def test_the_last_write_wins(self):
        for first, last in ((0, 1), (1, 0)):
            with self.subTest(first=first):
                files = self.files((f"a{first}", f"b{first}"), K, "t")
                files[0].sql("INSERT INTO t VALUES('k', 1, 1)")
                self.level(*files)
                files[first].sql("UPDATE t SET a = 'first'")
                tick()
                files[last].sql("UPDATE t SET a = 'last'")
                self.level(*files)
                self.assertEqual(files[0].sql("SELECT a FROM t"), [("last",)])

    def test_a_write_after_a_merge_beats_what_it_saw(self):
        a, b = self.start(("k", 1, 1))
        for i in range(20):     # without a tick: within one millisecond too
            writer, reader = (a, b) if i % 2 else (b, a)
            writer.sql("UPDATE t SET a = ?", i)
            reader.pull(writer)
            self.assertEqual(reader.sql("SELECT a FROM t"), [(i,)])

    def test_inserts_of_one_key_merge_cell_by_cell(self):
        a, b = self.start()
        a.sql("INSERT INTO t VALUES('k', 'a', 'a')")
        tick()
        b.sql("INSERT INTO t VALUES('k', 'b', 'b')")
        tick()
        a.sql("UPDATE t SET a = 'a again'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [("k", "a again", "b")])
        self.assertEqual(a.held(), [])

    def test_a_delete_beats_an_update_it_did_not_see(self):
        for order in (0, 1):
            with self.subTest(order):
                a, b = self.files((f"a{order}", f"b{order}"), K, "t")
                a.sql("INSERT INTO t VALUES('k', 1, 1), ('other', 1, 1)")
                self.level(a, b)
                for step in (("d", "u"), ("u", "d"))[order]:
                    tick()
                    if step == "d":
                        a.sql("DELETE FROM t WHERE id = 'k'")
                    else:
                        b.sql("UPDATE t SET a = 'late'")
                self.level(a, b)
                self.assertEqual(a.sql("SELECT id, a FROM t"), [("other", "late")])

    def test_a_new_life_beats_an_old_one(self):
        a, b = self.start(("k", 1, 1))
        a.sql("DELETE FROM t")
        a.sql("INSERT INTO t VALUES('k', 'new', NULL)")
        tick()
        b.sql("UPDATE t SET a = 'old', b = 'old'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [("k", "new", None)])

    def test_deleted_on_both_sides(self):
        a, b = self.start(("k", 1, 1))
        a.sql("DELETE FROM t")
        b.sql("DELETE FROM t")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [])
        b.sql("INSERT INTO t VALUES('k', 'back', 0)")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a FROM t"), [("back",)])

    def test_replace_keeps_the_incarnation_and_stamps_all_cells(self):
        a, b = self.start(("k", 1, 1))
        b.sql("UPDATE t SET a = 'b', b = 'b'")
        tick()
        a.sql("INSERT OR REPLACE INTO t(id, a) VALUES('k', 'replaced')")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [("k", "replaced", None)])
        self.assertEqual(a.x("SELECT DISTINCT cl FROM sync_changes"), [(1,)])

    def test_key_changes_meet(self):
        a, b = self.start(("k", 1, 1))
        a.sql("UPDATE t SET id = 'ka'")
        b.sql("UPDATE t SET id = 'kb', a = 2")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, a FROM t ORDER BY id"), [("ka", 1), ("kb", 2)])

    def test_every_order_gives_one_state(self):
        """Five changesets of three files, applied by fresh files in many orders and repeatedly."""
        files = self.start(("k", 1, 1), ("l", 1, 1), names="abc")
        a, b, c = files
        empty = self.file("empty", K, "t").seen()
        sets = [a.changeset(empty)]
        a.sql("UPDATE t SET a = 'a' WHERE id = 'k'")
        a.sql("DELETE FROM t WHERE id = 'l'")
        b.sql("UPDATE t SET a = 'b', b = 'b'")
        c.sql("DELETE FROM t WHERE id = 'k'")
        c.sql("INSERT INTO t VALUES('k', 'c', 'c')")
        sets += [f.changeset(empty) for f in files]
        a.pull(b)
        a.sql("UPDATE t SET b = 'a after b'")
        sets.append(a.changeset(empty))
        results = set()
        shuffle = random.Random(7)
        for i in range(12):
            order = sets + shuffle.sample(sets, 2)
            shuffle.shuffle(order)
            file = self.file(f"order{i}", K, "t")
            for changeset in order:
                file.apply(changeset)
            results.add(repr((file.dump(), file.cells())))
            file.close()
        self.assertEqual(len(results), 1)
        self.level(a, b, c)
        self.assertEqual(results, {repr((a.dump(), a.cells()))})


class Clocks(SyncTest):
    def set_ahead(self, file, minutes):
        """As if this file had been written under a clock that is so far ahead: what follows is stamped later still."""
        file.sql("UPDATE sync_meta SET hlc = ? << 16", int((time.time() + minutes * 60) * 1000))
        file.close()

    def test_more_than_five_minutes_ahead_is_refused_whole(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        a.script("INSERT INTO u VALUES('in time'); INSERT INTO t VALUES('k', 1)")
        exchange(a, b)
        a.sql("INSERT INTO u VALUES('also in time')")
        a.fold()
        self.set_ahead(a, 6)
        a.sql("UPDATE t SET v = 'ahead'")
        changes, before = a.cut_for(b), b.dump()
        for _ in range(2):
            self.refused(b, "SELECT sync_apply(?)", changes, says=["table t", "more than 5 minutes ahead", "nothing was merged"])
            self.assertEqual(b.dump(), before)
        b.sql("UPDATE t SET v = 'here'")
        self.assertIsNotNone(b.cut_for(a))

    def test_four_minutes_ahead_is_merged_and_what_saw_it_counts_as_later(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        self.set_ahead(a, 4)
        a.sql("INSERT INTO t VALUES('k', 'ahead')")
        self.assertEqual(b.pull(a), 1)
        b.sql("UPDATE t SET v = 'saw it'")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT v FROM t"), [("saw it",)])


class Topologies(SyncTest):
    def test_nothing_is_echoed(self):
        a, b = self.files("ab", K, "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        b.pull(a)
        self.assertIsNone(b.cut_for(a))
        b.sql("UPDATE t SET a = 2")
        a.pull(b)
        self.assertIsNone(a.cut_for(b))

    def test_a_chain_relays(self):
        files = self.files("abcde", K, "t")
        files[0].sql("INSERT INTO t VALUES('k', 1, 1)")
        for left, right in zip(files, files[1:]):
            self.assertEqual(right.pull(left), 1)
        tick()
        files[-1].sql("UPDATE t SET a = 'end'")
        for right, left in zip(files[::-1], files[-2::-1]):
            self.assertEqual(left.pull(right), 1)
        self.assert_same(*files)

    def test_a_ring_comes_to_rest(self):
        files = self.files("abcd", K, "t")
        for i, file in enumerate(files):
            file.sql("INSERT INTO t VALUES(?, ?, 0), ('shared', ?, 0)", str(i), i, i)
        for _ in range(2):
            for i, file in enumerate(files):
                file.pull(files[i - 1])
        self.assert_same(*files)
        for i, file in enumerate(files):
            self.assertIsNone(files[i - 1].cut_for(file))

    def test_what_came_another_way_is_not_sent_again(self):
        a, b, c = self.files("abc", K, "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        b.pull(a)
        c.pull(a)
        self.assertIsNone(b.cut_for(c))


class Genesis(SyncTest):
    """Rows that were there before the file was tracked."""

    def pair(self, schema, left, right, options=None):
        a = self.file("a", schema + left)
        b = self.file("b", schema + right)
        table = schema.split("(")[0].split()[-1]
        a.track(table, options=options)
        tick()
        b.track(table, options=options)
        return a, b

    def test_equal_rows_stay(self):
        for schema, table in ((K, "t"), (N, "n")):
            with self.subTest(table):
                rows = f"INSERT INTO {table} VALUES(1, 'x', 'y'), (2, 'x', 'y');"
                a, b = self.file(f"a{table}", schema + rows), self.file(f"b{table}", schema + rows)
                a.track(table), b.track(table)
                self.level(a, b)
                self.assertEqual(len(a.rows(table)), 2)
                self.assertEqual(a.sql("SELECT count(*) FROM sync_conflict"), [(0,)])

    def test_rows_of_either_side_join(self):
        a, b = self.pair(K, "INSERT INTO t VALUES('ka', 1, 1);", "INSERT INTO t VALUES('kb', 2, 2);")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM t ORDER BY id"), [("ka",), ("kb",)])

    def test_an_edited_cell_beats_an_unedited_one(self):
        for schema, table in ((K, "t"), (N, "n")):
            with self.subTest(table):
                rows = f"INSERT INTO {table} VALUES(1, 'old', 'old');"
                a, b = self.file(f"a{table}", schema + rows), self.file(f"b{table}", schema + rows)
                a.track(table)
                a.sql(f"UPDATE {table} SET a = 'edited'")
                tick()
                b.sql(f"UPDATE {table} SET a = 'before it was tracked'")
                b.track(table)
                self.level(a, b)
                self.assertEqual(a.sql(f"SELECT a, b FROM {table}"), [("edited", "old")])

    def test_between_two_unedited_the_later_tracking_wins(self):
        a, b = self.pair(K, "INSERT INTO t VALUES('k', 'a', 'same');", "INSERT INTO t VALUES('k', 'b', 'same');")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, b FROM t"), [("b", "same")])

    def test_losing_content_of_a_numbered_row_is_put_aside(self):
        a, b = self.pair(N, "INSERT INTO n VALUES(1, 'a', 'same');", "INSERT INTO n VALUES(1, 'b', 'same');")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, b FROM n"), [("b", "same")])
        conflicts = a.x("SELECT tbl, key, reason, held, ours, theirs FROM sync_conflict")
        self.assertEqual([row[:4] for row in conflicts], [("n", "[1]", "genesis", 0)])
        contents = [json.loads(text) for text in conflicts[0][4:] if text]
        self.assertIn("a", [content.get("a") for content in contents])

    def test_an_edit_of_a_numbered_row_leaves_the_rest(self):
        a, b = self.pair(N, "INSERT INTO n VALUES(1, 'x', 'y');", "INSERT INTO n VALUES(1, 'x', 'y');")
        a.sql("UPDATE n SET a = 'a'")
        b.sql("UPDATE n SET b = 'b'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, b FROM n"), [("a", "b")])

    def test_a_delete_of_a_genesis_row_travels(self):
        for schema, table in ((K, "t"), (N, "n")):
            with self.subTest(table):
                rows = f"INSERT INTO {table} VALUES(1, 'x', 'y'), (2, 'x', 'y');"
                a, b = self.file(f"a{table}", schema + rows), self.file(f"b{table}", schema + rows)
                a.track(table), b.track(table)
                a.sql(f"DELETE FROM {table} WHERE id = 1")
                self.level(a, b)
                self.assertEqual(len(b.rows(table)), 1)

    def test_tracking_later_than_the_rest(self):
        schema = K + "CREATE TABLE later(id TEXT PRIMARY KEY, v);"
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO later VALUES('x', 1)")
        a.track("later")
        self.level_tables(a, b, "t")
        b.track("later")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM later"), [("x", 1)])

    def level_tables(self, a, b, table):
        exchange(a, b)
        self.assertEqual(a.rows(table), b.rows(table))


class Numbers(SyncTest):
    """Identity row: two inserts of one number are two rows; nothing is ever hung under the wrong one."""

    def both_insert(self, number=5, schema=N, tables=("n",)):
        a, b = self.files("ab", schema, *tables)
        a.sql("INSERT INTO n VALUES(?, 'from a', 1)", number)
        tick()
        b.sql("INSERT INTO n VALUES(?, 'from b', 2)", number)
        tick()
        return a, b

    def test_the_older_claim_keeps_the_number(self):
        a, b = self.both_insert()
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from a", 1), (6, "from b", 2)])
        for file in (a, b):
            self.assertEqual(file.held(), [])

    def test_the_younger_row_is_held_until_its_author_knows(self):
        a, b = self.both_insert()
        a.pull(b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from a", 1)])
        self.assertEqual(a.held(), [("n", "[5]", "number")])
        self.assertIn("from b", "".join(text for text in a.x("SELECT ours, theirs FROM sync_conflict")[0] if text))
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM n"), [(5, "from a", 1), (6, "from b", 2)])
        a.pull(b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from a", 1), (6, "from b", 2)])
        self.assertEqual(a.held(), [])

    def test_cells_are_never_mixed(self):
        a, b = self.both_insert()
        b.sql("UPDATE n SET b = 'b writes its own'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from a", 1), (6, "from b", "b writes its own")])

    def test_a_delete_kills_only_what_it_saw(self):
        a, b = self.both_insert()
        a.sql("DELETE FROM n")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from b", 2)])
        self.assertEqual(a.held(), [])

    def test_the_held_row_comes_when_the_number_is_free(self):
        a, b = self.both_insert()
        a.pull(b)
        a.sql("DELETE FROM n WHERE id = 5")
        a.fold()
        self.assertEqual(a.sql("SELECT * FROM n"), [(5, "from b", 2)])
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT * FROM n"), [(5, "from b", 2)])
            self.assertEqual(file.held(), [])

    def test_the_held_row_comes_when_the_holder_moves(self):
        a, b = self.both_insert()
        a.pull(b)
        a.sql("UPDATE n SET id = 77 WHERE id = 5")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, a FROM n ORDER BY id"), [(5, "from b"), (77, "from a")])
        self.assertEqual(a.held(), [])

    def test_rows_that_refer_to_a_held_row_are_held(self):
        a, b = self.both_insert(schema=FAMILY, tables=("n", "c", "g"))
        a.sql("INSERT INTO c VALUES('ca', 5, 'under a')")
        b.sql("INSERT INTO c VALUES('cb', 5, 'under b')")
        b.sql("INSERT INTO g VALUES('gb', 'cb')")
        a.pull(b)
        self.assertEqual(a.sql("SELECT n.a, c.id FROM n JOIN c ON c.n = n.id"), [("from a", "ca")])
        self.assertEqual(a.sql("SELECT * FROM g"), [])
        self.assertEqual([(t, k) for t, k, _ in a.held()], [("c", '["cb"]'), ("g", '["gb"]'), ("n", "[5]")])
        a.sql("DELETE FROM c WHERE id = 'ca'")
        a.sql("DELETE FROM n WHERE id = 5")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT n.a, c.id, g.id FROM n JOIN c ON c.n = n.id JOIN g ON g.c = c.id"), [("from b", "cb", "gb")])
            self.assertEqual(file.held(), [])

    def test_three_claims(self):
        files = self.files("abc", N, "n")
        for i, file in enumerate(files):
            file.sql("INSERT INTO n VALUES(1, ?, 0)", "abc"[i])
            tick()
        for order in itertools.permutations(files, 2):
            order[0].pull(order[1])
        self.level(*files)
        self.assertEqual(files[2].sql("SELECT a FROM n WHERE id = 1"), [("a",)])
        self.assertEqual(sorted(files[2].sql("SELECT a FROM n")), [("a",), ("b",), ("c",)])
        self.assertEqual(files[0].held(), [])

    def test_a_move_meets_an_edit(self):
        a, b = self.files("ab", N, "n")
        a.sql("INSERT INTO n VALUES(1, 'x', 'y')")
        self.level(a, b)
        a.sql("UPDATE n SET id = 100 WHERE id = 1")
        tick()
        b.sql("UPDATE n SET a = 'edited' WHERE id = 1")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, b FROM n"), [(100, "y")])

    def test_a_delete_and_a_new_insert_are_two_rows(self):
        a, b = self.files("ab", N, "n")
        a.sql("INSERT INTO n VALUES(1, 'first', 1)")
        self.level(a, b)
        a.sql("DELETE FROM n")
        a.sql("INSERT INTO n VALUES(1, 'second', 2)")
        tick()
        b.sql("UPDATE n SET b = 'of the first'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(1, "second", 2)])

    def test_identity_key_merges_numbers_cell_by_cell(self):
        a, b = self.files("ab", N, "n", options='{"identity": "key"}')
        a.sql("INSERT INTO n VALUES(1, 'a', 'a')")
        tick()
        b.sql("INSERT INTO n VALUES(1, 'b', 'b')")
        tick()
        a.sql("UPDATE n SET a = 'a again'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(1, "a again", "b")])
        self.assertEqual(a.held(), [])

    def test_genesis_own_makes_them_two_rows(self):
        options = '{"genesis": "own"}'
        a, b = self.files("ab", N)
        a.sql("INSERT INTO n VALUES(1, 'A', 'A')")
        b.sql("INSERT INTO n VALUES(1, 'B', 'B')")
        a.track("n", options=options)
        tick()
        b.track("n", options=options)
        a.sql("UPDATE n SET a = 'A2'")
        self.level(a, b)
        self.assertIn(a.sql("SELECT a, b FROM n"), ([("A2", "A")], [("B", "B")]))
        for file in (a, b):
            self.assertEqual(file.held(), [("n", "[1]", "number")])


if __name__ == "__main__":
    unittest.main()
