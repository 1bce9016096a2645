"""Random traces through the executable model of the merge rules and through the engine: after steps the same rows, at the end the
same states, stamp by stamp in their order.

The model is not part of this repository: SYNC_MODEL names its directory (default ../shared/model beside the root); without it the
tests are skipped. It covers identity `key`, one UNIQUE column, columns that come late, copies; what it leaves out (integer keys as
the engine has them, foreign keys) is not asked here.

SYNC_SEED   first seed (default 1)
SYNC_SEEDS  how many (default 40)
With a single seed every step is printed.
"""
import json
import os
import random
import shutil
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = Path(os.environ.get("SYNC_MODEL", ROOT.parent / "shared" / "model"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import File, SyncTest, tick  # noqa: E402

TABLES = {"notes": ["a", "b"], "users": ["a", "u"], "tags": []}
UNIQUE = {"users": "u"}
LATE = ["c", "d"]
KEYS = ["k1", "k2", "k3", "k4"]


class Twin:
    """One file twice: as the engine has it, and as the model has it. Every write goes into both, and must do the same."""

    def __init__(self, real, model):
        self.real, self.model = real, model

    def has(self, table, key):
        return key in self.model.base[table]

    def columns(self, table):
        return list(self.model.schema[table].columns)

    def insert(self, table, key, values, replace=False):
        columns = ["k", *values]
        self.real.sql(f"INSERT {'OR REPLACE ' if replace else ''}INTO {table}({', '.join(columns)}) VALUES({', '.join('?' * len(columns))})",
                      key, *values.values())
        (self.model.replace if replace else self.model.insert)(table, key, values)

    def update(self, table, key, values):
        self.real.sql(f"UPDATE {table} SET {', '.join(c + ' = ?' for c in values)} WHERE k = ?", *values.values(), key)
        self.model.update(table, key, values)

    def delete(self, table, key):
        self.real.sql(f"DELETE FROM {table} WHERE k = ?", key)
        self.model.delete(table, key)

    def change_key(self, table, old, new):
        self.real.sql(f"UPDATE {table} SET k = ? WHERE k = ?", new, old)
        self.model.change_key(table, old, new)

    def add_column(self, table, column):
        self.real.sql(f"ALTER TABLE {table} ADD COLUMN {column}")
        self.model.add_column(table, column)

    def track(self, table):
        self.real.track(table)
        self.model.track(table)

    def pull(self, other):
        self.real.pull(other.real)
        self.model.apply(other.model.delta(*self.model.request(other.model.site)))

    def fold(self):
        self.real.fold()
        self.model.fold()


def ranks(stamps):
    """A number for each stamp that says no more than its place among the others."""
    return {stamp: i for i, stamp in enumerate(sorted(stamps))}


def engine_states(file):
    """{(table, key, column or None): (value, stamp)} and {(table, key): causal length}; what is dead has only its tombstone."""
    cells, lengths = {}, {}
    for table, key, op, column, value, stamp, site, length in file.x(
            "SELECT tbl, key, op, col, value, stamp, hex(site), cl FROM sync_changes"):
        genesis = stamp.startswith("(genesis) ")
        where = (table, json.loads(key)[0])
        lengths[where] = length
        cells[where + (column,)] = (value, (not genesis, stamp.removeprefix("(genesis) "), site))
    return cells, lengths


def model_states(model):
    cells, lengths = {}, {}
    for table in model.genesis:
        for key in model.clocks[table].keys() | model.base[table].keys() | model.held[table].keys():
            row = model.state(table, key)
            lengths[table, key] = row.cl
            if not row.alive:
                cells[table, key, None] = (None, tuple(row.died))
            for column, (stamp, value) in row.cells.items() if row.alive else ():
                cells[table, key, column or None] = (value, tuple(stamp))
    return cells, lengths


def ordered(cells):
    order = ranks({stamp for _, stamp in cells.values()})
    return {where: (value, order[stamp]) for where, (value, stamp) in cells.items()}


def as_the_engine_does(library):
    """The model's File, where docs/MERGE.md says that the engine does otherwise: "Capture" of a row that is pushed out is a delete (in the
    model a look, so that a row inserted there at once continues its life), and see "Columns that only one file has"."""
    class Deviating(library.File):
        def _cover(self, name):
            known = self.known_columns.get(name, self.schema[name].columns)
            return [library.EXISTS] + [c for c in self.schema[name].columns if c in known]

        def replace(self, name, key, values):
            for other in self._clash(name, key, values):
                self.delete(name, other)
            self._put(name, key, values)

    return Deviating


@unittest.skipUnless((MODEL / "model.py").is_file(), f"no model in {MODEL}: SYNC_MODEL names its directory")
class ModelTraces(SyncTest):
    def setUp(self):
        super().setUp()
        sys.path.insert(0, str(MODEL))
        import model
        sys.path.remove(str(MODEL))
        self.library, self.model_file = model, as_the_engine_does(model)
        self.time = 1_000_000

    def now(self):
        self.time += 1
        return self.time

    def say(self, *what):
        if self.loud:
            print(*what, flush=True)

    def new_file(self, name):
        schema = ""
        twin = Twin(None, self.model_file(self.now))
        for table in self.tables:
            columns = [c + (" UNIQUE" if UNIQUE.get(table) == c else "") for c in TABLES[table]]
            schema += f"CREATE TABLE {table}({', '.join(['k TEXT PRIMARY KEY'] + columns)});"
            twin.model.create_table(table, self.library.Table("key", list(TABLES[table]), unique=UNIQUE.get(table)))
        twin.real = self.file(name, schema)
        return twin

    def copy(self, twin, name):
        twin.fold()
        path = Path(twin.real.path).with_name(name + ".db")
        twin.real.snapshot()
        shutil.copy(twin.real.path, path)
        copied = Twin(File(path), self.copy_of(twin.model))
        self.addCleanup(copied.real.close)
        return copied

    def copy_of(self, model):
        copied = self.model_file(self.now)
        copied._load(model.snapshot())
        return copied

    def values(self, twin, table):
        self.token += 1
        return {c: self.dice.choice(["x", "y", None]) if UNIQUE.get(table) == c else f"v{self.token}"
                for c in twin.columns(table) if self.dice.random() < 0.8}

    def write(self, i, twin):
        dice, table = self.dice, self.dice.choice(self.tables)
        key, other, values = dice.choice(KEYS), dice.choice(KEYS), self.values(twin, table)
        kind = dice.choice(["insert", "insert", "replace", "update", "update", "update", "delete", "move", "column"])
        clash = twin.model._clash(table, key, values)
        if kind == "column":
            missing = [c for c in LATE if c not in twin.columns(table)]
            if missing and dice.random() < 0.3:
                self.say(i, "add column", table, missing[0])
                twin.add_column(table, missing[0])
        elif kind == "replace" and table != "tags":
            self.say(i, "replace", table, key, values)
            twin.insert(table, key, values, replace=True)
        elif not twin.has(table, key):
            if kind in ("insert", "replace") and not clash:
                self.say(i, "insert", table, key, values)
                twin.insert(table, key, values)
        elif kind == "update" and values and not clash:
            self.say(i, "update", table, key, values)
            twin.update(table, key, values)
        elif kind == "delete":
            self.say(i, "delete", table, key)
            twin.delete(table, key)
        elif kind == "move" and not twin.has(table, other):
            self.say(i, "move", table, key, other)
            twin.change_key(table, key, other)
        tick()

    def check_rows(self, i, twin):
        """What was held may be shown as soon as its obstacle is gone, which the model does whenever it reads."""
        twin.fold()
        for table in self.tables:
            columns = twin.columns(table)
            shown = {row[0]: dict(zip(columns, row[1:])) for row in
                     twin.real.sql(f"SELECT {', '.join(['k'] + columns)} FROM {table}")}
            self.assertEqual(shown, twin.model.base[table], f"{table} of file {i}: engine, model")

    def check_states(self, i, twin):
        twin.model.fold()
        cells, lengths = engine_states(twin.real)
        expected, expected_lengths = model_states(twin.model)
        self.assertEqual(lengths, expected_lengths, f"causal lengths in file {i}: engine, model")
        self.assertEqual(ordered(cells), ordered(expected), f"states in file {i}: engine, model")
        held = {(table, json.loads(key)[0]) for table, key, _ in twin.real.held()}
        self.assertEqual(held, {(t, k) for t in twin.model.held for k in twin.model.held[t]}, f"held in file {i}: engine, model")

    def trace(self, seed):
        dice = self.dice = random.Random(seed)
        self.token = 0
        self.tables = dice.sample(sorted(TABLES), dice.randint(1, 3))
        files = [self.new_file(f"s{seed}f{i}") for i in range(dice.randint(2, 4))]
        for i, twin in enumerate(files):
            for _ in range(dice.randint(0, 4)):
                self.write(i, twin)
            for table in self.tables:
                twin.track(table)
                tick()
            self.say(i, "tracks", self.tables)
        for _ in range(dice.randint(5, 30)):
            i = dice.randrange(len(files))
            kind = dice.random()
            if kind < 0.65:
                self.write(i, files[i])
            elif kind < 0.92:
                k = dice.randrange(len(files))
                if k != i:
                    self.say(i, "pulls from", k)
                    files[i].pull(files[k])
            elif kind < 0.97:
                self.say(i, "folds")
                files[i].fold()
            elif len(files) < 6:
                self.say(i, "is copied as", len(files))
                files.append(self.copy(files[i], f"s{seed}f{len(files)}"))
            if dice.random() < 0.5:
                self.check_rows(i, files[i])
        for twin in files:
            for table in self.tables:
                for column in LATE:
                    if any(column in f.columns(table) for f in files) and column not in twin.columns(table):
                        twin.add_column(table, column)
        for _ in range(3):
            for twin in files:
                for other in files:
                    if other is not twin:
                        twin.pull(other)
        for i, twin in enumerate(files):
            self.check_rows(i, twin)
            self.check_states(i, twin)
        for twin in files:
            twin.real.close()

    def test_traces(self):
        first, count = int(os.environ.get("SYNC_SEED", "1")), int(os.environ.get("SYNC_SEEDS", "40"))
        self.loud = count == 1
        for seed in range(first, first + count):
            with self.subTest(f"SYNC_SEED={seed} SYNC_SEEDS=1 python3 tests/convergence/test_model_traces.py"):
                self.trace(seed)


if __name__ == "__main__":
    unittest.main()
