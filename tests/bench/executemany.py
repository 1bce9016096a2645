"""The same writes through Python's executemany, where the interpreter's own work is in the denominator: ratios as an application in
Python sees them. Processor time, paired runs, medians; scripts/bench.sh runs it after the engine's benchmark.

usage: executemany.py EXTENSION [--rows N] [--runs N] [--json PATH]   (EXTENSION: path of sync_ext.so)
"""
import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

WRITES = (
    ("tracked insert", "INSERT INTO t(id, a, b, c, d) VALUES(?, ?, ?, ?, ?)"),
    ("tracked update, 1 column", "UPDATE t SET a = ? WHERE id = ?"),
    ("tracked update, 4 columns", "UPDATE t SET a = ?, b = ?, c = ?, d = ? WHERE id = ?"),
    ("tracked delete", "DELETE FROM t WHERE id = ?"),
)


def make_rows(count, key):
    """One list of parameters for each of WRITES."""
    dice = random.Random(1)

    def text():
        return f"{dice.getrandbits(52):013x} {dice.getrandbits(52):013x}"

    ids = [i + 1 if key == "INTEGER" else f"{dice.getrandbits(128):032x}" for i in range(count)]
    return ([(i, text(), text(), dice.randrange(1000000), dice.random()) for i in ids], [(text(), i) for i in ids],
            [(text(), text(), dice.randrange(1000000), dice.random(), i) for i in ids], [(i,) for i in ids])


def track(path, extension):
    """By the stock shell: the writer's connection never hears of the extension."""
    subprocess.run(["sqlite3", "-batch", "-cmd", f".load {extension}", path, "SELECT sync_track('t')"], check=True, stdout=subprocess.DEVNULL)


def run(key, rows, extension):
    """Microseconds of processor time a row, for each of WRITES on a fresh file."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "t.db")
        db = sqlite3.connect(path)
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA synchronous = normal")
        db.execute(f"CREATE TABLE t(id {key} PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INT, d REAL)")
        db.commit()
        if extension:
            track(path, extension)
        figures = []
        for (_, sql), values in zip(WRITES, rows):
            db.execute("PRAGMA wal_checkpoint(truncate)").fetchall()
            start = time.process_time()
            with db:
                db.executemany(sql, values)
            figures.append((time.process_time() - start) * 1e6 / len(values))
        db.close()
        return figures


def main():
    options = argparse.ArgumentParser()
    options.add_argument("extension")
    options.add_argument("--rows", type=int, default=200000)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--json")
    options = options.parse_args()
    extension = os.path.abspath(options.extension).removesuffix(".so")
    figures = []
    for key in ("INTEGER", "TEXT"):
        rows = make_rows(options.rows, key)
        plain, tracked = [], []
        for i in range(options.runs):
            order = ((plain, None), (tracked, extension))
            for to, which in order if i % 2 == 0 else reversed(order):
                to.append(run(key, rows, which))
        print(f"\n{key.lower()} key, executemany in Python {sys.version_info.major}.{sys.version_info.minor}   plain, us   sync_ext        low-high")
        for n, (name, _) in enumerate(WRITES):
            ratios = sorted(t[n] / p[n] for t, p in zip(tracked, plain))
            us, ratio = statistics.median(p[n] for p in plain), statistics.median(ratios)
            print(f"{name:42} {us:9.2f} {ratio:10.2f} {ratios[0]:7.2f}-{ratios[-1]:<7.2f}", flush=True)
            figures.append({"figure": name, "way": "executemany", "key": key.lower(), "plain_us": round(us, 3),
                            "low": round(ratios[0], 3), "median": round(ratio, 3), "high": round(ratios[-1], 3)})
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"rows": options.rows, "runs": options.runs, "clock": "cpu", "figures": figures}, out, indent=1)


if __name__ == "__main__":
    main()
