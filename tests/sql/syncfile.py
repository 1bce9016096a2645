"""What the SQL tests share: a database file with an application that knows nothing of us, and the extension beside it."""
import os
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from synctest import EXTENSION, Case, connect, plain, quote, shell  # noqa: E402


def tick():
    """Lets the wall clock pass, so that what follows is later than what came before."""
    time.sleep(0.003)


class File:
    """A database file. `sql` and `shell` are the application: the extension is not loaded there. `x` has it."""

    def __init__(self, path, wal=True):
        self.path = str(path)
        self._plain = self._extended = None
        if wal:
            self.sql("PRAGMA journal_mode = wal")

    @property
    def plain(self):
        if self._plain is None:
            self._plain = connect(self.path, ext=False)
            self._plain.execute("PRAGMA synchronous = off")
        return self._plain

    @property
    def extended(self):
        if self._extended is None:
            self._extended = connect(self.path)
            self._extended.execute("PRAGMA synchronous = off")
        return self._extended

    def close(self):
        for connection in (self._plain, self._extended):
            if connection is not None:
                connection.close()
        self._plain = self._extended = None

    def sql(self, statement, *values):
        return self.plain.execute(statement, values).fetchall()

    def script(self, text):
        self.plain.executescript(text)

    def x(self, statement, *values):
        return self.extended.execute(statement, values).fetchall()

    def one(self, statement, *values):
        rows = self.x(statement, *values)
        return rows[0][0] if rows else None

    def shell(self, script):
        return plain(self.path, script)

    def xshell(self, script):
        return shell(self.path, script)

    # ---- the extension -----------------------------------------------------------------------------------------------

    def track(self, *tables, options=None):
        for table in tables:
            if options is None:
                self.x("SELECT sync_track(?)", table)
            else:
                self.x("SELECT sync_track(?, ?)", table, options)
        return self

    def track_all(self):
        self.x("SELECT sync_track_all()")
        return self

    def seen(self):
        return self.one("SELECT sync_seen()")

    def site(self):
        return self.one("SELECT sync_site()")

    def version(self):
        return self.one("SELECT sync_version()")

    def fold(self):
        return self.one("SELECT sync_fold()")

    def changeset(self, *argument):
        return self.one("SELECT sync_changeset(%s)" % ", ".join("?" for _ in argument), *argument)

    def apply(self, changeset):
        return self.one("SELECT sync_apply(?)", changeset)

    def cut_for(self, receiver):
        """What `receiver` lacks of this file; None if nothing."""
        return self.changeset(receiver.seen())

    def pull(self, *senders):
        """Merges what this file lacks of each sender; the number of rows that changed."""
        changed = 0
        for sender in senders:
            changeset = sender.cut_for(self)
            if changeset is not None:
                changed += self.apply(changeset)
        return changed

    # ---- looking -----------------------------------------------------------------------------------------------------

    def raw(self, statement, *values, extended=False):
        """Rows as texts that are equal only where all values are, bit for bit: TEXT shows as str (its bytes as Latin-1, so
        that nothing is invalid), BLOB as bytes, REAL always with a point."""
        connection = self.extended if extended else self.plain
        factory, connection.text_factory = connection.text_factory, lambda text: text.decode("latin-1")
        try:
            return [repr(row) for row in connection.execute(statement, values)]
        finally:
            connection.text_factory = factory

    def tracked(self):
        return sorted(row[0] for row in self.x("SELECT tbl FROM sync_status"))

    def columns(self, table):
        """Names of the ordinary columns and of the generated ones, in order."""
        return [row[0] for row in self.sql("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", table)]

    def rows(self, table):
        """A table's rows, bit for bit, columns by name so that their order does not matter."""
        names = sorted(self.columns(table))
        return sorted(self.raw("SELECT %s FROM main.%s" % (", ".join(map(quote, names)), quote(table))))

    def dump(self):
        return {table: self.rows(table) for table in self.tracked()}

    def cells(self):
        """The merged state as sync_changes shows it, without what is this file's own: the version, and how it had spelled the key of
        a row that is gone."""
        return sorted(self.raw("SELECT tbl, iif(op = 'delete', lower(key), key), op, col, value, stamp, site, cl FROM sync_changes",
                               extended=True))

    def held(self):
        """(table, key, reason) of what is merged and not shown."""
        return sorted(self.x("SELECT tbl, key, reason FROM sync_conflict WHERE held = 1"))

    def snapshot(self):
        """The whole database file as bytes, the write-ahead log folded into it; no connection is left open."""
        self.close()
        connection = connect(self.path, ext=False)
        connection.execute("PRAGMA wal_checkpoint(truncate)")
        connection.close()
        with open(self.path, "rb") as f:
            return f.read()

    def overwrite(self, data):
        """Puts bytes in place of the file's, the inode kept: a restore over it."""
        self.close()
        for suffix in ("-wal", "-shm", "-journal"):
            if os.path.exists(self.path + suffix):
                os.remove(self.path + suffix)
        with open(self.path, "r+b") as f:
            f.write(data)
            f.truncate()


def exchange(*files):
    """Exchanges between all files until none lacks anything (folding for real what is left then), and returns how many
    changesets that took."""
    count, folded = 0, False
    for _ in range(4 * len(files) + 4):
        before = count
        for receiver in files:
            for sender in files:
                if sender is not receiver:
                    changeset = sender.cut_for(receiver)
                    if changeset is not None:
                        receiver.apply(changeset)
                        count += 1
        if count == before:
            if folded:
                return count
            for file in files:
                file.fold()
        folded = count == before
    raise AssertionError("files that are exchanged all round do not come to rest")


class SyncTest(Case):
    """Files made by `file`, `open` and `copy` are closed at the end."""

    def setUp(self):
        super().setUp()
        self._files = []
        self.addCleanup(lambda: [f.close() for f in self._files])

    def open(self, name, wal=True):
        file = File(self.path(name), wal)
        self._files.append(file)
        return file

    def file(self, name, schema="", *tables, wal=True, options=None):
        """A new file with a schema, written by the application, and these tables tracked."""
        file = self.open(name + ".db", wal)
        file.script(schema)
        return file.track(*tables, options=options)

    def files(self, names, schema, *tables, options=None):
        return [self.file(name, schema, *tables, options=options) for name in names]

    def copy(self, file, name):
        """A copy of the file under another name, without what lies beside it."""
        data = file.snapshot()
        with open(self.path(name + ".db"), "wb") as f:
            f.write(data)
        return self.open(name + ".db")

    def refused(self, file, statement, *values, says=()):
        """The statement fails, and the message names all of `says`, in any case."""
        with self.assertRaises(sqlite3.Error) as caught:
            file.x(statement, *values)
        message = str(caught.exception)
        for word in says:
            self.assertIn(word.lower(), message.lower())
        return message

    def assert_same(self, *files):
        """All files show the same rows, know the same of every cell, and are sound: SQLite's own checks, and ours of the metadata."""
        rows, cells = files[0].dump(), files[0].cells()
        for other in files[1:]:
            self.assertEqual(rows, other.dump())
            self.assertEqual(cells, other.cells())
        for file in files:
            invariants.check(file.path)

    def level(self, *files):
        """Exchanges all round, and expects equal files."""
        exchange(*files)
        self.assert_same(*files)
