"""The documents' examples are run as they stand, and what they show is compared with what comes out.

    ```sql FILE          statements for the stock shell with the extension loaded; `sql FILE plain`: without it
    ```console           lines that begin with "$ " are commands, the others are what they print
    ```console background  one command that goes on until its section ends; it must print the lines shown
    ```sh setup          shell functions for the console examples of the whole document
    ```text              right behind an sql block: what it prints; without it nothing is printed

Each "## " section has a directory of its own. Site ids, times, long numbers and directories differ from run to run and are masked.
"""
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from synctest import BUILD, HOST_ENV, PEER_ENV, SANITIZER, Case, eventually, plain, shell  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PORT_SHOWN = "7420"
INTERNAL = {"sync_engine", "sync_keeper", "sync_chunk"}  # how the engine reaches itself; nothing to call
PAUSE_S = 0.004  # between examples, so that what comes later in a document bears a later time

MASKS = [
    (re.compile(r"near line \d+: "), ""),
    (re.compile(r"\b(?:[0-9a-f]{32}|[0-9A-F]{32})\b"), "SITE"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?(?:/\d+)?"), "TIME"),
    (re.compile(r"\b\d{13,}\b"), "NUMBER"),
    (re.compile(r"(?<![\w:/])/[\w./-]*/(?=[\w.-]+\b)"), ""),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|MB|kB|KiB|MiB)\b"), "AMOUNT"),
]


def masked(text):
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]


class Block:
    def __init__(self, line, info, text):
        self.line, self.text = line, text
        self.kind, *self.words = info.split()


