"""The claims ledger of docs/TESTING.md: what the README promises, and the command that shows it.

By itself it runs the tests that the ledger names and writes down when, at which commit, with what result, and what the test measured (a line
"figure: ...") or how much it ran: scripts/claims.sh.
"""
import ast
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
LEDGER = ROOT / "docs" / "TESTING.md"
HEADING = "## Claims"
OTHERS = {"Limits", "Beside other systems", "Documents"}  # sections that promise nothing: what cannot be, what others do, where to read on
# Sentences of the other sections that only lead the reader on.
NO_PROMISES = {
    "You have a database file, and a second one on another machine.",
    "How changes are recorded is the point:",
    "On Debian 12, with nothing installed:",
    "By hand:",
    "A database, made by a program that knows nothing of us:",
    "Offer it, in a terminal of its own.",
    "In a second terminal make a second file from it.",
    "Edit both, apart:",
    "Let them meet.",
    "without one, listen beyond loopback only behind something that has it.",
    "On files, without a network:",
    "[docs/SQL.md](docs/SQL.md).",
}
FIGURE = re.compile(r"\b\d+(?:\.\d+)?(?:\s*(?:ms|µs|s|%|×|times|MiB|KiB|GiB|bytes|rows)\b)")


class Claim:
    """One line of the ledger."""

    def __init__(self, number, line):
        self.number = number  # of the line, from 0
        self.quote, self.command, self.result, self.figure, self.date, self.commit = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.command = self.command.strip("`")

    def line(self):
        return f"| {self.quote} | `{self.command}` | {self.result} | {self.figure} | {self.date} | {self.commit} |"

    @property
    def is_test(self):
        return self.command.startswith("tests/") and (".py " in self.command or ".c " in self.command)


def flat(text):
    return " ".join(text.split())


def read():
    lines = LEDGER.read_text(encoding="utf-8").split("\n")
    if HEADING not in lines:
        return []
    found = []
    for number in range(lines.index(HEADING) + 1, len(lines)):
        line = lines[number]
        if line.startswith("## "):
            break
        if line.startswith("|") and not line.startswith("|---"):
            found.append(Claim(number, line))
    return found[1:]  # without the head of the table


def missing(command):
    """What of a command does not exist, or None: its file, and for tests their classes and methods, in C their functions."""
    path, *words = command.split()
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".c"):
        have = set(re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.MULTILINE))
    elif path.endswith(".py"):
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        have = {node.name for node in classes} | {f"{node.name}.{item.name}" for node in classes for item in node.body if isinstance(item, ast.FunctionDef)}
    else:
        return None
    lacks = [word for word in words if word not in have]
    return f"{path} has no {lacks[0]}" if lacks else None


def promises():
    """Every sentence, and every part between semicolons or colons, of the sections of the README that promise anything; each as flat text."""
    found, section, fenced, paragraph = [], "", False, ""

    def end():
        nonlocal paragraph
        text, paragraph = flat(paragraph), ""
        if section in OTHERS or not text:
            return
        found.extend(part for part in re.split(r"(?<=[.:;!?]) (?=[^ ]*\w)", text.removeprefix("- ")) if part not in NO_PROMISES)

    for line in README.read_text(encoding="utf-8").split("\n"):
        if line.startswith("```"):
            fenced = not fenced
            end()
        elif fenced or line.startswith("|"):
            continue
        elif line.startswith("#"):
            end()
            section = line.lstrip("# ") if line.startswith("## ") else section
        elif not line.strip() or line.startswith("- "):
            end()
            paragraph = line
        else:
            paragraph += "\n" + line
    end()
    return found


def covered(promise, quotes):
    """Whether some of the promise is quoted; a quote may go on beyond it."""
    text = flat(README.read_text(encoding="utf-8"))
    begin = text.index(promise)
    end = begin + len(promise)
    return any(at.start() < end and at.end() > begin for quote in quotes for at in re.finditer(re.escape(flat(quote)), text))


def figures(text):
    return {flat(figure) for figure in FIGURE.findall(text)}


def run_python(path, names, env):
    """(result, figure, output) of Python tests."""
    done = subprocess.run([sys.executable, "-m", "unittest", *(f"{Path(path).stem}.{name}" for name in names)], cwd=(ROOT / path).parent, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    ran = re.search(r"^Ran ([1-9]\d*) tests? in ([\d.]+)s", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not ran:
        return "FAILED", "", done.stdout
    measured = re.findall(r"^\.*figure: (.*)$", done.stdout, re.MULTILINE)
    return ("skipped" if "skipped=" in done.stdout else "passed",
            "; ".join(measured) or f"{ran.group(1)} test{'s' if ran.group(1) != '1' else ''}, {float(ran.group(2)):.2f} s", done.stdout)


def run_c(path, names, env):
    """The same of tests in C: their program runs as a whole."""
    done = subprocess.run([str(Path(env["SYNC_BUILD"]) / "unit" / Path(path).stem)], env=dict(env, CMOCKA_MESSAGE_OUTPUT="TAP"), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    good = set(re.findall(r"^ok \d+ - (\w+)$", done.stdout, re.MULTILINE))
    passed = done.returncode == 0 and set(names) <= good
    return "passed" if passed else "FAILED", f"{len(names)} of {len(good)} tests of the program", done.stdout


def run():
    """Runs every test of the ledger once and writes results, figures, date and commit into it."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    env = dict(os.environ)
    env.setdefault("SYNC_BUILD", str(ROOT / "build" / "release"))
    env["PYTHONPATH"] = str(ROOT / "tests" / "lib")
    lines, results = LEDGER.read_text(encoding="utf-8").split("\n"), {}
    for claim in read():
        if not claim.is_test:
            continue
        if claim.command not in results:
            path, *names = claim.command.split()
            result, figure, said = (run_c if path.endswith(".c") else run_python)(path, names, env)
            results[claim.command] = result, figure
            if result == "FAILED":
                print(said, flush=True)
            print(f"{result:8} {claim.command}: {figure}", flush=True)
        (claim.result, claim.figure), claim.date, claim.commit = results[claim.command], today, f"`{commit}`"
        lines[claim.number] = claim.line()
    LEDGER.write_text("\n".join(lines), encoding="utf-8")
    return 1 if any(result == "FAILED" for result, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(run())
