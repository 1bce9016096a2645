"""What must hold of the metadata in any tracked file, whatever happened to it: check(path) raises Broken, naming all that does not.

It reads the file as it is, without the extension, and knows the formats on its own (docs/FORMAT.md, "Row clock"), so that it can
disagree with the engine. By itself: `python3 invariants.py FILE...`
"""
import json
import sqlite3
import struct
import sys

TID_MASK = (1 << 24) - 1
NONE = (0, 0, 0)  # no stamp: written, hlc, site
REF_KEY = 1


class Broken(Exception):
    """The list of what does not hold, one line each."""


class Reader:
    """Bytes, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value & (1 << 64) - 1

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def stamp(self, near):
        who = self.varint()
        if who == 0:
            return NONE
        return ((who - 1) & 1, (near + self.zigzag()) & (1 << 64) - 1, (who - 1) >> 1)

    def value(self):
        tag = self.byte()
        if tag >= 0x80:
            return ("text", bytes(self.take(tag - 0x80)))
        if tag >= 0x10:
            return ("integer", tag - 0x10)
        if tag == 0:
            return ("null", None)
        if tag <= 8:
            return ("integer", int.from_bytes(self.take(tag), "big", signed=True))
        if tag == 9:
            return ("real", struct.unpack(">d", self.take(8))[0])
        if tag in (10, 11):
            return ("text" if tag == 10 else "blob", bytes(self.take(self.varint())))
        raise ValueError(f"unknown tag {tag}")


class Clock:
    """A row clock, unpacked: cells maps column id to (stamp, carried)."""

    def __init__(self, blob, by_row, epoch):
        r = Reader(blob)
        flags = r.byte()
        extra = r.byte() if flags & 0x40 else 0
        self.dead, self.held = bool(flags & 1), bool(extra & 1)
        if extra & 8:
            self.stamp = NONE
        else:
            site = r.varint() if flags & 2 else 1
            self.stamp = (0 if flags & 4 else 1, (epoch + r.zigzag()) & (1 << 64) - 1, site)
        self.cl = r.varint() if flags & 8 else 2 if self.dead else 1
        self.born = NONE
        if flags & 0x10:
            self.born = r.stamp(self.stamp[1])
        elif by_row and not self.dead and self.stamp[0]:
            self.born = self.stamp
        self.cells, self.refs, self.meant = {}, [], set()
        if not self.dead:
            self._cells(r, flags)
        self.moved = None  # the other of its two numbers: of a held row the one that it claims, else that at birth
        if extra & 2:
            self.moved, self.since = r.zigzag(), r.stamp(self.stamp[1])
        for _ in range(r.varint() if extra & 4 else 0):
            column, _ = r.varint(), r.zigzag()
            self.meant.add(-1 - (column >> 1) if column & 1 else column >> 1)
            self.refs.append(r.stamp(self.stamp[1]))
        if r.at != len(blob):
            raise ValueError("goes on after its end")
        if self.dead == bool(self.cl & 1):
            raise ValueError(f"causal length {self.cl} does not go with dead={self.dead}")

    def _cells(self, r, flags):
        covers = 0 if self.stamp == NONE else r.varint()
        self.cells = {c: (self.stamp, None) for c in range(covers)}
        column, repeated = -1, NONE
        for _ in range(r.varint() if flags & 0x20 else 0):
            header = r.varint()
            column += 1 + (header >> 3)
            kind = header & 3
            if kind == 2:
                self.cells.pop(column, None)
                continue
            if kind == 1:
                repeated = r.stamp(self.stamp[1])
            self.cells[column] = (self.stamp if kind == 0 else repeated, r.value() if header & 4 else None)

    def stamps(self):
        yield from (s for s in [self.stamp, self.born, *self.refs, *(s for s, _ in self.cells.values())] if s != NONE)

    def carried(self):
        return {c for c, (_, value) in self.cells.items() if value is not None}


def vectors(blob):
    """sync_meta.seen or .cursors: {tid: [one per site]}."""
    if not blob:
        return {}
    r = Reader(blob)
    tids = [r.varint() for _ in range(r.varint())]
    sites = r.varint()
    found = {tid: [0] * sites for tid in tids}
    for site in range(sites):
        common, at = r.varint(), 0
        for tid in tids:
            found[tid][site] = common
        for _ in range(r.varint()):
            at += r.varint()
            found[tids[at]][site] = r.varint()
    if r.at != len(blob):
        raise ValueError("goes on after its end")
    return found


def normal(value, collation):
    kind, content = value
    if kind == "text" and collation == "NOCASE":
        return (kind, bytes(b + 32 if 65 <= b <= 90 else b for b in content))
    if kind == "text" and collation == "RTRIM":
        return (kind, content.rstrip(b" "))
    if kind == "real" and abs(content) <= 2 ** 63 and content == int(content):
        return ("integer", int(content))
    return value


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Table:
    def __init__(self, db, row):
        self.tid, self.name, identity, self.epoch, self.pending, key = row
        self.by_row = identity == "row"
        self.key = [k for (k,) in db.execute("SELECT value FROM json_each(?)", (key,))]
        base = db.execute("SELECT name, pk, hidden FROM pragma_table_xinfo(?, 'main')", (self.name,)).fetchall()
        keyed = {name.lower() for name, pk, _ in base if pk}
        self.there = bool(base) and keyed == {k.lower() for k in self.key}
        in_base = {name.lower() for name, pk, hidden in base if not pk and hidden == 0}
        ids = db.execute("SELECT cid, name, present FROM main.sync_column WHERE tid = ? ORDER BY cid", (self.tid,)).fetchall()
        self.numbered = [cid for cid, _, _ in ids] == list(range(len(ids)))
        self.learning = {cid for cid, _, present in ids if present == 2}
        self.present = {cid for cid, name, present in ids if present and name.lower() in in_base}
        types = {n.lower(): t for n, t in db.execute("SELECT name, type FROM pragma_table_xinfo(?, 'main')", (self.name,))}
        self.columns = {cid: (name, types.get(name.lower(), "")) for cid, name, _ in ids}
        linked = {n.lower() for (n,) in db.execute('SELECT "from" FROM pragma_foreign_key_list(?) WHERE "table" COLLATE NOCASE IN (SELECT name FROM main.sync_table)', (self.name,))}
        self.references = {cid for cid, name, _ in ids if name.lower() in linked}  # of others a row keeps what came with it
        self.unlearned = in_base != {name.lower() for _, name, present in ids if present}  # a program has changed the columns since the last fold
        self.ks = [f"k{i + 1}" for i in range(len(self.key))]
        self.collations = self._key_collations(db)
        folded = db.execute("SELECT folded FROM main.sync_meta").fetchone()[0]
        # Each clock, where it lies, its live entry, whether the base table has its key, whether unfolded entries name it.
        places = [(f"sync_row_{self.tid}", "j" if self._has_j(db) else "0")]
        if self.by_row and not self._has_j(db):
            places.append((f"sync_hidden_{self.tid}", "j"))
        self.clocks = []
        for place, j in places:
            match = " AND ".join(f"c.{k} = j.{k}" for k in self.ks)
            shown = " AND ".join(f"b.{quoted(n)} = c.{k}" for n, k in zip(self.key, self.ks))
            base_row = f"EXISTS (SELECT 1 FROM main.{quoted(self.name)} AS b WHERE {shown})" if self.there else "0"
            self.clocks += db.execute(
                f"SELECT {j}, c.seq, c.clock, j.seq IS NOT NULL, {base_row}, EXISTS (SELECT 1 FROM main.sync_journal AS j"
                f" WHERE j.seq > {folded} AND j.tid & {TID_MASK} = {self.tid} AND {match}), json_array({', '.join('quote(c.' + k + ')' for k in self.ks)})"
                f" FROM main.{place} AS c LEFT JOIN main.sync_journal AS j"
                f" ON j.seq = c.seq AND j.tid & {TID_MASK} = {self.tid} AND {match}").fetchall()

    def _key_collations(self, db):
        """As the clocks are indexed: names like BINARY, one per key column; identity row needs none."""
        for (index,) in db.execute("SELECT name FROM pragma_index_list(?, 'main') WHERE origin = 'pk'", (f"sync_row_{self.tid}",)):
            return [c for (c,) in db.execute("SELECT coll FROM pragma_index_xinfo(?, 'main') WHERE key", (index,))][:len(self.key)]
        return ["BINARY"] * len(self.key)

    def same(self, key):
        """One spelling for all that the key's index takes for equal."""
        return tuple(normal(v, c.upper()) for v, c in zip(key, self.collations))

    def shows(self, db, lies, column, value):
        """Does the row show what the type of its column makes of a value that is kept beside it?"""
        name, declared = self.columns[column]
        content = "CAST(? AS TEXT)" if value[0] == "text" else "?"
        match = " AND ".join(f"{quoted(n)} = {k}" for n, k in zip(self.key, json.loads(lies)))
        probe = sqlite3.connect(":memory:")
        try:
            probe.execute(f"CREATE TABLE t(v {declared})")
            probe.execute(f"INSERT INTO t VALUES({content})", (value[1],))
            stored = probe.execute("SELECT typeof(v), quote(v) FROM t").fetchone()
        finally:
            probe.close()
        shown = db.execute(f"SELECT typeof({quoted(name)}), quote({quoted(name)}) FROM main.{quoted(self.name)} WHERE {match}").fetchone()
        return shown == stored

    def _has_j(self, db):
        return db.execute("SELECT count(*) FROM pragma_table_info(?, 'main') WHERE name = 'j'", (f"sync_row_{self.tid}",)).fetchone()[0]