def sections(path):
    """(title, blocks) of each section of a document; the examples before the first heading make one too."""
    result, title, blocks, fence = [], "top", [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if fence is not None:
            if line == "```":
                if fence[1]:
                    blocks.append(Block(fence[0], fence[1], "\n".join(fence[2])))
                fence = None
            else:
                fence[2].append(line)
        elif line.startswith("```"):
            fence = (number, line[3:].strip(), [])
        elif line.startswith("## "):
            result.append((title, blocks))
            title, blocks = line[3:], []
    if fence is not None:
        raise ValueError(f"{path}:{fence[0]}: a fence is not closed")
    result.append((title, blocks))
    return result


def commands(text):
    """[(command, lines shown)] of a console block; a command goes on where its line ends with a backslash."""
    result, more = [], False
    for line in text.split("\n"):
        if line.startswith("$ "):
            result.append([line[2:], []])
        elif more:
            result[-1][0] += "\n" + line
        elif not result:
            raise ValueError(f"a console example begins with a command, not with {line!r}")
        else:
            result[-1][1].append(line)
        more = line.endswith("\\") and (more or line.startswith("$ "))
    return result


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Examples(Case):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        (self.dir / "build").mkdir()
        (self.dir / "build" / "release").symlink_to(BUILD)
        tools = self.dir / ".tools"
        tools.mkdir()
        if SANITIZER:  # the host of a sanitized extension needs its library
            wrapper = tools / "sqlite3"
            wrapper.write_text(f"#!/bin/sh\nLD_PRELOAD={HOST_ENV['LD_PRELOAD']} exec {shutil.which('sqlite3')} \"$@\"\n")
            wrapper.chmod(0o755)
        self.env = dict(PEER_ENV, PATH=f"{tools}:{BUILD}:{os.environ['PATH']}", HOME=str(self.dir))
        self.setup = ""

    def bash(self, command):
        command = self.setup + "\n" + command.replace(PORT_SHOWN, self.port)
        if "sync-peer serve" in command and "--listen" not in command:
            command = command.replace("sync-peer serve", f"sync-peer serve --listen 127.0.0.1:{self.port}")
        return ["bash", "-c", command]

    def shown(self, text):
        return masked(text.replace(self.port, PORT_SHOWN))

    def run_sql(self, block, expected):
        time.sleep(PAUSE_S)
        self.assertTrue(block.words, "an sql example names its file")
        run = plain if "plain" in block.words[1:] else shell
        here = os.getcwd()
        os.chdir(self.dir)
        try:
            _, out, err = run(block.words[0], block.text + "\n", check=False)
        finally:
            os.chdir(here)
        self.assertEqual(self.shown(expected), self.shown("\n".join(t for t in (out, err) if t)))

    def run_console(self, block):
        for command, lines in commands(block.text):
            time.sleep(PAUSE_S)
            done = subprocess.run(self.bash(command), cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            self.assertEqual(self.shown("\n".join(lines)), self.shown(done.stdout), command)

    def run_background(self, block):
        ((command, lines),) = commands(block.text)
        log = self.dir / f".log-{block.line}"
        with open(log, "w", encoding="utf-8") as to:
            process = subprocess.Popen(self.bash("exec " + command), cwd=self.dir, env=self.env,
                                       stdin=subprocess.DEVNULL, stdout=to, stderr=to)
        self.addCleanup(self.end, process)
        wanted = self.shown("\n".join(lines))
        eventually(lambda: self.shown(log.read_text(encoding="utf-8"))[:len(wanted)] == wanted,
                   lambda: f"{command} prints {lines}; it printed {log.read_text(encoding='utf-8')}")

    def end(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=30))

    def run_section(self, setup, blocks):
        self.setup = setup
        for i, block in enumerate(blocks):
            following = blocks[i + 1] if i + 1 < len(blocks) else None
            with self.subTest(line=block.line):
                if block.kind == "sql":
                    self.run_sql(block, following.text if following and following.kind == "text" else "")
                elif block.kind == "console" and "background" in block.words:
                    self.run_background(block)
                elif block.kind == "console":
                    self.run_console(block)


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for path in DOCUMENTS:
            text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                to = (path.parent / name).resolve() if name else path
                with self.subTest(document=path.name, target=target):
                    self.assertTrue(to.exists())
                    if anchor:
                        self.assertIn(anchor, {slug(title) for title in headings(to)})

    def test_every_function_has_a_section_in_the_reference(self):
        """What SQLite knows after loading the extension, and did not before."""
        names = ("SELECT name FROM pragma_function_list WHERE name LIKE 'sync\\_%' ESCAPE '\\' UNION"
                 " SELECT name FROM pragma_module_list WHERE name LIKE 'sync\\_%' ESCAPE '\\';")
        known = set(shell(":memory:", names).split("\n")) - INTERNAL
        self.assertGreater(len(known), 10)
        told = " ".join(headings(ROOT / "docs" / "SQL.md"))
        self.assertEqual([], sorted(name for name in known if name not in told))


class Architecture(unittest.TestCase):
    def setUp(self):
        self.told = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")

    def test_every_module_has_its_line(self):
        modules = set()
        for source in [*(ROOT / "ext").glob("*.[ch]"), *(ROOT / "peer").glob("*.[ch]")]:
            alone = source.suffix == ".h" and not list(source.parent.glob(source.stem + "*.c"))
            modules.add(source.name if alone else source.stem)
        self.assertEqual([], sorted(name for name in modules if f"`{name}`" not in self.told))

    def test_every_column_of_the_metadata_is_told(self):
        memory = sqlite3.connect(":memory:")
        memory.executescript((ROOT / "sql" / "meta.sql").read_text(encoding="utf-8"))
        columns = memory.execute("SELECT t.name, c.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c"
                                 " WHERE t.name LIKE 'sync\\_%' ESCAPE '\\' AND t.name <> 'sync_conflict'").fetchall()
        memory.close()
        self.assertGreater(len(columns), 20)
        rows = {line.split("`")[1]: line for line in self.told.split("\n") if line.startswith("| `sync_")}
        self.assertEqual([], [(table, column) for table, column in columns if f"`{column}`" not in rows.get(table, "")])


def headings(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)


def slug(title):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def add_tests():
    for path in DOCUMENTS:
        found = sections(path)
        setup = "\n".join(b.text for _, blocks in found for b in blocks if b.kind == "sh" and "setup" in b.words)
        for title, blocks in found:
            if any(b.kind in ("sql", "console") for b in blocks):
                name = re.sub(r"\W+", "_", f"test_{path.stem}_{title}").lower()
                setattr(Examples, name, lambda self, s=setup, b=blocks: self.run_section(s, b))


add_tests()

if __name__ == "__main__":
    unittest.main()
