UPDATE source_state SET extent = '{"since":"2026-01-01T00:00:00Z","parts":["acme/shop: history"]}' WHERE source = 'github';
