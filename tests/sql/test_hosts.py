"""The programs that load the extension: the stock shell, Python, and Node's better-sqlite3 with a newer SQLite inside."""
import json
import os
import shutil
import sqlite3
import subprocess
import unittest

from syncfile import EXTENSION, SyncTest, shell

from synctest import HOST_ENV, ROOT, SANITIZER

NOTES = "CREATE TABLE notes(id TEXT PRIMARY KEY, title TEXT, n INT, r REAL, b BLOB);"
NODE_HOME = ROOT / "build" / "node"      # installed there once

NODE = """
const Database = require('better-sqlite3');
const [extension, path] = process.argv.slice(2);
const db = new Database(path);
db.loadExtension(extension);
db.defaultSafeIntegers(true);
const one = (sql, ...values) => db.prepare(sql).pluck().get(...values);
one("SELECT sync_track('notes')");
const answers = require('fs').readFileSync(0, 'utf8').trim().split('\\n').filter(x => x).map(line => {
  const { sql, blobs = [] } = JSON.parse(line);
  const values = blobs.map(hex => Buffer.from(hex, 'hex'));
  const statement = db.prepare(sql);
  if (!statement.reader) { statement.run(...values); return null; }
  return statement.pluck().all(...values).map(v => Buffer.isBuffer(v) ? { hex: v.toString('hex') } : typeof v === 'bigint' ? v.toString() : v);
});
console.log(JSON.stringify({ sqlite: one('SELECT sqlite_version()'), answers }));
db.close();
"""


