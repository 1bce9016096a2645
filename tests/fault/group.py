"""Files that peers keep in step while programs are killed: what each claims to hold, whether they are equal, and whether what writers were told of is there."""
import json
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from synctest import connect, dump, eventually  # noqa: E402
from victim import TIMEOUT_S, patiently  # noqa: E402

REST_S = 180  # only a failure waits that long


class Failed(Exception):
    """What did not hold."""


class Claims:
    """In one snapshot of a file: up to when it claims to hold each site's writes, and all that it holds. Tables with identity `key`."""

    def __init__(self, db):
        connection = connect(db)
        try:
            eventually(lambda: self._read(connection), f"a snapshot of {db}", REST_S)
        finally:
            connection.close()

    def _read(self, connection):
        try:
            connection.execute("BEGIN")
            tables = dict(connection.execute("SELECT tid, name FROM sync_table WHERE identity = 'key'").fetchall())
            sites = dict(connection.execute("SELECT sid, site FROM sync_site").fetchall())
            seen = invariants.vectors(connection.execute("SELECT seen FROM sync_meta").fetchone()[0])
            self.seen = {(name, sites[sid]): hlc for tid, name in tables.items()
                         for sid, hlc in enumerate(seen.get(tid, [])) if sid in sites}
            self.rows = {}
            for table, key, column, stamp, site, cl in connection.execute(
                    "SELECT tbl, key, col, stamp, site, cl FROM sync_changes"):
                if table in tables.values():
                    row = self.rows.setdefault((table, key), [0, {}])
                    row[0] = cl
                    row[1][column] = (stamp, site)
            return True
        except sqlite3.OperationalError as error:
            if not any(text in str(error) for text in ("locked", "end the transaction first", "no table of this file")):
                raise
            connection.execute("ROLLBACK")
            patiently(connection, "SELECT sync_seen()")  # writes what must be written before the file can be read
            return False
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def hlc_of(stamp):
    """The number behind a stamp's text."""
    moment, counter = stamp.removeprefix("(genesis) ").split("Z/")
    seconds, ms = moment.split(".")
    whole = int(time.mktime(time.strptime(seconds + " UTC", "%Y-%m-%dT%H:%M:%S %Z"))) - time.timezone
    return (whole * 1000 + int(ms)) << 16 | int(counter)


def check_claims(files):
    """No file claims to hold a write that another has and it has not."""
    claims = {db: Claims(db) for db in files}
    for here, mine in claims.items():
        for there, theirs in claims.items():
            for (table, key), (cl, cells) in theirs.rows.items() if here != there else ():
                my_cl, my_cells = mine.rows.get((table, key), (0, {}))
                for column, (stamp, site) in cells.items():
                    covered = my_cl > cl or (my_cl == cl and my_cells.get(column, ("", b"")) >= (stamp, site))
                    if not covered and hlc_of(stamp) <= mine.seen.get((table, site), 0):
                        raise Failed(f"{here.name} claims to hold {table} {key} {column} of {stamp} by {site.hex()}, as {there.name} does;"
                                     f" it has cl {my_cl}, {my_cells}, and {there.name} cl {cl}")


