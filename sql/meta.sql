-- Metadata of one file. Made by the first sync_track(), gone with the last sync_untrack().

-- One row. site: local number of this file's own id. hlc: highest stamp issued or received. folded: journal entries up to
-- here have become row clocks. count: the extension's own transactions. generation: changes with sync_site, sync_table, sync_column.
-- floor: up to where deletes of each site have been forgotten. met: rows that came ahead of `seen`. All four are tables by sites.
CREATE TABLE sync_meta(
    format INTEGER NOT NULL, site INTEGER NOT NULL, hlc INTEGER NOT NULL, folded INTEGER NOT NULL, count INTEGER NOT NULL,
    device INTEGER, inode INTEGER, generation INTEGER NOT NULL, seen BLOB, cursors BLOB, floor BLOB, met BLOB);

-- Every file that ever wrote here, under a small number. own: of an id that this file has had before, up to which stamp it was this file's; else 0.
CREATE TABLE sync_site(sid INTEGER PRIMARY KEY, site BLOB NOT NULL UNIQUE, own INTEGER NOT NULL DEFAULT 0);

-- Files that this one has heard of: what each held (as sync_meta.seen), and when that was, in milliseconds.
CREATE TABLE sync_peer(site BLOB PRIMARY KEY, at INTEGER NOT NULL, seen BLOB NOT NULL) WITHOUT ROWID;

-- Tracked tables. genesis_*: the stamp of rows that have no clock, the columns it covers (ids below), the version it was taken at, the highest number then.
-- lives: even; a row of which nothing is known begins its next life above it, since forgotten deletes go up to it.
CREATE TABLE sync_table(
    tid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, identity TEXT NOT NULL, options TEXT NOT NULL,
    genesis_hlc INTEGER NOT NULL, genesis_site INTEGER NOT NULL, genesis_covers INTEGER NOT NULL, genesis_seq INTEGER NOT NULL,
    genesis_max INTEGER NOT NULL,
    key TEXT NOT NULL, pending INTEGER NOT NULL DEFAULT 0, null_keys INTEGER NOT NULL DEFAULT 0, lives INTEGER NOT NULL DEFAULT 0);

-- Stable column ids. present: 1, the base table has it and the triggers know it; 2, they have just come to know it; 0, values of other
-- files wait for it; -1 and -2, within one operation: it has just gone, without its values or with them; 3 + n, the former name of column n, under which other files may still send it; -3 - n, the same, and values wait
-- under this cid that are that column's.
CREATE TABLE sync_column(
    tid INTEGER NOT NULL, cid INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE, present INTEGER NOT NULL,
    PRIMARY KEY(tid, cid), UNIQUE(tid, name)) WITHOUT ROWID;

-- What happened, in order; written by the triggers. op: -1 insert, -2 delete, -3/-4 key moved from/to, -5 may be displaced, -6 (fold only)
-- to be mended, >= 0 mask of
-- changed columns of group tid >> 24.
CREATE TABLE sync_journal(seq INTEGER PRIMARY KEY, tid, op, at, k1);

-- Has a row while a merge writes: triggers of the application may test it. Ours do not: a merge holds the write lock from before its first
-- write, so that it knows which journal entries are its own.
CREATE TABLE sync_applying(x INTEGER PRIMARY KEY);

-- What merges put aside. held: 1 while the row (or some cells of it) is not shown.
CREATE TABLE sync_conflict(
    id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT, held INTEGER NOT NULL,
    ours TEXT, theirs TEXT, our_stamp TEXT, their_stamp TEXT, our_site TEXT, their_site TEXT, at INTEGER NOT NULL,
    tid INTEGER NOT NULL, clock_key BLOB NOT NULL, raw_key BLOB NOT NULL);
CREATE INDEX sync_conflict_row ON sync_conflict(tid, clock_key);

-- Whatever is held is found again by this list.
CREATE TRIGGER sync_conflict_held BEFORE DELETE ON sync_conflict WHEN OLD.held AND NOT EXISTS (SELECT 1 FROM sync_applying) BEGIN
    SELECT RAISE(ABORT, 'this row is merged and held: its entry of sync_conflict goes away by itself when it can be shown');
END;
