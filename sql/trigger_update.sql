-- As trigger_insert.sql. {same}: the key kept its bytes. {mask}: one bit for each changed column, 0 is written too; further {groups} of 62
-- columns write an entry each if one of theirs changed.
CREATE TRIGGER main."sync_{tid}_update" AFTER UPDATE ON {name} WHEN {same} BEGIN
    {resolve}INSERT INTO sync_journal(tid, op, at, {ks}) VALUES({tid}, {mask}, {at}, {new});
    {groups}
END
