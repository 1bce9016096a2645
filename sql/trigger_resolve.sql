-- {resolve} of the other triggers: what was noted as -5 and is gone now was displaced, and gets an entry -2 unless it has its own. A note
-- stays as it is: one that INSERT OR IGNORE left behind may have been told long ago, and a delete in its place would be dated back.
INSERT INTO sync_journal(tid, op, at, {ks}) SELECT {tid}, -2, {at}, {ks} FROM sync_journal
        WHERE seq > (SELECT max(seq) FROM sync_journal) - {window} AND op = -5 AND tid = {tid}
        AND NOT EXISTS (SELECT 1 FROM {name} AS t WHERE {still})
        AND NOT EXISTS (SELECT 1 FROM sync_journal AS d WHERE d.seq > sync_journal.seq AND d.tid = {tid} AND d.op IN (-2, -3) AND {gone});
    
