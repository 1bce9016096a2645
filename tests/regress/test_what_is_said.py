"""What the functions say of arguments that are not right, and sync_status of a table that is not there. Each was silent, or said another thing."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"


class WhatIsSaid(SyncTest):
    def test_options_that_are_not_json_name_the_function(self):
        """SQLite's own "malformed JSON" came first."""
        file = self.file("a", TABLE + "CREATE TABLE u(id TEXT PRIMARY KEY);", "u")
        for options in ("", b"\0", b"", "{", "[]", "null", 7, "{} {}"):
            with self.subTest(options):
                self.refused(file, "SELECT sync_track('t', ?)", options, says=["sync_track: options are a JSON object"])
                self.refused(file, "SELECT sync_apply(x'00', ?)", options, says=["sync_apply: options are a JSON object"])
        self.assertEqual(file.tracked(), ["u"])

    def test_a_merge_that_lacks_a_function_names_the_table(self):
        """It said which function was missing, of whatever table."""
        schemas = {
            "CHECK": "CREATE TABLE t(id TEXT PRIMARY KEY, v CHECK (theirs(v)))",
            "index": "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE INDEX i ON t(theirs(v))",
            "trigger": "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT theirs(NEW.v); END",
            "collation": "CREATE TABLE t(id TEXT PRIMARY KEY, v COLLATE ordered UNIQUE)",
        }
        for what, schema in schemas.items():
            with self.subTest(what):
                a, b = self.file(what + "a"), self.file(what + "b")
                for file in (a, b):
                    file.script("CREATE TABLE other(id TEXT PRIMARY KEY)")
                    file.extended.create_function("theirs", 1, lambda v: 1, deterministic=True)
                    file.extended.create_collation("ordered", lambda x, y: (x > y) - (x < y))
                    file.extended.executescript(schema)
                    file.track_all()
                a.x("INSERT INTO t VALUES('k', 1)")
                changes = a.cut_for(b)
                b.close()
                self.refused(b, "SELECT sync_apply(?)", changes, says=["table t cannot be written here: ", "ordered" if what == "collation" else "theirs"])

    def test_a_key_that_cannot_be_compared_in_this_program(self):
        """Folding and giving out said which collation was missing, not for which table."""
        file = self.file("a", "CREATE TABLE other(id TEXT PRIMARY KEY)")
        file.extended.create_collation("ordered", lambda x, y: (x > y) - (x < y))
        file.extended.executescript("CREATE TABLE t(id TEXT COLLATE ordered PRIMARY KEY, v)")
        file.track_all()
        file.x("INSERT INTO t VALUES('k', 1)")
        file.close()
        for sql in ("SELECT sync_fold()", "SELECT sync_changeset()", "SELECT count(*) FROM sync_changes"):
            with self.subTest(sql):
                self.refused(file, sql, says=["table t cannot be used here: ", "ordered"])

    def test_a_column_name_that_is_too_long(self):
        """The table was adopted, and then nothing of the file could be given out."""
        file = self.file("a", 'CREATE TABLE t(id TEXT PRIMARY KEY, "%s")' % ("é" * 513))
        self.refused(file, "SELECT sync_track('t')", says=["table t", "column name of more than 1024 bytes"])

    def test_an_option_given_twice(self):
        """The last one counted."""
        file = self.file("a", TABLE + "CREATE TABLE u(id TEXT PRIMARY KEY);", "u")
        self.refused(file, "SELECT sync_track('t', ?)", '{"identity": "key", "identity": "row"}', says=["sync_track", "identity", "twice"])
        self.refused(file, "SELECT sync_track('t', ?)", '{"identity": "", "identity": "key"}', says=["sync_track", "identity"])
        self.refused(file, "SELECT sync_apply(x'00', ?)", '{"dry_run": true, "dry_run": false}', says=["sync_apply", "dry_run", "twice"])

    def test_an_option_of_no_sense(self):
        """An empty text counted as not given, any text as true."""
        file = self.file("a", TABLE + "CREATE TABLE u(id TEXT PRIMARY KEY);", "u")
        self.refused(file, "SELECT sync_track('t', ?)", '{"identity": ""}', says=["sync_track", "identity"])
        for wrong in ('"false"', '""', "2", "[]"):
            self.refused(file, "SELECT sync_apply(x'00', ?)", '{"dry_run": %s}' % wrong, says=["sync_apply", "dry_run is true or false"])

    def test_nothing_by_way_of_a_file(self):
        """writefile() makes an empty file of what sync_changeset() gives for nothing; merging it failed."""
        a, b = self.files("ab", TABLE, "t")
        self.assertIsNone(a.changeset(b.seen()))
        self.assertEqual(b.apply(b""), 0)
        self.assertEqual(b.apply(None), 0)
        Path(b.path + ".seen").write_bytes(b.seen())
        said = a.xshell(f"SELECT writefile('{a.path}.out', sync_changeset(readfile('{b.path}.seen')));")
        self.assertEqual((said, Path(a.path + ".out").read_bytes()), ("0", b""))
        self.assertEqual(b.xshell(f"SELECT sync_apply(readfile('{a.path}.out'))"), "0")

    def test_a_renamed_table(self):
        """It was said to be dropped, while its triggers went on."""
        file = self.file("a", TABLE, "t")
        file.sql("INSERT INTO t VALUES('a', 1)")
        file.sql('ALTER TABLE t RENAME TO "it\'s"')
        file.sql('INSERT INTO "it\'s" VALUES(\'b\', 1)')
        self.assertEqual(file.one("SELECT note FROM sync_status"), "renamed to it's: sync_fold() follows it")
        self.assertEqual(file.fold(), 2)
        self.assertRegex(file.one("SELECT note FROM sync_status WHERE tbl = 'it''s'"), "renamed here, from t: ")
        file.sql('DROP TABLE "it\'s"')
        self.assertRegex(file.one("SELECT note FROM sync_status"), "missing: dropped; sync_untrack\\('it''s'\\) lets it go")


if __name__ == "__main__":
    unittest.main()
