"""Every bound of ext/limits.h, peer/peer_limits.h and `limits` of peer/config.schema.json, and the list in docs/LIMITS.md of where each is tried at n and at n + 1.

By itself it checks that list, as TAP: a bound that is not in it, a test that is not there, or one that does not try the bound, fails.
"""
import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = [ROOT / "ext" / "limits.h", ROOT / "peer" / "peer_limits.h"]
SCHEMA = ROOT / "peer" / "config.schema.json"
LIST = ROOT / "docs" / "LIMITS.md"
HEADING = "## Where each bound is tried"
REASONS = "### Bounds that are not tried"


def definitions(text):
    """Name -> what stands behind it, of the #defines of a header that have a value."""
    joined = re.sub(r"/\*.*?\*/", " ", text.replace("\\\n", " "), flags=re.DOTALL)
    return {name: value.strip() for name, value in re.findall(r"^#define (\w+) +(\S.*)$", joined, flags=re.MULTILINE)}


def defined():
    return {name: value for header in HEADERS for name, value in definitions(header.read_text(encoding="utf-8")).items()}


def value(name):
    """The number behind a name of the headers."""
    names = defined()

    def number(text):
        plain = re.sub(r"\(int64_t\)|(?<=\d)u\b", "", text)
        return eval(re.sub(r"[A-Z]\w+", lambda m: str(number(names[m[0]])), plain), {"__builtins__": {}})  # numbers of our own headers

    return number(names[name])


def configured():
    """The members of `limits`, with what the schema says of each: also of those of a room."""
    properties = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]
    of_rooms = properties["rooms"]["items"]["properties"]["limits"]["properties"]
    return {**{f"limits.{name}": rule for name, rule in properties["limits"]["properties"].items()},
            **{f"rooms.limits.{name}": rule for name, rule in of_rooms.items()}}


def bounds():
    return set(defined()) | set(configured())


def rows(text, heading):
    """(names, the other cell) of the table below a heading."""
    part = re.split(r"^#{2,3} ", text.partition("\n" + heading + "\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", first), rest[0]) for first, *rest in cells]


def body_of(path, name):
    """The text of a test: a function of C, or Class.method of Python. None: there is none."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        found = re.search(rf"^static void {re.escape(name)}\(.*?^}}$", text, flags=re.MULTILINE | re.DOTALL)
        return found[0] if found else None
    owner, _, method = name.partition(".")
    for one in ast.parse(text).body:
        if isinstance(one, ast.ClassDef) and one.name == owner:
            for inner in one.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == method:
                    return ast.get_source_segment(text, inner)
    return None


def tries(body, name):
    """Does it try the bound, and what is one beyond it? Numbers of the headers are named, not repeated; beside a configured limit stands what it is set to."""
    short = name.rpartition(".")[2]
    named = re.search(rf"\b{short}\b", body) is not None
    if name.startswith(("limits.", "rooms.")):
        return named
    return named and re.search(rf"\b{short}\s*[-+]\s*1\b|<=\s*{short}\b|\bn\s*[-+]\s*1\b", body) is not None


def problems(text, names):
    """What is wrong with the list."""
    wrong = []
    tried, excused = rows(text, HEADING), rows(text, REASONS)
    for constants, cell in tried:
        for place in re.findall(r"`([^`]+)`", cell) or [""]:
            file, _, test = place.partition(" ")
            path = ROOT / "tests" / file
            body = body_of(path, test) if file and path.is_file() else None
            if body is None:
                wrong.append(f"{', '.join(constants)}: there is no test {place or cell}")
            wrong += [f"{name}: {place} does not try it and one beyond it" for name in constants if body is not None and not tries(body, name)]
    wrong += [f"{', '.join(constants)}: no reason is given" for constants, cell in excused if len(cell) < 20]
    listed = [name for constants, _ in tried + excused for name in constants]
    wrong += [f"{name} is listed {listed.count(name)} times" for name in sorted(set(listed)) if listed.count(name) > 1]
    wrong += [f"{name} is no bound (any more)" for name in sorted(set(listed) - names)]
    wrong += [f"{name} is not listed: it needs a test at n and n + 1, or a reason why there is none" for name in sorted(names - set(listed))]
    return wrong


def self_test(text, names):
    """The check can fail: with a bound that nobody lists, a test that is not there, one that tries something else, an empty reason."""
    first = rows(text, HEADING)[0]
    there = f"`{first[0][0]}`"
    cases = {"a new bound": (text, names | {"SYNC_NEW_MAX"}), "a bound that is gone": (text, names - {first[0][0]}),
             "a test that is not there": (text.replace(first[1], "`unit/test_limits.c test_nothing`", 1), names),
             "a test of something else": (text.replace(first[1], "`unit/test_value.c test_round_trip`", 1), names),
             "a bound twice": (text.replace(there, f"{there}, {there}", 1), names)}
    return [f"{what} is not seen" for what, (changed, some) in cases.items() if not problems(changed, some)]


def main():
    text, names = LIST.read_text(encoding="utf-8"), bounds()
    checks = {"every bound has a test, or a reason": problems(text, names), "the check can fail": self_test(text, names)}
    print(f"1..{len(checks)}")
    for number, (name, wrong) in enumerate(checks.items(), 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}", *(f"#   {line}" for line in wrong), sep="\n")
    return 1 if any(checks.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
