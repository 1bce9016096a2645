"""The hooks of the host are the host's: of each kind a connection has one, and a library that sets its own takes the application's away.
The host is libsqlite3 itself here, called directly."""
import ctypes
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from synctest import EXTENSION  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

SQLITE = ctypes.CDLL("libsqlite3.so.0")
POINTER, TEXT, INT, INT64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64
SQLITE_DONE, SQLITE_ROW, SQLITE_OK = 101, 100, 0
HOOKS = {  # name: type of the callback; each setter gives back the context that was set before
    "commit": ctypes.CFUNCTYPE(INT, POINTER),
    "rollback": ctypes.CFUNCTYPE(None, POINTER),
    "update": ctypes.CFUNCTYPE(None, POINTER, INT, TEXT, TEXT, INT64),
    "wal": ctypes.CFUNCTYPE(INT, POINTER, POINTER, TEXT, INT),
}
BUSY = ctypes.CFUNCTYPE(INT, POINTER, INT)
PROGRESS = ctypes.CFUNCTYPE(INT, POINTER)
AUTHORIZER = ctypes.CFUNCTYPE(INT, POINTER, INT, TEXT, TEXT, TEXT, TEXT)
TRACE = ctypes.CFUNCTYPE(INT, ctypes.c_uint, POINTER, POINTER, POINTER)


class Host:
    """A connection that counts how often each of its hooks is called."""

    def __init__(self, path):
        self.db, self.calls, self.kept = POINTER(), {}, []
        self.check(SQLITE.sqlite3_open(str(path).encode(), ctypes.byref(self.db)))
        self.check(SQLITE.sqlite3_enable_load_extension(self.db, 1))
        self.check(SQLITE.sqlite3_load_extension(self.db, str(EXTENSION).encode(), None, None))
        self.contexts = {name: 0x1000 + i for i, name in enumerate(HOOKS)}
        for name, kind in HOOKS.items():
            self.set(name, self.counting(name, kind))
        self.check(SQLITE.sqlite3_busy_handler(self.db, self.counting("busy", BUSY), None))
        SQLITE.sqlite3_progress_handler(self.db, 1, self.counting("progress", PROGRESS), None)
        self.check(SQLITE.sqlite3_set_authorizer(self.db, self.counting("authorizer", AUTHORIZER), None))
        self.check(SQLITE.sqlite3_trace_v2(self.db, 1, self.counting("trace", TRACE), None))

    def check(self, code):
        if code not in (SQLITE_OK, SQLITE_ROW, SQLITE_DONE):
            SQLITE.sqlite3_errmsg.restype = TEXT
            raise AssertionError(f"{code}: {SQLITE.sqlite3_errmsg(self.db).decode()}")
        return code

    def counting(self, name, kind):
        def count(*_):
            self.calls[name] = self.calls.get(name, 0) + 1
            return 0
        self.kept.append(kind(count))
        return self.kept[-1]

    def set(self, name, callback):
        """Sets a hook and gives back the context of the one before it."""
        setter = getattr(SQLITE, f"sqlite3_{name}_hook")
        setter.restype = POINTER
        return setter(self.db, callback, POINTER(self.contexts[name]))

    def run(self, sql, *blobs):
        stmt = POINTER()
        self.check(SQLITE.sqlite3_prepare_v2(self.db, sql.encode(), -1, ctypes.byref(stmt), None))
        for i, blob in enumerate(blobs):
            self.check(SQLITE.sqlite3_bind_blob(stmt, i + 1, blob, len(blob), POINTER(-1)))
        code = SQLITE.sqlite3_step(stmt)
        while code == SQLITE_ROW:
            code = SQLITE.sqlite3_step(stmt)
        self.check(SQLITE.sqlite3_finalize(stmt))
        self.check(code)

    def called(self, sql, *blobs):
        """The hooks that are called during a statement."""
        self.calls.clear()
        self.run(sql, *blobs)
        return set(self.calls)


class Hooks(SyncTest):
    def test_they_stay_and_are_called(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "t", "n")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);")
        a.sql("INSERT INTO t VALUES('k', 1)")
        a.sql("WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 3000) INSERT INTO n SELECT i, i FROM c")
        host = Host(b.path)
        for statement in ("SELECT sync_track('t')", "SELECT sync_track_all()", "INSERT INTO t VALUES('own', 1)", "SELECT sync_fold()", "SELECT sync_seen()"):
            host.run(statement)
        changes = a.cut_for(b)
        self.assertLessEqual({"commit", "update", "wal", "authorizer", "trace", "progress"}, host.called("SELECT sync_apply(?)", changes))
        self.assertLessEqual({"commit", "update", "wal"}, host.called("INSERT INTO t VALUES('after', 1)"))
        for statement in ("SELECT sync_changeset()", "SELECT * FROM sync_changes", "SELECT * FROM sync_status", "SELECT sync_touch('t', 'own')",
                          "SELECT sync_apply(?, '{\"dry_run\": true}')"):
            host.run(statement, *([changes] if "?" in statement else []))
        host.run("BEGIN"), host.run("INSERT INTO t VALUES('never', 1)"), host.run("SELECT sync_apply(?)", changes)
        self.assertIn("rollback", host.called("ROLLBACK"))
        blocker = self.open("b.db", wal=False)
        blocker.sql("BEGIN IMMEDIATE")
        host.calls.clear()
        with self.assertRaisesRegex(AssertionError, "locked"):
            host.run("SELECT sync_touch('t', 'own')")
        self.assertIn("busy", host.calls)
        blocker.sql("ROLLBACK")
        for name in HOOKS:                     # and at the end each is still the host's own
            self.assertEqual(host.set(name, None), host.contexts[name], name)
        host.check(SQLITE.sqlite3_close(host.db))
        blocker.close()
        self.level(a, b)

    def test_a_commit_that_the_host_forbids(self):
        """Its hook turns the COMMIT of a merge into a rollback: then nothing was merged."""
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        changes, before = a.cut_for(b), b.shell(".dump")
        host = Host(b.path)
        refusing = HOOKS["commit"](lambda _: 1)
        host.set("commit", refusing)
        with self.assertRaises(AssertionError):
            host.run("SELECT sync_apply(?)", changes)
        self.assertEqual(b.shell(".dump"), before)
        host.set("commit", host.kept[0])
        host.run("SELECT sync_apply(?)", changes)
        host.check(SQLITE.sqlite3_close(host.db))
        exchange(a, b)
        self.assert_same(a, b)


if __name__ == "__main__":
    unittest.main()
