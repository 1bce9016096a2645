-- UPDATE OR REPLACE of a key may push out the row that has it, without a delete trigger. It is noted as -5; with identity row that entry
-- becomes its tombstone's. (And where the row that moves is a child of the one that it pushes out, ON DELETE CASCADE takes both away: then
-- no trigger fires after this one, and the note is all that tells of it.)
CREATE TRIGGER main."sync_{tid}_key_before" BEFORE UPDATE OF {keys} ON {name} WHEN NOT ({same}) BEGIN
    INSERT INTO sync_journal(tid, op, at, {ks}) SELECT {tid}, -5, {at}, {new} FROM {name} AS t WHERE {taken};
END
