-- The tables of one ledger. Everything lives in one schema, written here as `pgtally`; a ledger in
-- another schema gets the same text with that name put in its place.
--
-- Rules that hold for all of them:
--   - what orders or proves is insert-only: of a head, a round or a capture row the newest counts;
--   - bytes are bytes: keys, hashes and documents are bytea, never text in some encoding;
--   - the guards in functions/guards.sql refuse what must never happen to them.

CREATE SCHEMA pgtally;

-- One row: which ledger this is, and who may use its schema.
CREATE TABLE pgtally.ledger (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  origin         text NOT NULL,
  vkey           text NOT NULL,
  schema_version integer NOT NULL,   -- the last migration that was applied
  oldest_version integer NOT NULL,   -- a program that knows only earlier ones must not use it
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The registry. Source 0 is the ledger itself, source 1 the staging table in its own right. A name
-- is never given out again, and a removed source keeps its row, because entries name it for ever.
CREATE TABLE pgtally.source (
  source_id  integer PRIMARY KEY CHECK (source_id >= 0),
  name       text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  mode       text NOT NULL CHECK (mode IN ('ledger', 'append', 'xid', 'poll')),
  state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'removed')),
  definition integer NOT NULL DEFAULT 0,
  blind      boolean NOT NULL,
  keep_data  boolean NOT NULL DEFAULT false,
  writer     name,                   -- mode append: members of this role may insert directly
  has_feed   boolean NOT NULL DEFAULT false,  -- feed_N finds its rows, not only sweeps
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the content hashes of a blinded source are hidden with. For the owner's eyes only.
CREATE TABLE pgtally.secret (
  source_id integer PRIMARY KEY REFERENCES pgtally.source,
  secret    bytea NOT NULL CHECK (octet_length(secret) = 32)
);

-- What a source's hashes mean; the same document is in the log as entry `entry_id`.
CREATE TABLE pgtally.definition (
  source_id integer NOT NULL REFERENCES pgtally.source,
  number    integer NOT NULL CHECK (number >= 0),
  entry_id  bigint NOT NULL,
  document  bytea NOT NULL,
  PRIMARY KEY (source_id, number)
);

-- Staging: where rows wait that are not read straight from their own table. Many writers at once.
CREATE TABLE pgtally.append_only_log (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_id       integer NOT NULL DEFAULT 1 CHECK (source_id > 0),
  definition      integer NOT NULL DEFAULT 0 CHECK (definition >= 0),
  operation       smallint NOT NULL DEFAULT 1 CHECK (operation BETWEEN 1 AND 4),
  key             bytea CHECK (octet_length(key) BETWEEN 1 AND 1024),  -- null: the id is the key
  source_position text CHECK (octet_length(source_position) <= 255),   -- null: the id is the position
  source_time     timestamptz DEFAULT clock_timestamp(),
  content_hash    bytea CHECK (octet_length(content_hash) = 32),
  data            bytea,
  xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT content_is_given_once CHECK (num_nonnulls(content_hash, data) = 1)
);
CREATE INDEX append_only_log_round ON pgtally.append_only_log (xid, id);
-- Nobody chooses the transaction that a row claims to come from, the owner and COPY included. NOT
-- VALID, so that pg_dump restores it after the data, which carry the xids of another cluster.
ALTER TABLE pgtally.append_only_log
  ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
ALTER TABLE pgtally.append_only_log ENABLE ROW LEVEL SECURITY;

-- The log: ids 0, 1, 2, … without a gap, one writer, immutable. The id is the leaf index.
CREATE TABLE pgtally.processed_log (
  id              bigint PRIMARY KEY,
  source_id       integer NOT NULL,
  definition      integer NOT NULL,
  ordinal         bigint NOT NULL,
  operation       smallint NOT NULL,
  key             bytea NOT NULL,
  source_position text NOT NULL,
  source_time     timestamptz,
  content_hash    bytea NOT NULL,
  data            bytea,
  sequenced_at    timestamptz NOT NULL
);
CREATE INDEX processed_log_key ON pgtally.processed_log (source_id, key);

-- Where the log ends: written by the gap guard of processed_log and by nothing else.
CREATE TABLE pgtally.log_head (
  head_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  next_id       bigint NOT NULL,
  sequenced_at  timestamptz NOT NULL,
  next_ordinals bigint[] NOT NULL   -- of source s at subscript s + 1; missing means 0
);

