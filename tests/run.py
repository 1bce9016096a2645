#!/usr/bin/python3
"""Runs the test suites, each file in a process of its own, and prints one sum at the end.

usage: tests/run.py [--list] [-v] [--build DIR] [SUITE...]

--build takes DIR for every suite instead of the build that it names.

A file is a cmocka executable or a check script (both speak TAP), or a Python file of unittest cases.
A file that crashes, hangs or reports nothing counts as a failure.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "build" / "release"
DEV = ROOT / "build" / "dev"
PARALLEL_FILES = 2
WAITING_FILES = 3  # where files mostly wait for peers
FILE_SECONDS_MAX = 240  # a file that takes longer hangs


class Suite:
    """`budget_s` is printed beside the time taken; exceeding it is shown, but fails nothing."""

    def __init__(self, name, budget_s, build, directory, pattern, may_be_empty=False, parallel=PARALLEL_FILES, **environment):
        self.name = name
        self.budget_s = budget_s
        self.build = build
        self.directory = directory  # below the build where it is no absolute path
        self.pattern = pattern
        self.may_be_empty = may_be_empty
        self.parallel = parallel  # files at a time
        self.environment = environment

    def files(self):
        return sorted(f for f in (self.build / self.directory).glob(self.pattern) if f.is_file() and os.access(f, os.R_OK))


SUITES = [
    Suite("style", 15, RELEASE, ROOT / "scripts", "check_*.sh"),
    Suite("analysis", 60, DEV, ROOT / "scripts", "analyze.sh"),
    Suite("unit", 45, DEV, "unit", "test_*"),
    Suite("sql", 140, RELEASE, ROOT / "tests" / "sql", "test_*.py"),
    Suite("sql-sanitized", 150, DEV, ROOT / "tests" / "sql", "test_*.py"),
    Suite("e2e", 120, RELEASE, ROOT / "tests" / "e2e", "test_*.py", parallel=WAITING_FILES),
    Suite("e2e-tls", 120, RELEASE, ROOT / "tests" / "e2e", "test_*.py", parallel=WAITING_FILES, SYNC_TLS="1"),
    Suite("e2e-sanitized", 150, DEV, ROOT / "tests" / "e2e", "test_*.py", parallel=WAITING_FILES),
    Suite("package", 40, RELEASE, ROOT / "tests" / "package", "test_*.py"),
    Suite("regress", 150, DEV, ROOT / "tests" / "regress", "test_*.py", may_be_empty=True),
    Suite("convergence", 60, DEV, ROOT / "tests" / "convergence", "test_*.py"),
    Suite("fault", 90, RELEASE, ROOT / "tests" / "fault", "test_*.py"),
    Suite("fault-sanitized", 60, DEV, ROOT / "tests" / "fault", "test_[ks]*[lp].py", SYNC_FAULTS="memory once wal:9973, io ever delete:101, bind once wal:211"),
    Suite("fuzz", 60, DEV, ROOT / "tests" / "fuzz", "test_[fm]*.py"),
    Suite("bombs", 60, RELEASE, ROOT / "tests" / "fuzz", "test_bombs.py"),
    Suite("sim", 60, RELEASE, ROOT / "tests" / "sim", "test_*.py"),
    Suite("sim-sanitized", 40, DEV, ROOT / "tests" / "sim", "test_*.py", SYNC_SEED="1001", SYNC_SEEDS="300"),
]


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


# --- One Python file, inside its own process: results go to RESULTS as they come, one JSON line each. ---


class Reporter(unittest.TextTestResult):
    """Writes each outcome as soon as it is known, so that a crash loses only the test that crashed."""

    results = None

    def note(self, outcome, test, why=""):
        self.results.write(json.dumps({"outcome": outcome, "test": str(test), "why": why}) + "\n")
        self.results.flush()

    def startTest(self, test):
        super().startTest(test)
        self.subtests_failed = False

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note("passed", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note("failed", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.note("failed", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note("skipped", test, reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note("failed", test, "expected failures are not for this project")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("failed", test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None and not self.subtests_failed:
            self.subtests_failed = True
            self.note("failed", test)


def run_python_file(path, results_path):
    sys.path.insert(0, str(ROOT / "tests" / "lib"))
    sys.path.insert(0, str(Path(path).parent))
    with open(results_path, "w", encoding="utf-8") as results:
        Reporter.results = results
        tests = unittest.defaultTestLoader.loadTestsFromName(Path(path).stem)
        runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Reporter)
        successful = runner.run(tests).wasSuccessful()
        results.write(json.dumps({"complete": True}) + "\n")
        return 0 if successful else 1


# --- Reading what a file reported: counts, reasons of skips, and whether it came to its end. ---


def count_python(results_path):
    counts, reasons, complete = Counts(), [], False
    if os.path.exists(results_path):
        with open(results_path, encoding="utf-8") as results:
            for line in results:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the line during which the process died
                if "complete" in entry:
                    complete = True
                    continue
                setattr(counts, entry["outcome"], getattr(counts, entry["outcome"]) + 1)
                if entry["outcome"] == "skipped":
                    reasons.append(f"{entry['test']}: {entry['why']}")
    return counts, reasons, complete


def count_tap(output):
    counts, reasons, planned = Counts(), [], 0
    for line in output.splitlines():
        plan = re.match(r"1\.\.(\d+)\s*$", line)
        result = re.match(r"(not )?ok\b(.*)", line)
        if plan:
            planned += int(plan.group(1))
        elif result and re.search(r"#\s*skip", result.group(2), re.IGNORECASE):  # cmocka: "not ok 3 # SKIP name"
            counts.skipped += 1
            reasons.append(result.group(2).strip(" -"))
        elif result and result.group(1):
            counts.failed += 1
        elif result:
            counts.passed += 1
    return counts, reasons, counts.passed + counts.failed + counts.skipped >= planned


# --- Running. ---


def host_environment(build):
    """A host of a sanitized extension (the shell, Python) has the sanitizer's library preloaded; its own leaks are
    its own affair."""
    cache = build / "CMakeCache.txt"
    if not cache.exists() or "SYNC_SANITIZE:STRING=address" not in cache.read_text(encoding="utf-8"):
        return {}
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    return {"LD_PRELOAD": library.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}


def start(path, suite, scratch, results_path, log):
    env = dict(os.environ, SYNC_BUILD=str(suite.build), TMPDIR=str(scratch), CMOCKA_MESSAGE_OUTPUT="TAP", **suite.environment)
    env.setdefault("ASAN_OPTIONS", "abort_on_error=0:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    command = [str(path)]
    if path.suffix == ".py":
        command = [sys.executable, str(Path(__file__).resolve()), "--file", str(path), str(results_path)]
        env.update(host_environment(suite.build))
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                            cwd=scratch, env=env, start_new_session=True)


def wait(process):
    """The exit status, or None after a timeout. Whatever the file left running is ended with it."""
    status = None
    try:
        status = process.wait(timeout=FILE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    return status


def run_file(path, suite, logs):
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="sync-test-"))
    scratch.chmod(0o755)  # some tests act as another user
    results_path = scratch / ".results"
    log_path = logs / f"{suite.name}-{path.name}.log"
    try:
        with open(log_path, "wb") as log:
            status = wait(start(path, suite, scratch, results_path, log))
        output = log_path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".py":
            counts, reasons, complete = count_python(results_path)
        else:
            counts, reasons, complete = count_tap(output)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    trouble = None
    ran = counts.passed + counts.failed + counts.skipped
    if status is None:
        trouble = f"still running after {FILE_SECONDS_MAX} s: killed"
    elif status < 0:
        trouble = f"ended by {signal.Signals(-status).name}"
    elif ran == 0:
        trouble = "reported no test"
    elif not complete:
        trouble = f"ended before its last test, exit status {status}"
    elif status != 0 and counts.failed == 0:
        trouble = f"exit status {status}"
    if trouble:
        counts.failed += 1
    return path, counts, reasons, trouble, output, time.monotonic() - began


def print_file(result, verbose):
    path, counts, reasons, trouble, output, took = result
    print(f"  {'FAIL' if counts.failed else 'ok  '} {path.name:<34} {counts}  ({took:.1f} s)")
    for reason in reasons:
        print(f"       skipped {reason}")
    if counts.failed or verbose:
        print("       " + "\n       ".join(output.splitlines()))
    if trouble:
        print(f"       {trouble}")


def run_suite(suite, logs, verbose):
    files = suite.files()
    counts = Counts()
    began = time.monotonic()
    print(f"{suite.name}: {len(files)} files, {suite.build.name} build", flush=True)
    if not files and not suite.may_be_empty:
        print("  FAIL there are no tests here")
        counts.failed += 1
    with ThreadPoolExecutor(suite.parallel) as pool:
        for result in pool.map(lambda path: run_file(path, suite, logs), files):
            print_file(result, verbose)
            sys.stdout.flush()
            counts.add(result[1])
    took = time.monotonic() - began
    over = "  OVER BUDGET" if took > suite.budget_s else ""
    print(f"  {suite.name}: {counts}; {took:.1f} s of {suite.budget_s} s{over}\n", flush=True)
    return counts


def main(arguments):
    if arguments[:1] == ["--file"]:
        return run_python_file(arguments[1], arguments[2])
    if "-h" in arguments or "--help" in arguments:
        print(__doc__.strip())
        return 0
    if "--list" in arguments:
        print("\n".join(suite.name for suite in SUITES))
        return 0
    if "--build" in arguments:
        at = arguments.index("--build")
        build = Path(arguments[at + 1]).resolve()
        del arguments[at:at + 2]
        for suite in SUITES:
            suite.build = build
    names = [a for a in arguments if not a.startswith("-")]
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        print(f"There is no suite {', '.join(sorted(unknown))}; --list names them.", file=sys.stderr)
        return 2
    logs = ROOT / "build" / "test-logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    total = Counts()
    for suite in SUITES:
        if not names or suite.name in names:
            total.add(run_suite(suite, logs, "-v" in arguments))
    print(total)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
