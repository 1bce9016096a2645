"""Random schemas, statements and exchanges between a few files and their copies, which must end equal and then at rest.

SYNC_SEED    first seed (default 1; random: one of today's own, printed)
SYNC_SEEDS   how many seeds (default 40, or as many as fit into SYNC_SECONDS where that is given)
SYNC_SECONDS how long
SYNC_FILES   how many files begin (default 3)
With a single seed every step is printed.
"""
import os
import random
import sqlite3
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange  # noqa: E402

VALUES = [None, 0, 1, 1.0, -0.0, 2**63 - 1, -2**63, 0.5, float("inf"), "", "a", "A", "a ", "1", "1.0", "é", "x\0y", "x" * 200, b"", b"a", b"1", b"\xff\x00"]
FILES = int(os.environ.get("SYNC_FILES", "3"))
UNIQUE_VALUES = [None, 1, 2, "u", "v"]
TEXT_KEYS = ["a", "b", "c", "A", "ä"]
NUMBERS = [1, 2, 3, 4, 1000]
ACTIONS = ["NO ACTION", "CASCADE", "SET NULL", "RESTRICT"]


class Table:
    """One random table: its DDL, and values for its columns."""

    def __init__(self, dice, name, parents):
        self.name = name
        self.options = None
        self.kind = dice.choice(["text", "number", "number", "number by key", "nocase", "pair", "pair without rowid", "blob without rowid"])
        declared = {
            "text": ["k TEXT PRIMARY KEY"], "number": ["k INTEGER PRIMARY KEY" + dice.choice(["", " AUTOINCREMENT"])],
            "number by key": ["k INTEGER PRIMARY KEY"], "nocase": ["k TEXT COLLATE NOCASE PRIMARY KEY"],
            "pair": ["k TEXT", "l INT"], "pair without rowid": ["k", "l TEXT COLLATE NOCASE"], "blob without rowid": ["k BLOB PRIMARY KEY"],
        }[self.kind]
        if self.kind == "number by key":
            self.options = '{"identity": "key"}'
        self.keys = ["k", "l"][:2 if self.kind.startswith("pair") else 1]
        self.columns, self.parents, self.uniques = [], {}, set()
        tail = ["PRIMARY KEY(k, l)"] if len(self.keys) == 2 else []
        count = dice.choice([0, 1, 2, 3, 3, 4, 4]) if dice.random() > 0.05 else 70
        for i in range(count):
            affinity = dice.choice(["", " TEXT", " INTEGER", " REAL", " NUMERIC", " BLOB"])
            column = f"c{i}"
            self.columns.append(column)
            if i < 4 and dice.random() < 0.2:
                self.uniques.add(column)
                affinity += " UNIQUE"
            declared.append(column + affinity)
        single = [p for p in parents if len(p.keys) == 1] + ([self] if len(self.keys) == 1 else [])
        if single and dice.random() < 0.5:
            parent = dice.choice(single)
            self.parents["p"] = parent
            self.columns.append("p")
            deferred = dice.choice(["", " DEFERRABLE INITIALLY DEFERRED"])
            declared.append(f"p {'INT' if parent.kind.startswith('number') else 'TEXT' if parent.kind != 'blob without rowid' else ''} "
                            f"REFERENCES {parent.name} ON DELETE {dice.choice(ACTIONS)} ON UPDATE {dice.choice(ACTIONS)}{deferred}")
        if len(self.columns) >= 2 and dice.random() < 0.2:
            tail.append(f"UNIQUE({self.columns[0]}, {self.columns[1]})")
        self.sql = f"CREATE TABLE {name}({', '.join(declared + tail)}){' WITHOUT ROWID' if 'without' in self.kind else ''};"
        if self.columns and dice.random() < 0.15:
            self.sql += f" CREATE UNIQUE INDEX {name}_partial ON {name}({self.columns[0]}) WHERE {self.columns[0]} > 1;"

    def key(self, dice):
        if self.kind.startswith("number"):
            return [dice.choice(NUMBERS)]
        if self.kind == "blob without rowid":
            return [dice.choice([b"", b"a", b"\0", "a", 1])]
        if self.kind == "pair without rowid":
            return [dice.choice([1, 1.5, "a", b"a"]), dice.choice(TEXT_KEYS)]
        return [dice.choice(TEXT_KEYS), dice.choice([1, 2])][:len(self.keys)]

    def value(self, dice, column):
        if column in self.parents:
            return self.parents[column].key(dice)[0] if dice.random() < 0.8 else None
        return dice.choice(UNIQUE_VALUES if column in self.uniques or dice.random() < 0.3 else VALUES)


class LetIn(Exception):
    """SQLite 3.40 let an orphan in: it miscounts where a row that refers to itself is given its own key. It stays where it was written, so files differ."""


