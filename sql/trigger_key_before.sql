-- Identity row only: UPDATE OR REPLACE of a number may push out the row that has it, without a delete trigger. It is noted as -5; that entry
-- becomes its tombstone's.
CREATE TRIGGER main."sync_{tid}_key_before" BEFORE UPDATE OF {keys} ON {name} WHEN NOT ({same}) BEGIN
    INSERT INTO sync_journal(tid, op, at, {ks}) SELECT {tid}, -5, {at}, {new} FROM {name} AS t WHERE {taken};
END