class Group:
    """`files` of one schema (plan.SCHEMA), and the `writers` to them (kill.WriterProcess), each with its `lives`."""

    def alive(self):
        """Of those that keep the files in step: fails if one of them ended by itself."""

    def equal(self):
        self.alive()
        try:
            first, held = dump(self.files[0]), self.tags_held(self.files[0])
            return all(dump(db) == first and self.tags_held(db) == held for db in self.files[1:])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False  # a merge at work

    def difference(self):
        dumps = [dump(db) for db in self.files]
        return "\n".join(f"{table} of {db.name}: {sorted(set(one[table]) - set(dumps[0][table]))[:5]} more,"
                         f" {sorted(set(dumps[0][table]) - set(one[table]))[:5]} less than {self.files[0].name}"
                         for db, one in zip(self.files[1:], dumps[1:]) for table in one if one[table] != dumps[0][table])

    @staticmethod
    def tags_held(db):
        """Tags that are put aside, and those of the rows that are in their way."""
        connection = sqlite3.connect(db, timeout=TIMEOUT_S)
        try:
            return {json.loads(side)["tag"] for sides in connection.execute(
                "SELECT ours, theirs FROM sync_conflict WHERE held AND tbl = 'num'") for side in sides if side}
        finally:
            connection.close()

    @staticmethod
    def tags(db):
        """Of each row of `num` that lives, shown or not."""
        connection = connect(db)
        try:
            return [tag for (tag,) in connection.execute("SELECT value FROM sync_changes WHERE tbl = 'num' AND col = 'tag'")]
        finally:
            connection.close()

    def check(self):
        for db in self.files:
            invariants.check(db)
        self.check_clocks()
        self.check_ledger()

    def check_clocks(self):
        """The files agree about every cell, and need no further exchange."""
        cells = []
        for db in self.files:
            connection = connect(db)
            cells.append(set(connection.execute("SELECT tbl, key, op, col, value, stamp, site, cl FROM sync_changes").fetchall()))
            connection.close()
        for db, one in zip(self.files[1:], cells[1:]):
            if one != cells[0]:
                raise Failed(f"clocks of {db.name} and {self.files[0].name} differ: {list(one ^ cells[0])[:6]}")

    def check_ledger(self):
        db = sqlite3.connect(self.files[0])
        own = {row[0]: row[1:] for row in db.execute("SELECT id, v, w FROM own")}
        part = {row[0]: row[1:] for row in db.execute("SELECT id, own, v FROM part")}
        shown = {tag for (tag,) in db.execute("SELECT tag FROM num")}
        hot = {(row, column): value for row, *values in db.execute("SELECT id, a, b FROM hot") for column, value in zip("ab", values)}
        db.close()
        tags = self.tags(self.files[0])
        if len(set(tags)) != len(tags):
            raise Failed(f"rows are there twice: {sorted(t for t in set(tags) if tags.count(t) > 1)[:5]}")
        if not shown <= set(tags) <= shown | self.tags_held(self.files[0]):
            raise Failed(f"rows are merged, but neither shown nor held: {sorted(set(tags) - shown - self.tags_held(self.files[0]))[:5]}")
        lives = [life for writer in self.writers for life in writer.lives]
        for life in lives:
            def mine(rows, start=life.name + "."):
                return {key: value for key, value in rows.items() if key.startswith(start)}
            found = (mine(own), mine(part), {tag for tag in tags if tag.startswith(life.name + ".")})
            may_be = [(plan.own, plan.part, plan.tags) for plan in life.states()]
            if found not in may_be:
                raise Failed(f"{life.name} was told of {len(life.acked)} transactions and began {len(life.began)}; what is there is neither:\n"
                             + "\n".join(self.first_difference(found, state) for state in may_be))
        self.check_hot(hot, lives)

    @staticmethod
    def first_difference(found, state):
        lacks = [sorted(k for k in expected if not isinstance(there, dict) and k not in there or isinstance(there, dict) and there.get(k) != expected[k])[:3]
                 for there, expected in zip(found, state)]
        more = [sorted(k for k in there if k not in expected)[:3] for there, expected in zip(found, state)]
        return f"  lacks (own, part, num) {lacks}, has more {more}"

    @staticmethod
    def check_hot(hot, lives):
        """What a common cell says was written by somebody, and by nobody before another write of it began: one clock serves all here."""
        writes = {}
        for life in lives:
            for cell, value, began, ended in life.writes_of_hot():
                writes.setdefault(cell, {})[value] = (began, ended or life.died, ended is not None)
        for cell, value in hot.items():
            if value is None and not any(acked for _, _, acked in writes.get(cell, {}).values()):
                continue
            if value not in writes.get(cell, {}):
                raise Failed(f"hot {cell} is {value}, which nobody wrote")
            ended = writes[cell][value][1]
            later = [v for v, (began, _, acked) in writes[cell].items() if acked and began > ended]
            if later:
                raise Failed(f"hot {cell} is {value}, although {later[0]} was written later")
        for cell, of_cell in writes.items():
            if cell not in hot and any(acked for _, _, acked in of_cell.values()):
                raise Failed(f"hot {cell} is not there")