class Shell(SyncTest):
    def test_load_by_a_relative_path(self):
        file = self.file("a", NOTES)
        os.symlink(EXTENSION, self.path("sync_ext.so"))
        done = subprocess.run(["sqlite3", "-batch", "-bail", "-init", "/dev/null", "a.db"], cwd=self.dir, env=HOST_ENV, capture_output=True, text=True,
                              input=".load ./sync_ext\nSELECT sync_track('notes');\nSELECT length(sync_site());\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.endswith("16\n"))
        file.close()

    def test_loaded_twice(self):
        file = self.file("a", NOTES, "notes")
        out = shell(file.path, f".load {EXTENSION}\nINSERT INTO notes(id) VALUES('k');\nSELECT count(*) FROM sync_changes WHERE op = 'insert' AND col = 'title';")
        self.assertEqual(out, "1")

    def test_safe_mode_lets_the_application_write(self):
        file = self.file("a", NOTES, "notes")
        shell(file.path, "INSERT INTO notes(id) VALUES('k');", ext=False, args=("-safe",))
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE col = 'title'"), 1)

    def test_it_needs_neither_libwebsockets_nor_openssl(self):
        needed = subprocess.run(["readelf", "-d", str(EXTENSION)], capture_output=True, text=True, check=True).stdout
        self.assertIn("libzstd", needed)
        for library in ("libwebsockets", "libssl", "libcrypto", "libsqlite3"):
            self.assertNotIn(library, needed)

    def test_it_exports_its_entry_point_only(self):
        out = subprocess.run(["nm", "-D", "--defined-only", str(EXTENSION)], capture_output=True, text=True, check=True).stdout
        names = [line.split()[-1] for line in out.splitlines()]
        if SANITIZER:
            names = [name for name in names if "san" not in name]
        self.assertEqual(names, ["sqlite3_syncext_init"])

    def test_writers_that_never_heard_of_us(self):
        """The shell, Python and the .import of the shell, by turns, none with the extension."""
        a, b = self.files("ab", NOTES, "notes")
        with open(self.path("rows.csv"), "w") as f:
            f.write("i1,imported,1,1.5,x\ni2,imported,2,2.5,y\n")
        a.shell(f".import --csv {self.path('rows.csv')} notes\nUPDATE notes SET title = 'by the shell' WHERE id = 'i1';")
        python = sqlite3.connect(a.path)
        with python:
            python.executemany("INSERT INTO notes(id, title) VALUES(?, 'by python')", [(f"p{i}",) for i in range(10)])
            python.execute("DELETE FROM notes WHERE id = 'p3'")
        python.close()
        self.level(a, b)
        self.assertEqual(b.sql("SELECT count(*), sum(title = 'by the shell') FROM notes"), [(11, 1)])


class Python(SyncTest):
    def test_its_own_transactions(self):
        a, b = self.files("ab", NOTES, "notes")
        connection = sqlite3.connect(a.path)       # the module opens transactions by itself
        connection.enable_load_extension(True)
        connection.load_extension(str(EXTENSION))
        connection.execute("INSERT INTO notes(id, title) VALUES('k', 'python')")
        with self.assertRaisesRegex(sqlite3.Error, "transaction"):
            connection.execute("SELECT sync_changeset()").fetchone()
        connection.commit()
        changeset = connection.execute("SELECT sync_changeset(?)", (b.seen(),)).fetchone()[0]
        self.assertEqual(b.apply(changeset), 1)
        connection.close()
        self.assertEqual(b.sql("SELECT title FROM notes"), [("python",)])

    def test_statements_left_open(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes(id) VALUES('k1'), ('k2'), ('k3')")
        b.sql("INSERT INTO notes(id) VALUES('x1'), ('x2')")
        cursor = b.extended.execute("SELECT id FROM notes")
        cursor.fetchone()
        self.assertEqual(b.pull(a), 3)             # a reader of the same connection is in the middle
        cursor.fetchall()
        changes = b.extended.execute("SELECT key FROM sync_changes")
        changes.fetchone()
        a.sql("UPDATE notes SET title = 'later'")
        self.assertEqual(b.pull(a), 3)
        changes.fetchall()
        self.level(a, b)


NPM_SECONDS_MAX = 200


def why_no_better_sqlite3():
    """Installs it where it is not there yet; "" or the reason why that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not installed"
    if SANITIZER:
        return "node is not run under a sanitizer"
    if not (NODE_HOME / "node_modules" / "better-sqlite3" / "build").exists():
        NODE_HOME.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NODE_HOME), "better-sqlite3"],
                                  capture_output=True, text=True, timeout=NPM_SECONDS_MAX)
            why = "" if done.returncode == 0 else done.stderr.strip()[-200:]
        except subprocess.TimeoutExpired:      # it compiles SQLite anew where no binary is offered
            why = f"it takes more than {NPM_SECONDS_MAX} s here"
        if why:
            shutil.rmtree(NODE_HOME, ignore_errors=True)
            return "npm cannot install better-sqlite3: " + why
    return ""


class Node(SyncTest):
    @classmethod
    def setUpClass(cls):
        why = why_no_better_sqlite3()
        if why:
            raise unittest.SkipTest(why)

    def node(self, file, *requests):
        """Runs statements in Node; each gives the first column of all its rows."""
        script = self.path("host.js")
        script.write_text(NODE)
        lines = "\n".join(json.dumps(r if isinstance(r, dict) else {"sql": r}) for r in requests)
        done = subprocess.run(["node", str(script), str(EXTENSION), file.path], input=lines, capture_output=True, text=True,
                              env=dict(os.environ, NODE_PATH=str(NODE_HOME / "node_modules")))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_both_ways_with_another_sqlite_inside(self):
        a, b = self.files("ab", NOTES)
        b.track("notes")
        b.sql("INSERT INTO notes VALUES('from b', 'shell side', 9007199254740993, -0.0, x'00ff')")
        seen = self.node(a, "INSERT INTO notes VALUES('from a', 'node side', 9223372036854775807, 1e308, x'')", "SELECT sync_seen()")
        self.assertNotEqual(seen["sqlite"], sqlite3.sqlite_version)
        changeset = b.changeset(bytes.fromhex(seen["answers"][1][0]["hex"]))
        answers = self.node(a, {"sql": "SELECT sync_apply(?)", "blobs": [changeset.hex()]},
                            {"sql": "SELECT sync_changeset(?)", "blobs": [b.seen().hex()]}, "SELECT sync_fold()",
                            "SELECT count(*) FROM sync_changes WHERE col = 'n'", "SELECT tbl FROM sync_status")["answers"]
        self.assertEqual(answers[0], ["1"])
        self.assertEqual(answers[3:], [["2"], ["notes"]])
        self.assertEqual(b.apply(bytes.fromhex(answers[1][0]["hex"])), 1)
        self.level(a, b)
        self.assertEqual(b.sql("SELECT n, r FROM notes WHERE id = 'from a'"), [(2**63 - 1, 1e308)])

    def test_writes_of_node_without_the_extension(self):
        a, b = self.files("ab", NOTES, "notes")
        script = self.path("plain.js")
        script.write_text("const db = new (require('better-sqlite3'))(process.argv[2]); db.exec(\"INSERT INTO notes(id, title) VALUES('k', 'node'); UPDATE notes SET n = 1\"); db.close();")
        subprocess.run(["node", str(script), a.path], check=True, env=dict(os.environ, NODE_PATH=str(NODE_HOME / "node_modules")))
        self.level(a, b)
        self.assertEqual(b.sql("SELECT title, n FROM notes"), [("node", 1)])


if __name__ == "__main__":
    unittest.main()
