"""Programs to be killed. usage: victim.py write FILE NAME JOURNAL | carry EXTENSION FILE FILE | adopt EXTENSION FILE

write: transactions of a plan, by a program that knows nothing of us. carry: changesets between two files, through SQL. adopt: a file of its
own is tracked, written, folded, told of, let go, again and again. They end only by being killed, or by an error, which they print. SYNC_SEED is
what their choices follow from.
"""
import os
import random
import sqlite3
import sys
import time

from plan import Plan

TIMEOUT_S = 300
PAUSE_S = 0.01
DICE = random.Random(os.environ.get("SYNC_SEED"))


def connect(path, extension=None):
    db = sqlite3.connect(path, isolation_level=None, timeout=TIMEOUT_S)
    if extension:
        db.enable_load_extension(True)
        db.load_extension(extension)
        db.enable_load_extension(False)
    return db


def now_ms():
    return time.time_ns() // 10 ** 6


def write(path, name, journal):
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    db, plan = connect(path), Plan(name)
    while True:
        statements = plan.next()
        os.write(out, b"b %d %d\n" % (plan.count, now_ms()))
        db.execute("BEGIN IMMEDIATE")
        for statement in "; ".join(statements).split("; "):
            db.execute(statement)
        db.execute("COMMIT")
        os.write(out, b"a %d %d\n" % (plan.count, now_ms()))
        time.sleep(PAUSE_S)


def patiently(db, statement, *values):
    """Errors that a carrier meets in a busy place are not for it to report: another moves the data, or it comes back."""
    try:
        return db.execute(statement, values).fetchone()[0]
    except sqlite3.OperationalError as error:
        if not any(text in str(error) for text in ("locked", "try again", "presumes", "no table of this file is tracked")):
            raise
        return None


def carry(extension, *paths):
    files = [connect(path, extension) for path in paths]
    while True:
        for here, there in (files, files[::-1]):
            seen = patiently(here, "SELECT sync_seen()")
            changeset = patiently(there, "SELECT sync_changeset(?)", seen) if seen else None
            if changeset:
                patiently(here, "SELECT sync_apply(?)", changeset)
            if DICE.random() < 0.1:
                patiently(here, "SELECT sync_fold()")
            if DICE.random() < 0.1:
                here.execute("PRAGMA wal_checkpoint(truncate)")
        time.sleep(PAUSE_S)


def adopt(extension, path):
    db = connect(path, extension)
    db.execute("PRAGMA journal_mode = " + DICE.choice(["wal", "delete"]))
    while True:
        db.execute("SELECT sync_track_all()")
        db.execute("UPDATE t SET v = v + 1")
        for statement in ("SELECT sync_fold()", "SELECT sync_changeset()", "SELECT count(*) FROM sync_changes",
                          "SELECT sync_apply(sync_changeset())", "SELECT sync_untrack_all()"):
            db.execute(statement).fetchall()


if __name__ == "__main__":
    {"write": write, "carry": carry, "adopt": adopt}[sys.argv[1]](*sys.argv[2:])