class World:
    def __init__(self, test, seed, verbose):
        self.test, self.dice, self.verbose = test, random.Random(seed), verbose
        self.seed, self.files, self.late, self.saved = seed, [], [], []
        self.tables = []
        for i in range(self.dice.randint(1, 3)):
            self.tables.append(Table(self.dice, f"t{i}", self.tables))
        schema = "\n".join(t.sql for t in self.tables)
        self.say(schema)

    def begin(self):
        for i in range(FILES):
            file = self.test.open(f"{self.seed}-{i}.db", wal=self.dice.random() < 0.8)
            file.script("\n".join(t.sql for t in self.tables))
            self.adopt(file)
            for _ in range(self.dice.choice([0, 0, 3, 8])):
                self.write(i)
            for t in self.tables:
                file.track(t.name, options=t.options)
            self.say(f"track {i}")

    def adopt(self, file):
        file.sql("PRAGMA foreign_keys = on")
        file.sql(f"PRAGMA recursive_triggers = {self.dice.randint(0, 1)}")
        file.x(f"PRAGMA foreign_keys = {self.dice.randint(0, 1)}")
        file.x(f"PRAGMA recursive_triggers = {self.dice.randint(0, 1)}")
        self.files.append(file)

    def say(self, *what):
        if self.verbose:
            print(*what, flush=True)

    # ---- the application ---------------------------------------------------------------------------------------------

    def statement(self):
        dice, t = self.dice, self.dice.choice(self.tables)
        columns = [c for c in t.columns if dice.random() < 0.7]
        names = t.keys + columns
        row = t.key(dice) + [t.value(dice, c) for c in columns]
        marks = ", ".join("?" * len(names))
        where = " AND ".join(f"{k} = ?" for k in t.keys)
        one = dice.choice(columns) if columns else None
        kind = dice.choices(["insert", "upsert", "update", "update all", "delete", "delete some", "key", "auto", "copy"], [8, 3, 8, 1, 4, 1, 3, 2, 1])[0]
        if kind == "auto" and t.kind == "number" and columns:
            return f"INSERT {dice.choice(['', 'OR REPLACE', 'OR IGNORE'])} INTO {t.name}({', '.join(columns)}) VALUES({', '.join('?' * len(columns))})", row[len(t.keys):]
        if kind == "upsert" and one:
            return (f"INSERT INTO {t.name}({', '.join(names)}) VALUES({marks}) ON CONFLICT({', '.join(t.keys)}) DO UPDATE SET {one} = excluded.{one}", row)
        if kind == "update" and columns:
            conflict = dice.choice(["", "", "OR REPLACE", "OR IGNORE"])
            return f"UPDATE {conflict} {t.name} SET {', '.join(c + ' = ?' for c in columns)} WHERE {where}", row[len(t.keys):] + t.key(dice)
        if kind == "update all" and one:
            return f"UPDATE {t.name} SET {one} = ?", [t.value(dice, one)]
        if kind == "delete":
            return f"DELETE FROM {t.name} WHERE {where}", t.key(dice)
        if kind == "delete some":
            return f"DELETE FROM {t.name} WHERE {t.keys[0]} > ?", t.key(dice)[:1]
        if kind == "key":
            conflict = dice.choice(["", "", "OR REPLACE", "OR IGNORE"])
            return f"UPDATE {conflict} {t.name} SET {', '.join(k + ' = ?' for k in t.keys)} WHERE {where}", t.key(dice) + t.key(dice)
        if kind == "copy" and one and t.kind == "number":
            return f"INSERT OR IGNORE INTO {t.name}(k, {one}) SELECT k + 1, {one} FROM {t.name}", []
        return f"INSERT {dice.choice(['', '', 'OR REPLACE', 'OR IGNORE'])} INTO {t.name}({', '.join(names)}) VALUES({marks})", row

    def run(self, i, sql, values=()):
        if any(t in t.parents.values() for t in self.tables):
            sql = sql.replace("OR REPLACE", "")            # SQLite lets an orphan in where a table refers to itself
        try:
            self.files[i].sql(sql, *values)
            self.say(f"{i}: {sql} {list(values) if values else ''}")
        except sqlite3.IntegrityError as error:
            self.say(f"{i}: {sql} {list(values) if values else ''} -- {error}")
        if any(t in t.parents.values() for t in self.tables) and not self.files[i].plain.in_transaction:
            if self.files[i].sql("PRAGMA foreign_key_check"):
                raise LetIn

    def write(self, i):
        if self.dice.random() < 0.2:
            self.run(i, "BEGIN")
            for _ in range(self.dice.randint(1, 4)):
                if self.dice.random() < 0.2:
                    self.run(i, "SAVEPOINT s")
                    self.run(i, *self.statement())
                    self.run(i, self.dice.choice(["RELEASE s", "ROLLBACK TO s"]))
                else:
                    self.run(i, *self.statement())
            self.run(i, self.dice.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))
            if self.files[i].plain.in_transaction:         # a deferred violation stopped the COMMIT
                self.run(i, "ROLLBACK")
        else:
            self.run(i, *self.statement())

    def add_column(self, i):
        if not self.late or self.dice.random() < 0.4:
            self.late.append((self.dice.choice(self.tables).name, f"late{len(self.late)}"))
        self.have_column(i, *self.dice.choice(self.late))

    def have_column(self, i, table, column):
        if column not in self.files[i].columns(table):
            self.run(i, f"ALTER TABLE {table} ADD COLUMN {column}")
        for t in self.tables:
            if t.name == table and self.dice.random() < 0.7 and all(column in f.columns(table) for f in self.files):
                t.columns.append(column) if column not in t.columns else None
        self.run(i, f"UPDATE {table} SET {column} = ? ", [self.dice.choice(VALUES)]) if self.dice.random() < 0.5 else None

    # ---- the exchange ------------------------------------------------------------------------------------------------

    def pull(self, to, sender):
        changeset = self.files[sender].cut_for(self.files[to])
        self.say(f"{to} pulls from {sender}: {None if changeset is None else len(changeset)}")
        if changeset is not None:
            if self.dice.random() < 0.2:
                self.saved.append(changeset)
            self.files[to].apply(changeset)
            if self.dice.random() < 0.1 and self.files[to].apply(changeset) != 0:
                raise AssertionError("a changeset applied twice changed something")

    def stale(self, to):
        """A changeset that was cut for somebody, some time ago: merged or refused, never harmful."""
        if self.saved:
            try:
                self.files[to].apply(self.dice.choice(self.saved))
                self.say(f"{to} applies an old changeset")
            except sqlite3.Error as error:
                if "sync_seen" not in str(error):
                    raise
                self.say(f"{to} refuses an old changeset")

    def copy(self, i):
        if len(self.files) < FILES + 2:
            self.say(f"copy {i} as {len(self.files)}")
            self.adopt(self.test.copy(self.files[i], f"{self.seed}-{len(self.files)}"))
            self.files[i].sql("PRAGMA foreign_keys = on")

    def step(self):
        i, other = self.dice.sample(range(len(self.files)), 2)
        kind = self.dice.choices(["write", "pull", "stale", "fold", "sleep", "column", "copy", "oracle"], [60, 25, 2, 3, 5, 2, 1, 2])[0]
        if kind == "write":
            self.write(i)
        elif kind == "pull":
            self.pull(i, other)
        elif kind == "stale":
            self.stale(i)
        elif kind == "fold":
            self.say(f"fold {i}: {self.files[i].fold()}")
        elif kind == "sleep":
            self.say("sleep")
            time.sleep(0.002)
        elif kind == "column":
            self.add_column(i)
        elif kind == "copy":
            self.copy(i)
        else:
            self.one_writer(i)

    def settle(self):
        for i in range(len(self.files)):
            for table, column in self.late:
                if column not in self.files[i].columns(table):
                    self.run(i, f"ALTER TABLE {table} ADD COLUMN {column}")
        self.say("all exchange")
        exchange(*self.files)
        self.test.assert_same(*self.files)
        held = [[h[:2] for h in file.held()] for file in self.files]
        for others in held[1:]:
            self.test.assertEqual(held[0], others)
        return held[0]

    def one_writer(self, i):
        """From equal files, what one writer alone makes is what all must come to, as long as nothing is held."""
        if self.settle():
            return
        for _ in range(self.dice.randint(1, 6)):
            self.write(i)
        rows = self.files[i].dump()
        if not self.settle():
            self.test.assertEqual(rows, self.files[i].dump())


