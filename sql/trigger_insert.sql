-- Hung on every tracked table: plain SQL, so that each writer is tracked, whether it knows of us or not.
-- {name} the table, {tid} its number, {at} the wall clock in milliseconds, {ks} the journal's k1, k2, ..., {new} the key as NEW.x.
CREATE TRIGGER main."sync_{tid}_insert" AFTER INSERT ON {name} BEGIN
    {resolve}INSERT INTO sync_journal(tid, op, at, {ks}) VALUES({tid}, -1, {at}, {new});
END
