-- Metadata of format 1 become format 2.
ALTER TABLE main.sync_meta ADD COLUMN floor BLOB;
ALTER TABLE main.sync_meta ADD COLUMN met BLOB;
ALTER TABLE main.sync_site ADD COLUMN own INTEGER NOT NULL DEFAULT 0;
ALTER TABLE main.sync_table ADD COLUMN lives INTEGER NOT NULL DEFAULT 0;
CREATE TABLE main.sync_peer(site BLOB PRIMARY KEY, at INTEGER NOT NULL, seen BLOB NOT NULL) WITHOUT ROWID;
UPDATE main.sync_meta SET format = 2, generation = generation + 1;
