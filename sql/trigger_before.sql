-- Only where a secondary UNIQUE index exists: INSERT OR REPLACE and UPDATE OR REPLACE may displace a row through it without a delete
-- trigger. Each row that could go is noted as -5; the AFTER trigger ({resolve}) writes -2 for the notes whose row is really gone.
CREATE TRIGGER main."sync_{tid}_before_{event}" BEFORE {event} ON {name} BEGIN
    {hints}
END
