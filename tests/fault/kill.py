#!/usr/bin/python3
"""usage: kill.py SEED [KILLS]

Three files that peers and an applier keep in step, programs that write to them, and kill -9 of one of all these, again and again. At the end
every write that somebody was told is committed is in all files, and at no time does a file claim to hold what it does not.
"""
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from group import REST_S, Failed, Group, check_claims  # noqa: E402
from plan import SCHEMA, Plan, Writer  # noqa: E402
from synctest import EXTENSION, HOST_ENV, PEER, PEER_ENV, _SANITIZER_REPORT, connect, dump, eventually, plain  # noqa: E402
from victim import PAUSE_S, TIMEOUT_S, now_ms  # noqa: E402

VICTIM = Path(__file__).with_name("victim.py")
BETWEEN_KILLS_S = 0.25
KILLS_PER_LOOK = 7
ADOPTED_ROWS = 800


class Process:
    """A program that is started again each time it was killed."""

    def __init__(self, directory, name):
        self.directory, self.name, self.life, self.process = directory, name, 0, None

    def start(self):
        self.life += 1
        self.errors = self.directory / f"{self.name}.{self.life}.err"
        with open(self.errors, "wb") as err:
            self.process = self.spawn(err)

    def alive(self):
        """Whether it lives; an end that nobody brought about is a failure."""
        status = self.process.poll()
        if status is None:
            return True
        said = self.errors.read_text(encoding="utf-8", errors="replace")
        raise Failed(f"{self.name} ended by itself with status {status}:\n{said}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        said = self.errors.read_text(encoding="utf-8", errors="replace")
        if _SANITIZER_REPORT.search(said):
            raise Failed(f"{self.name}:\n{said}")


class PeerProcess(Process):
    def __init__(self, directory, name, *arguments):
        super().__init__(directory, name)
        self.arguments = arguments

    def spawn(self, err):
        return subprocess.Popen([str(PEER), *map(str, self.arguments), "--quiet"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=err, env=PEER_ENV)

    def alive(self):
        if self.process.poll() == 8 and self.arguments[0] == "serve":  # somebody else was given the port meanwhile
            self.start()
            return False
        return super().alive()


class Script(Process):
    """A role of victim.py. What it chooses follows from the seed and from which of its lives it is."""

    def __init__(self, directory, name, *arguments, seed=0):
        super().__init__(directory, name)
        self.arguments, self.seed = arguments, seed

    def spawn(self, err):
        return subprocess.Popen([sys.executable, str(VICTIM), *map(str, self.arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=err, env=dict(HOST_ENV, SYNC_SEED=f"{self.seed} {self.name} {self.life}"))


class WriterProcess(Script):
    """Each life writes under another name, so that the rows of the one before stay as it left them."""

    def __init__(self, directory, name, db):
        super().__init__(directory, name)
        self.db, self.lives = db, []

    def begin(self):
        self.lives.append(Writer(f"{self.name}-{self.life}"))
        return self.lives[-1]

    def spawn(self, err):
        life = self.begin()
        self.arguments = ("write", self.db, life.name, self.directory / f"{life.name}.journal")
        return super().spawn(err)

    def kill(self):
        super().kill()
        life = self.lives[-1]
        life.died = now_ms()
        journal = self.directory / f"{life.name}.journal"
        for line in journal.read_text(encoding="ascii").splitlines() if journal.exists() else []:
            life.line(line)


class ShellWriter(WriterProcess):
    """The stock shell, which is handed one transaction after the other and says when each is committed."""

    def spawn(self, err):
        process = subprocess.Popen(["sqlite3", "-batch", "-bail", "-init", "/dev/null", "-cmd", f".timeout {TIMEOUT_S * 1000}", str(self.db)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True)
        self.feeder = threading.Thread(target=self.feed, args=(process, self.begin()), daemon=True)
        self.feeder.start()
        return process

    @staticmethod
    def feed(process, life):
        plan = Plan(life.name)
        try:
            while True:
                statements = plan.next()
                life.line(f"b {plan.count} {now_ms()}")
                process.stdin.write("BEGIN IMMEDIATE;\n" + ";\n".join(statements) + f";\nCOMMIT;\nSELECT 'done';\n")
                process.stdin.flush()
                if process.stdout.readline() != "done\n":
                    return
                life.line(f"a {plan.count} {now_ms()}")
                time.sleep(PAUSE_S)
        except BrokenPipeError:
            return  # it was killed: the transaction was not acknowledged

    def kill(self):
        Process.kill(self)
        self.feeder.join()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.lives[-1].died = now_ms()


class Adopter(Script):
    """Has a file of its own, whose rows all bear the same number after each transaction."""

    def __init__(self, directory, name, seed):
        self.db = directory / "adopted.db"
        plain(self.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w UNIQUE); CREATE TABLE c(id TEXT PRIMARY KEY, t REFERENCES t);"
              f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ADOPTED_ROWS})"
              " INSERT INTO t SELECT i, 0, i FROM n; INSERT INTO c SELECT 'c' || id, id FROM t;")
        super().__init__(directory, name, "adopt", EXTENSION.with_suffix(""), self.db, seed=seed)

    def kill(self):
        super().kill()
        found = plain(self.db, "SELECT count(*), count(DISTINCT v), (SELECT count(*) FROM c) FROM t")
        if found != f"{ADOPTED_ROWS}|1|{ADOPTED_ROWS}":
            raise Failed(f"the adopted file has rows {found}")
        invariants.check(self.db)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tracked(db):
    return int(plain(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'num'")) > 0


# ---- the run ----


class Run(Group):
    def __init__(self, seed, directory):
        self.directory = directory
        self.dice = random.Random(seed)
        self.files = [directory / f"{name}.db" for name in "abc"]
        a, b, c = self.files
        for db in self.files:
            plain(db, SCHEMA)
        connect(a).execute("SELECT sync_track_all()").connection.close()
        serve_a = PeerProcess(directory, "peer-a", "serve", a, "--listen", "127.0.0.1:0")
        port_a, port_b = free_port(), free_port()
        serve_a.arguments = ("serve", a, "--listen", f"127.0.0.1:{port_a}")
        url_a, url_b = f"ws://127.0.0.1:{port_a}/a", f"ws://127.0.0.1:{port_b}/b"
        self.peers = [serve_a,
                      PeerProcess(directory, "peer-b", "serve", b, "--listen", f"127.0.0.1:{port_b}", "--follow", url_a),
                      PeerProcess(directory, "peer-c", "sync", c, url_b, "--no-wal")]  # its file keeps its rollback journal
        self.writers = [WriterProcess(directory, f"w{seed}-a", a), WriterProcess(directory, f"w{seed}-b", b),
                        WriterProcess(directory, f"w{seed}-c", c), ShellWriter(directory, f"w{seed}-shell", self.dice.choice(self.files))]
        self.others = [Script(directory, "carrier", "carry", EXTENSION.with_suffix(""), a, c, seed=seed), Adopter(directory, "adopter", seed)]
        self.victims = [*self.peers, *self.writers, *self.others]

    def kill_some(self, kills):
        for peer in self.peers:
            peer.start()
        eventually(lambda: all(map(tracked, self.files)), "all files tracked", REST_S)  # rows from before it are one row where numbers agree
        for victim in [*self.writers, *self.others]:
            victim.start()
        for kill in range(kills):
            time.sleep(self.dice.random() * 2 * BETWEEN_KILLS_S)
            for victim in self.victims:
                victim.alive()
            chosen = self.dice.choice(self.victims)
            chosen.kill()
            chosen.start()
            if kill % KILLS_PER_LOOK == KILLS_PER_LOOK - 1:
                check_claims(self.files)

    def come_to_rest(self):
        """No more writes; what is still on its way arrives."""
        for victim in [*self.writers, *self.others]:
            victim.kill()
        eventually(self.equal, lambda: "equal files: " + self.difference(), REST_S)
        self.alive()
        check_claims(self.files)
        for peer in self.peers:
            peer.kill()
        for db in self.files:
            dump(db)  # a journal that a peer has left is rolled back: whoever only reads cannot

    def alive(self):
        for peer in self.peers:
            peer.alive()

    def counts(self):
        lives = [life for writer in self.writers for life in writer.lives]
        return sum(len(life.acked) for life in lives), sum(victim.life for victim in self.victims)

    def end(self):
        for victim in self.victims:
            if victim.process and victim.process.poll() is None:
                victim.process.kill()
                victim.process.wait()


def run(seed, kills, make=Run):
    """One run in a directory of its own, which is left where it is when something did not hold. The line that says what it did."""
    directory = Path(tempfile.mkdtemp(prefix="sync-kill-"))
    began = time.monotonic()
    run_ = make(seed, directory)
    try:
        run_.kill_some(kills)
        run_.come_to_rest()
        run_.check()
    except (Failed, AssertionError, invariants.Broken) as problem:
        raise Failed(f"seed {seed}, files in {directory}: {problem}") from problem
    finally:
        run_.end()
    subprocess.run(["rm", "-r", str(directory)], check=True)
    return f"seed {seed}: {kills} kills, {run_.counts()[0]} transactions acknowledged, 0 failures; {time.monotonic() - began:.1f} s"


def main(make=Run):
    try:
        print(run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 25, make), flush=True)
    except Failed as problem:
        print(problem, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
