"""How long adopting takes: a table with many rows, a file with many tables, and files that are given.

A new copy each time, opened by a new connection. Prints a table and, with --json, writes the figures.
"""
import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import connect, plain  # noqa: E402

TABLE = """CREATE TABLE t{0}(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t{1}, code TEXT UNIQUE, a, b, c);
           CREATE INDEX t{0}_parent ON t{0}(parent);"""


def many_rows(path, rows):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE line(id INTEGER PRIMARY KEY, invoice INTEGER, what TEXT, price REAL)")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO line SELECT i, i / 5, 'line ' || i, i / 100.0 FROM n", [rows])
    db.commit()
    db.close()


def many_tables(path, tables):
    plain(path, "BEGIN;" + "".join(TABLE.format(i, max(i - 1, 0)) for i in range(tables)) + "COMMIT;")


def adopt_ms(path):
    """The call with its commit, in a file that was only just opened."""
    db = connect(path)
    start = time.perf_counter()
    count = db.execute("SELECT count(*) FROM (SELECT sync_track_all())").fetchone()
    ms = (time.perf_counter() - start) * 1000
    tracked = db.execute("SELECT count(*) FROM sync_status").fetchone()[0]
    db.close()
    assert count and tracked, path
    return ms, tracked


def measure(name, path, runs, directory):
    times, tracked = [], 0
    for _ in range(runs):
        copy = directory / "copy.db"
        if path.stat().st_size < 1 << 27:
            shutil.copyfile(path, copy)
        else:  # the metadata goes again
            copy = path
        ms, tracked = adopt_ms(copy)
        times.append(ms)
        db = connect(copy)
        db.execute("SELECT sync_untrack_all()")
        db.close()
    figure = {"figure": name, "tables": tracked, "ms": statistics.median(times), "from": min(times), "to": max(times), "ms_per_table": statistics.median(times) / tracked}
    print(f"{name:34}{tracked:>7}{figure['ms']:>10.2f}  ({figure['from']:.2f}–{figure['to']:.2f}){figure['ms_per_table']:>10.2f}")
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json")
    parser.add_argument("files", nargs="*", type=Path, help="further files; they are copied")
    args = parser.parse_args()
    figures = []
    print(f"{'adopting':34}{'tables':>7}{'ms':>10}  (from–to){'a table':>13}")
    with tempfile.TemporaryDirectory(prefix="sync-adopt-") as name:
        directory = Path(name)
        many_rows(directory / "rows.db", args.rows)
        figures.append(measure(f"{args.rows} rows", directory / "rows.db", args.runs, directory))
        many_tables(directory / "tables.db", args.tables)
        figures.append(measure("tables with keys and references", directory / "tables.db", args.runs, directory))
        for file in args.files:
            figures.append(measure(file.name, file, args.runs, directory))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
