INSERT INTO facts (revision, source, kind, id, parent, occurred_at, updated_at, body) VALUES
(1, 'github', 'repository', 'github/7', NULL, 1767225600000, 1767225600123, '{"id":"github/7","name":"acme/shop","former_names":["acme/store"],"default_branch":"main","head":"c0ffee","archived":false,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00.123Z"}'),
(2, 'github', 'commit', 'github/7@c0ffee', 'github/7', 1767225608000, 1767225608000, '{"repository":"github/7","id":"c0ffee","parents":["beef","dead"],"authored_at":"1970-01-01T00:00:00Z","committed_at":"2026-01-01T00:00:08Z","reverts":[]}'),
(4, 'pagerduty', 'incident', 'Q1', NULL, 1767225600000, 1767225603000, '{"id":"Q1","number":1,"service":"PSVC","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:03Z","status":"resolved","resolved_at":"2026-01-01T00:00:03Z","priority":"P1","merged":false,"fields":{"Root cause":"it''s DNS ☃"},"url":null}');
INSERT INTO removals (revision, source, kind, id) VALUES (3, 'github', 'change', 'github/7#12');
INSERT INTO cursors (source, stream, value) VALUES ('github', 'pulls/7', '2026-01-01T00:00:09Z');
INSERT INTO validators (source, key, etag, last_modified, next) VALUES ('github', '0a1b', 'W/"1"', NULL, NULL);
INSERT INTO source_state (source, last_success, data_through, last_reconciled) VALUES ('github', 1767225600000, 1767225600000, NULL);
UPDATE meta SET value = 4 WHERE name = 'revision';
