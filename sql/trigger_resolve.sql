UPDATE sync_journal SET op = -2 WHERE seq > (SELECT max(seq) FROM sync_journal) - {window} AND op = -5 AND tid = {tid}
        AND NOT EXISTS (SELECT 1 FROM {name} AS t WHERE {still});
    
