"""Lays the figures of the engine's benchmark side by side: ours, plain SQLite, and each extension that was measured in the same runs.

usage: compare.py bench-engine.json [--into docs/BENCHMARKS.md] [--plot docs/side-by-side.svg]

The table goes to stdout, or between the two markers of the document. The plot needs gnuplot; without it there is none, and that is said.
"""
import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = "sync_ext"
BEGIN, END = "<!-- side by side: begin -->", "<!-- side by side: end -->"
CAPTURE = re.compile(r"tracked |one-row transactions")  # what is above plain is the overhead


def rows_of(report):
    """[(name, unit of the figures, {system: figure})]; figures are times plain where plain does the same work."""
    rows = {}
    for item in report["figures"]:
        if "way" in item:
            continue
        if "scene" in item:
            name, unit = f"{item['scene']} ({item['size']})", "times plain"
        elif item["figure"] == "adopt, ms":
            name, unit = f"adopt {item['rows']} rows", "ms"
        else:
            unit = "bytes" if "bytes per row" in item["figure"] else "times CSV" if "CSV" in item["figure"] else "times plain"
            name = f"{item['figure']}, {item['key']} key"
        rows.setdefault((name, unit), {})[item["system"]] = item["median"]
    return [(name, unit, systems) for (name, unit), systems in rows.items()]


def ahead(name, ours, theirs):
    """How many times ours is ahead; for writes, in what is above plain."""
    if CAPTURE.match(name):
        ours, theirs = ours - 1, theirs - 1
    return theirs / ours if ours > 0 else None  # nothing above plain: no ratio


def figure(value):
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def table(report, rows, peers):
    head = ["", "unit", OURS] + [text for peer in peers for text in (peer, f"{peer} / {OURS}")]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for name, unit, systems in rows:
        if OURS not in systems:
            continue
        cells = [name, unit, figure(systems[OURS])]
        for peer in peers:
            there = peer in systems
            cells += [figure(systems[peer]), figure(ahead(name, systems[OURS], systems[peer]))] if there else ["–", "–"]
        lines.append("| " + " | ".join(cells) + " |")
    said = (f"{report['date']}, {report['machine']}, SQLite {report['sqlite']}; {report['rows']} rows, {report['runs']} paired runs, {report['clock']} time, medians. "
            f"The last column of each system says how many times {OURS} is ahead; for writes, in what they cost above plain.")
    return said + "\n\n" + "\n".join(lines) + "\n"


def plot(report, rows, peers, path):
    if shutil.which("gnuplot") is None:
        print("no plot: gnuplot is not installed", file=sys.stderr)
        return False
    systems = [OURS, *peers]
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        shown = [(name, values) for name, unit, values in rows if unit == "times plain" and OURS in values]
        with open(data, "w", encoding="utf-8") as out:
            for name, values in shown:
                out.write("\t".join([f'"{name}"', *[f"{values[s]:.4f}" if s in values else "NaN" for s in systems]]) + "\n")
        bars = ", ".join(f'"{data}" using {i + 2}:xtic(1) title "{s}"' for i, s in enumerate(systems))
        script = f"""
set terminal svg size 1100,620 noenhanced font "sans,11" background "white"
set output "{path}"
set title "Times plain SQLite, {report['date']}; less is better"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9
set logscale y
set grid ytics
set xtics rotate by 45 right scale 0
set key outside right top
set yrange [0.5:*]
set arrow from graph 0, first 1 to graph 1, first 1 nohead dashtype 2
set datafile separator "\\t"
plot {bars}
"""
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return True


def put_into(document, text):
    path = Path(document)
    whole = path.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        raise SystemExit(f"{document} has no place for the table: {BEGIN} and {END}")
    before, rest = whole.split(BEGIN, 1)
    path.write_text(before + BEGIN + "\n\n" + text + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.strip().splitlines()[2].removeprefix("usage: "))
    parser.add_argument("report")
    parser.add_argument("--into")
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    report = json.loads(Path(arguments.report).read_text(encoding="utf-8"))
    rows = rows_of(report)
    peers = sorted({system for _, _, systems in rows for system in systems} - {OURS})
    text = table(report, rows, peers)
    if arguments.plot and plot(report, rows, peers, arguments.plot) and arguments.into:
        text += f"\n![the same as bars]({Path(arguments.plot).name})\n"
    if arguments.into:
        put_into(arguments.into, text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
