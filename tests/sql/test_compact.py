"""sync_compact(): what has been deleted is forgotten, and nothing comes back: by whichever file, by whichever way, however long it was away."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

KEYED = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w)"
NUMBERED = "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w)"
AT_ONCE = '{"age": 0}'


class Compacting(SyncTest):
    """What the tests share."""

    def tombstones(self, file, table="t"):
        tid, identity = file.sql("SELECT tid, identity FROM sync_table WHERE name = ?", table)[0]
        return file.one(f"SELECT count(*) FROM sync_changes WHERE tbl = '{table}' AND op = 'delete'")

    def compact(self, file, options=AT_ONCE):
        return file.one("SELECT sync_compact(?)", options)

    def alive(self, file, table="t"):
        return file.sql(f"SELECT * FROM {table} ORDER BY 1")

    def rest(self, *files):
        """Exchanges all round; the files show the same rows."""
        exchange(*files)
        rows = files[0].dump()
        living = [c for c in files[0].cells() if "'delete'" not in c]
        for other in files[1:]:
            self.assertEqual(rows, other.dump())
            self.assertEqual(living, [c for c in other.cells() if "'delete'" not in c])

    def both(self):
        """Files a, b, c of each kind of table, with rows 1 to 3 in all of them."""
        for kind, schema in (("keyed", KEYED), ("numbered", NUMBERED)):
            files = self.files([f"{kind} {n}" for n in "abc"], schema, "t")
            files[0].sql("INSERT INTO t VALUES('1', 'one', 1), ('2', 'two', 2), ('3', 'three', 3)")
            exchange(*files)
            yield kind, files


class Forgetting(Compacting):
    def test_acknowledged_by_all(self):
        for _, (a, b, c) in self.both():
            a.one("SELECT sync_heard(?)", c.seen())
            a.sql("DELETE FROM t WHERE id IN (2, '2')")
            self.assertEqual(a.one("SELECT sync_compact()"), 0)
            b.pull(a)
            b.sql("INSERT INTO t VALUES('4', 'four', 4)")
            a.pull(b)
            self.assertEqual(a.one("SELECT sync_compact()"), 0, "c.db, which is known too, has not said that it has it")
            c.pull(a)
            self.assertEqual(a.one("SELECT sync_heard(?)", c.seen()), 1)
            self.assertEqual(a.one("SELECT sync_heard(?)", c.seen()), 0)
            self.assertEqual(a.one("SELECT sync_compact()"), 1)
            self.assertEqual((self.tombstones(a), self.tombstones(b)), (0, 1))
            self.rest(a, b, c)
            self.assertEqual(len(self.alive(c)), 3)

    def test_nobody_known_acknowledges_nothing(self):
        a = self.file("a", KEYED, "t")
        a.script("INSERT INTO t VALUES('1', 1, 1); DELETE FROM t")
        self.assertEqual(a.one("SELECT sync_compact()"), 0)
        self.assertEqual(self.compact(a), 1)

    def test_a_follower_that_has_nothing_yet(self):
        a, b = self.files("ab", KEYED, "t")
        a.script("INSERT INTO t VALUES('1', 1, 1); DELETE FROM t")
        self.assertEqual(a.one("SELECT sync_heard(?)", b.seen()), 1)
        self.assertEqual(a.one("SELECT sync_compact()"), 0)
        b.pull(a)
        self.assertEqual(a.one("SELECT sync_heard(?)", b.seen()), 1)
        self.assertEqual(a.one("SELECT sync_compact()"), 1)
        other = self.file("other", "CREATE TABLE u(id TEXT PRIMARY KEY)", "u")
        a.script("INSERT INTO t VALUES('1', 1, 1); DELETE FROM t")
        b.pull(a)
        a.one("SELECT sync_heard(?)", other.seen())
        a.one("SELECT sync_heard(?)", b.seen())
        self.assertEqual(a.one("SELECT sync_compact()"), 1, "who does not have the table is not asked about it")

    def test_minimum_age(self):
        a, b = self.files("ab", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 1, 1)")
        exchange(a, b)
        a.sql("DELETE FROM t")
        exchange(a, b)
        a.one("SELECT sync_heard(?)", b.seen())
        self.assertEqual(self.compact(a, '{"acknowledged": 3600}'), 0)
        self.assertEqual(self.compact(a, '{"acknowledged": null, "age": null}'), 0)
        self.assertEqual(self.compact(a, '{"acknowledged": 0, "age": null}'), 1)

    def test_wrong_options(self):
        a = self.file("a", KEYED, "t")
        for options, says in (('{"age": -1}', "seconds"), ('{"age": "soon"}', "seconds"), ('{"old": 1}', "unknown option"), ("[]", "json object"),
                              ('{"acknowledged": 1.5}', "seconds"), ('{"age": 99999999999999999999}', "seconds")):
            self.refused(a, "SELECT sync_compact(?)", options, says=[says])
        self.refused(a, "SELECT sync_heard('x')", says=["sync_seen"])
        self.refused(a, "SELECT sync_heard(x'00')", says=["sync_seen"])
        self.refused(self.open("untracked.db"), "SELECT sync_compact()", says=["tracked"])
        self.refused(self.open("untracked.db"), "SELECT sync_heard(x'00')", says=["tracked"])

    def test_a_key_lives_again(self):
        """Who has not forgotten the delete must not take the new row for the old one."""
        a, b = self.files("ab", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 'old', 1)")
        exchange(a, b)
        a.sql("DELETE FROM t")
        exchange(a, b)
        self.compact(a)
        a.sql("INSERT INTO t VALUES('1', 'new', 1)")
        self.rest(a, b)
        self.assertEqual(self.alive(b), [("1", "new", 1)])
        b.sql("DELETE FROM t")
        b.sql("INSERT INTO t VALUES('1', 'newer', 2), ('2', 'more', 3)")
        self.rest(a, b)
        self.assertEqual(len(self.alive(a)), 2)


    def test_numbers_from_before_tracking(self):
        """Such a row is known by its number alone: what a copy brings along must meet its tombstone."""
        a, b = self.open("a.db"), self.open("b.db")
        for file in (a, b):
            file.script(NUMBERED + "; INSERT INTO t VALUES(1, 'one', 1), (3, 'three', 3)")
            file.track("t")
        a.sql("DELETE FROM t WHERE id = 1")
        a.sql("INSERT INTO t VALUES(2, 'in a gap', 2), (4, 'above', 4)")
        a.sql("DELETE FROM t WHERE id IN (2, 4)")
        self.assertEqual(self.compact(a), 1)
        a.sql("INSERT INTO t VALUES(1, 'another', 1)")
        self.rest(a, b)
        self.assertEqual([row[1] for row in self.alive(b)], ["another", "three"])
        c = self.file("c", NUMBERED + "; INSERT INTO t VALUES(2, 'of c', 2)", "t")
        c.sql("DELETE FROM t")
        c.sql("INSERT INTO t VALUES(2, 'again of c', 2)")
        a.pull(c)
        a.sql("DELETE FROM t WHERE v = 'again of c'")
        self.assertEqual(self.compact(a), 0)


class Away(Compacting):
    def test_what_it_never_heard_of_is_gone(self):
        for _, (a, b, c) in self.both():
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            a.sql("INSERT INTO t VALUES('9', 'nine', 9)")
            exchange(a, b)
            self.assertEqual(self.compact(a), 1)
            self.compact(b)
            c.sql("UPDATE t SET v = 'kept' WHERE id IN (2, '2')")
            c.sql("UPDATE t SET v = 'lost with its row' WHERE id IN (1, '1')")
            c.sql("INSERT INTO t VALUES('7', 'own', 7)")
            self.rest(a, b, c)
            self.assertEqual([row[1] for row in self.alive(c)], ["kept", "three", "own", "nine"])

    def test_it_gives_first(self):
        for _, (a, b, c) in self.both():
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            self.compact(a)
            c.sql("UPDATE t SET v = 'lost with its row'")
            c.sql("INSERT INTO t VALUES('7', 'own', 7)")
            a.pull(c)
            self.assertEqual([row[1] for row in self.alive(a)], ["lost with its row", "lost with its row", "own"])
            self.rest(a, b, c)
            self.assertEqual(len(self.alive(c)), 3)

    def test_by_way_of_another_that_was_away(self):
        """Two were away together: what one of them hears the other hears from it."""
        for _, (a, b, c) in self.both():
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            self.compact(a)
            b.pull(a)
            self.assertEqual(len(self.alive(b)), 2)
            c.pull(b)
            b.pull(c)
            self.assertEqual(len(self.alive(c)), 2)
            self.rest(a, b, c)

    def test_everything_is_gone(self):
        for _, (a, b, c) in self.both():
            a.sql("DELETE FROM t")
            self.compact(a)
            self.rest(a, b, c)
            self.assertEqual(self.alive(c), [])

    def test_a_new_file_gets_what_there_is(self):
        a, d = self.files("ad", KEYED, "t")
        a.script("INSERT INTO t VALUES('1', 1, 1), ('2', 2, 2); DELETE FROM t WHERE id = '1'")
        self.compact(a)
        d.sql("INSERT INTO t VALUES('1', 'its own', 0)")
        self.rest(a, d)
        self.assertEqual(self.alive(a), [("1", "its own", 0), ("2", 2, 2)])

    def test_both_have_forgotten(self):
        for _, (a, b, c) in self.both():
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            c.sql("DELETE FROM t WHERE id IN (2, '2')")
            self.compact(a)
            self.compact(c)
            a.sql("INSERT INTO t VALUES('7', 'of a', 7)")
            c.sql("INSERT INTO t VALUES('8', 'of c', 8)")
            self.rest(a, b, c)
            self.assertEqual([row[1] for row in self.alive(b)], ["three", "of a", "of c"])

    def test_a_delete_it_did_not_know_wins_everywhere(self):
        """c.db, apart, inserts the key again that others have deleted. One of these has forgotten the delete, the other has not."""
        a, b, c = self.files("abc", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 'of a', 1)")
        b.pull(a)
        c.sql("INSERT INTO t VALUES('1', 'of c', 1)")
        a.sql("DELETE FROM t")
        b.pull(a)
        self.compact(a)
        a.pull(c)
        self.assertEqual(len(self.alive(a)), 1)
        b.pull(c)
        self.rest(a, b, c)
        self.assertEqual(self.alive(a), [])

    def test_the_next_one_is_told_as_well(self):
        """b.db never had the row that it hears is gone; c.db, which asks b.db alone, has it."""
        for _, (a, b, c) in self.both():
            a.sql("INSERT INTO t VALUES('8', 'eight', 8)")
            c.pull(a)
            a.sql("DELETE FROM t WHERE id IN (8, '8')")
            self.compact(a)
            b.pull(a)
            c.pull(b)
            self.assertEqual(len(self.alive(c)), 3)
            self.rest(a, b, c)

    def test_who_has_kept_a_life_hears_of_its_end(self):
        """a.db and x.db insert one key apart, d.db deletes what it has of a.db and forgets it. z.db knows of all."""
        a, x, d, z = self.files("axdz", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 'of a', 1)")
        x.sql("INSERT INTO t VALUES('1', 'of x', 1)")
        d.pull(a)
        d.sql("DELETE FROM t")
        z.pull(x, d)
        self.assertEqual(self.alive(z), [])
        self.compact(d)
        x.pull(d)
        self.assertEqual(len(self.alive(x)), 1)
        z.sql("INSERT INTO t VALUES('2', 'of z', 2)")
        d.pull(z)  # now it has seen the life of x.db, which z.db knows to be over
        self.rest(a, x, d, z)
        self.assertEqual(self.alive(x), [("2", "of z", 2)])

    def test_a_life_that_nobody_can_end_stays_everywhere(self):
        a, x, d, z = self.files("axdz", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 'of a', 1)")
        x.sql("INSERT INTO t VALUES('1', 'of x', 1)")
        d.pull(a)
        d.sql("DELETE FROM t")
        self.compact(d)
        a.pull(d)
        self.compact(a)
        x.pull(d)
        z.pull(a)
        self.rest(a, x, d, z)
        self.assertEqual(self.alive(z), [("1", "of x", 1)])

    def test_what_is_kept_is_complete(self):
        """Its cells are of two writers, one of whom everybody has seen."""
        a, b = self.files("ab", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 'of a', 'of a')")
        a.fold()
        tick()
        b.sql("INSERT INTO t VALUES('1', 'of b', 'of b')")
        b.fold()
        tick()
        a.sql("UPDATE t SET w = 'later'")
        b.pull(a)
        self.assertEqual(self.alive(b), [("1", "of b", "later")])
        a.sql("DELETE FROM t")
        self.compact(a)
        self.rest(a, b)
        self.assertEqual(self.alive(a), [("1", "of b", "later")])

    def test_children_of_what_is_gone(self):
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p)"
        a, b = self.files("ab", schema, "p", "c")
        a.script("INSERT INTO p VALUES(1, 'one'), (2, 'two'); INSERT INTO c VALUES('x', 1), ('y', 2)")
        exchange(a, b)
        a.script("DELETE FROM c WHERE p = 1; DELETE FROM p WHERE id = 1")
        self.compact(a)
        b.sql("INSERT INTO c VALUES('z', 1), ('w', 2)")
        self.rest(a, b)
        self.assertEqual(self.alive(b, "p"), [(2, "two")])
        self.assertEqual([k for _, k, _ in a.held()], ['["z"]'])
        self.assertEqual([row[0] for row in self.alive(b, "c")], ["w", "y"])

    def test_an_older_changeset_brings_nothing_back(self):
        for _, (a, b, c) in self.both():
            d = self.copy(c, "d")
            d.sql("UPDATE t SET v = 'edited'")
            stale = d.cut_for(a)
            a.sql("DELETE FROM t")
            exchange(a, d)
            exchange(a, d)
            self.compact(a)
            if stale is not None:
                try:
                    a.apply(stale)
                except sqlite3.Error:
                    pass
            self.assertEqual(self.alive(a), [])
            d.close()
            Path(d.path).unlink()


class Restored(Compacting):
    def test_a_backup_from_before(self):
        for _, (a, b, c) in self.both():
            backup = a.snapshot()
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            exchange(a, b, c)
            for file in (a, b, c):
                self.compact(file)
            a.overwrite(backup)
            self.rest(a, b, c)
            self.assertEqual(len(self.alive(a)), 2)

    def test_a_copy_from_before(self):
        for kind, (a, b, c) in self.both():
            d = self.copy(a, f"{kind} d")
            a.sql("DELETE FROM t WHERE id IN (1, '1')")
            exchange(a, b, c)
            self.compact(a)
            d.sql("INSERT INTO t VALUES('5', 'of the copy', 5)")
            self.rest(d, a, b, c)
            self.assertEqual([row[1] for row in self.alive(a)], ["two", "three", "of the copy"])


class Sizes(Compacting):
    def test_a_million_updates_on_a_thousand_rows(self):
        a = self.file("a", "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w, x)", "t")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 0, 0, 0 FROM n")
        for i in range(1000):
            a.sql(f"UPDATE t SET {'vwx'[i % 3]} = ?", i)
            if i % 100 == 0:
                a.fold()
        a.one("SELECT sync_compact()")
        bytes, by = a.x("SELECT metadata_bytes, bytes_by FROM sync_status")[0]
        self.assertEqual(by, "dbstat")
        self.assertLessEqual(bytes, 100_000)


class Formats(Compacting):
    def test_metadata_of_the_first_format(self):
        a, b = self.files("ab", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 1, 1)")
        a.fold()
        a.close()
        a.script("""ALTER TABLE sync_meta DROP COLUMN floor; ALTER TABLE sync_meta DROP COLUMN met; ALTER TABLE sync_table DROP COLUMN lives; ALTER TABLE sync_site DROP COLUMN own;
                    DROP TABLE sync_peer; UPDATE sync_meta SET format = 1""")
        self.assertEqual(b.pull(a), 1, "reading leaves it as it is")
        self.assertEqual(a.sql("SELECT format FROM sync_meta"), [(1,)])
        self.assertEqual(a.fold(), 0)
        self.assertEqual(a.sql("SELECT format FROM sync_meta"), [(2,)])
        a.sql("DELETE FROM t")
        self.assertEqual(self.compact(a), 1)
        self.rest(a, b)
        self.assertEqual(self.alive(b), [])

    def test_changesets_stay_as_they_were(self):
        """Files that forget nothing, and meet none that does, are understood by every version."""
        a, b = self.files("ab", KEYED, "t")
        a.sql("INSERT INTO t VALUES('1', 1, 1)")
        self.assertEqual(a.cut_for(b)[4], 1)
        exchange(a, b)
        a.sql("DELETE FROM t")
        self.assertEqual(a.cut_for(b)[4], 1)
        self.compact(a)
        self.assertEqual(a.cut_for(b)[4], 2)
        exchange(a, b)
        a.sql("INSERT INTO t VALUES('2', 1, 1)")
        self.assertEqual(a.cut_for(b)[4], 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
