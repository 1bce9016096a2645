"""Completion at a prompt: what the shells offer is what the program takes."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import ROOT, SECONDS_MAX  # noqa: E402

FOLDER = ROOT / "peer" / "dist" / "completions"
BASH = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sync_peer; printf "%s\\n" "${COMPREPLY[@]}"'


class Completion(synctest.Case):
    """`complete` gives what a shell offers for the last of these words."""

    def setUp(self):
        super().setUp()
        _, self.help, _ = self.run_peer("--help")
        self.commands = set(re.findall(r"^  sync-peer ([a-z-]+) ", self.help, re.MULTILINE))
        self.options = set(re.findall(r"--[a-z-]+", self.help))
        self.assertIn("serve", self.commands)
        self.assertIn("--listen", self.options)
        self.path("here").mkdir()
        self.path("here/one file.db").touch()

    def takes(self, command):
        """The options that the command has, as the program itself sees it. (x is a value for those that want one.)"""
        return {option for option in self.options if not re.search("belongs to|is no option", subprocess.run(
            [synctest.PEER, command, option, "x"], capture_output=True, text=True, check=False, cwd=self.dir, timeout=SECONDS_MAX,
            env=synctest.PEER_ENV).stderr)}

    def check(self):
        self.assertEqual(self.commands, self.complete(""))
        every = set()
        for command in sorted(self.commands):
            with self.subTest(command=command):
                offered = self.complete(command, "--")
                self.assertEqual(self.takes(command), offered)
                every |= offered
        self.assertEqual(self.options, every)
        for words in (["serve", ""], ["sync", "one"], ["clone", "ws://127.0.0.1/a", "o"], ["check-config", ""], ["serve", "--config", "o"],
                      ["sync", "--once", "--track", "all", "o"], ["serve", "--key-file", "one"], ["verify", "o"], ["verify", "a.db", "o"], ["log", "--follow", "o"],
                      ["token", "--key-file", "o"], ["user", "add", "o"], ["snapshot", "--quiet", "o"]):
            with self.subTest(words=words):
                self.assertEqual({"one file.db"}, self.complete(*words))
        for words in (["serve", "--room", ""], ["sync", "one file.db", ""], ["clone", "o"], ["serve", "--pin", "o"], ["clone", "ws:/"]):
            with self.subTest(words=words):
                self.assertEqual(set(), self.complete(*words))
        self.assertEqual({"all", "none"}, self.complete("serve", "--track", ""))
        self.assertEqual({"add", "set", "remove", "list"}, self.complete("user", ""))


class Bash(Completion):
    def complete(self, *words):
        words = [part for word in words for part in (re.split("(:|=)", word) if word else [""])]  # as bash takes them apart
        done = subprocess.run(["bash", "--norc", "-c", BASH, "-", FOLDER / "sync-peer.bash", "sync-peer", *words], capture_output=True, text=True,
                              check=True, cwd=self.path("here"))
        self.assertEqual("", done.stderr)
        offered = set(done.stdout.split("\n")) - {""}
        return offered - {"--help", "--version"} if words == [""] else offered

    def test_it_offers_what_the_program_takes(self):
        self.check()

    def test_values_behind_an_equals_sign(self):
        self.assertEqual({"all"}, self.complete("serve", "--track=a"))
        self.assertEqual({"one file.db"}, self.complete("serve", "--config="))
        self.assertEqual({"one file.db"}, self.complete("sync", "--track=all", "o"))

    def test_it_is_registered(self):
        said = subprocess.run(["bash", "--norc", "-c", f"source {FOLDER}/sync-peer.bash; complete -p sync-peer"], capture_output=True, text=True, check=True)
        self.assertEqual("complete -F _sync_peer sync-peer\n", said.stdout)


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class Zsh(Completion):
    """What a person at a terminal sees, since completion works nowhere else in zsh."""

    END = "-- end --"
    # What would be added to the line is printed in place of that.
    RC = f"""
PS1=; unset zle_bracketed_paste; autoload -Uz compinit; fpath=({FOLDER} $fpath); compinit -u -D
compadd() {{ local -a __found; builtin compadd -O __found "$@"; (( $#__found )) && print -l "offered:"${{^__found}}; return 1; }}
offer() {{ _main_complete; print -r -- "{END}"; }}
zle -C offer complete-word offer; bindkey '^I' offer; print ready
"""

    def setUp(self):
        super().setUp()
        self.path(".zshrc").write_text(self.RC, encoding="utf-8")
        child, self.terminal = pty.fork()
        if child == 0:
            os.chdir(self.path("here"))
            os.environ.update(TERM="dumb", ZDOTDIR=str(self.dir))
            os.execvp("zsh", ["zsh", "-d", "-i"])
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, self.terminal)
        self.read_to("ready\r")

    def read_to(self, end):
        got, deadline = "", time.monotonic() + SECONDS_MAX
        while end not in got:
            self.assertTrue(select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0], got)
            got += os.read(self.terminal, 65536).decode()
        return got

    def complete(self, *words):
        typed = " ".join(word.replace(" ", "\\ ") for word in ("sync-peer", *words))
        os.write(self.terminal, f"\x15{typed}\t".encode())
        return set(re.findall("offered:(.*)\r\n", self.read_to(self.END)))

    def test_it_offers_what_the_program_takes(self):
        self.check()


if __name__ == "__main__":
    unittest.main()
