CREATE TABLE IF NOT EXISTS facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE IF NOT EXISTS users (
    name          TEXT PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE IF NOT EXISTS sessions (
    id        TEXT PRIMARY KEY,
    owner     TEXT NOT NULL,
    announced INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    touched   INTEGER NOT NULL,
    file      TEXT,
    aside     TEXT,
    parked    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;

-- A session's rows go when it is over; rows without a session are swept at the next start.
CREATE TABLE IF NOT EXISTS chunks (
    session TEXT NOT NULL,
    number  INTEGER NOT NULL,
    length  INTEGER NOT NULL,
    place   INTEGER NOT NULL, -- offset in bytes
    aside   INTEGER NOT NULL, -- 0: in the file, 1: in the file beside it
    PRIMARY KEY (session, number)
) WITHOUT ROWID, STRICT;
