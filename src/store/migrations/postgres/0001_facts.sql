-- Instants are milliseconds since the epoch, in UTC. Bodies are JSON kept as text: they are compared
-- byte by byte and never queried.
CREATE TABLE facts (
    revision BIGINT NOT NULL UNIQUE,
    source TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    parent TEXT COLLATE "C",
    occurred_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, kind, id)
);
CREATE INDEX facts_parent ON facts (source, kind, parent, id) WHERE parent IS NOT NULL;

-- What was removed, so that a reader that has it takes it out.
CREATE TABLE removals (
    revision BIGINT NOT NULL UNIQUE,
    source TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, kind, id)
);

CREATE TABLE cursors (
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (source, stream)
);

CREATE TABLE validators (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    next TEXT,
    PRIMARY KEY (source, key)
);

CREATE TABLE source_state (
    source TEXT PRIMARY KEY,
    last_success BIGINT,
    data_through BIGINT,
    last_reconciled BIGINT
);

-- The row `revision` is locked by every writer until it commits, so that revisions become visible
-- in their order and a reader that has seen N never misses anything below it.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('revision', 0);