def held_entries(db, table):
    """Keys (and births) that sync_conflict lists as held: [(key, (written, hlc, site id) of the birth)]."""
    found = []
    for raw, clock_key in db.execute("SELECT raw_key, clock_key FROM main.sync_conflict WHERE tid = ? AND held", (table.tid,)):
        r = Reader(raw)
        key = table.same([r.value() for _ in table.key])
        born = (clock_key[-1], int.from_bytes(clock_key[-25:-17], "big"), bytes(clock_key[-17:-1])) if table.by_row else None
        found.append((key, born))
    return found


def check_table(db, meta, table, sites, say, whole):
    name = table.name
    listed = held_entries(db, table)
    if len(set(listed)) != len(listed):
        say(f"{name}: a held row is listed more than once")
    # what it holds, and what came ahead of that: both count, where a table is asked for anew
    held, ahead = (vectors(meta[column]).get(table.tid, []) for column in ("seen", "met"))
    seen = [max(pair) for pair in zip(held + [0] * len(ahead), ahead + [0] * len(held))]
    waiting, identities, lives = False, set(), []
    stubs, away = set(), set()  # (number at birth, birth, where it lies): as entries there say, and as rows and tombstones are found
    if not table.numbered:
        say(f"{name}: column ids have gaps")
    if table.learning:
        say(f"{name}: columns {sorted(table.learning)} are still being learned")
    for j, seq, blob, entry, shown, tail, key in table.clocks:
        where = f"{name} {key}" + (f" j={j}" if table.by_row else "")
        try:
            clock = Clock(blob, table.by_row, table.epoch)
        except (ValueError, IndexError) as problem:
            say(f"{where}: the clock {problem}")
            continue
        if seq == 0 and table.by_row and j > 0 and clock.moved is not None and not clock.dead and not clock.held:
            stubs.add((f'["{clock.moved}"]', clock.born, key))
            continue
        lives.append(seq)
        lies = key
        if clock.moved is not None and not clock.held:
            key = f'["{clock.moved}"]'  # it is known by its number at birth
            if key != lies:
                away.add((lies, clock.born, key))
        if not entry:
            say(f"{where}: its journal entry {seq} is missing, or names another row")
        if seq > meta["folded"]:
            say(f"{where}: names entry {seq} above folded={meta['folded']}")
        for written, hlc, site in clock.stamps():
            if not 1 <= site < len(sites) or sites[site] is None:
                say(f"{where}: a stamp of unknown site {site}")
            elif hlc > meta["hlc"]:
                say(f"{where}: a stamp {hlc} above the file's clock {meta['hlc']}")
            elif whole and site != meta["site"] and hlc > (seen[site] if site < len(seen) else 0):
                say(f"{where}: a stamp {hlc} of site {site} above seen {seen[site] if site < len(seen) else 0}")
        aside = clock.dead or clock.held
        if table.by_row and (j > 0) != aside:
            say(f"{where}: a {'hidden' if aside else 'shown'} state in the wrong place")
        if table.by_row and (key, clock.born) in identities:
            say(f"{where}: two clocks of one birth {clock.born}")
        identities.add((key, clock.born))
        if table.there and not tail:
            if not aside and not shown:
                say(f"{where}: alive, but not in the table")
            if aside and shown and not table.by_row:
                say(f"{where}: {'dead' if clock.dead else 'held'}, but in the table")
        carried = clock.carried()
        waiting = waiting or bool(carried - table.present and not clock.held)  # what is held has all its values, and is noted when it is shown
        if clock.held and clock.dead:
            say(f"{where}: dead and held")
        if clock.held and set(clock.cells) - carried:
            say(f"{where}: held, but values of columns {sorted(set(clock.cells) - carried)} are nowhere")
        if not clock.held and (set(clock.cells) - carried) - table.present and table.there and not table.unlearned:
            say(f"{where}: values of columns {sorted((set(clock.cells) - carried) - table.present)} are nowhere")
        if not aside and (clock.meant - carried) & table.references:
            say(f"{where}: shown, but keeps references of values that do not wait")
        if clock.held or (not clock.dead and carried & table.present):
            me = (table.same(unquoted(db, key)), (*clock.born[:2], sites[clock.born[2]] or bytes(16)) if table.by_row else None)
            if me in listed:
                listed.remove(me)
            elif not tail and (clock.held or not all(table.shows(db, lies, c, clock.cells[c][1]) for c in carried & table.present)):
                say(f"{where}: {'held' if clock.held else 'some cells are refused'}, but sync_conflict does not list it")
    if not any(tail for *_, tail, _ in table.clocks):
        for lies, born, key in away - stubs:
            say(f"{name}: nothing at {key} says that its row, born {born}, lies at {lies}")
        for lies, born, key in stubs - away:
            say(f"{name}: {key} says that its row, born {born}, lies at {lies}, where it is not")
    if waiting and not table.pending:
        say(f"{name}: values wait for columns, but sync_table.pending is 0")
    for key, born in listed if meta["folded"] == meta["newest"] else ():  # a local write may have settled it: known at the next fold
        say(f"{name} {[plain(v) for v in key]}: listed as held, and is not (born {born})")
    return lives


