"""Incoming changes disturb other programs little: transactions of few rows, and few of them while another program writes."""
import re
import shutil
import sqlite3
import struct
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from synctest import SECONDS_MAX, Case, ask, eventually, patiently, plain  # noqa: E402

ROWS = 3000
WAL = "PRAGMA journal_mode = WAL"
WAL_HEADER, FRAME_HEADER = 32, 24


def limit(name, header="peer/peer_limits.h"):
    text = (ROOT / header).read_text(encoding="ascii")
    return int(re.search(rf"#define {name} +(\d+)", text).group(1))


def after_each_commit(db, directory, sql):
    """What `sql` gives after each transaction that the WAL holds. The file itself must be as it was before the first one."""
    wal = Path(f"{db}-wal").read_bytes()
    page = struct.unpack(">I", wal[8:12])[0]
    salts = wal[16:24]
    answers = []
    copy = directory / "after.db"
    for at in range(WAL_HEADER, len(wal) - FRAME_HEADER - page + 1, FRAME_HEADER + page):
        if wal[at + 8:at + 16] != salts:
            break
        if struct.unpack(">I", wal[at + 4:at + 8])[0] == 0:
            continue
        shutil.copy(db, copy)
        Path(f"{copy}-wal").write_bytes(wal[:at + FRAME_HEADER + page])
        answers.append(ask(copy, sql))
        for name in (f"{copy}-wal", f"{copy}-shm"):
            Path(name).unlink(missing_ok=True)
    return answers


INSERT_MANY = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO t SELECT 'row-' || i, i FROM n"


def hold_wal(case, db):
    """A reader for whose sake the WAL stays, with all that is committed from now on."""
    reader = sqlite3.connect(str(db), isolation_level=None)
    case.addCleanup(reader.close)
    reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchone()


class Merges(Case):
    def test_a_large_commit_is_merged_a_few_rows_at_a_time(self):
        a, b, _, _ = self.linked_pair(WAL)
        hold_wal(self, a)
        patiently(b, INSERT_MANY.format(ROWS))
        self.wait_rows(a, ROWS + 1)
        counts = [1] + after_each_commit(a, self.dir, "SELECT count(*) FROM t")
        self.assertEqual(ROWS + 1, counts[-1])
        self.assertLessEqual(max(after - before for before, after in zip(counts, counts[1:])),
                             limit("PEER_MERGE_ROWS"))

    def test_where_rows_take_long_fewer_are_merged_at_a_time(self):
        """A merge of 250 rows held the write lock for as long as that took, however slow the machine or the table."""
        rows = 1000
        a, b, _, _ = self.linked_pair(WAL)
        patiently(a, "CREATE INDEX slow ON t(length(hex(zeroblob(300000 + 0 * length(id)))))")  # some 0.3 ms a row
        hold_wal(self, a)
        patiently(b, INSERT_MANY.format(rows))
        self.wait_rows(a, rows + 1)
        counts = [1] + after_each_commit(a, self.dir, "SELECT count(*) FROM t")
        steps = [after - before for before, after in zip(counts, counts[1:])]
        self.assertLessEqual(max(steps), limit("PEER_PART_ROWS"), steps)
        self.assertLess(limit("PEER_PART_ROWS"), limit("PEER_MERGE_ROWS") / 2)

    def test_merges_are_few_while_another_program_writes(self):
        a, b, server, _ = self.linked_pair(WAL)
        here, there = (sqlite3.connect(str(path), isolation_level=None, timeout=SECONDS_MAX) for path in (a, b))
        self.addCleanup(here.close)
        self.addCleanup(there.close)
        started, latest, pause = time.monotonic(), None, 0
        for i in range(60):
            here.execute("INSERT INTO t VALUES(?, 0)", (f"here-{i}",))
            pause, latest = max(pause, time.monotonic() - (latest or time.monotonic())), time.monotonic()
            there.execute("INSERT INTO t VALUES(?, 0)", (f"there-{i}",))
            time.sleep(0.02)
        self.wait_rows(a, 121)
        self.wait_rows(b, 121)
        possible = (time.monotonic() - started) * 1000 / limit("PEER_GATHER_MS") + 3 + limit("PEER_STEADY_COMMITS")
        server.stop()
        if pause * 1000 < limit("PEER_NEIGHBOUR_MS"):  # else it looked quiet in between
            self.assertLessEqual(len([e for e in server.all_events() if e["event"] == "merged"]), possible)


class Folds(Case):
    def fold(self, a, entries):
        """The peer folds that many journal entries: how many clocks there are after each transaction."""
        hold_wal(self, a)
        patiently(a, INSERT_MANY.format(entries))
        eventually(lambda: ask(a, "SELECT count(*) FROM sync_row_1") >= entries, "a real fold")
        return after_each_commit(a, self.dir, "SELECT count(*) FROM sync_row_1")

    def assert_small_steps(self, counts, at_most):
        self.assertLessEqual(max(after - before for before, after in zip(counts, counts[1:])), at_most)

    def test_in_a_quiet_moment(self):
        a = self.path("a.db")
        plain(a, f"{WAL}; CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.serve(a)
        self.assert_small_steps(self.fold(a, 5000), 2 * limit("PEER_FOLD_ENTRIES"))

    def test_a_long_tail_that_must_be_told_of(self):
        self.assert_small_steps(self.fold(self.linked_pair(WAL)[0], 21000), 2 * limit("SYNC_FOLD_STEP", "ext/limits.h"))


if __name__ == "__main__":
    unittest.main()
