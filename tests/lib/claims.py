"""The claims ledger of docs/TESTING.md: what the README promises, and the command that shows it.

By itself it runs the tests that the ledger names and writes down when, at which commit and with what result: scripts/claims.sh.
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
FIGURE = re.compile(r"\b\d+(?:\.\d+)?(?:\s*(?:ms|µs|s|%|×|times|MiB|KiB|GiB|bytes|rows)\b)")


class Claim:
    """One line of the ledger."""

    def __init__(self, number, line):
        self.number = number  # of the line, from 0
        self.quote, self.command, self.result, self.date, self.commit = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.command = self.command.strip("`")

    def line(self):
        return f"| {self.quote} | `{self.command}` | {self.result} | {self.date} | {self.commit} |"

    @property
    def is_test(self):
        return self.command.startswith("tests/") and ".py " in self.command


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
    """What of a command does not exist, or None: its file, and for a test its class and method, in C its function."""
    path, *words = command.split()
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    if path.endswith(".c") and words:
        return None if f"\nstatic void {words[0]}(void **state)" in (ROOT / path).read_text(encoding="utf-8") else f"{path} has no {words[0]}"
    if not path.endswith(".py") or not words:
        return None
    name, _, method = words[0].partition(".")
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            return None if not method or method in methods else f"{path} has no {words[0]}"
    return f"{path} has no {name}"


def promises():
    """What the README promises, as far as that can be told by its shape: bullets, and sentences with a figure; each as flat text."""
    found, section, fenced, paragraph = [], "", False, ""

    def end():
        nonlocal paragraph
        text, paragraph = flat(paragraph), ""
        if section in OTHERS or not text:
            return
        if text.startswith("- "):
            found.append(text)
        else:
            found.extend(s for s in re.split(r"(?<=[.:!?]) ", text) if FIGURE.search(s))

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


def figures(text):
    return {flat(figure) for figure in FIGURE.findall(text)}


def run():
    """Runs every test of the ledger once and writes results, date and commit into it."""
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
            done = subprocess.run([sys.executable, "-m", "unittest", *(f"{Path(path).stem}.{name}" for name in names)], cwd=(ROOT / path).parent, env=env,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            ran = done.returncode == 0 and re.search(r"^Ran [1-9]\d* test", done.stdout, re.MULTILINE)
            results[claim.command] = "FAILED" if not ran else "skipped" if "skipped=" in done.stdout else "passed"
            if not ran:
                print(done.stdout, flush=True)
            print(f"{results[claim.command]:8} {claim.command}", flush=True)
        claim.result, claim.date, claim.commit = results[claim.command], today, f"`{commit}`"
        lines[claim.number] = claim.line()
    LEDGER.write_text("\n".join(lines), encoding="utf-8")
    return 1 if "FAILED" in results.values() else 0


if __name__ == "__main__":
    sys.exit(run())