def check_floor(db, meta, table, say, whole):
    """Nothing is forgotten that the file does not claim to hold; lives of keys that are begun anew are above what was forgotten."""
    seen, floor = (vectors(meta[c]).get(table.tid, []) for c in ("seen", "floor"))
    for site, hlc in enumerate(floor):
        if whole and hlc > (meta["hlc"] if site == meta["site"] else seen[site] if site < len(seen) else 0):
            say(f"{table.name}: deletes of site {site} are forgotten up to {hlc}, above seen")
    (lives,) = db.execute("SELECT lives FROM main.sync_table WHERE tid = ?", (table.tid,)).fetchone()
    if lives % 2 or (table.by_row and lives) or (not table.by_row and any(floor) and not lives):
        say(f"{table.name}: lives is {lives}")


def plain(value):
    kind, content = value
    return content.decode("utf-8", "surrogateescape") if kind == "text" else content


def unquoted(db, key):
    """A key as sync_conflict's raw_key holds it, from its json_array(quote(k1), ...)."""
    literals = [text for (text,) in db.execute("SELECT value FROM json_each(?)", (key,))]
    row = db.execute("SELECT " + ", ".join(f"typeof({t}), {t}" for t in literals)).fetchone()
    return tuple((row[i], row[i + 1].encode("utf-8", "surrogateescape") if row[i] == "text" else row[i + 1])
                 for i in range(0, len(row), 2))


