-- "EKPI": tells an engkpi store from any other SQLite database.
PRAGMA application_id = 1162563657;

-- The revision is the rowid, so that reading "everything after revision N" is one range scan.
-- Instants are milliseconds since the epoch, in UTC.
CREATE TABLE facts (
    revision INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    occurred_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX facts_identity ON facts (source, kind, id);
CREATE INDEX facts_parent ON facts (source, kind, parent, id) WHERE parent IS NOT NULL;

-- What was removed, so that a reader that has it takes it out.
CREATE TABLE removals (
    revision INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX removals_identity ON removals (source, kind, id);

CREATE TABLE cursors (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (source, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE validators (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    next TEXT,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE source_state (
    source TEXT PRIMARY KEY,
    last_success INTEGER,
    data_through INTEGER,
    last_reconciled INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('revision', 0);