-- Where the tree ends. Behind log_head only while batches wait to be integrated.
CREATE TABLE pgtally.tree_head (
  head_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  size       bigint NOT NULL CHECK (size >= 0),
  root       bytea NOT NULL CHECK (octet_length(root) = 32),
  frontier   bytea NOT NULL CHECK (octet_length(frontier) % 32 = 0),
  guard_id   bytea NOT NULL CHECK (octet_length(guard_id) = 16),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Level 0 is stored when full; above, a tile grows by a hash whenever a tile below it fills.
CREATE TABLE pgtally.tile (
  level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  index  bigint NOT NULL CHECK (index >= 0),
  hashes bytea NOT NULL CHECK (octet_length(hashes) % 32 = 0 AND octet_length(hashes) BETWEEN 32 AND 8192),
  PRIMARY KEY (level, index)
);
-- Hashes do not compress; trying costs time.
ALTER TABLE pgtally.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE pgtally.checkpoint (
  size      bigint PRIMARY KEY CHECK (size > 0),
  root      bytea NOT NULL CHECK (octet_length(root) = 32),
  note      text NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE pgtally.cosignature (
  size      bigint NOT NULL,
  key_name  text NOT NULL,
  key_id    bytea NOT NULL CHECK (octet_length(key_id) = 4),
  line      text NOT NULL,
  signed_at timestamptz NOT NULL,
  PRIMARY KEY (size, key_name, key_id)
);

-- A round takes exactly the rows whose transaction became visible between two snapshots, `since`
-- and `upto`; while `upto` is null no round is open and everything up to `since` is taken. Beside
-- each snapshot stands the transaction that took it, which a snapshot never lists itself.
CREATE TABLE pgtally.round (
  round_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  since      pg_snapshot NOT NULL,
  since_self xid8,
  upto       pg_snapshot,
  upto_self  xid8
);

-- How far capture has come, by feed: feed 0 is staging, any other a source that is read directly.
CREATE TABLE pgtally.capture (
  capture_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  feed          integer NOT NULL,
  round_id      bigint,        -- the cursor below belongs to this round and means nothing in others
  cursor_xid    xid8,
  cursor_key    text[],        -- output text of each key column; of staging, the id
  baseline      pg_snapshot,   -- mode xid: what was visible here is the sweep's, not the rounds'
  baseline_self xid8,
  high          bigint         -- mode poll, integer key: the highest key that was taken
);
CREATE INDEX capture_feed ON pgtally.capture (feed, capture_id DESC);

-- Keys that were skipped below `high`, and the transactions that could still fill them. A barrier
-- waits first for the virtual transactions that ran when the hole was seen, then for the prepared
-- ones that were there when the last of those had ended.
CREATE TABLE pgtally.barrier (
  barrier_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  running    text[] NOT NULL,
  prepared   text[]
);
CREATE TABLE pgtally.hole (
  source_id  integer NOT NULL,
  barrier_id bigint NOT NULL REFERENCES pgtally.barrier,
  ranges     int8multirange NOT NULL,
  PRIMARY KEY (source_id, barrier_id)
);

-- Passes over a whole table in the order of its key, looking for rows that no other rule has found.
CREATE TABLE pgtally.sweep (
  sweep_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_id   integer NOT NULL,
  cursor_key  text[],
  scanned     bigint NOT NULL DEFAULT 0,
  found       bigint NOT NULL DEFAULT 0,
  started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);
CREATE UNIQUE INDEX sweep_one_at_a_time ON pgtally.sweep (source_id) WHERE finished_at IS NULL;
CREATE INDEX sweep_latest ON pgtally.sweep (source_id, sweep_id DESC);

-- One row on its way into the log. `content` is the hash before blinding. `xid`, `staged_id` and
-- `cursor_key` say where in its feed the row stands; what takes the row stores the last of them.
CREATE TYPE pgtally.pending_row AS (
  feed            integer,
  source_id       integer,
  definition      integer,
  operation       smallint,
  key             bytea,
  source_position text,
  source_time     timestamptz,
  content         bytea,
  data            bytea,
  xid             xid8,
  staged_id       bigint,
  cursor_key      text[]
);

-- What a batch starts from: see open_batch().
CREATE TYPE pgtally.batch AS (
  next_id       bigint,
  sequenced_at  timestamptz,
  next_ordinals bigint[],
  upto          pg_snapshot,
  upto_self     xid8,
  settled       bigint[],
  has_work      boolean
);
