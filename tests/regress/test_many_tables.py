"""Files with many tables: each table that was tracked or let go made the metadata of all be read again, and each of these read the whole schema anew for
each table. 200 tables took half a minute, all of it under the write lock. Steps of SQLite's machine are counted, not time."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402


def steps(connection, *statements):
    """How many hundreds of them these take."""
    taken = 0

    def step():
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(step, 100)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.set_progress_handler(None, 0)
    return taken


class Many(SyncTest):
    def many(self, name, count):
        tables = "".join(f"CREATE TABLE t{i}(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b REFERENCES t{i // 2});" for i in range(count))
        return self.file(name, f"BEGIN; {tables} COMMIT")

    def test_tracking_takes_little_more_than_its_statements(self):
        """For each CREATE and DROP SQLite itself looks through its schema: what that takes is the measure."""
        a, plain = self.many("a", 80), self.many("plain", 80)
        track = steps(a.extended, "SELECT sync_track_all()")
        made = a.sql("SELECT type, name, sql FROM sqlite_schema WHERE name LIKE 'sync%' ORDER BY rowid")
        self.assertLess(track, 1.3 * steps(plain.plain, "BEGIN", *(sql for _, _, sql in made), "COMMIT"))
        untrack = steps(a.extended, "SELECT sync_untrack_all()")
        gone = [f"DROP {kind} {name}" for kind, name, _ in sorted(made, reverse=True) if kind != "index"]
        self.assertLess(untrack, 1.3 * steps(plain.plain, "BEGIN", *gone, "COMMIT"))

    def test_twice_as_many_are_read_again_in_twice_the_steps(self):
        taken = []
        for count in (40, 80):
            a = self.many(f"f{count}", count).track_all()
            a.version()
            a.sql("CREATE TABLE another(x)")
            taken.append(steps(a.extended, "SELECT sync_version()"))
        self.assertLess(taken[1], 2.4 * taken[0])

    def test_more_tables_than_an_expression_is_deep(self):
        a = self.file("a", "BEGIN;" + "".join(f"CREATE TABLE t{i}(id TEXT PRIMARY KEY);" for i in range(400)) + "COMMIT")
        self.assertEqual(a.x("SELECT sync_track_all()"), [(400,)])
        a.sql("CREATE TABLE u(id TEXT PRIMARY KEY)")
        self.assertEqual(a.x("SELECT sync_track_all()"), [(1,)])
        self.assertEqual(a.x("SELECT sync_untrack_all()"), [(401,)])


if __name__ == "__main__":
    unittest.main()
