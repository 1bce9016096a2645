-- As trigger_update.sql, for a key that changed. {keys} are the key columns and the names of the rowid where that is the key: SQLite does
-- not even look at this trigger in statements that set none of them. {move} writes down both ends; {resolve_after} comes after it, or
-- it would take the old one for displaced.
CREATE TRIGGER main."sync_{tid}_key" AFTER UPDATE OF {keys} ON {name} WHEN NOT ({same}) BEGIN
    {move}{resolve_after}
END