def check_journal(db, meta, lives, say, stale_max):
    if len(set(lives)) != len(lives):
        say("two clocks name one journal entry")
    lives, stale = set(lives), []
    newest = 0
    for seq, tid, op, null_key in db.execute("SELECT seq, tid, op, k1 IS NULL FROM main.sync_journal ORDER BY seq"):
        newest = seq
        if seq <= meta["folded"] and seq not in lives and not (null_key and op == 0):
            stale.append((seq, tid & TID_MASK, op))
    if stale and stale[-1][0] in (newest, meta["folded"]):
        stale.pop()  # the newest entry stays, so that seq never goes backwards; the next fold drops it
    if len(stale) > stale_max:
        say(f"{len(stale)} journal entries that no clock names (seq, tid, op): {stale[:5]}")
    if meta["folded"] > newest:
        say(f"folded={meta['folded']} is above the newest entry {newest}")


def check(path, whole=True, foreign_keys=True, stale_max=0):
    """Raises Broken unless the metadata of the file at `path` is in order. Nobody may be writing to it.

    whole: every delta merged so far was whole, so that no stamp of another site is above `seen`. foreign_keys: no orphan was made
    by hand. stale_max: superseded journal entries that may be left."""
    problems = []
    say = problems.append
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        db.execute("BEGIN")
        for (line,) in db.execute("PRAGMA main.integrity_check"):
            if line != "ok":
                say(f"integrity_check: {line}")
        if foreign_keys:
            for table, rowid, parent, _ in db.execute("PRAGMA main.foreign_key_check"):
                say(f"foreign_key_check: row {rowid} of {table} has no parent in {parent}")
        if not db.execute("SELECT count(*) FROM main.sqlite_schema WHERE name = 'sync_meta'").fetchone()[0]:
            left = db.execute("SELECT group_concat(name) FROM main.sqlite_schema WHERE name GLOB 'sync_[0-9mrjhasct]*'").fetchone()[0]
            if left:
                say(f"nothing is tracked, but there are {left}")
        else:
            check_metadata(db, say, whole, stale_max)
    finally:
        db.close()
    if problems:
        raise Broken(f"{path}:\n  " + "\n  ".join(problems))


