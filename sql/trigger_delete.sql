-- As trigger_insert.sql; {old} is the key as OLD.x.
CREATE TRIGGER main."sync_{tid}_delete" AFTER DELETE ON {name} BEGIN
    INSERT INTO sync_journal(tid, op, at, {ks}) VALUES({tid}, -2, {at}, {old});
END
