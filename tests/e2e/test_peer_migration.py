"""The tables of a room follow its script: what is added comes while members are there, what would lose values is refused with the reason unless asked for."""
import os
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from rooms import Rooms  # noqa: E402
from synctest import ask, eventually, patiently, plain, shell  # noqa: E402

FIRST = "CREATE TABLE note(id TEXT PRIMARY KEY, body);\nINSERT INTO note VALUES('seed', 'of the script');\n"
SCHEMA_TEXT = "SELECT group_concat(sql) FROM sqlite_schema"


class Migration(Rooms):
    def write_script(self, text, name="default", settled=True):
        path = self.path(f"sql/{name}.sql")
        path.write_text(text, encoding="utf-8")
        if settled:
            os.utime(path, (time.time() - 60, time.time() - 60 + len(text)))
        return path

    def begin(self, first=FIRST, **settings):
        """A server, and a member of its room `red`, which holds two rows."""
        self.write_script(first)
        peer = self.serve_rooms(**settings)
        db, follower = self.join(peer, "red")
        self.write(db, "mine")
        file = self.path("db/red.db")
        self.wait_notes(file, "mine", "seed")
        return peer, file, db, follower

    def test_additions(self):
        peer, file, db, _ = self.begin()
        self.write_script("""CREATE TABLE note(id TEXT PRIMARY KEY, body, -- a comment
                                  due TEXT DEFAULT 'never', n INTEGER NOT NULL DEFAULT 7 CHECK(n > 0));
                             CREATE TABLE tag(note TEXT, tag TEXT, PRIMARY KEY(note, tag));
                             CREATE TABLE keyless(x);
                             CREATE INDEX note_due ON note(due);
                             CREATE VIEW late AS SELECT id FROM note WHERE due < '2030';
                             CREATE TRIGGER stop BEFORE DELETE ON tag BEGIN SELECT RAISE(ABORT, 'no'); END;
                             INSERT INTO note(id) VALUES('not for files that are there');""")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT group_concat(id || due || n) FROM (SELECT * FROM note ORDER BY id)"), "minenever7,seednever7")
        self.assertEqual(ask(file, "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE name IN ('tag', 'keyless', 'note_due', 'late', 'stop') ORDER BY 1)"),
                         "keyless,late,note_due,stop,tag")
        self.assertEqual(shell(file, "SELECT group_concat(tbl) FROM (SELECT tbl FROM sync_status ORDER BY 1)"), "note,tag")
        # the member's own schema is older: it goes on, and takes part in what is new once it has it
        patiently(file, "UPDATE note SET due = '2026', body = 'new' WHERE id = 'mine'")
        eventually(lambda: ask(db, "SELECT body FROM note WHERE id = 'mine'") == "new", "the row")
        plain(db, "ALTER TABLE note ADD COLUMN due TEXT DEFAULT 'never'")
        eventually(lambda: ask(db, "SELECT due FROM note WHERE id = 'mine'") == "2026", "the column")
        self.assert_sound(file, db)

    def test_a_new_table_reaches_the_members(self):
        peer, file, db, _ = self.begin()
        self.write_script(FIRST + "CREATE TABLE tag(tag TEXT PRIMARY KEY);")
        peer.wait_event("migrated", room="red", code=0)
        shell(db, "CREATE TABLE tag(tag TEXT PRIMARY KEY); SELECT sync_track('tag'); INSERT INTO tag VALUES('from the member')")
        eventually(lambda: ask(file, "SELECT max(tag) FROM tag") == "from the member", "the row")

    def test_it_is_done_once_and_also_while_nobody_is_there(self):
        peer, file, _, follower = self.begin()
        follower.stop()
        peer.wait_event("closed", room="red")
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body, due);")
        self.join(peer, "red", "again.db")
        peer.wait_event("migrated", room="red", code=0)
        version = ask(file, "PRAGMA schema_version")
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body, due); -- the same, written anew")
        self.write_script("CREATE TABLE other(id TEXT PRIMARY KEY);", "blue")
        self.join_alone(peer, "blue")
        time.sleep(4)  # longer than it takes to look at a script again
        self.assertEqual(ask(file, "PRAGMA schema_version"), version)
        self.assertEqual(peer.stop(), 0)
        self.assertEqual(len([e for e in peer.all_events() if e["event"] == "migrated"]), 1)

    def join_alone(self, peer, room):
        status, _, err = self.run_peer("clone", self.url(peer, room), self.path(f"{room}-clone.db"))
        self.assertEqual(status, 0, err)

    def refused(self, script, *says, first=FIRST, **settings):
        peer, file, db, follower = self.begin(first, **settings)
        before = ask(file, SCHEMA_TEXT)
        self.write_script(script)
        self.assertEqual(peer.wait_event("migrated", room="red")["code"], 11)
        self.assertEqual(ask(file, SCHEMA_TEXT), before)
        self.write(db, "goes on")
        self.wait_notes(file, "mine", "seed", "goes on")
        self.assertEqual(peer.stop(), 0)
        for text in says:
            self.assertIn(text, peer.stderr)
        follower.stop()

    def test_another_declaration_is_refused(self):
        self.refused("CREATE TABLE note(id TEXT PRIMARY KEY, body INTEGER, due);", "room red: its tables stay as they are", "table note is declared otherwise in the file (body)",
                     '"migrate": "destructive"')

    def test_a_constraint_is_refused(self):
        self.refused("CREATE TABLE note(id TEXT PRIMARY KEY, body, CHECK(body <> ''));", "CHECK(body <> '')")

    def test_an_option_is_refused(self):
        self.refused("CREATE TABLE note(id TEXT PRIMARY KEY, body) WITHOUT ROWID;", "WITHOUT ROWID")

    def test_a_wrong_script_is_refused_by_its_line(self):
        self.refused(FIRST + "\nCREATE TABLE tag(id TEXT PRIMARY KEY;", "default.sql:4: near")

    def test_a_column_that_rows_cannot_have_is_refused_with_all_else(self):
        self.refused("CREATE TABLE tag(tag TEXT PRIMARY KEY); CREATE TABLE note(id TEXT PRIMARY KEY, body, n NOT NULL);", "Cannot add a NOT NULL column")

    def test_a_unique_index_that_rows_break_is_refused_with_all_else(self):
        self.refused("CREATE TABLE note(id TEXT PRIMARY KEY, body, due); CREATE UNIQUE INDEX one ON note(body IS NULL);", "UNIQUE constraint failed")

    def test_a_column_that_is_not_named_any_more_stays(self):
        peer, file, *_ = self.begin()
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, due);")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT body || due IS NULL FROM note WHERE id = 'mine'"), 1)
        self.assertEqual(ask(file, "SELECT body FROM note WHERE id = 'mine'"), "of mine")
        self.assertEqual(peer.stop(), 0)
        self.assertIn("names no more, and stays: note.body", peer.stderr)

    def test_columns_dropped_if_asked_for(self):
        peer, file, *_ = self.begin("CREATE TABLE note(id TEXT PRIMARY KEY, body, old);\nINSERT INTO note VALUES('seed', 1, 2);", migrate="destructive")
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body, due);")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT group_concat(name) FROM pragma_table_info('note')"), "id,body,due")
        self.wait_notes(file, "mine", "seed")
        self.assert_sound(file)

    def test_tables_rebuilt_if_asked_for(self):
        first = FIRST + "CREATE INDEX by_body ON note(body); CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END; CREATE VIEW v AS SELECT body FROM note;"
        peer, file, db, _ = self.begin(first, rooms=[{"name": "*", "migrate": "destructive"}])
        self.write_script(first.replace("body);\nINSERT", "body TEXT NOT NULL DEFAULT '', CHECK(id <> 'no'));\nINSERT"))
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE name IN ('by_body', 't', 'v', 'note') ORDER BY 1)"), "by_body,note,t,v")
        self.assertIn("CHECK(id <> 'no')", ask(file, "SELECT sql FROM sqlite_schema WHERE name = 'note'"))
        patiently(file, "UPDATE note SET body = 'rebuilt' WHERE id = 'mine'")
        eventually(lambda: ask(db, "SELECT body FROM note WHERE id = 'mine'") == "rebuilt", "the row")
        self.wait_notes(file, "mine", "seed")
        self.assert_sound(file, db)

    def test_indexes_views_and_triggers_are_made_anew(self):
        first = FIRST + "CREATE INDEX i ON note(body); CREATE VIEW v AS SELECT 1 AS x; CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END;"
        peer, file, *_ = self.begin(first)
        self.write_script(first.replace("ON note(body)", "ON note(body DESC)").replace("SELECT 1 AS x", "SELECT 2 AS x").replace("BEGIN SELECT 1", "BEGIN SELECT 3"))
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT x FROM v"), 2)
        self.assertIn("DESC", ask(file, "SELECT sql FROM sqlite_schema WHERE name = 'i'"))
        self.assertIn("SELECT 3", ask(file, "SELECT sql FROM sqlite_schema WHERE name = 't'"))

    def test_triggers_of_a_view_that_is_made_anew(self):
        first = FIRST + "CREATE VIEW v AS SELECT id FROM note; CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN INSERT INTO note(id) VALUES(NEW.id); END;"
        peer, file, *_ = self.begin(first)
        self.write_script(first.replace("SELECT id FROM note;", "SELECT id, body FROM note;"))
        peer.wait_event("migrated", room="red", code=0)
        patiently(file, "INSERT INTO v(id) VALUES('by the view')")
        self.assertEqual(ask(file, "SELECT count(*) FROM note WHERE id = 'by the view'"), 1)

    def test_what_uses_a_dropped_column_goes_first(self):
        first = "CREATE TABLE note(id TEXT PRIMARY KEY, body, old);\nINSERT INTO note VALUES('seed', 1, 2); CREATE INDEX by_old ON note(old); CREATE VIEW v AS SELECT old FROM note;"
        peer, file, *_ = self.begin(first, migrate="destructive")
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body); CREATE VIEW v AS SELECT body FROM note;")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT group_concat(name) FROM pragma_table_info('note')"), "id,body")
        self.assertEqual(ask(file, "SELECT count(*) FROM v"), 2)
        self.wait_notes(file, "mine", "seed")

    def test_what_a_rebuilt_table_has_beside_the_script(self):
        """The highest number of AUTOINCREMENT, indexes and triggers of its own, columns that are generated from now on."""
        first = FIRST + "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b);"
        peer, file, *_ = self.begin(first, migrate="destructive")
        patiently(file, "CREATE INDEX own ON n(a); CREATE TRIGGER mine AFTER INSERT ON n BEGIN SELECT 1; END; INSERT INTO n(a) VALUES(1), (2), (3); DELETE FROM n WHERE id > 1;")
        self.write_script(FIRST + "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, a NOT NULL, b AS (a + 1));")
        peer.wait_event("migrated", room="red", code=0)
        patiently(file, "INSERT INTO n(a) VALUES(7)")
        self.assertEqual(ask(file, "SELECT group_concat(id || ':' || a || ':' || b) FROM n"), "1:1:2,4:7:8")
        self.assertEqual(ask(file, "SELECT count(*) FROM sqlite_schema WHERE name IN ('own', 'mine')"), 2)

    def test_options_in_another_order_are_the_same(self):
        peer, file, *_ = self.begin(FIRST + "CREATE TABLE o(id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;")
        self.write_script(FIRST + "CREATE TABLE o(id TEXT PRIMARY KEY, v INT) WITHOUT ROWID, STRICT;")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT count(*) FROM pragma_table_info('o')"), 2)

    def test_a_script_reaches_no_other_file(self):
        for script in ("ATTACH 'other.db' AS o; CREATE TABLE o.x(y);", "VACUUM INTO 'other.db';"):
            with self.subTest(script=script):
                self.write_script(script, f"r{len(script)}")
                peer = self.serve_rooms()
                status, _, err = self.run_peer("clone", self.url(peer, f"r{len(script)}"), self.path("clone.db"))
                self.assertNotEqual(status, 0)
                self.assertEqual(list(Path(".").glob("other.db")) + list(self.path("db").glob("*.db")), [])
                peer.stop()

    def test_a_script_without_an_end_keeps_nobody_from_stopping(self):
        self.write_script("CREATE TABLE note AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;", "endless")
        peer = self.serve_rooms()
        member = self.path("member.db")
        plain(member, FIRST)
        self.sync(member, self.url(peer, "endless"))
        time.sleep(1)
        self.assertEqual(peer.stop(), 0)
        self.assertEqual(list(self.path("db").glob("*")), [])

    def test_a_room_whose_file_was_empty(self):
        self.write_script(FIRST)
        self.path("db/red.db").touch()
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        peer.wait_event("migrated", room="red", code=0)
        self.write(db, "mine")
        self.wait_notes(self.path("db/red.db"), "mine")

    def test_none(self):
        peer, file, db, _ = self.begin(migrate="none")
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body, due);")
        time.sleep(4)
        self.write(db, "later")
        self.wait_notes(file, "mine", "seed", "later")
        self.assertEqual(ask(file, "SELECT count(*) FROM pragma_table_info('note')"), 2)

    def test_a_script_that_is_being_written_is_let_alone(self):
        peer, file, *_ = self.begin(migrate="destructive")
        whole = "CREATE TABLE note(id TEXT PRIMARY KEY, body, due);"
        until = time.monotonic() + 4
        while time.monotonic() < until:
            self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY);", settled=False)  # half of it: would drop a column
            time.sleep(0.3)
        self.write_script(whole)
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT body FROM note WHERE id = 'mine'"), "of mine")

    def test_a_script_of_its_own_that_comes_later(self):
        peer, file, *_ = self.begin()
        self.write_script("CREATE TABLE note(id TEXT PRIMARY KEY, body, own);", "red")
        peer.wait_event("migrated", room="red", code=0)
        self.assertEqual(ask(file, "SELECT count(*) FROM pragma_table_info('note')"), 3)


if __name__ == "__main__":
    unittest.main()