class Convergence(SyncTest):
    def test_random_histories(self):
        asked = os.environ.get("SYNC_SEED", "1")
        first = time.time_ns() // 1000 % 1_000_000_000 if asked == "random" else int(asked)
        count = int(os.environ.get("SYNC_SEEDS", 0 if "SYNC_SECONDS" in os.environ else 40))
        until = time.monotonic() + float(os.environ.get("SYNC_SECONDS", 50))
        seed = first
        while seed < first + count if count else time.monotonic() < until:
            try:
                self.play(seed, verbose=count == 1)
            except Exception:
                print(f"\nseed {seed} failed; again with every step:\n"
                      f"  SYNC_BUILD={os.environ.get('SYNC_BUILD', 'build/release')} SYNC_SEED={seed} SYNC_SEEDS=1 {sys.executable} {os.path.relpath(__file__)}", flush=True)
                raise
            seed += 1
        print(f"seeds {first} to {seed - 1}", flush=True)
        self.assertGreater(seed, first)

    def play(self, seed, verbose):
        world = World(self, seed, verbose)
        try:
            world.begin()
            for _ in range(world.dice.choice([10, 30, 60, 120])):
                world.step()
            world.settle()
            for to in world.files:
                for sender in world.files:
                    self.assertIsNone(sender.cut_for(to))
        except LetIn:
            pass
        finally:
            for file in world.files:
                file.close()
                for suffix in ("", "-wal", "-shm", "-sync"):
                    if os.path.exists(file.path + suffix):
                        os.remove(file.path + suffix)
            self._files.clear()


if __name__ == "__main__":
    unittest.main()