def check_metadata(db, say, whole, stale_max):
    forgets = db.execute("SELECT max(format) FROM main.sync_meta").fetchone()[0] != 1  # the first format knew of no compaction
    rows = db.execute("SELECT site, hlc, folded, seen, cursors, " + ("floor, met" if forgets else "NULL, NULL") + " FROM main.sync_meta").fetchall()
    if len(rows) != 1:
        say(f"sync_meta has {len(rows)} rows")
        return
    meta = dict(zip(("site", "hlc", "folded", "seen", "cursors", "floor", "met"), rows[0]))
    meta["newest"] = db.execute("SELECT max(seq) FROM main.sync_journal").fetchone()[0]
    ids = dict(db.execute("SELECT sid, site FROM main.sync_site"))
    sites = [ids.get(sid) for sid in range(max(ids) + 1)]
    if meta["site"] not in ids or None in sites[1:]:
        say(f"sites {sorted(ids)}, own {meta['site']}")
        return
    if db.execute("SELECT count(*) FROM main.sync_applying").fetchone()[0]:
        say("sync_applying has a row")
    tables = [Table(db, row) for row in
              db.execute("SELECT tid, name, identity, genesis_hlc, pending, key FROM main.sync_table ORDER BY tid").fetchall()]
    lives = []
    for column in ("seen", "cursors", "floor", "met"):
        try:
            vectors(meta[column])
        except (ValueError, IndexError) as problem:
            say(f"sync_meta.{column} {problem}")
            return
    for site, seen in db.execute("SELECT site, seen FROM main.sync_peer") if forgets else ():
        if len(site) != 16 or site == sites[meta["site"]]:
            say(f"sync_peer has site {site.hex()}")
        vectors(seen)
    for table in tables:
        if forgets:
            check_floor(db, meta, table, say, whole)
        lives += check_table(db, meta, table, sites, say, whole)
    known = {t.tid for t in tables}
    for (tid,) in db.execute(f"SELECT DISTINCT tid & {TID_MASK} FROM main.sync_journal WHERE k1 IS NOT NULL"):
        if tid not in known:
            say(f"journal entries of table {tid}, which is not tracked")
    for (name,) in db.execute("SELECT name FROM main.sqlite_schema WHERE name GLOB 'sync_row_*' OR name GLOB 'sync_hidden_*'"):
        if int(name.rsplit("_", 1)[1]) not in known:
            say(f"{name} belongs to no tracked table")
    check_journal(db, meta, lives, say, stale_max)


if __name__ == "__main__":
    for file in sys.argv[1:]:
        check(file)
        print(f"{file}: in order")
