-- A ledger of schema version 6, as the program of that version made it: `init --print-sql`, then
-- `source add --print-sql` for a source of each mode that one statement can make. Its signing key and
-- guard are those of version 1. The database is called vector_database here.
CREATE TABLE public.order_line (id bigint PRIMARY KEY, item text, price numeric(12,2),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(), CHECK (xid = pg_current_xact_id()));
CREATE INDEX ON public.order_line (xid, id);
CREATE TABLE public.payment (id bigint PRIMARY KEY, payer text, booked_at timestamptz DEFAULT now());
CREATE TABLE public.currency ("the code" text PRIMARY KEY, name text);
CREATE TABLE public.account (id bigint PRIMARY KEY, owner text, balance numeric(12,2));
BEGIN;
SET LOCAL search_path = pg_catalog;
CREATE ROLE "vector_database_pgtally_writer" NOLOGIN;
CREATE ROLE "vector_database_pgtally_sequencer" NOLOGIN;
CREATE ROLE "vector_database_pgtally_reader" NOLOGIN;
-- The tables of one ledger. Everything lives in one schema, written here as `pgtally`; a ledger in
-- another schema gets the same text with that name put in its place.
--
-- Rules that hold for all of them:
--   - what orders or proves is insert-only: of a head, a round or a capture row the newest counts;
--   - bytes are bytes: keys, hashes and documents are bytea, never text in some encoding;
--   - the guards in functions/guards.sql refuse what must never happen to them.

CREATE SCHEMA "pgtally";

-- One row: which ledger this is, and who may use its schema.
CREATE TABLE "pgtally".ledger (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  origin         text NOT NULL,
  vkey           text NOT NULL,
  schema_version integer NOT NULL,   -- the last migration that was applied
  oldest_version integer NOT NULL,   -- a program that knows only earlier ones must not use it
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The registry. Source 0 is the ledger itself, source 1 the staging table in its own right. A name
-- is never given out again, and a removed source keeps its row, because entries name it for ever.
CREATE TABLE "pgtally".source (
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
CREATE TABLE "pgtally".secret (
  source_id integer PRIMARY KEY REFERENCES "pgtally".source,
  secret    bytea NOT NULL CHECK (octet_length(secret) = 32)
);

-- What a source's hashes mean; the same document is in the log as entry `entry_id`.
CREATE TABLE "pgtally".definition (
  source_id integer NOT NULL REFERENCES "pgtally".source,
  number    integer NOT NULL CHECK (number >= 0),
  entry_id  bigint NOT NULL,
  document  bytea NOT NULL,
  PRIMARY KEY (source_id, number)
);

-- Staging: where rows wait that are not read straight from their own table. Many writers at once.
CREATE TABLE "pgtally".append_only_log (
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
CREATE INDEX append_only_log_round ON "pgtally".append_only_log (xid, id);
-- Nobody chooses the transaction that a row claims to come from, the owner and COPY included. NOT
-- VALID, so that pg_dump restores it after the data, which carry the xids of another cluster.
ALTER TABLE "pgtally".append_only_log
  ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
ALTER TABLE "pgtally".append_only_log ENABLE ROW LEVEL SECURITY;

-- The log: ids 0, 1, 2, … without a gap, one writer, immutable. The id is the leaf index.
CREATE TABLE "pgtally".processed_log (
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
CREATE INDEX processed_log_key ON "pgtally".processed_log (source_id, key);

-- Where the log ends: written by the gap guard of processed_log and by nothing else.
CREATE TABLE "pgtally".log_head (
  head_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  next_id       bigint NOT NULL,
  sequenced_at  timestamptz NOT NULL,
  next_ordinals bigint[] NOT NULL   -- of source s at subscript s + 1; missing means 0
);

-- Where the tree ends. Behind log_head only while batches wait to be integrated.
CREATE TABLE "pgtally".tree_head (
  head_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  size       bigint NOT NULL CHECK (size >= 0),
  root       bytea NOT NULL CHECK (octet_length(root) = 32),
  frontier   bytea NOT NULL CHECK (octet_length(frontier) % 32 = 0),
  guard_id   bytea NOT NULL CHECK (octet_length(guard_id) = 16),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Level 0 is stored when full; above, a tile grows by a hash whenever a tile below it fills.
CREATE TABLE "pgtally".tile (
  level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  index  bigint NOT NULL CHECK (index >= 0),
  hashes bytea NOT NULL CHECK (octet_length(hashes) % 32 = 0 AND octet_length(hashes) BETWEEN 32 AND 8192),
  PRIMARY KEY (level, index)
);
-- Hashes do not compress; trying costs time.
ALTER TABLE "pgtally".tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE "pgtally".checkpoint (
  size      bigint PRIMARY KEY CHECK (size > 0),
  root      bytea NOT NULL CHECK (octet_length(root) = 32),
  note      text NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE "pgtally".cosignature (
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
CREATE TABLE "pgtally".round (
  round_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  since      pg_snapshot NOT NULL,
  since_self xid8,
  upto       pg_snapshot,
  upto_self  xid8
);

-- How far capture has come, by feed: feed 0 is staging, any other a source that is read directly.
CREATE TABLE "pgtally".capture (
  capture_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  feed          integer NOT NULL,
  round_id      bigint,        -- the cursor below belongs to this round and means nothing in others
  cursor_xid    xid8,
  cursor_key    text[],        -- output text of each key column; of staging, the id
  baseline      pg_snapshot,   -- mode xid: what was visible here is the sweep's, not the rounds'
  baseline_self xid8,
  high          bigint         -- mode poll, integer key: the highest key that was taken
);
CREATE INDEX capture_feed ON "pgtally".capture (feed, capture_id DESC);

-- Keys that were skipped below `high`, and the transactions that could still fill them. A barrier
-- waits first for the virtual transactions that ran when the hole was seen, then for the prepared
-- ones that were there when the last of those had ended.
CREATE TABLE "pgtally".barrier (
  barrier_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  running    text[] NOT NULL,
  prepared   text[]
);
CREATE TABLE "pgtally".hole (
  source_id  integer NOT NULL,
  barrier_id bigint NOT NULL REFERENCES "pgtally".barrier,
  ranges     int8multirange NOT NULL,
  PRIMARY KEY (source_id, barrier_id)
);

-- Passes over a whole table in the order of its key, looking for rows that no other rule has found.
CREATE TABLE "pgtally".sweep (
  sweep_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_id   integer NOT NULL,
  cursor_key  text[],
  scanned     bigint NOT NULL DEFAULT 0,
  found       bigint NOT NULL DEFAULT 0,
  started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);
CREATE UNIQUE INDEX sweep_one_at_a_time ON "pgtally".sweep (source_id) WHERE finished_at IS NULL;
CREATE INDEX sweep_latest ON "pgtally".sweep (source_id, sweep_id DESC);

-- One row on its way into the log. `content` is the hash before blinding. `xid`, `staged_id` and
-- `cursor_key` say where in its feed the row stands; what takes the row stores the last of them.
CREATE TYPE "pgtally".pending_row AS (
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
CREATE TYPE "pgtally".batch AS (
  next_id       bigint,
  sequenced_at  timestamptz,
  next_ordinals bigint[],
  upto          pg_snapshot,
  upto_self     xid8,
  settled       bigint[],
  has_work      boolean
);
-- Capture from anywhere: triggers, replication slots, tables of other databases; sources that fail
-- without holding up the others; and how the ledger recognises the clusters that it reads.

ALTER TABLE "pgtally".source
  DROP CONSTRAINT source_mode_check,
  ADD CONSTRAINT source_mode_check
    CHECK (mode IN ('ledger', 'append', 'xid', 'poll', 'trigger', 'logical')),
  ADD COLUMN endpoint_id   integer,  -- the database it is in; null: the ledger's own
  ADD COLUMN track_changes boolean NOT NULL DEFAULT false,  -- updates and deletes are entries, too
  ADD COLUMN existing      text NOT NULL DEFAULT 'record' CHECK (existing IN ('record', 'skip'));

-- Other databases that sources are in. For the owner's eyes only: a conninfo may hold a password.
CREATE TABLE "pgtally".endpoint (
  endpoint_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conninfo    text NOT NULL UNIQUE,
  place       text NOT NULL        -- host:port/database, which everybody may see
);
ALTER TABLE "pgtally".source
  ADD CONSTRAINT source_endpoint FOREIGN KEY (endpoint_id) REFERENCES "pgtally".endpoint;

-- Sources that rows cannot be taken from at present, and why. The others go on without them. A row
-- goes when the source was read again.
CREATE TABLE "pgtally".failure (
  source_id integer PRIMARY KEY REFERENCES "pgtally".source,
  sqlstate  text NOT NULL,          -- '' where the error was not the server's
  message   text NOT NULL,
  hint      text NOT NULL DEFAULT '',
  since     timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts  integer NOT NULL DEFAULT 1,
  retry_at  timestamptz NOT NULL
);

-- Of a source that was added with --existing skip: what was there then, which is not recorded.
CREATE TABLE "pgtally".skipped (
  source_id     integer PRIMARY KEY REFERENCES "pgtally".source,
  baseline      pg_snapshot,         -- mode xid
  baseline_self xid8,
  high          bigint               -- mode poll
);

-- What the reader of a source last saw there: how much waits that is not even staged yet.
CREATE TABLE "pgtally".reading (
  source_id    integer PRIMARY KEY REFERENCES "pgtally".source,
  waiting_rows bigint NOT NULL,
  oldest       timestamptz,          -- since when the first of them has waited, by its own time
  read_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Pruning (functions/prune.sql): once a checkpoint has this size, it covers every row of staging that
-- was over in `since`. Null where that is not known, as in rounds from before this column.
ALTER TABLE "pgtally".round ADD COLUMN next_id bigint;
UPDATE "pgtally".round
   SET next_id = (SELECT h.next_id FROM "pgtally".log_head AS h ORDER BY h.head_id DESC LIMIT 1)
 WHERE round_id = (SELECT max(r.round_id) FROM "pgtally".round AS r);

-- How far staging is pruned: everything up to `since`, and of what lies between that and `upto`,
-- which is null while nothing is begun, everything up to the cursor. The newest row counts.
CREATE TABLE "pgtally".pruning (
  pruning_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  since      pg_snapshot NOT NULL,
  since_self xid8,
  upto       pg_snapshot,
  upto_self  xid8,
  cursor_xid xid8,
  cursor_id  bigint
);
-- Rows go in the order in which they came, so pages of table and indexes empty as a whole and are
-- used again after a vacuum. By default that would come when a fifth of the table is dead, which is
-- a lot of a staging table that was not pruned for a year; here it comes after 2 % or 10,000 rows.
ALTER TABLE "pgtally".append_only_log SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
  toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 10000);

-- Mode logical (functions/streams.sql). A replication slot with its publications; all logical sources
-- of one database share it, so that they are recorded in the order of their commits. Publishing the
-- updates of a table without replica identity would make them fail, hence the second publication.
CREATE TABLE "pgtally".stream (
  stream_id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint_id        integer REFERENCES "pgtally".endpoint,  -- null: the ledger's own database
  slot               name NOT NULL,
  publication        name NOT NULL,
  insert_publication name NOT NULL,   -- of tables of which only inserts and truncates are published
  system_identifier  text,            -- of the cluster that the slot was made in; null: no slot yet
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX stream_of_endpoint ON "pgtally".stream ((coalesce(endpoint_id, 0)));

-- How far a stream was staged: all transactions whose commit lies before commit_lsn, and of the one
-- that commits right there the first `changes` changes. The newest row counts.
CREATE TABLE "pgtally".stream_progress (
  progress_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stream_id   integer NOT NULL,
  commit_lsn  pg_lsn NOT NULL,
  changes     bigint NOT NULL DEFAULT 0,
  stored_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX stream_progress_newest ON "pgtally".stream_progress (stream_id, progress_id DESC);

-- What a stream knows of each of its sources. `load` is what has to be done with the rows of the
-- table before the stream goes on beyond `barrier`:
--   copy      stage all of them; nothing of the source is recorded yet
--   continue  a copy that was interrupted: of the rows beyond cursor_key, stage those that the stream
--             has not brought meanwhile
--   compare   stage what has no living entry or one with another content, and deletes for living
--             entries without a row
--   resync    the same; until its snapshot is taken, changes are dropped
CREATE TABLE "pgtally".stream_source (
  source_id  integer PRIMARY KEY REFERENCES "pgtally".source,
  stream_id  integer NOT NULL REFERENCES "pgtally".stream,
  relation   oid NOT NULL,           -- in the database of the stream
  columns    text[] NOT NULL,        -- all columns of the table under the source's definition, and
  attributes bigint[] NOT NULL,      -- their numbers there, which a renaming leaves as they are
  start_lsn  pg_lsn NOT NULL,        -- changes of earlier commits are not taken
  load       text CHECK (load IN ('copy', 'continue', 'compare', 'resync')),
  barrier    pg_lsn,                 -- what the snapshot of the load shows; null: none was taken yet
  cursor_key text[],                 -- of the load: output texts of the last key that is done
  loaded     bigint NOT NULL DEFAULT 0,  -- rows that the load has gone through
  broken     boolean NOT NULL DEFAULT false  -- changes are dropped; has to be resynchronised
);

-- Keys that a comparison came across; gone when it has ended.
CREATE TABLE "pgtally".stream_seen (
  source_id integer NOT NULL,
  key       bytea NOT NULL,
  PRIMARY KEY (source_id, key)
);

-- What init did about the three roles, so that uninstall drops those and only those that it made.
-- Null: the ledger is older than this column.
ALTER TABLE "pgtally".ledger
  ADD COLUMN roles text CHECK (roles IN ('create', 'existing', 'none'));

-- One row: the cluster that the ledger is in and whose transaction ids it speaks of, as it was when it
-- last looked. See functions/cluster.sql.
CREATE TABLE "pgtally".cluster (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  system_identifier bigint NOT NULL,
  timeline          bigint NOT NULL,
  started_at        timestamptz NOT NULL,   -- the postmaster
  lsn               pg_lsn NOT NULL,        -- its WAL has come so far, durably,
  next_xid          xid8 NOT NULL,          -- and all transaction ids below this are given out
  seen_at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A ledger whose rounds are ahead of this server has just been brought here.
INSERT INTO "pgtally".cluster
SELECT true, c.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
       pg_postmaster_start_time(), pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot())
  FROM pg_control_system() AS c
 WHERE NOT EXISTS (SELECT FROM "pgtally".round AS r
                    WHERE pg_snapshot_xmax(r.since) > pg_snapshot_xmax(pg_current_snapshot()));

-- Mode xid: rows that carry the transaction ids of another cluster, up to this one at most, and which
-- those of this cluster cannot be told from. They are looked up by their keys. Null: there are none.
ALTER TABLE "pgtally".capture ADD COLUMN foreign_xmax xid8;

-- Modes poll and xid in other databases (functions/remote.sql). Which sources are found by sweeps
-- alone no longer follows from has_feed: those of other databases have no feed here.
ALTER TABLE "pgtally".source ADD COLUMN sweeps_only boolean NOT NULL DEFAULT false;
UPDATE "pgtally".source SET sweeps_only = true WHERE mode = 'poll' AND NOT has_feed;

-- Such a source has rounds of its own, between two snapshots of its server; its cursor stands in
-- cursor_xid and cursor_key while `upto` is not null.
ALTER TABLE "pgtally".capture
  ADD COLUMN since      pg_snapshot,
  ADD COLUMN upto       pg_snapshot,
  ADD COLUMN server     text,    -- which history of which cluster these belong to
  ADD COLUMN server_lsn pg_lsn;  -- how far its WAL had come, durably, when they were taken

-- Barriers of holes in another database: whose reader waits, and for which server's transactions.
ALTER TABLE "pgtally".barrier
  ADD COLUMN reader integer REFERENCES "pgtally".source,  -- null: this database's transactions
  ADD COLUMN server text;

-- Mode trigger (functions/triggers.sql): transactions in which a trigger could not record something,
-- and let the application go on. One row for each of them, so that no two ever wait for each other.
CREATE TABLE "pgtally".missed (
  source_id integer NOT NULL,
  xid       xid8 NOT NULL DEFAULT pg_current_xact_id(),
  for_good  boolean NOT NULL,        -- a change was among it, which no sweep finds
  sqlstate  text NOT NULL,
  message   text NOT NULL,
  PRIMARY KEY (source_id, xid)
);

-- Staging is taken in another order from here on, so a round that is half taken is ended first, by the
-- functions of schema version 1. A new ledger has no functions yet. Polled sources are in no round, and
-- their holes need not be hurried.
DO $$
DECLARE
  polled integer[];
BEGIN
  IF to_regprocedure('"pgtally".process_next_batch(integer)') IS NULL THEN
    RETURN;
  END IF;
  polled := ARRAY(SELECT source_id FROM "pgtally".source WHERE mode = 'poll' AND state = 'active');
  UPDATE "pgtally".source SET state = 'paused' WHERE source_id = ANY(polled);
  WHILE (SELECT r.upto IS NOT NULL FROM "pgtally".round AS r ORDER BY r.round_id DESC LIMIT 1) LOOP
    PERFORM "pgtally".process_next_batch(100000);
  END LOOP;
  UPDATE "pgtally".source SET state = 'active' WHERE source_id = ANY(polled);
END $$;
-- What a value of staging may be, as domains. PostgreSQL reads the CHECKs of a table anew in every
-- statement that inserts into it, which made two thirds of what it cost to stage a single row; those
-- of a domain it reads once a session. The checks are not valid only because the rows that are there
-- have passed the same ones: nothing is rewritten or read, and no writer waits.

CREATE DOMAIN "pgtally".staging_source AS integer;
CREATE DOMAIN "pgtally".staging_definition AS integer;
CREATE DOMAIN "pgtally".staging_operation AS smallint;
CREATE DOMAIN "pgtally".staging_key AS bytea;
CREATE DOMAIN "pgtally".staging_position AS text;
CREATE DOMAIN "pgtally".staging_hash AS bytea;

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON "pgtally".append_only_log;
DROP POLICY IF EXISTS see_own ON "pgtally".append_only_log;

ALTER TABLE "pgtally".append_only_log
  DROP CONSTRAINT append_only_log_source_id_check,
  DROP CONSTRAINT append_only_log_definition_check,
  DROP CONSTRAINT append_only_log_operation_check,
  DROP CONSTRAINT append_only_log_key_check,
  DROP CONSTRAINT append_only_log_source_position_check,
  DROP CONSTRAINT append_only_log_content_hash_check,
  ALTER COLUMN source_id       TYPE "pgtally".staging_source,
  ALTER COLUMN definition      TYPE "pgtally".staging_definition,
  ALTER COLUMN operation       TYPE "pgtally".staging_operation,
  ALTER COLUMN key             TYPE "pgtally".staging_key,
  ALTER COLUMN source_position TYPE "pgtally".staging_position,
  ALTER COLUMN content_hash    TYPE "pgtally".staging_hash;

ALTER DOMAIN "pgtally".staging_source     ADD CHECK (VALUE > 0) NOT VALID;
ALTER DOMAIN "pgtally".staging_definition ADD CHECK (VALUE >= 0) NOT VALID;
ALTER DOMAIN "pgtally".staging_operation  ADD CHECK (VALUE BETWEEN 1 AND 4) NOT VALID;
ALTER DOMAIN "pgtally".staging_key
  ADD CHECK (octet_length(VALUE) BETWEEN 1 AND 1024) NOT VALID;  -- null: the id is the key
ALTER DOMAIN "pgtally".staging_position ADD CHECK (octet_length(VALUE) <= 255) NOT VALID;
ALTER DOMAIN "pgtally".staging_hash     ADD CHECK (octet_length(VALUE) = 32) NOT VALID;
-- Serving over HTTP: who may do there what not everybody may.

-- Bearer tokens. What a client shows is `hash`ed and looked up; the token itself is shown once, when
-- it is made, and kept nowhere.
CREATE TABLE "pgtally".token (
  token_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 100),
  hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),   -- SHA-256 of the token
  rights     text[] NOT NULL CHECK (rights <@ ARRAY['append', 'salts', 'rows']
                                    AND cardinality(rights) > 0),
  sources    text[],                 -- to which the rights are limited; null: all
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Checkpoints that enough witnesses have cosigned, by the policy of the service that asked them. Their
-- cosignatures are in table cosignature.
CREATE TABLE "pgtally".witnessed (
  size bigint PRIMARY KEY CHECK (size > 0),
  at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- The last two CHECKs that staging itself had, which PostgreSQL reads anew in every statement that
-- stages something (see 0003): an eighth of what it cost to stage a single row.
--
-- xid: the same CHECK, of a domain. NOT VALID for two reasons: rows that are there carry the ids of
-- their own transactions, and pg_dump restores it after the data. COPY and the owner are held by it as
-- before. Only a value that comes out of a column of this very type is not looked at again, so an owner
-- who inserts into staging what he selects from staging has to leave the xid out.
--
-- Content: who writes directly is held by policy append_own, and for everybody else staged_content()
-- has an answer to whatever is given.

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON "pgtally".append_only_log;
DROP POLICY IF EXISTS see_own ON "pgtally".append_only_log;

CREATE DOMAIN "pgtally".staging_xid AS xid8;
ALTER TABLE "pgtally".append_only_log
  DROP CONSTRAINT content_is_given_once,
  DROP CONSTRAINT xid_is_the_writers_own,
  ALTER COLUMN xid TYPE "pgtally".staging_xid;
ALTER DOMAIN "pgtally".staging_xid
  ADD CONSTRAINT xid_is_the_writers_own CHECK (VALUE = pg_current_xact_id()) NOT VALID;
-- Six of the seven domains that took the place of CHECKs (see 0003) go as well: preparing each of them was
-- as dear as a whole function, in every statement that stages something. Who may write to staging are, but
-- for its owner, under whose rights all capture runs, only those whom policy append_own lets choose data,
-- time and position. Now that policy says all that holds for them, and can_be_recorded() (functions/
-- rounds.sql) leaves out what is no entry, whoever staged it. The xid keeps its domain.

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON "pgtally".append_only_log;
DROP POLICY IF EXISTS see_own ON "pgtally".append_only_log;

ALTER TABLE "pgtally".append_only_log
  ALTER COLUMN source_id       TYPE integer,
  ALTER COLUMN definition      TYPE integer,
  ALTER COLUMN operation       TYPE smallint,
  ALTER COLUMN key             TYPE bytea,
  ALTER COLUMN source_position TYPE text,
  ALTER COLUMN content_hash    TYPE bytea;

DROP DOMAIN "pgtally".staging_source, "pgtally".staging_definition, "pgtally".staging_operation,
            "pgtally".staging_key, "pgtally".staging_position, "pgtally".staging_hash;
-- What must never happen to the log, refused by the database for every role, the owner included.
-- The owner can drop these triggers and a superuser can do anything; an audit then shows it.

CREATE OR REPLACE FUNCTION "pgtally".refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'TLR01', HINT = 'Nothing that is in the log can be changed or taken out of it.';
END $$;

-- After every INSERT or COPY into processed_log, whichever road it took: the new rows continue the
-- log without a gap, in ids and in the ordinals of each source, or none of them goes in. This is
-- the only writer of log_head.
CREATE OR REPLACE FUNCTION "pgtally".continue_log() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  head      "pgtally".log_head;
  added     record;
  per       record;
  ordinals  bigint[];
  expected  bigint;
BEGIN
  -- One pass over the new rows; what is left are a few rows for each source.
  SELECT sum(n)::bigint AS n, min(low_id) AS low, max(high_id) AS high, min(earliest) AS earliest,
         max(latest) AS latest, array_agg(source_id) AS sources, array_agg(n) AS counts,
         array_agg(low) AS lows, array_agg(high) AS highs, bool_or(scattered) AS scattered
    INTO added
    FROM (SELECT source_id, count(*) AS n, min(id) AS low_id, max(id) AS high_id,
                 min(sequenced_at) AS earliest, max(sequenced_at) AS latest,
                 min(ordinal) AS low, max(ordinal) AS high,
                 min(ordinal - id) <> max(ordinal - id) AS scattered
            FROM appended GROUP BY source_id) AS of_source;
  IF added.n IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT * INTO head FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1;

  IF added.low <> head.next_id OR added.high <> head.next_id + added.n - 1 THEN
    RAISE EXCEPTION 'ids %..% (% rows) do not continue the log, which ends before id %',
      added.low, added.high, added.n, head.next_id USING ERRCODE = 'TLR02',
      HINT = 'Only process_next_batch() and the pgtally service number rows.';
  END IF;
  IF added.earliest <> added.latest OR added.earliest < head.sequenced_at THEN
    RAISE EXCEPTION 'a batch has one time, and it is not before %, that of the last one',
      head.sequenced_at USING ERRCODE = 'TLR02';
  END IF;

  ordinals := head.next_ordinals;
  FOR per IN
    SELECT * FROM unnest(added.sources, added.counts, added.lows, added.highs)
                    AS u(source_id, n, low, high)
  LOOP
    IF NOT EXISTS (SELECT FROM "pgtally".source WHERE source_id = per.source_id) THEN
      RAISE EXCEPTION 'there is no source %', per.source_id USING ERRCODE = 'TLR02';
    END IF;
    expected := coalesce(ordinals[per.source_id + 1], 0);
    IF per.low <> expected OR per.high <> expected + per.n - 1 THEN
      RAISE EXCEPTION 'ordinals %..% (% rows) do not continue source %, which ends before %',
        per.low, per.high, per.n, per.source_id, expected USING ERRCODE = 'TLR02';
    END IF;
    ordinals[per.source_id + 1] := per.high + 1;
  END LOOP;

  -- With ids without a gap and ordinal - id constant, the ordinals have none either. Where rows of
  -- several sources are mixed, each ordinal has to be looked at.
  IF added.scattered AND EXISTS (
    SELECT FROM (
      SELECT ordinal, coalesce(head.next_ordinals[source_id + 1], 0) - 1
                      + row_number() OVER (PARTITION BY source_id ORDER BY id) AS expected
        FROM appended) AS numbered
     WHERE ordinal <> numbered.expected)
  THEN
    RAISE EXCEPTION 'ordinals do not rise by one within each source' USING ERRCODE = 'TLR02';
  END IF;

  INSERT INTO "pgtally".log_head (next_id, sequenced_at, next_ordinals)
  VALUES (added.high + 1, added.latest,
          ARRAY(SELECT coalesce(o, 0) FROM unnest(ordinals) WITH ORDINALITY AS u(o, i) ORDER BY i));
  RETURN NULL;
END $$;

-- A tile only ever grows at its end. Nothing about a full one changes, except through rebuild's
-- repair_tile(), which computes it anew from the log. The context is text that others can imitate;
-- only the owner, with whose rights that function runs, is believed.
CREATE OR REPLACE FUNCTION "pgtally".only_grow() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  context text;
BEGIN
  IF NEW.level = OLD.level AND NEW.index = OLD.index
     AND octet_length(NEW.hashes) > octet_length(OLD.hashes)
     AND substr(NEW.hashes, 1, octet_length(OLD.hashes)) = OLD.hashes
  THEN
    RETURN NEW;
  END IF;
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF position(quote_ident(TG_TABLE_SCHEMA) || '.repair_tile(' IN context) > 0
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'tile % of level % holds hashes already, and they are append-only',
    OLD.index, OLD.level USING ERRCODE = 'TLR01',
    HINT = 'If it is damaged, pgtally rebuild computes it anew from the log.';
END $$;

-- Checkpoints are thinned by one function, and by nothing else.
CREATE OR REPLACE FUNCTION "pgtally".only_thin() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF position(quote_ident(TG_TABLE_SCHEMA) || '.thin_checkpoints(' IN context) > 0
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
  THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'DELETE on %.% is refused: it is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'TLR01', HINT = 'thin_checkpoints() is what removes old ones.';
END $$;

CREATE OR REPLACE TRIGGER continue_log AFTER INSERT ON "pgtally".processed_log
  REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION "pgtally".continue_log();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON "pgtally".processed_log
  FOR EACH STATEMENT EXECUTE FUNCTION "pgtally".refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON "pgtally".tile
  FOR EACH STATEMENT EXECUTE FUNCTION "pgtally".refuse_change();
CREATE OR REPLACE TRIGGER only_grow BEFORE UPDATE ON "pgtally".tile
  FOR EACH ROW EXECUTE FUNCTION "pgtally".only_grow();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON "pgtally".checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION "pgtally".refuse_change();
CREATE OR REPLACE TRIGGER only_thin BEFORE DELETE ON "pgtally".checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION "pgtally".only_thin();

-- Also under session_replication_role = replica.
ALTER TABLE "pgtally".processed_log ENABLE ALWAYS TRIGGER continue_log;
ALTER TABLE "pgtally".processed_log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE "pgtally".tile ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE "pgtally".tile ENABLE ALWAYS TRIGGER only_grow;
ALTER TABLE "pgtally".checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE "pgtally".checkpoint ENABLE ALWAYS TRIGGER only_thin;
-- Which rows a round takes. The rule and its proof are in docs/ARCHITECTURE.md.

-- Whether a transaction was not over when the snapshot was taken by `self`.
CREATE OR REPLACE FUNCTION "pgtally".in_progress(xid xid8, snapshot pg_snapshot, self xid8)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT pg_visible_in_snapshot(xid, snapshot) OR xid IS NOT DISTINCT FROM self;

-- The transactions below the snapshot's xmax that were not over, in ascending order.
CREATE OR REPLACE FUNCTION "pgtally".in_progress_below_xmax(snapshot pg_snapshot, self xid8)
RETURNS xid8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
  SELECT x FROM (SELECT pg_snapshot_xip(snapshot) UNION SELECT self) AS u(x)
   WHERE x < pg_snapshot_xmax(snapshot) ORDER BY x);

-- These two, and feeds(), are asked several times in a batch. In PL/pgSQL, because their plans are kept
-- there: a function in SQL that holds a query is parsed and planned anew each time.
CREATE OR REPLACE FUNCTION "pgtally".current_round() RETURNS "pgtally".round
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest "pgtally".round;
BEGIN
  SELECT * INTO newest FROM "pgtally".round ORDER BY round_id DESC LIMIT 1;
  RETURN newest;
END $$;

CREATE OR REPLACE FUNCTION "pgtally".progress_of(feed integer) RETURNS "pgtally".capture
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest "pgtally".capture;
BEGIN
  SELECT * INTO newest FROM "pgtally".capture AS c WHERE c.feed = progress_of.feed
   ORDER BY capture_id DESC LIMIT 1;
  RETURN newest;
END $$;

-- Whether staging may hold rows that the round `r` takes: none that was staged by a transaction of
-- before all that were in progress when the round began is one of them. Costs next to nothing where
-- sources do not go by way of staging.
CREATE OR REPLACE FUNCTION "pgtally".may_be_staged(r "pgtally".round) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest xid8;
BEGIN
  SELECT l.xid INTO newest FROM "pgtally".append_only_log AS l ORDER BY l.xid DESC LIMIT 1;
  RETURN coalesce(newest >= least(pg_snapshot_xmin(r.since), r.since_self), false);
END $$;

-- The key of a row of staging: its own, or its id. A truncate has none. STABLE, as convert_to() is:
-- otherwise it would not be inlined, and cost more than all the rest.
CREATE OR REPLACE FUNCTION "pgtally".staged_key(operation smallint, key bytea, id bigint)
RETURNS bytea
LANGUAGE sql STABLE
RETURN CASE
  WHEN operation = 4 THEN ''::bytea
  ELSE coalesce(key, int2send(octet_length(id::text)::int2) || convert_to(id::text, 'UTF8')) END;

-- What is recorded of the content of a row of staging: the hash of its data or, where it has none, the
-- hash that whoever captured it has put there. The owner can leave out both. That row holds nothing,
-- and is recorded like one that holds no byte.
CREATE OR REPLACE FUNCTION "pgtally".staged_content(content_hash bytea, data bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(sha256(data), content_hash, sha256(''::bytea));

-- Whether an entry can be made of a row of staging, whose source is one of these. Only what its owner
-- writes there by hand can be otherwise, which nothing refuses. Inlined where it is called.
CREATE OR REPLACE FUNCTION "pgtally".can_be_recorded(l "pgtally".append_only_log, sources integer[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT l.source_id = ANY(sources) AND l.definition >= 0 AND l.operation BETWEEN 1 AND 4
     AND (l.key IS NULL OR octet_length(l.key) BETWEEN 1 AND 1024)
     AND (l.source_position IS NULL OR octet_length(l.source_position) <= 255)
     AND (l.content_hash IS NULL OR octet_length(l.content_hash) = 32)
     AND (l.operation = 3 OR (l.operation = 4) = (
            l.data IS NULL AND l.content_hash IS NOT NULL AND l.content_hash =
              '\x0000000000000000000000000000000000000000000000000000000000000000'))
$$;

-- The row that leave_out() took note of. Not by the name of the schema, which is any identifier.
CREATE OR REPLACE FUNCTION "pgtally".left_out() RETURNS bigint
LANGUAGE sql STABLE
RETURN nullif(current_setting('left_out.pgtally', true), '')::bigint;

-- Takes note, in the session, that a round passes by a row of which no entry can be made. close_batch()
-- tells of it; if nothing else waits, that of the session's next batch. False, for a WHERE.
CREATE OR REPLACE FUNCTION "pgtally".leave_out(id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('left_out.pgtally', id::text, false);
  RETURN false;
END $$;

-- The rows of staging that the round `r` still has to take, in the order of their ids; at most
-- max_rows. Not in that of their transactions: of two that change one row, the later one may have begun
-- earlier, but its trigger was given the higher id, because it had to wait for the row. (What is in
-- different rounds is in order anyway.)
--
-- Rows that sweeps staged have negative ids, see swept_id(), and come first.
--
-- Three ranges, because PostgreSQL can start an index scan in the middle only for one of them at a
-- time: transactions that were open when the last round ended, each by its own ids; and those that
-- began after that, by the ids of what they staged or, for sweeps, swept. Those ids begin where the
-- round has been taken to, or else at the lowest that such a transaction has.
CREATE OR REPLACE FUNCTION "pgtally".staged(max_rows integer, r "pgtally".round)
RETURNS SETOF "pgtally".pending_row
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_sort = off   -- by the primary key, and not everything that waits each time
AS $$
DECLARE
  progress  "pgtally".capture := "pgtally".progress_of(0);
  here      bigint := -9223372036854775808;
  begun     xid8 := pg_snapshot_xmax(r.since);
  from_id   bigint;
  swept_id  bigint;
  keeping   integer[] := ARRAY(SELECT s.source_id FROM "pgtally".source AS s WHERE s.keep_data);
  sources   integer[] := ARRAY(SELECT s.source_id FROM "pgtally".source AS s WHERE s.source_id > 0);
BEGIN
  IF progress.round_id = r.round_id THEN
    here := progress.cursor_key[1]::bigint;
  END IF;
  from_id := here;
  IF here < 0 THEN
    -- Not by the primary key, which is what "+ 0" is for.
    from_id := (SELECT min(l.id + 0) FROM "pgtally".append_only_log AS l
                 WHERE l.xid >= begun AND l.id > 0) - 1;
    -- Sweeps stage one after the other, so those that were taken come before those that were not.
    swept_id := greatest(here, (
      SELECT l.id FROM "pgtally".append_only_log AS l
       WHERE l.id < 0 AND NOT "pgtally".in_progress(l.xid, r.since, r.since_self)
       ORDER BY l.id DESC LIMIT 1));
  END IF;
  RETURN QUERY
  SELECT 0, w.source_id, w.definition, w.operation,
         "pgtally".staged_key(w.operation, w.key, w.id),
         coalesce(w.source_position, w.id::text), "pgtally".encodable(w.source_time),
         "pgtally".staged_content(w.content_hash, w.data),
         CASE WHEN w.source_id = ANY(keeping) THEN w.data END, w.xid::xid8, w.id, NULL::text[]
    FROM (
      (SELECT l.* FROM unnest("pgtally".in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT * FROM "pgtally".append_only_log AS l
            WHERE l.xid = open.xid AND l.id > here
              AND ("pgtally".can_be_recorded(l, sources) OR "pgtally".leave_out(l.id))
            ORDER BY l.id LIMIT max_rows) AS l
        WHERE NOT "pgtally".in_progress(open.xid, r.upto, r.upto_self))
      UNION ALL
      (SELECT l.* FROM "pgtally".append_only_log AS l
        WHERE l.id > from_id AND l.xid >= begun AND l.xid < pg_snapshot_xmax(r.upto)
          AND NOT "pgtally".in_progress(l.xid, r.upto, r.upto_self)
          AND ("pgtally".can_be_recorded(l, sources) OR "pgtally".leave_out(l.id))
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM "pgtally".append_only_log AS l
        WHERE l.id > swept_id AND l.id < 0 AND l.xid >= begun
          AND NOT "pgtally".in_progress(l.xid, r.upto, r.upto_self)
          AND ("pgtally".can_be_recorded(l, sources) OR "pgtally".leave_out(l.id))
        ORDER BY l.id LIMIT max_rows)
    ) AS w
   ORDER BY w.id LIMIT max_rows;
END $$;

-- The id of a row that a sweep stages though its changes are staged, too. The row is read as it was
-- before all changes that the sweep cannot see yet, and their ids may have been given out already; so
-- it takes its place before them. Not where the sweep saw that the row was deleted before.
CREATE OR REPLACE FUNCTION "pgtally".swept_id(after_delete boolean) RETURNS bigint
LANGUAGE sql VOLATILE
RETURN nextval('"pgtally".append_only_log_id_seq') - CASE WHEN after_delete THEN 0 ELSE 4611686018427387904 END;
-- Keys and contents as entries hold them. Spec: docs/formats.md.

-- The form of a key that is too long to stand in an entry: 0xFFFF and the hash of what would have
-- stood there. A column of 65535 bytes or more, whose length fits no prefix, is hashed by itself.
CREATE OR REPLACE FUNCTION "pgtally".long_key(columns bytea[]) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN '\xffff'::bytea || sha256((
  SELECT string_agg(
           CASE WHEN octet_length(c) < 65535 THEN substr(int4send(octet_length(c)), 3) || c
                ELSE '\xffff'::bytea || sha256(c) END, ''::bytea ORDER BY place)
    FROM unnest(columns) WITH ORDINALITY AS u(c, place)));

-- For a hash column that holds something else, or 32 zero bytes, which mean "no content" in an entry.
-- Nothing is recorded in its place.
CREATE OR REPLACE FUNCTION "pgtally".no_hash(source text, key text[]) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'the hash column of source "%" does not hold a hash of 32 bytes in row %', source, key
    USING ERRCODE = 'TLO03', HINT = 'Correct the row, or pause the source: pgtally source pause ' || source;
END $$;

-- Entries count microseconds from 1970 in 63 bits, which ends in the year 294247; what a source
-- claims to be later than that is as good as infinity.
CREATE OR REPLACE FUNCTION "pgtally".encodable(claimed timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN claimed >= '294247-01-01 00:00:00+00'::timestamptz THEN 'infinity' ELSE claimed END;
-- Holes of polled sources: keys that were skipped below the highest key taken so far, and who could
-- still fill them. See docs/ARCHITECTURE.md for why transaction ids alone cannot tell.

-- The virtual transactions that run in this database now. Those of sessions that cannot be told
-- apart count as well.
CREATE OR REPLACE FUNCTION "pgtally".running_transactions() RETURNS text[]
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.virtualtransaction), '{}')
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid)
   WHERE l.locktype = 'virtualxid'
     AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;

CREATE OR REPLACE FUNCTION "pgtally".prepared_transactions() RETURNS text[]
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(gid), '{}') FROM pg_prepared_xacts WHERE database = current_database()
$$;

-- Moves barriers on and returns those that nothing is left of. PREPARE drops the virtual
-- transaction, so prepared ones are listed only once all of the former have ended.
CREATE OR REPLACE FUNCTION "pgtally".settled_barriers() RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b       "pgtally".barrier;
  running text[];
  settled bigint[] := '{}';
BEGIN
  FOR b IN SELECT * FROM "pgtally".barrier WHERE reader IS NULL ORDER BY barrier_id LOOP
    IF b.prepared IS NULL THEN
      running := coalesce(running, "pgtally".running_transactions());
      CONTINUE WHEN b.running && running;
      UPDATE "pgtally".barrier SET prepared = "pgtally".prepared_transactions()
       WHERE barrier_id = b.barrier_id RETURNING * INTO b;
    END IF;
    IF NOT b.prepared && "pgtally".prepared_transactions() THEN
      settled := settled || b.barrier_id;
    END IF;
  END LOOP;
  RETURN settled;
END $$;

-- Which barriers' holes are looked into by this transaction: all of them while they are few, and
-- each one in turn when they are many (10,000 ranges take 72 ms to probe), unless the session has
-- asked for all.
CREATE OR REPLACE FUNCTION "pgtally".is_probed(barrier_id bigint) RETURNS boolean
LANGUAGE sql STABLE
RETURN (SELECT count(*) <= 8 FROM "pgtally".barrier WHERE reader IS NULL)
    OR current_setting('pgtally_session.probe_all_holes', true) = 'on'
    OR (floor(extract(epoch FROM now()))::bigint + barrier_id) % 4 = 0
    OR barrier_id = (SELECT max(b.barrier_id) FROM "pgtally".barrier AS b WHERE b.reader IS NULL);

-- After a polled source's feed gave `taken` rows, with keys from `low` to `top`, to the batch that
-- begins with first_id: the new high key, holes filled and holes found. New holes wait for every
-- transaction that runs now.
CREATE OR REPLACE FUNCTION "pgtally".note_polled(
  source integer, first_id bigint, taken bigint, low bigint, top bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most    CONSTANT bigint := 9223372036854775807;  -- has no place in a range that ends before its end
  high    bigint := ("pgtally".progress_of(source)).high;
  end_id  bigint;
  keys    int8multirange;
  skipped int8multirange;
BEGIN
  IF top > high OR high IS NULL THEN
    INSERT INTO "pgtally".capture (feed, high) VALUES (source, top);
  END IF;
  -- The usual case: the keys go on where they ended, and there is nothing to note. Numeric, because
  -- keys may lie further apart than a bigint can count.
  IF low = high::numeric + 1 AND taken = top::numeric - low + 1 THEN
    RETURN;
  END IF;

  -- The batch by its ids, with both ends given and the source looked at row by row: a planner
  -- without statistics would otherwise read the whole log, or all that it has of the source.
  SELECT next_id INTO end_id FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1;
  SELECT coalesce(range_agg(int8range(source_position::bigint, source_position::bigint, '[]'))
           FILTER (WHERE source_id = source AND source_position <> most::text), '{}')
    INTO keys FROM "pgtally".processed_log WHERE id >= first_id AND id < end_id;
  skipped := "pgtally".fill_holes(source, high, top, keys);
  IF NOT isempty(skipped) THEN
    PERFORM "pgtally".add_holes(source, skipped);
  END IF;
END $$;

-- Takes `keys`, which were found, out of the source's holes. Returns those between `high` and `top`
-- that were not found.
CREATE OR REPLACE FUNCTION "pgtally".fill_holes(
  source integer, high bigint, top bigint, keys int8multirange) RETURNS int8multirange
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most CONSTANT bigint := 9223372036854775807;
BEGIN
  UPDATE "pgtally".hole SET ranges = ranges - keys WHERE source_id = source AND ranges && keys;
  DELETE FROM "pgtally".hole WHERE source_id = source AND isempty(ranges);
  IF high IS NULL OR top > high::numeric + 1 THEN
    RETURN int8multirange(int8range(CASE WHEN high < most THEN high + 1 END, top)) - keys;
  END IF;
  RETURN '{}';
END $$;

-- New holes of a source, behind a barrier of `running`. Of another database: `reader` and `server`
-- say whose transactions these are.
CREATE OR REPLACE FUNCTION "pgtally".put_holes(
  source integer, skipped int8multirange, running text[], reader integer, server text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  max_barriers CONSTANT integer := 32;
  max_ranges   CONSTANT integer := 10000;
  newest       bigint;
  barriers     bigint;
BEGIN
  SELECT max(b.barrier_id), count(*) INTO newest, barriers FROM "pgtally".barrier AS b
   WHERE b.reader IS NOT DISTINCT FROM put_holes.reader;
  IF barriers < max_barriers THEN
    INSERT INTO "pgtally".barrier (running, reader, server)
    VALUES (put_holes.running, put_holes.reader, put_holes.server) RETURNING barrier_id INTO newest;
  ELSE
    -- Waiting for more than has to be waited for is safe.
    UPDATE "pgtally".barrier AS b SET running = b.running || put_holes.running, prepared = NULL
     WHERE b.barrier_id = newest;
  END IF;
  INSERT INTO "pgtally".hole AS h (source_id, barrier_id, ranges) VALUES (source, newest, skipped)
  ON CONFLICT (source_id, barrier_id) DO UPDATE SET ranges = h.ranges + excluded.ranges;

  -- The oldest beyond the limit are the sweep's.
  DELETE FROM "pgtally".hole WHERE (source_id, barrier_id) IN (
    SELECT counted.source_id, counted.barrier_id FROM (
      SELECT h.source_id, h.barrier_id,
             sum((SELECT count(*) FROM unnest(h.ranges))) OVER (ORDER BY h.barrier_id DESC) AS ranges
        FROM "pgtally".hole AS h WHERE h.source_id = source) AS counted
     WHERE counted.ranges > max_ranges AND counted.barrier_id < newest);
END $$;

CREATE OR REPLACE FUNCTION "pgtally".add_holes(source integer, skipped int8multirange) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT "pgtally".put_holes(source, skipped, "pgtally".running_transactions(), NULL, NULL)
$$;

-- Gives up the holes that the batch that ends now has found empty once more, after everything that
-- could fill them had ended. Not those of a source that was not looked at, and not those of a
-- barrier that the same batch has put new holes behind.
CREATE OR REPLACE FUNCTION "pgtally".drop_holes(settled bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF cardinality(settled) > 0 THEN
    DELETE FROM "pgtally".hole AS h USING "pgtally".barrier AS b, "pgtally".source AS s
     WHERE h.barrier_id = ANY(settled) AND "pgtally".is_probed(h.barrier_id)
       AND b.barrier_id = h.barrier_id AND b.prepared IS NOT NULL
       AND s.source_id = h.source_id AND format('feed_%s', s.source_id) = ANY("pgtally".feeds());
  END IF;
  DELETE FROM "pgtally".barrier AS b
   WHERE b.reader IS NULL
     AND NOT EXISTS (SELECT FROM "pgtally".hole AS h WHERE h.barrier_id = b.barrier_id);
END $$;
-- What is new, and in which order. Nothing else decides that.

DROP FUNCTION IF EXISTS "pgtally".pending(integer, pg_snapshot, xid8);  -- of schema version 1

-- The next rows of all local sources in the order in which they will be numbered, at most max_rows.
--
-- While a round is open its snapshot is held; otherwise the round would end at `upto`, by default
-- the snapshot of this call. Each feed keeps its own order. Feeds are merged like sorted lists by
-- the time that their rows claim: the running maximum within the source, so that its order survives,
-- capped at now. A row that claims none, or an infinite one, comes with the row before it; the first
-- of a feed, when the last batch ended. Feeds that have something share max_rows evenly, so none
-- waits behind another's backlog.
CREATE OR REPLACE FUNCTION "pgtally".pending(
  max_rows   integer,
  upto       pg_snapshot DEFAULT NULL,
  upto_self  xid8 DEFAULT NULL,
  feed_names text[] DEFAULT NULL)   -- of these alone; otherwise of all feeds()
RETURNS SETOF "pgtally".pending_row
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '64MB'
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET lc_numeric = 'C'
SET quote_all_identifiers = off
SET standard_conforming_strings = on
AS $$
DECLARE
  r     "pgtally".round := "pgtally".current_round();
  names text[] := coalesce(feed_names, "pgtally".feeds());
  busy  text[] := '{}';
  name  text;
  has_rows boolean;
  waiting  text;
  -- The time that each row claims, as the running maximum within what it is partitioned by.
  claimed_by CONSTANT text := $query$
    SELECT feed, source_id, definition, operation, key, source_position, source_time, content, data,
           xid, staged_id, cursor_key, place,
           max(CASE WHEN isfinite(source_time) THEN least(source_time, now()) WHEN nth = 1 THEN $3 END)
             OVER (PARTITION BY %I ORDER BY place, feed) AS claimed
      FROM (SELECT *, row_number() OVER (PARTITION BY %I ORDER BY place, feed) AS nth
              FROM (%s) AS rows) AS numbered $query$;
BEGIN
  IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000000 THEN
    RAISE EXCEPTION 'max_rows is %, and has to be within 1..1000000', max_rows
      USING ERRCODE = 'TLR03';
  END IF;
  IF r.upto IS NULL THEN
    r.upto := coalesce(upto, pg_current_snapshot());
    r.upto_self := CASE WHEN upto IS NULL THEN pg_current_xact_id_if_assigned() ELSE upto_self END;
  END IF;

  IF cardinality(names) > 1 AND NOT "pgtally".may_be_staged(r) THEN
    names := array_remove(names, 'staged');
  END IF;
  IF cardinality(names) = 1 THEN
    -- Nothing to merge it with: planning the question would cost as much as reading the rows.
    busy := names;
  ELSE
    FOREACH name IN ARRAY names LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM "pgtally".%I(1, $1))', name) INTO has_rows USING r;
      IF has_rows THEN
        busy := busy || name;
      END IF;
    END LOOP;
  END IF;

  -- Staging holds rows of several sources, unless there is only one.
  IF cardinality(busy) = 1 AND (busy[1] <> 'staged' OR
                                (SELECT count(*) = 1 FROM "pgtally".source WHERE source_id > 0))
  THEN
    RETURN QUERY EXECUTE format('SELECT * FROM "pgtally".%I($1, $2)', busy[1]) USING max_rows, r;
  ELSIF cardinality(busy) > 0 THEN
    SELECT string_agg(format(
             'SELECT * FROM "pgtally".%I($1, $2) WITH ORDINALITY AS f(feed, source_id, definition,'
             ' operation, key, source_position, source_time, content, data, xid, staged_id,'
             ' cursor_key, place)', feed_name), ' UNION ALL ')
      INTO waiting FROM unnest(busy) AS feed_name;
    -- With more feeds than places some have to wait. Of a feed, only its first rows may be taken.
    IF cardinality(busy) > max_rows THEN
      waiting := format(claimed_by, 'feed', 'feed', waiting) || ' ORDER BY claimed, feed, place LIMIT $4';
    END IF;
    RETURN QUERY EXECUTE
      'SELECT feed, source_id, definition, operation, key, source_position, source_time, content, data,'
      ' xid, staged_id, cursor_key FROM ('
      || format(claimed_by, 'source_id', 'source_id', waiting)
      || ') AS timed ORDER BY claimed, source_id, place, feed'
    USING greatest(max_rows / cardinality(busy), 1), r,
          (SELECT sequenced_at FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1), max_rows;
  END IF;
END $$;

-- The functions that pending() reads: staging, and one that `source add` made for each source that
-- is read straight from its own table. Not those of sources that were set aside because they fail.
CREATE OR REPLACE FUNCTION "pgtally".feeds() RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT format('feed_%s', source_id) FROM "pgtally".source AS s
     WHERE state = 'active' AND has_feed
       AND NOT EXISTS (SELECT FROM "pgtally".failure AS f WHERE f.source_id = s.source_id)
     ORDER BY source_id)
    || ARRAY['staged'];
END $$;
-- Sources that fail. One of them is set aside, so that the others go on without it, and is looked at
-- again after a second, then after two, four, … up to a minute.

CREATE OR REPLACE FUNCTION "pgtally".note_failure(
  source integer, sqlstate text, message text, hint text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO "pgtally".failure AS f (source_id, sqlstate, message, hint, retry_at)
  VALUES (source, sqlstate, message, hint, clock_timestamp() + interval '1 s')
  ON CONFLICT ON CONSTRAINT failure_pkey DO UPDATE
    SET sqlstate = excluded.sqlstate, message = excluded.message, hint = excluded.hint,
        attempts = f.attempts + 1,
        retry_at = clock_timestamp() + least(interval '1 s' * 2 ^ least(f.attempts, 6),
                                             interval '60 s')
$$;

-- A source was read again. What its reader has against this source alone (TLO05) stays, until the
-- reader itself takes it back with heal().
CREATE OR REPLACE FUNCTION "pgtally".clear_failure(source integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM "pgtally".failure WHERE source_id = source AND sqlstate <> 'TLO05'
$$;

CREATE OR REPLACE FUNCTION "pgtally".heal(source integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM "pgtally".failure WHERE source_id = source
$$;

-- After a batch that failed: reads each feed by itself and notes those that cannot be read. Returns
-- how many they are; if none is, the error was not a source's. Under the lock.
CREATE OR REPLACE FUNCTION "pgtally".set_aside_failing(max_rows integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  feed    text;
  failing integer := 0;
BEGIN
  FOREACH feed IN ARRAY "pgtally".feeds() LOOP
    CONTINUE WHEN feed = 'staged';
    CONTINUE WHEN "pgtally".can_be_read(substr(feed, 6)::integer, max_rows);
    failing := failing + 1;
  END LOOP;
  RETURN failing;
END $$;

-- Whether a source's feed gives its next rows. Why not is noted.
CREATE OR REPLACE FUNCTION "pgtally".can_be_read(source integer, max_rows integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  message text;
  hint    text;
BEGIN
  PERFORM count(*) FROM "pgtally".pending(max_rows, NULL, NULL, ARRAY[format('feed_%s', source)]);
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  PERFORM "pgtally".note_failure(source, SQLSTATE, message, hint);
  RETURN false;
END $$;

-- Takes sources back that can be read again. Under the lock, before a batch.
CREATE OR REPLACE FUNCTION "pgtally".retry_failing() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s "pgtally".source;
BEGIN
  IF EXISTS (SELECT FROM "pgtally".missed) THEN
    PERFORM "pgtally".take_missed();
  END IF;
  FOR s IN
    SELECT src.* FROM "pgtally".failure AS f JOIN "pgtally".source AS src USING (source_id)
     WHERE f.retry_at <= clock_timestamp() AND src.state = 'active' AND src.has_feed
  LOOP
    CONTINUE WHEN NOT "pgtally".can_be_read(s.source_id, 40000);
    PERFORM "pgtally".clear_failure(s.source_id);
    PERFORM "pgtally".begin_again(s.source_id);
  END LOOP;
END $$;

-- For a source that was left out for a while. Of mode xid, rounds went by without it: what is there
-- now is left to a first sweep, which knows what is in the log already. Others find their place.
CREATE OR REPLACE FUNCTION "pgtally".begin_again(target integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  foreign_xmax xid8;
BEGIN
  IF (SELECT mode = 'xid' AND endpoint_id IS NULL FROM "pgtally".source AS s
       WHERE s.source_id = begin_again.target) THEN
    -- Before the baseline: what is in progress there was in progress then.
    foreign_xmax := "pgtally".foreign_xmax(target);
    INSERT INTO "pgtally".capture (feed, baseline, baseline_self, foreign_xmax)
    VALUES (target, pg_current_snapshot(), pg_current_xact_id(), foreign_xmax);
    DELETE FROM "pgtally".sweep WHERE source_id = target;
  ELSIF EXISTS (SELECT FROM "pgtally".source
                 WHERE source_id = target AND mode = 'trigger' AND existing <> 'skip') THEN
    PERFORM "pgtally".sweep_again(target);
  END IF;
  -- Of mode logical, changes were dropped meanwhile.
  UPDATE "pgtally".stream_source
     SET load = 'resync', barrier = NULL, cursor_key = NULL, loaded = 0, broken = false
   WHERE source_id = target;
END $$;
-- Mode trigger: what the generated functions (src/capture/trigger.cc) and their registry call.

-- Whether a trigger fires for the table of this name or a partition of it. Looks names up without
-- rights of its own, so that it fails for nobody.
CREATE OR REPLACE FUNCTION "pgtally".is_part_of(part oid, relation text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid IN (SELECT part UNION ALL SELECT relid FROM pg_partition_ancestors(part))
       AND quote_ident(n.nspname) || '.' || quote_ident(c.relname) = relation)
$$;

-- Takes note, in the application's transaction, of a statement or row that could not be recorded.
CREATE OR REPLACE FUNCTION "pgtally".note_missed(
  source integer, for_good boolean, sqlstate text, message text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO "pgtally".missed AS m (source_id, for_good, sqlstate, message)
  VALUES (source, for_good, sqlstate, left(message, 1000))
  ON CONFLICT ON CONSTRAINT missed_pkey DO UPDATE SET for_good = true
    WHERE excluded.for_good AND NOT m.for_good
$$;

-- Turns what triggers have noted into failures of their sources, and has these swept from the
-- beginning. Under the lock.
CREATE OR REPLACE FUNCTION "pgtally".take_missed() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  m record;
BEGIN
  FOR m IN
    WITH gone AS (DELETE FROM "pgtally".missed RETURNING *)
    SELECT source_id, bool_or(g.for_good) AS for_good, count(*) AS transactions,
           (array_agg(g.sqlstate ORDER BY g.xid DESC))[1] AS sqlstate,
           (array_agg(g.message ORDER BY g.xid DESC))[1] AS message, s.state, s.existing
      FROM gone AS g JOIN "pgtally".source AS s USING (source_id)
     GROUP BY source_id, s.state, s.existing ORDER BY source_id
  LOOP
    CONTINUE WHEN m.state = 'removed';
    IF m.for_good AND NOT EXISTS (SELECT FROM "pgtally".failure AS f WHERE f.source_id = m.source_id)
    THEN
      PERFORM "pgtally".notice_about(m.source_id, 'missed',
        'Updates or deletes could not be recorded by the triggers of the table. They are not in the '
        'log; rows that were inserted follow.');
    END IF;
    PERFORM "pgtally".note_failure(m.source_id, m.sqlstate,
      format('its trigger could not record rows of %s transactions: %s', m.transactions, m.message),
      CASE WHEN m.for_good
           THEN 'Updates or deletes are among them, and these are lost to the ledger. '
           ELSE '' END ||
      CASE WHEN m.existing = 'skip'
           THEN 'A sweep cannot tell these rows from those that were skipped when it was added.'
           ELSE 'Inserted rows are found by a sweep as soon as the cause is gone.' END);
    -- Sessions keep plans for the types that columns had; a new version of the function ends that.
    IF m.sqlstate LIKE '42%'
       AND to_regprocedure(format('"pgtally".trigger_%s()', m.source_id)) IS NOT NULL
    THEN
      EXECUTE format('ALTER FUNCTION "pgtally".%I() COST 100', 'trigger_' || m.source_id);
    END IF;
    IF m.state = 'active' AND m.existing <> 'skip' THEN
      PERFORM "pgtally".sweep_again(m.source_id);
    END IF;
  END LOOP;
END $$;

-- The next sweep of a source begins now, at the beginning.
CREATE OR REPLACE FUNCTION "pgtally".sweep_again(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE "pgtally".sweep SET cursor_key = NULL WHERE source_id = source AND finished_at IS NULL;
  IF NOT FOUND THEN
    INSERT INTO "pgtally".sweep (source_id) VALUES (source);
  END IF;
END $$;

-- ALTER TABLE … DISABLE TRIGGER, or ENABLE ALWAYS TRIGGER, for all triggers of a source, whatever
-- its table is called by now. With the rights of whoever calls it.
CREATE OR REPLACE FUNCTION "pgtally".switch_triggers(source integer, enabled boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT g.tgrelid::regclass AS relation, g.tgname FROM pg_trigger AS g
     WHERE g.tgfoid = to_regprocedure(format('"pgtally".trigger_%s()', source)) AND g.tgparentid = 0
  LOOP
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation,
                   CASE WHEN enabled THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END, t.tgname);
  END LOOP;
END $$;
-- Which cluster the ledger is in, and finding its place in another one.
--
-- Rounds, baselines and cursors speak in transaction ids, and these mean nothing in a cluster that
-- did not give them out. After a dump and restore the same numbers are given out again, to rows that
-- a round would take for old ones; and rows which are in the log already carry numbers that are still
-- to come, when a round would take them for new. So the ledger remembers its cluster. In another one
-- it asks the log itself, by source, key and position, what is recorded, and begins a new round from
-- there.
--
-- A restart of the same cluster is no such case, whatever was lost in a crash. The commit record of a
-- batch is flushed, and with it all WAL before it: the commit of every row that the batch has seen,
-- and the end of every transaction below the xmax of the snapshot that it stored. A transaction that
-- was lost, with synchronous_commit off, ended after that. Its id is at or above that xmax or in the
-- list of those in progress, so its rows were in no batch, and whoever is given the id again is new.
-- The same holds for a standby that is promoted. It begins a new timeline nevertheless, and on a new
-- timeline a dump of the old one may have been restored, so it is taken for another cluster.

-- The cluster that this session is connected to. Not on a standby.
CREATE OR REPLACE FUNCTION "pgtally".this_cluster() RETURNS "pgtally".cluster
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT true, c.system_identifier,
         -- pg_control_checkpoint() says it only after the next checkpoint.
         ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
         pg_postmaster_start_time(), pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot()),
         clock_timestamp()
    FROM pg_control_system() AS c
$$;

-- Whether the ledger is in its own cluster. A server that has not been started since the ledger last
-- looked is the one that it was; so the usual answer costs nothing.
CREATE OR REPLACE FUNCTION "pgtally".is_at_home() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  home "pgtally".cluster;
  here "pgtally".cluster;
BEGIN
  SELECT * INTO home FROM "pgtally".cluster;
  IF home.started_at = pg_postmaster_start_time() THEN
    RETURN true;
  END IF;
  here := "pgtally".this_cluster();
  RETURN coalesce(home.system_identifier = here.system_identifier AND home.timeline = here.timeline
                  AND home.lsn <= here.lsn AND home.next_xid <= here.next_xid, false);
END $$;

CREATE OR REPLACE FUNCTION "pgtally".note_cluster() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM "pgtally".cluster;
  INSERT INTO "pgtally".cluster SELECT ("pgtally".this_cluster()).*;
END $$;

-- The next step of finding the ledger's place in the cluster that it is in now: a transaction of its
-- own under the lock, to be repeated until `done`. A step that is killed is done again by the next
-- call. Nothing is sequenced before the last one.
--
-- 1. Rows of staging that are in the log, and that carry an id which this cluster has not used up
--    yet, are given that of this transaction, which ends now. (No other id may be given to a row.)
-- 2. Then every row that is in the log is over in the snapshot that begins the next round. It is
--    stored with this transaction beside it, which gives its own id to the rows that are not in the
--    log. They are therefore in progress there, as is every transaction that has not ended yet, and
--    the next rounds take exactly these.
CREATE OR REPLACE FUNCTION "pgtally".settle_step(
  OUT moved    boolean,  -- there was something to do
  OUT done     boolean,
  OUT recorded bigint,   -- rows of staging that turned out to be in the log, and looked new
  OUT waiting  bigint,   -- and those that are not in it
  OUT sweeps   bigint)   -- sources whose whole tables are gone through next
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
  target integer;
BEGIN
  PERFORM "pgtally".lock_ledger();
  recorded := 0;
  waiting := 0;
  sweeps := 0;
  done := "pgtally".is_at_home();
  moved := NOT done;
  IF done THEN
    RETURN;
  END IF;
  IF NOT "pgtally".is_complete() THEN
    RAISE EXCEPTION 'the ledger''s schema is not complete' USING ERRCODE = 'TLY04',
      HINT = 'Perhaps it is still being restored. If not, it was restored without its triggers and '
             'constraints, and has to be restored again.';
  END IF;

  UPDATE "pgtally".append_only_log AS l SET xid = pg_current_xact_id()
   WHERE l.xid >= pg_snapshot_xmin(pg_current_snapshot())
     AND "pgtally".in_progress(l.xid, pg_current_snapshot(), pg_current_xact_id_if_assigned())
     AND EXISTS (
       SELECT FROM "pgtally".processed_log AS p
        WHERE p.source_id = l.source_id AND p.key = "pgtally".staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.operation = l.operation);
  GET DIAGNOSTICS recorded = ROW_COUNT;
  IF recorded > 0 THEN
    RETURN;
  END IF;

  -- Pruning must find no round whose snapshot is of another cluster.
  DELETE FROM "pgtally".round;
  DELETE FROM "pgtally".pruning;
  INSERT INTO "pgtally".round (since, since_self, next_id)
  SELECT pg_current_snapshot(), pg_current_xact_id(), h.next_id
    FROM "pgtally".log_head AS h ORDER BY h.head_id DESC LIMIT 1;
  UPDATE "pgtally".append_only_log AS l SET xid = pg_current_xact_id()
   WHERE NOT EXISTS (
       SELECT FROM "pgtally".processed_log AS p
        WHERE p.source_id = l.source_id AND p.key = "pgtally".staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.operation = l.operation);
  GET DIAGNOSTICS waiting = ROW_COUNT;

  -- Who could fill a hole is not told by virtual transactions of another server. Prepared ones may
  -- have come along to a promoted standby; they are listed once these here have ended.
  UPDATE "pgtally".barrier SET running = "pgtally".running_transactions(), prepared = NULL
   WHERE reader IS NULL;
  FOR target IN
    SELECT s.source_id FROM "pgtally".source AS s
     WHERE s.mode IN ('xid', 'poll') AND s.endpoint_id IS NULL AND s.state <> 'removed'
     ORDER BY s.source_id
  LOOP
    PERFORM "pgtally".begin_again(target);
    -- Which rows of mode xid were there when the source was added can no longer be told. Better one
    -- recorded that was to be skipped than one missing.
    DELETE FROM "pgtally".skipped WHERE source_id = target AND baseline IS NOT NULL;
    PERFORM "pgtally".sweep_again(target);
    sweeps := sweeps + 1;
  END LOOP;
  PERFORM "pgtally".note_cluster();
  done := true;
END $$;

-- What a restore puts in place last.
CREATE OR REPLACE FUNCTION "pgtally".is_complete() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM pg_trigger
                  WHERE tgrelid = '"pgtally".processed_log'::regclass AND tgname = 'continue_log')
     AND EXISTS (SELECT FROM pg_constraint
                  WHERE contypid = '"pgtally".staging_xid'::regtype
                    AND conname = 'xid_is_the_writers_own')
     AND EXISTS (SELECT FROM pg_policy
                  WHERE polrelid = '"pgtally".append_only_log'::regclass AND polname = 'see_own')
     AND EXISTS (SELECT FROM pg_index
                  WHERE indexrelid = to_regclass('"pgtally".processed_log_key') AND indisvalid)
$$;

-- The highest transaction id in a source's table that this cluster has not used up: a row can be seen
-- only if its transaction is over, so those that carry such an id were written in another cluster.
-- Null if there is none; the highest of all if the table cannot be read.
CREATE OR REPLACE FUNCTION "pgtally".foreign_xmax(source integer) RETURNS xid8
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  relation text;
  highest  xid8;
BEGIN
  SELECT convert_from(d.document, 'UTF8')::json ->> 'relation' INTO relation
    FROM "pgtally".definition AS d WHERE d.source_id = source ORDER BY d.number DESC LIMIT 1;
  EXECUTE format('SELECT t.xid FROM %s AS t WHERE t.xid >= pg_snapshot_xmin(pg_current_snapshot())'
                 ' AND NOT pg_visible_in_snapshot(t.xid, pg_current_snapshot())'
                 ' ORDER BY t.xid DESC LIMIT 1', relation) INTO highest;
  RETURN highest;
EXCEPTION WHEN OTHERS THEN
  RETURN '18446744073709551615';
END $$;

-- Whether a key is in the log already, or waits in staging: what tells new rows from old ones that
-- carry the transaction ids of another cluster (src/capture/xid.cc).
CREATE OR REPLACE FUNCTION "pgtally".is_recorded(source integer, key bytea, staged bytea[])
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN key = ANY(staged) OR EXISTS (
    SELECT FROM "pgtally".processed_log AS p
     WHERE p.source_id = source AND p.key = is_recorded.key);
END $$;

-- The keys of a source that wait in staging.
CREATE OR REPLACE FUNCTION "pgtally".staged_keys(source integer) RETURNS bytea[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.key), '{}')
    FROM "pgtally".append_only_log AS l, "pgtally".current_round() AS r
   WHERE l.source_id = source AND l.key IS NOT NULL AND l.xid >= pg_snapshot_xmin(r.since)
     AND "pgtally".can_be_recorded(l, ARRAY[source])
$$;
-- One batch, in the parts that both roads share: lock_ledger(), open_batch(), the rows of pending()
-- numbered into processed_log, close_batch(). process_next_batch() is the road in plain SQL.

-- Makes the caller the one sequencer until its transaction ends. Has to be a statement of its own
-- before the first that reads: a snapshot from before the wait would number rows twice.
CREATE OR REPLACE FUNCTION "pgtally".lock_ledger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'
AS $$
DECLARE
  class  CONSTANT integer := 1885827180;  -- "pgtl"
  ledger CONSTANT integer := '"pgtally".ledger'::regclass::oid::bigint::bit(32)::integer;
  holder record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'a batch needs READ COMMITTED, this transaction is %',
      upper(current_setting('transaction_isolation')) USING ERRCODE = 'TLR04',
      HINT = 'Start it with BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this server is a standby' USING ERRCODE = 'TLO01',
      HINT = 'Connect to the primary, for example with target_session_attrs=read-write.';
  END IF;
  PERFORM pg_advisory_xact_lock(class, ledger);
  -- Whoever holds the lock and then sleeps holds up everybody.
  PERFORM set_config('idle_in_transaction_session_timeout', '60s', true);
  -- What is in the log is durable, whatever the caller's settings say.
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
EXCEPTION WHEN lock_not_available THEN
  SELECT a.pid, a.usename, a.application_name, a.state, now() - a.xact_start AS since INTO holder
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
   WHERE l.locktype = 'advisory' AND l.granted AND l.classid = class::bigint::oid
     AND l.objid = '"pgtally".ledger'::regclass::oid AND l.database = (
       SELECT oid FROM pg_database WHERE datname = current_database());
  RAISE EXCEPTION 'the ledger is locked by another session for more than 10 s'
    USING ERRCODE = 'TLY01', HINT = coalesce(format(
      'Process %s (user %s, application "%s", %s) has held it for %s.', holder.pid, holder.usename,
      holder.application_name, holder.state, holder.since), 'Try again.');
END $$;

-- Where the next batch starts. Call it under the lock.
--
-- `upto` is where a round would end if none is open yet. `settled` are the barriers all of whose
-- transactions had ended before this call: a key that a later snapshot lacks will never come from
-- them. `has_work` says that close_batch() has something to do even if no row is new; a batch
-- without either writes nothing and takes no transaction id.
CREATE OR REPLACE FUNCTION "pgtally".open_batch() RETURNS "pgtally".batch
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  head "pgtally".log_head;
  b    "pgtally".batch;
BEGIN
  IF NOT "pgtally".is_at_home() THEN
    RAISE EXCEPTION 'the ledger is in another cluster than before' USING ERRCODE = 'TLY02',
      HINT = 'It was restored, or a standby was promoted. The service and process_next_batch() find '
             'out what is in the log already, and go on from there.';
  END IF;
  -- Before the head is read: it may put a notice into the log.
  PERFORM "pgtally".retry_failing();
  SELECT * INTO STRICT head FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1;
  IF head.sequenced_at > clock_timestamp() + interval '60 s' THEN
    RAISE EXCEPTION 'the last entry was recorded at %, which is still to come (now: %)',
      head.sequenced_at, clock_timestamp() USING ERRCODE = 'TLO02',
      HINT = 'The clock of the database server was set back, or was wrong before. Look at it; '
             'sequencing goes on by itself once the clock has caught up.';
  END IF;
  b.next_id := head.next_id;
  b.sequenced_at := greatest(head.sequenced_at, clock_timestamp());
  b.next_ordinals := head.next_ordinals;
  b.upto := pg_current_snapshot();
  b.upto_self := pg_current_xact_id_if_assigned();
  b.settled := "pgtally".settled_barriers();
  b.has_work := cardinality(b.settled) > 0 OR ("pgtally".current_round()).upto IS NOT NULL
                OR "pgtally".left_out() IS NOT NULL;
  RETURN b;
END $$;

-- Whether a batch of that many rows may have left some behind. Feeds share max_rows evenly, so none
-- was cut off if all together gave nothing or less than one share.
CREATE OR REPLACE FUNCTION "pgtally".may_have_more(taken bigint, max_rows integer) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN taken > 0 AND taken >= max_rows / cardinality("pgtally".feeds());
END $$;

-- Takes note of a batch that was just put into processed_log, and whether some feed may have had
-- more. In arrays of equal length: the feeds that gave rows, how many, the position of the first row,
-- xid and key of the last one in the feed's order (the key of a polled row is its position).
CREATE OR REPLACE FUNCTION "pgtally".close_batch(
  b          "pgtally".batch,
  max_rows   integer,
  feed_ids   integer[],
  counts     bigint[],
  first_positions text[],
  last_xids  xid8[],
  last_keys  text[])   -- as the text of a text[], because arrays of arrays need equal lengths
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  r        "pgtally".round := "pgtally".current_round();
  taken    bigint := (SELECT next_id FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1) - b.next_id;
  cut_off  boolean := "pgtally".may_have_more(taken, max_rows);
  begun    "pgtally".round := r;
  in_round boolean := EXISTS (
    SELECT FROM unnest(feed_ids) AS f(id) LEFT JOIN "pgtally".source AS s ON s.source_id = f.id
     WHERE f.id = 0 OR s.mode = 'xid') OR "pgtally".left_out() IS NOT NULL;
  i        integer;
BEGIN
  IF in_round AND r.upto IS NULL THEN
    r.upto := b.upto;
    r.upto_self := b.upto_self;
    IF cut_off THEN
      INSERT INTO "pgtally".round (since, since_self, upto, upto_self)
      VALUES (r.since, r.since_self, r.upto, r.upto_self) RETURNING * INTO r;
    END IF;
  END IF;

  FOR i IN 1 .. cardinality(feed_ids) LOOP
    IF feed_ids[i] <> 0 AND (SELECT mode FROM "pgtally".source WHERE source_id = feed_ids[i]) = 'poll' THEN
      PERFORM "pgtally".note_polled(feed_ids[i], b.next_id, counts[i], first_positions[i]::bigint,
                                  (last_keys[i]::text[])[1]::bigint);
    ELSIF cut_off THEN
      -- Programs of schema version 1 took staging by transactions, and say which row was the last by
      -- that order; others give transaction 0.
      IF feed_ids[i] = 0 AND last_xids[i] <> '0' THEN
        last_keys[i] := ARRAY[(SELECT max(s.staged_id) FROM "pgtally".staged(counts[i]::integer, r) AS s)]::text;
      END IF;
      INSERT INTO "pgtally".capture (feed, round_id, cursor_xid, cursor_key, baseline, baseline_self,
                                   foreign_xmax)
      SELECT feed_ids[i], r.round_id, last_xids[i], last_keys[i]::text[], p.baseline, p.baseline_self,
             p.foreign_xmax
        FROM "pgtally".progress_of(feed_ids[i]) AS p;
    END IF;
  END LOOP;

  IF r.upto IS NOT NULL AND NOT (cut_off AND "pgtally".round_has_more(r)) THEN
    INSERT INTO "pgtally".round (since, since_self, next_id)
    VALUES (r.upto, r.upto_self, b.next_id + taken);
  END IF;
  IF NOT cut_off THEN
    PERFORM "pgtally".drop_holes(b.settled);
  END IF;
  PERFORM "pgtally".trim_heads(b.next_id);
  PERFORM "pgtally".tell_of_left_out(begun);
END $$;

-- Puts a notice into the log if the round passed by a row of which no entry can be made: leave_out(). A
-- session may remember one of an earlier round that another session has told of.
CREATE OR REPLACE FUNCTION "pgtally".tell_of_left_out(r "pgtally".round) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  staged bigint := "pgtally".left_out();
BEGIN
  IF staged IS NULL THEN
    RETURN;
  END IF;
  PERFORM set_config('left_out.pgtally', '', false);
  IF EXISTS (SELECT FROM "pgtally".append_only_log AS l
              WHERE l.id = staged AND "pgtally".in_progress(l.xid, r.since, r.since_self)) THEN
    PERFORM "pgtally".notice_about(1, 'left_out', format(
      'Row %s of staging, and perhaps others, was written there by hand. No entry can be made of it, '
      'so it is not in the log.', staged));
  END IF;
END $$;

CREATE OR REPLACE FUNCTION "pgtally".round_has_more(r "pgtally".round) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  feed text;
  more boolean;
BEGIN
  FOREACH feed IN ARRAY "pgtally".feeds() LOOP
    CONTINUE WHEN EXISTS (
      SELECT FROM "pgtally".source AS s WHERE s.mode = 'poll' AND format('feed_%s', s.source_id) = feed);
    EXECUTE format('SELECT EXISTS (SELECT FROM "pgtally".%I(1, $1))', feed) INTO more USING r;
    IF more THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;

-- Old heads, rounds and capture rows count for nothing. They go in batches, so that no single row
-- is hot and nobody's old snapshot makes the newest slow to find.
CREATE OR REPLACE FUNCTION "pgtally".trim_heads(next_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest bigint := (SELECT head_id FROM "pgtally".log_head ORDER BY head_id DESC LIMIT 1);
BEGIN
  IF newest % 64 <> 0 THEN
    RETURN;
  END IF;
  DELETE FROM "pgtally".log_head WHERE head_id < newest - 64;
  DELETE FROM "pgtally".tree_head WHERE head_id < (SELECT max(head_id) FROM "pgtally".tree_head) - 64;
  -- The newest round that the newest checkpoint covers is where pruning may go to.
  DELETE FROM "pgtally".round WHERE round_id < (SELECT max(round_id) FROM "pgtally".round) - 64
     AND round_id <> (SELECT coalesce(max(r.round_id), 0) FROM "pgtally".round AS r
                       WHERE r.next_id <= (SELECT max(size) FROM "pgtally".checkpoint));
  DELETE FROM "pgtally".capture AS c
   USING (SELECT feed, max(capture_id) AS newest FROM "pgtally".capture GROUP BY feed) AS n
   WHERE c.feed = n.feed AND c.capture_id < n.newest;
  PERFORM "pgtally".note_cluster();
END $$;

-- Sequences one batch and returns how many rows it took. Plain SQL: any client may call it, and a
-- service that runs beside it integrates what it finds. In a cluster that is new to the ledger, a call
-- takes no rows but the next step of settling there.
CREATE OR REPLACE FUNCTION "pgtally".process_next_batch(max_rows integer DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET jit = off
AS $$
BEGIN
  PERFORM "pgtally".lock_ledger();
  IF NOT "pgtally".is_at_home() THEN
    PERFORM "pgtally".settle_step();
    RETURN 0;
  END IF;
  BEGIN
    RETURN "pgtally".sequence_batch(max_rows);
  EXCEPTION WHEN OTHERS THEN
    -- The trouble of one source is not the others'.
    IF SQLSTATE LIKE 'TL_%' AND SQLSTATE <> 'TLO03' OR "pgtally".set_aside_failing(max_rows) = 0 THEN
      RAISE;
    END IF;
  END;
  RETURN "pgtally".sequence_batch(max_rows);
END $$;

-- The batch itself, under the lock that the caller holds.
CREATE OR REPLACE FUNCTION "pgtally".sequence_batch(max_rows integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b      "pgtally".batch;
  taken  bigint;
  feeds  integer[];
  counts bigint[];
  firsts text[];
  xids   xid8[];
  keys   text[];
BEGIN
  b := "pgtally".open_batch();
  WITH rows AS MATERIALIZED (
    SELECT t.*, row_number() OVER (PARTITION BY source_id ORDER BY place) AS nth
      FROM "pgtally".pending(max_rows, b.upto, b.upto_self) WITH ORDINALITY AS t(
             feed, source_id, definition, operation, key, source_position, source_time, content,
             data, xid, staged_id, cursor_key, place)
  ), numbered AS (
    INSERT INTO "pgtally".processed_log (id, source_id, definition, ordinal, operation, key,
           source_position, source_time, content_hash, data, sequenced_at)
    SELECT b.next_id + place - 1, source_id, definition,
           coalesce(b.next_ordinals[source_id + 1], 0) + nth - 1, operation, key,
           source_position, source_time,
           "pgtally".published_hash(content, secret, b.next_id + place - 1), data, b.sequenced_at
      FROM rows LEFT JOIN "pgtally".secret USING (source_id)
     ORDER BY place
  ), last AS (
    -- In the order of the feed: rows of staging may stand in another one, by their sources' times.
    SELECT DISTINCT ON (feed) feed, CASE WHEN feed = 0 THEN '0' ELSE xid END AS xid,
           coalesce(cursor_key, ARRAY[coalesce(staged_id::text, source_position)])::text AS key
      FROM rows ORDER BY feed, staged_id DESC NULLS LAST, rows.xid DESC NULLS LAST, place DESC
  ), first AS (
    SELECT feed, count(*) AS n, min(place) AS place FROM rows GROUP BY feed
  )
  SELECT (SELECT count(*) FROM rows), array_agg(l.feed), array_agg(f.n),
         array_agg(r.source_position), array_agg(l.xid), array_agg(l.key)
    INTO taken, feeds, counts, firsts, xids, keys
    FROM last AS l JOIN first AS f USING (feed) JOIN rows AS r ON r.place = f.place;
  IF taken > 0 OR b.has_work THEN
    PERFORM "pgtally".close_batch(b, max_rows, coalesce(feeds, '{}'), counts, firsts, xids, keys);
  END IF;
  RETURN taken;
END $$;

-- What an entry shows of the content's hash: the hash itself, or blinded with a salt of its own.
-- Spec: docs/formats.md, "Content hash".
CREATE OR REPLACE FUNCTION "pgtally".published_hash(content bytea, secret bytea, id bigint)
RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN CASE
  WHEN secret IS NULL OR content = '\x0000000000000000000000000000000000000000000000000000000000000000'
  THEN content
  ELSE sha256('pgtally/blind/v1'::bytea || '\x00'::bytea || sha256(secret || int8send(id)) || content)
END;

-- Records what the hashes of a source mean from here on, before any row is hashed so.
CREATE OR REPLACE FUNCTION "pgtally".define(source_id integer, number integer, document bytea)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b "pgtally".batch;
BEGIN
  PERFORM "pgtally".lock_ledger();
  b := "pgtally".open_batch();
  INSERT INTO "pgtally".processed_log (id, source_id, definition, ordinal, operation, key,
         source_position, source_time, content_hash, data, sequenced_at)
  VALUES (b.next_id, define.source_id, number,
          coalesce(b.next_ordinals[define.source_id + 1], 0), 5, '', '', NULL,
          sha256(document), document, b.sequenced_at);
  INSERT INTO "pgtally".definition VALUES (define.source_id, number, b.next_id, document);
  UPDATE "pgtally".source AS s SET definition = number WHERE s.source_id = define.source_id;
  RETURN b.next_id;
END $$;

-- Records an event of the ledger's own life, as a document (docs/formats.md, "Notices").
CREATE OR REPLACE FUNCTION "pgtally".notice(document bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b "pgtally".batch;
BEGIN
  PERFORM "pgtally".lock_ledger();
  b := "pgtally".open_batch();
  INSERT INTO "pgtally".processed_log (id, source_id, definition, ordinal, operation, key,
         source_position, source_time, content_hash, data, sequenced_at)
  VALUES (b.next_id, 0, 0, coalesce(b.next_ordinals[1], 0), 6, '', '', NULL,
          sha256(document), document, b.sequenced_at);
  RETURN b.next_id;
END $$;

-- A notice about one source. `detail` needs no escaping in JSON.
CREATE OR REPLACE FUNCTION "pgtally".notice_about(source integer, event text, detail text)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT "pgtally".notice(convert_to(format(
           '{"at":"%s","detail":"%s","event":"%s","sources":["%s"],"v":"1"}',
           to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           detail, event, (SELECT s.name FROM "pgtally".source AS s WHERE s.source_id = source)), 'UTF8'))
$$;
-- Writing to staging by hand. Direct INSERTs are as good; row-level security holds for both.

CREATE OR REPLACE FUNCTION "pgtally".append(data bytea, source text DEFAULT 'append_only_log')
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  target "pgtally".source.source_id%TYPE;
  staged bigint;
BEGIN
  IF data IS NULL THEN
    RAISE EXCEPTION 'there is no data to append' USING ERRCODE = 'TLR05';
  END IF;
  SELECT s.source_id INTO target FROM "pgtally".source AS s
   WHERE s.name = append.source AND s.mode = 'append' AND s.state <> 'removed';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no source "%" that rows can be appended to', source
      USING ERRCODE = 'TLR05', HINT = 'pgtally source list shows the sources; pgtally source add '
                                      'NAME --append makes one.';
  END IF;
  INSERT INTO "pgtally".append_only_log (source_id, data) VALUES (target, append.data)
  RETURNING id INTO staged;
  RETURN staged;
END $$;

-- A direct writer reaches the append sources that were granted to one of his roles, and there he
-- chooses data, time and position, nothing else. What a source's own capture stages is written
-- with the owner's rights. And RETURNING id works for one's own rows.
--
-- Made once, because making them anew waits for every open transaction that has written to staging.
-- A migration that changes them drops them.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_policy WHERE polrelid = '"pgtally".append_only_log'::regclass) THEN
    RETURN;
  END IF;
  CREATE POLICY append_own ON "pgtally".append_only_log FOR INSERT WITH CHECK (
    operation = 1 AND definition = 0 AND key IS NULL AND content_hash IS NULL AND data IS NOT NULL
    AND (source_position IS NULL OR octet_length(source_position) <= 255)
    AND source_id IN (SELECT s.source_id FROM "pgtally".source AS s
                       WHERE s.mode = 'append' AND s.state = 'active'
                         AND s.writer IS NOT NULL AND pg_has_role(s.writer, 'MEMBER')));
  CREATE POLICY see_own ON "pgtally".append_only_log FOR SELECT USING (xid = pg_current_xact_id());
END $$;
-- Sweeps: a pass over a source's whole table by key, for rows that its capture could not see: those
-- that were there before it, and keys that were handed out long before they were used.

-- Scans the next `most` keys of the source's running sweep, starting one if there is none, and
-- stages what is neither in the log nor on its way into it. Under the lock, so that no row is
-- taken twice. What it found is in the log after the next batches.
CREATE OR REPLACE FUNCTION "pgtally".sweep_step(
  target      integer,
  most        integer,
  OUT done    boolean,
  OUT scanned bigint,
  OUT staged  bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET lc_numeric = 'C'
SET quote_all_identifiers = off
SET standard_conforming_strings = on
AS $$
DECLARE
  s      "pgtally".source;
  sweep  "pgtally".sweep;
  last   text[];
BEGIN
  PERFORM "pgtally".lock_ledger();
  PERFORM "pgtally".open_batch();
  SELECT * INTO s FROM "pgtally".source WHERE source_id = target;
  IF s.state <> 'active' OR s.mode NOT IN ('xid', 'poll', 'trigger') THEN
    RAISE EXCEPTION 'source % is not one that can be swept now (mode %, %)', s.name, s.mode, s.state
      USING ERRCODE = 'TLR06';
  END IF;
  IF s.existing = 'skip' AND s.mode = 'trigger' THEN
    RAISE EXCEPTION 'the rows that source % had when it was added were skipped, and a sweep cannot '
      'tell them from rows that were missed', s.name USING ERRCODE = 'TLR06';
  END IF;
  SELECT * INTO sweep FROM "pgtally".sweep AS w WHERE w.source_id = target AND finished_at IS NULL;
  IF sweep.sweep_id IS NULL THEN
    -- A partition may have come with rows of another cluster since the last one.
    IF s.mode = 'xid' AND "pgtally".foreign_xmax(target)
                          > coalesce(("pgtally".progress_of(target)).foreign_xmax, '0') THEN
      PERFORM "pgtally".begin_again(target);
    END IF;
    INSERT INTO "pgtally".sweep (source_id) VALUES (target) RETURNING * INTO sweep;
  END IF;

  EXECUTE format('SELECT * FROM "pgtally".%I($1, $2)', 'sweep_' || target)
    INTO scanned, staged, last USING sweep.cursor_key, most;
  done := scanned < most;
  UPDATE "pgtally".sweep AS w
     SET cursor_key = coalesce(last, w.cursor_key), scanned = w.scanned + sweep_step.scanned,
         found = w.found + staged, finished_at = CASE WHEN done THEN clock_timestamp() END
   WHERE w.sweep_id = sweep.sweep_id;
  IF EXISTS (SELECT FROM "pgtally".failure AS f WHERE f.source_id = target) THEN
    PERFORM "pgtally".clear_failure(target);
  END IF;
END $$;
-- Mode logical: what the reader of a replication slot stores beside the rows that it stages.

-- Moves the stream's progress on, for a reader that knew it as `expected`. Another reader of the same
-- slot may have gone on meanwhile: then nothing that this one brings may be staged.
CREATE OR REPLACE FUNCTION "pgtally".advance_stream(
  stream integer, expected bigint, commit_lsn pg_lsn, changes bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock('"pgtally".stream'::regclass::oid::bigint::bit(32)::integer, stream);
  SELECT max(p.progress_id) INTO newest FROM "pgtally".stream_progress AS p WHERE p.stream_id = stream;
  IF newest IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'another reader has gone on with stream %', stream USING ERRCODE = 'TLY03',
      HINT = 'Only one at a time can; this one begins again where the other stands.';
  END IF;
  INSERT INTO "pgtally".stream_progress (stream_id, commit_lsn, changes)
  VALUES (stream, advance_stream.commit_lsn, advance_stream.changes)
  RETURNING progress_id INTO newest;
  IF newest % 64 = 0 THEN
    DELETE FROM "pgtally".stream_progress AS p
     WHERE p.stream_id = stream AND p.progress_id < newest - 64;
  END IF;
  RETURN newest;
END $$;

-- The latest entries of these keys of a source, recorded or on their way. A key that has none, or
-- that was deleted or truncated away, has a null operation.
--
-- Whatever a stream records goes through staging in the order of its ids, so what is staged is later
-- than what is in the log.
CREATE OR REPLACE FUNCTION "pgtally".latest_states(source integer, keys bytea[])
RETURNS TABLE (place bigint, operation smallint, entry_id bigint, content_hash bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
  r          "pgtally".round := "pgtally".current_round();
  since      xid8 := pg_snapshot_xmin(r.since);
  emptied    bigint := (SELECT max(p.id) FROM (
                          SELECT e.id, e.operation FROM "pgtally".processed_log AS e
                           WHERE e.source_id = source AND e.key = '' OFFSET 0) AS p
                         WHERE p.operation = 4);
  emptied_in_staging bigint := (SELECT max(l.id) FROM "pgtally".append_only_log AS l
                                 WHERE l.source_id = source AND l.xid >= since AND l.operation = 4
                                   AND "pgtally".in_progress(l.xid, r.since, r.since_self)
                                   AND "pgtally".can_be_recorded(l, ARRAY[source]));
BEGIN
  RETURN QUERY
  WITH asked AS (
    SELECT k.key, k.place FROM unnest(keys) WITH ORDINALITY AS k(key, place)
  ), staged AS MATERIALIZED (
    SELECT DISTINCT ON (l.key) l.key, l.operation, l.content_hash
      FROM "pgtally".append_only_log AS l
     WHERE l.source_id = source AND l.xid >= since AND l.key IS NOT NULL
       AND "pgtally".in_progress(l.xid, r.since, r.since_self)
       AND "pgtally".can_be_recorded(l, ARRAY[source])
       AND l.id > coalesce(emptied_in_staging, 0)
     ORDER BY l.key, l.id DESC
  )
  SELECT a.place, nullif(coalesce(s.operation, p.operation), 3::smallint),
         CASE WHEN s.key IS NULL THEN p.id END, coalesce(s.content_hash, p.content_hash)
    FROM asked AS a
    LEFT JOIN staged AS s ON s.key = a.key
    LEFT JOIN LATERAL (
      -- Behind OFFSET 0, or the planner walks down the whole log by id.
      SELECT e.id, e.operation, e.content_hash FROM (
        SELECT * FROM "pgtally".processed_log AS e
         WHERE e.source_id = source AND e.key = a.key OFFSET 0) AS e
       WHERE e.id > coalesce(emptied, -1)
       ORDER BY e.id DESC LIMIT 1) AS p ON s.key IS NULL AND emptied_in_staging IS NULL;
END $$;

-- For each row of a table, given by key and content: 1 where it has to be recorded as an insert, 2 as
-- an update, 0 where it is recorded as it is. With `note_seen` for record_missing(), later.
CREATE OR REPLACE FUNCTION "pgtally".compare_rows(
  source integer, keys bytea[], contents bytea[], note_seen boolean) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  hidden_with bytea := (SELECT s.secret FROM "pgtally".secret AS s WHERE s.source_id = source);
BEGIN
  IF note_seen THEN
    INSERT INTO "pgtally".stream_seen (source_id, key) SELECT source, unnest(keys)
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN ARRAY(
    SELECT CASE
             WHEN l.operation IS NULL THEN 1
             WHEN l.content_hash = CASE WHEN l.entry_id IS NULL THEN c.content
                  ELSE "pgtally".published_hash(c.content, hidden_with, l.entry_id) END THEN 0
             ELSE 2
           END::bigint
      FROM unnest(contents) WITH ORDINALITY AS c(content, place)
      JOIN "pgtally".latest_states(source, keys) AS l USING (place)
     ORDER BY c.place);
END $$;

-- Stages a delete for each of the next `most` recorded keys after `after` that is alive and was not
-- seen. Returns the last of these keys; null when there are no more.
CREATE OR REPLACE FUNCTION "pgtally".record_missing(
  source integer, after bytea, most integer, source_position text,
  OUT last_key bytea, OUT staged bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  since xid8 := pg_snapshot_xmin(("pgtally".current_round()).since);
  keys  bytea[];
BEGIN
  keys := ARRAY(
    SELECT DISTINCT u.key FROM (
      (SELECT DISTINCT p.key FROM "pgtally".processed_log AS p
        WHERE p.source_id = source AND p.key > after ORDER BY p.key LIMIT most)
      UNION
      (SELECT DISTINCT l.key FROM "pgtally".append_only_log AS l
        WHERE l.source_id = source AND l.xid >= since AND l.key > after ORDER BY l.key LIMIT most)
    ) AS u ORDER BY u.key LIMIT most);
  last_key := keys[cardinality(keys)];
  INSERT INTO "pgtally".append_only_log (source_id, definition, operation, key, source_position,
         source_time, content_hash)
  SELECT source, (SELECT s.definition FROM "pgtally".source AS s WHERE s.source_id = source), 3,
         k.key, record_missing.source_position, NULL, decode(repeat('00', 32), 'hex')
    FROM unnest(keys) WITH ORDINALITY AS k(key, place)
    JOIN "pgtally".latest_states(source, keys) AS l USING (place)
   WHERE l.operation IS NOT NULL
     AND NOT EXISTS (SELECT FROM "pgtally".stream_seen AS n WHERE n.source_id = source AND n.key = k.key)
   ORDER BY k.place;
  GET DIAGNOSTICS staged = ROW_COUNT;
END $$;
-- Modes poll and xid in other databases: what their readers (src/capture/remote_*) store beside the
-- rows that they stage. The rules are those of rounds.sql and holes.sql; what only the other server
-- can tell is fetched there and handed in.

-- Makes the caller's transaction the only one that stages rows of a source, for a reader that knew
-- the source's progress as `expected` (null: whatever it is). A statement of its own.
CREATE OR REPLACE FUNCTION "pgtally".lock_source(source integer, expected bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s "pgtally".source;
BEGIN
  SELECT r.* INTO s FROM "pgtally".source AS r WHERE r.source_id = source FOR NO KEY UPDATE;
  IF s.state IS DISTINCT FROM 'active' THEN
    RAISE EXCEPTION 'source % is %', s.name, s.state USING ERRCODE = 'TLR06';
  END IF;
  IF expected <> coalesce(("pgtally".progress_of(source)).capture_id, 0) THEN
    RAISE EXCEPTION 'another reader has gone on with source %', s.name USING ERRCODE = 'TLY03',
      HINT = 'Only one at a time can; this one begins again where the other stands.';
  END IF;
END $$;

-- The places (from 1) of the keys that are neither in the log nor on their way into it.
CREATE OR REPLACE FUNCTION "pgtally".unrecorded(source integer, keys bytea[]) RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.place ORDER BY l.place), '{}')
    FROM "pgtally".latest_states(source, keys) AS l WHERE l.operation IS NULL
$$;

-- The same for rows that a sweep came across. It leaves to the reader what the reader is going to
-- take, in its next round or in a hole that it still looks into; and out what is to be skipped.
CREATE OR REPLACE FUNCTION "pgtally".late_rows(source integer, keys bytea[], positions text[])
RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  progress "pgtally".capture := "pgtally".progress_of(source);
  skip     "pgtally".skipped;
  s        "pgtally".source;
  holes    int8multirange;
  places   bigint[] := "pgtally".unrecorded(source, keys);
BEGIN
  SELECT r.* INTO s FROM "pgtally".source AS r WHERE r.source_id = source;
  SELECT k.* INTO skip FROM "pgtally".skipped AS k WHERE k.source_id = source;
  IF s.sweeps_only THEN
    RETURN places;
  ELSIF s.mode = 'xid' THEN
    RETURN ARRAY(
      SELECT p FROM unnest(places) AS p, LATERAL (SELECT nullif(positions[p], '')::xid8) AS w(x)
       WHERE (w.x IS NULL OR w.x <= progress.foreign_xmax
              OR pg_visible_in_snapshot(w.x, progress.since))
         AND (skip.baseline IS NULL OR NOT pg_visible_in_snapshot(w.x, skip.baseline)));
  END IF;
  SELECT coalesce(range_agg(r.keys), '{}') INTO holes
    FROM "pgtally".hole AS h, unnest(h.ranges) AS r(keys) WHERE h.source_id = source;
  RETURN ARRAY(
    SELECT p FROM unnest(places) AS p
     WHERE positions[p]::bigint <= progress.high AND NOT holes @> positions[p]::bigint
       AND (positions[p]::bigint <= skip.high) IS NOT TRUE);
END $$;

-- The holes that a reader looks into now: all while their barriers are few; of many, each in turn.
CREATE OR REPLACE FUNCTION "pgtally".probed_holes(source integer)
RETURNS TABLE (barrier_id bigint, ranges int8multirange)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT h.barrier_id, h.ranges FROM (
    SELECT h.*, count(*) OVER () AS n, max(h.barrier_id) OVER () AS newest
      FROM "pgtally".hole AS h WHERE h.source_id = source) AS h
   WHERE n <= 8 OR h.barrier_id = newest
      OR current_setting('pgtally_session.probe_all_holes', true) = 'on'
      OR (floor(extract(epoch FROM clock_timestamp()))::bigint + h.barrier_id) % 4 = 0
$$;

-- Whether move_barriers() would do anything that counts for a reader that looks into the holes behind
-- `probed`; asked first, so that an idle reader writes nothing.
CREATE OR REPLACE FUNCTION "pgtally".barriers_move(
  source integer, server text, running text[], prepared text[], probed bigint[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM "pgtally".barrier AS b
     WHERE b.reader = source
       AND CASE WHEN b.server <> barriers_move.server THEN true
                WHEN b.prepared IS NULL THEN NOT b.running && barriers_move.running
                ELSE b.barrier_id = ANY(probed) AND NOT b.prepared && barriers_move.prepared END)
$$;

-- settled_barriers() for another server, with the transactions that it showed: `running`, and then,
-- in a later statement, `prepared`. Never with those of a standby, which shows nobody who writes.
--
-- A barrier that another server's transactions stand in (a standby's, or those of the primary that
-- failed) says nothing about this one, and begins again with all that run here.
CREATE OR REPLACE FUNCTION "pgtally".move_barriers(
  source integer, server text, running text[], prepared text[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  settled bigint[];
BEGIN
  UPDATE "pgtally".barrier AS b
     SET server = move_barriers.server, running = move_barriers.running, prepared = NULL
   WHERE b.reader = source AND b.server <> move_barriers.server;
  UPDATE "pgtally".barrier AS b SET prepared = move_barriers.prepared
   WHERE b.reader = source AND b.prepared IS NULL AND NOT b.running && move_barriers.running;
  SELECT coalesce(array_agg(b.barrier_id), '{}') INTO settled FROM "pgtally".barrier AS b
   WHERE b.reader = source AND b.prepared IS NOT NULL AND NOT b.prepared && move_barriers.prepared;
  RETURN settled;
END $$;

-- After a reader staged the rows of `keys`, the highest of which is `top` (null: there were none):
-- gives up the holes behind `closed`, which were found empty after all that could fill them had
-- ended; fills holes; and notes new ones behind those who ran there after the rows were read.
CREATE OR REPLACE FUNCTION "pgtally".note_read(
  source integer, server text, keys int8multirange, top bigint, closed bigint[], running text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  high    bigint := ("pgtally".progress_of(source)).high;
  skipped int8multirange;
BEGIN
  DELETE FROM "pgtally".hole AS h WHERE h.source_id = source AND h.barrier_id = ANY(closed);
  IF top IS NOT NULL THEN
    skipped := "pgtally".fill_holes(source, high, top, keys);
    IF NOT isempty(skipped) THEN
      PERFORM "pgtally".put_holes(source, skipped, running, source, server);
    END IF;
  END IF;
  DELETE FROM "pgtally".barrier AS b
   WHERE b.reader = source
     AND NOT EXISTS (SELECT FROM "pgtally".hole AS h WHERE h.barrier_id = b.barrier_id);
  INSERT INTO "pgtally".capture (feed, high, server) VALUES (source, greatest(high, top), server);
END $$;

-- A sweep over all, from the beginning, for a source whose place in its table is not certain any more.
CREATE OR REPLACE FUNCTION "pgtally".sweep_anew(source integer) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM "pgtally".sweep WHERE source_id = source AND finished_at IS NULL;
  INSERT INTO "pgtally".sweep (source_id) VALUES (source);
$$;
-- After entries that had been published and were lost are recorded again: capture has to know them.
-- (src/service/re_record.h puts them into the log.)

-- Takes note of the entries from `first` on, as if they had been taken from their sources just now.
-- Has the ledger settle anew, as in another cluster: settle_step() looks up in the log which rows of
-- staging are recorded, and has local tables swept. Under the lock, in the transaction that recorded
-- the entries.
CREATE OR REPLACE FUNCTION "pgtally".note_recovered(first bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s "pgtally".source;
BEGIN
  PERFORM "pgtally".renumber_staging(first);
  PERFORM "pgtally".drop_restaged(first);
  FOR s IN SELECT * FROM "pgtally".source WHERE state <> 'removed' AND source_id > 1 ORDER BY source_id
  LOOP
    IF s.mode = 'poll' AND NOT s.sweeps_only THEN
      PERFORM "pgtally".note_recovered_keys(s.source_id, first, s.endpoint_id IS NOT NULL);
    ELSIF s.mode = 'xid' AND s.endpoint_id IS NOT NULL THEN
      -- A history that is no server's: the reader begins again where that server is now.
      INSERT INTO "pgtally".capture (feed, since, server, server_lsn)
      SELECT s.source_id, p.since, 'recovered', p.server_lsn FROM "pgtally".progress_of(s.source_id) AS p
       WHERE p.since IS NOT NULL;
    ELSIF s.mode = 'logical' THEN
      PERFORM "pgtally".begin_again(s.source_id);
    END IF;
  END LOOP;
  PERFORM "pgtally".trim_heads(first);
  DELETE FROM "pgtally".cluster;
END $$;

-- The restored sequence gives ids out again that rows of staging had which are lost. A row that took
-- such an id is another one than the entry that bears it, and gets a new id; a row that has the entry's
-- content is the one that the entry is about.
CREATE OR REPLACE FUNCTION "pgtally".renumber_staging(first bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  highest bigint;
BEGIN
  SELECT max(p.source_position::bigint) INTO highest
    FROM "pgtally".processed_log AS p JOIN "pgtally".source AS s USING (source_id)
   WHERE p.id >= first AND p.operation <= 4 AND s.mode IN ('append', 'trigger')
     AND p.source_position ~ '^[0-9]{1,18}$';
  IF highest IS NULL THEN
    RETURN;
  END IF;
  PERFORM setval('"pgtally".append_only_log_id_seq',
                 greatest(highest, nextval('"pgtally".append_only_log_id_seq')));
  UPDATE "pgtally".append_only_log AS l SET id = DEFAULT, xid = pg_current_xact_id()
   WHERE (l.key IS NULL OR l.source_position IS NULL)
     AND EXISTS (
       SELECT FROM "pgtally".processed_log AS p
        WHERE p.id >= first AND p.source_id = l.source_id AND p.operation = l.operation
          AND p.key = "pgtally".staged_key(l.operation, l.key, l.id)
          AND (l.key IS NULL OR p.source_position = l.id::text))
     AND NOT EXISTS (
       SELECT FROM "pgtally".processed_log AS p LEFT JOIN "pgtally".secret AS h USING (source_id)
        WHERE p.source_id = l.source_id AND p.operation = l.operation
          AND p.key = "pgtally".staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.content_hash = "pgtally".published_hash(
                "pgtally".staged_content(l.content_hash, l.data), h.secret, p.id));
END $$;

-- Rows of mode trigger that were lost and that the application has inserted again, as they were: their
-- entries are those that were recorded again.
CREATE OR REPLACE FUNCTION "pgtally".drop_restaged(first bigint) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM "pgtally".append_only_log WHERE id IN (
    SELECT l.id
      FROM "pgtally".append_only_log AS l
      JOIN "pgtally".source AS s ON s.source_id = l.source_id AND s.mode = 'trigger'
      LEFT JOIN "pgtally".secret AS h ON h.source_id = l.source_id
     CROSS JOIN LATERAL (
       SELECT p.id, p.operation, p.content_hash FROM "pgtally".processed_log AS p
        WHERE p.id >= first AND p.source_id = l.source_id AND p.key = l.key
        ORDER BY p.id DESC LIMIT 1) AS newest
     WHERE l.operation = 1 AND newest.operation IN (1, 2)
       AND newest.content_hash = "pgtally".published_hash(l.content_hash, h.secret, newest.id)
       AND NOT EXISTS (
         SELECT FROM "pgtally".processed_log AS p
          WHERE p.source_id = l.source_id AND p.key = l.key AND p.operation = l.operation
            AND p.source_position = coalesce(l.source_position, l.id::text)))
$$;

-- What note_polled() or note_read() would have noted of the recovered entries of a polled source. A
-- barrier of a reader names no server, and so begins again with all that run there.
CREATE OR REPLACE FUNCTION "pgtally".note_recovered_keys(source integer, first bigint, remote boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most    CONSTANT bigint := 9223372036854775807;
  high    bigint := ("pgtally".progress_of(source)).high;
  top     bigint;
  keys    int8multirange;
  skipped int8multirange;
BEGIN
  SELECT max(p.source_position::bigint),
         coalesce(range_agg(int8range(p.source_position::bigint, p.source_position::bigint, '[]'))
                    FILTER (WHERE p.source_position <> most::text), '{}')
    INTO top, keys
    FROM "pgtally".processed_log AS p
   WHERE p.id >= first AND p.source_id = source AND p.operation = 1;
  IF top IS NULL THEN
    RETURN;
  END IF;
  skipped := "pgtally".fill_holes(source, high, top, keys);
  IF NOT isempty(skipped) THEN
    IF remote THEN
      PERFORM "pgtally".put_holes(source, skipped, '{}', source, 'recovered');
    ELSE
      PERFORM "pgtally".add_holes(source, skipped);
    END IF;
  END IF;
  INSERT INTO "pgtally".capture (feed, high, server)
  VALUES (source, greatest(high, top), CASE WHEN remote THEN 'recovered' END);
END $$;
-- Dropping rows of staging that a signed checkpoint covers.
--
-- Which rows these are follows from the rounds, without a look at the log. When a round has ended,
-- every row that was over in its snapshot is in the log, below the id that stands beside the
-- snapshot (round.next_id). Once a checkpoint is as large as that, all of them can go. Pruning
-- goes on from one such snapshot to a later one by the rule of the rounds, so it comes to each row
-- once and never walks over what it has deleted, which a long transaction may keep in the indexes
-- for a day.

-- Deletes the next rows, at most max_rows, and returns how many. Fewer than max_rows: the others
-- are not covered yet, or another session prunes. Takes no lock that a writer or a sequencer waits
-- for.
CREATE OR REPLACE FUNCTION "pgtally".prune(max_rows integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  class    CONSTANT integer := 1885827180;  -- "pgtl"
  pruning  CONSTANT integer := '"pgtally".pruning'::regclass::oid::bigint::bit(32)::integer;
  p        "pgtally".pruning;
  mark     "pgtally".round;
  here     xid8 := '0';
  here_id  bigint := 0;
  gone     bigint;
  last_xid xid8;
  last_id  bigint;
BEGIN
  IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000000 THEN
    RAISE EXCEPTION 'max_rows is %, and has to be within 1..1000000', max_rows
      USING ERRCODE = 'TLR03';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'pruning needs READ COMMITTED, this transaction is %',
      upper(current_setting('transaction_isolation')) USING ERRCODE = 'TLR04',
      HINT = 'Start it with BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  -- In another cluster, snapshots from before do not tell what is in the log.
  IF NOT pg_try_advisory_xact_lock(class, pruning) OR NOT "pgtally".is_at_home() THEN
    RETURN 0;
  END IF;

  SELECT * INTO p FROM "pgtally".pruning ORDER BY pruning_id DESC LIMIT 1;
  IF p.upto IS NULL THEN
    p.since := coalesce(p.since, '1:1:');
    SELECT * INTO mark FROM "pgtally".round AS r
     WHERE r.next_id <= (SELECT max(size) FROM "pgtally".checkpoint)
     ORDER BY r.round_id DESC LIMIT 1;
    IF NOT FOUND OR mark.since::text = p.since::text THEN
      RETURN 0;
    END IF;
    p.upto := mark.since;
    p.upto_self := mark.since_self;
  ELSE
    here := coalesce(p.cursor_xid, '0');
    here_id := coalesce(p.cursor_id, 0);
  END IF;

  -- The three ranges of staged(), see functions/rounds.sql.
  WITH doomed AS MATERIALIZED (
    SELECT d.place, d.xid, d.id FROM (
      (SELECT l.ctid AS place, l.xid, l.id FROM "pgtally".append_only_log AS l
        WHERE l.xid = here AND l.id > here_id
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.place, l.xid, l.id
         FROM unnest("pgtally".in_progress_below_xmax(p.since, p.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT l.ctid AS place, l.xid, l.id FROM "pgtally".append_only_log AS l
            WHERE l.xid = open.xid ORDER BY l.id LIMIT max_rows) AS l
        WHERE open.xid > here AND NOT "pgtally".in_progress(open.xid, p.upto, p.upto_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT l.ctid AS place, l.xid, l.id FROM "pgtally".append_only_log AS l
        WHERE l.xid >= pg_snapshot_xmax(p.since) AND l.xid > here
          AND l.xid < pg_snapshot_xmax(p.upto)
          AND NOT "pgtally".in_progress(l.xid, p.upto, p.upto_self)
        ORDER BY l.xid, l.id LIMIT max_rows)
    ) AS d
    ORDER BY d.xid, d.id LIMIT max_rows
  ), deleted AS (
    DELETE FROM "pgtally".append_only_log WHERE ctid = ANY(ARRAY(SELECT place FROM doomed))
  )
  SELECT (SELECT count(*) FROM doomed), last.xid, last.id INTO gone, last_xid, last_id
    FROM (SELECT) AS one
    LEFT JOIN (SELECT d.xid, d.id FROM doomed AS d ORDER BY d.xid DESC, d.id DESC LIMIT 1) AS last
      ON true;

  -- Rounds go on while nothing is staged. What found nothing writes nothing.
  IF gone = 0 AND here = '0' THEN
    RETURN 0;
  END IF;
  IF gone < max_rows THEN
    INSERT INTO "pgtally".pruning (since, since_self) VALUES (p.upto, p.upto_self);
  ELSE
    INSERT INTO "pgtally".pruning (since, since_self, upto, upto_self, cursor_xid, cursor_id)
    VALUES (p.since, p.since_self, p.upto, p.upto_self, last_xid, last_id);
  END IF;
  DELETE FROM "pgtally".pruning
   WHERE pruning_id < (SELECT max(newest.pruning_id) FROM "pgtally".pruning AS newest);
  RETURN gone;
END $$;
-- Upkeep of what was signed, and of the tree.

-- Of the checkpoints older than `keep_all`, keeps the last of every minute, and the last of it that is
-- witnessed. The newest is always kept, and so is the newest that is witnessed. What witnesses said of
-- the others goes with them. Returns how many went.
CREATE OR REPLACE FUNCTION "pgtally".thin_checkpoints(keep_all interval DEFAULT '10 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  sizes bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM "pgtally".checkpoint AS c
     WHERE c.signed_at < now() - keep_all
       AND EXISTS (SELECT FROM "pgtally".checkpoint AS later
                    WHERE later.size > c.size
                      AND later.signed_at < date_trunc('minute', c.signed_at) + interval '1 minute')
       AND (NOT EXISTS (SELECT FROM "pgtally".witnessed AS w WHERE w.size = c.size)
            OR EXISTS (SELECT FROM "pgtally".checkpoint AS later
                         JOIN "pgtally".witnessed AS w ON w.size = later.size
                        WHERE later.size > c.size
                          AND later.signed_at < date_trunc('minute', c.signed_at)
                                                + interval '1 minute'))
    RETURNING c.size)
  SELECT coalesce(array_agg(size), '{}') INTO sizes FROM gone;
  DELETE FROM "pgtally".cosignature WHERE size = ANY (sizes);
  DELETE FROM "pgtally".witnessed WHERE size = ANY (sizes);
  RETURN cardinality(sizes);
END $$;

-- Writes what rebuild computed from the log over a tile that is damaged or missing.
CREATE OR REPLACE FUNCTION "pgtally".repair_tile(level integer, index bigint, hashes bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO "pgtally".tile AS t (level, index, hashes)
  VALUES (repair_tile.level, repair_tile.index, repair_tile.hashes)
  ON CONFLICT ON CONSTRAINT tile_pkey DO UPDATE SET hashes = excluded.hashes;
END $$;
-- How far behind each source is: rows that are committed and not in the log yet, up to a million,
-- and the time that the first of them claims.
CREATE OR REPLACE FUNCTION "pgtally".waiting()
RETURNS TABLE (source_id integer, waiting_rows bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET timezone = 'UTC'
SET standard_conforming_strings = on
SET jit = off
AS $$
DECLARE
  r    "pgtally".round := "pgtally".current_round();
  most CONSTANT integer := 1000000;
  s    record;
BEGIN
  r.upto := pg_current_snapshot();
  RETURN QUERY
    SELECT w.source_id, count(*), min(w.source_time)
      FROM (SELECT l.source_id, l.source_time
              FROM "pgtally".append_only_log AS l, "pgtally".progress_of(0) AS p
             WHERE l.xid >= pg_snapshot_xmin(r.since)
               AND "pgtally".in_progress(l.xid, r.since, r.since_self)
               AND (p.round_id = r.round_id AND l.id <= p.cursor_key[1]::bigint)
                   IS NOT TRUE
             LIMIT most) AS w
     GROUP BY w.source_id;
  FOR s IN
    SELECT src.source_id FROM "pgtally".source AS src
     WHERE format('feed_%s', src.source_id) = ANY("pgtally".feeds())
  LOOP
    BEGIN
      RETURN QUERY EXECUTE format('SELECT %s, waiting_rows, oldest FROM "pgtally".%I($1, $2)',
                                  s.source_id, 'waiting_' || s.source_id) USING most, r;
    EXCEPTION WHEN OTHERS THEN
      NULL;  -- the next batch says what is wrong with it
    END;
  END LOOP;
  RETURN QUERY SELECT g.source_id, g.waiting_rows, g.oldest FROM "pgtally".reading AS g
                WHERE g.waiting_rows > 0;
END $$;
-- The documents that the define and notice entries from `first` up to `before` name, in their order.
-- They are as public as the entries; other rows' `data` is not, so the table itself shows none of it.
CREATE OR REPLACE FUNCTION "pgtally".documents(first bigint, before bigint)
RETURNS TABLE (entry_id bigint, document bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT d.entry_id, d.document FROM "pgtally".definition AS d
   WHERE d.entry_id >= first AND d.entry_id < before
  UNION ALL
  SELECT p.id, p.data FROM "pgtally".processed_log AS p
   WHERE p.source_id = 0 AND p.key = '' AND p.operation = 6 AND p.id >= first AND p.id < before
   ORDER BY 1
$$;
-- Nobody may do anything unless it was granted: PUBLIC could call every new function otherwise.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA "pgtally" FROM PUBLIC;
-- Who may do what. The roles' real names are <database>_<schema>_writer and so on; none of them is
-- the owner. Left out where a ledger has no roles.

GRANT USAGE ON SCHEMA "pgtally" TO "vector_database_pgtally_writer", "vector_database_pgtally_sequencer", "vector_database_pgtally_reader";

-- Writes to append sources: data, and what the source says of its time and place.
GRANT INSERT (source_id, source_position, source_time, data), SELECT (id)
   ON "pgtally".append_only_log TO "vector_database_pgtally_writer";
GRANT SELECT (source_id, name, mode, state, writer) ON "pgtally".source TO "vector_database_pgtally_writer";
GRANT EXECUTE ON FUNCTION "pgtally".append(bytea, text) TO "vector_database_pgtally_writer";

-- Reads the log, its tree and its registry; not what rows hold, and no secrets.
GRANT SELECT (id, source_id, definition, ordinal, operation, key, source_position, source_time,
              content_hash, sequenced_at) ON "pgtally".processed_log TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";
GRANT SELECT ON "pgtally".ledger, "pgtally".source, "pgtally".definition, "pgtally".log_head,
                "pgtally".tree_head, "pgtally".tile, "pgtally".checkpoint, "pgtally".cosignature,
                "pgtally".witnessed, "pgtally".round, "pgtally".capture, "pgtally".barrier, "pgtally".hole,
                "pgtally".sweep, "pgtally".failure, "pgtally".reading, "pgtally".stream_source
   TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";
GRANT SELECT (endpoint_id, place) ON "pgtally".endpoint TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";
GRANT EXECUTE ON FUNCTION "pgtally".waiting(), "pgtally".documents(bigint, bigint)
   TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";

-- Sequences, integrates and stores what was signed.
GRANT INSERT ON "pgtally".tree_head, "pgtally".tile, "pgtally".checkpoint, "pgtally".cosignature,
                "pgtally".witnessed
   TO "vector_database_pgtally_sequencer";
GRANT UPDATE (hashes) ON "pgtally".tile TO "vector_database_pgtally_sequencer";
-- The service looks up the tokens that clients show.
GRANT SELECT ON "pgtally".token TO "vector_database_pgtally_sequencer";
GRANT EXECUTE ON FUNCTION "pgtally".lock_ledger(), "pgtally".process_next_batch(integer),
                          "pgtally".set_aside_failing(integer), "pgtally".clear_failure(integer),
                          "pgtally".note_failure(integer, text, text, text),
                          "pgtally".may_have_more(bigint, integer),
                          "pgtally".sweep_step(integer, integer), "pgtally".settle_step(),
                          "pgtally".thin_checkpoints(interval), "pgtally".prune(integer)
   TO "vector_database_pgtally_sequencer";

-- Who this ledger is, and its first entries.
INSERT INTO "pgtally".ledger (origin, vkey, schema_version, oldest_version, roles)
VALUES ('v1.example/log', 'v1.example/log+167c2eba+Af7iVTROTTCoU942wlANypRMjuOAh2xVs4kB6nAZ7pEK', 6, 1, 'create');
INSERT INTO "pgtally".source (source_id, name, mode, blind, writer)
VALUES (0, 'pgtally', 'ledger', false, NULL), (1, 'append_only_log', 'append', true, 'vector_database_pgtally_writer');
INSERT INTO "pgtally".secret (source_id, secret) VALUES (1, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
INSERT INTO "pgtally".log_head (next_id, sequenced_at, next_ordinals)
VALUES (0, '1970-01-01 00:00:00+00', '{}');
INSERT INTO "pgtally".round (since, since_self) VALUES (pg_current_snapshot(), pg_current_xact_id());
INSERT INTO "pgtally".tree_head (size, root, frontier, guard_id)
VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'::bytea, '', '\x44dde2aa16e73026d6d499c616cde993'::bytea);
SELECT "pgtally".define(0, 0, '\x7b226e6f6e6365223a2237353131366432666136363636373161663035656162653639366535393735336233636139393866636636343238653333616361393432633164666333643834222c226f726967696e223a2276312e6578616d706c652f6c6f67222c2276223a2231222c22766b6579223a2276312e6578616d706c652f6c6f672b31363763326562612b416637695654524f5454436f55393432776c414e7970524d6a754f416832785673346b42366e415a3770454b227d'::bytea);
SELECT "pgtally".define(1, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b5d2c22636f6e74656e74223a2264617461222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22617070656e64222c226e756d626572223a2230222c2272656c6174696f6e223a22706774616c6c792e617070656e645f6f6e6c795f6c6f67222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a22617070656e645f6f6e6c795f6c6f67222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
COMMIT;
BEGIN;
-- Source 'order'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES (2, 'order', 'xid', true, false, NULL, true,
        false, 'record', NULL, false);
SELECT "pgtally".define(2, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b7b226e616d65223a226964222c2274797065223a22626967696e74222c227479706d6f64223a222d31227d2c7b226e616d65223a226974656d222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a227072696365222c2274797065223a226e756d65726963222c227479706d6f64223a22373836343338227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22786964222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e6f726465725f6c696e65222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a226f72646572222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (2, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
INSERT INTO pgtally.capture (feed, baseline, baseline_self)
VALUES (2, pg_current_snapshot(), pg_current_xact_id());
CREATE OR REPLACE FUNCTION pgtally.feed_2(max_rows integer, r pgtally.round)
RETURNS SETOF pgtally.pending_row
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(2);
  staged   bytea[];
  here     xid8 := '0';
  cursor_1 bigint;
BEGIN
  IF progress.foreign_xmax IS NOT NULL THEN
    staged := pgtally.staged_keys(2);
  END IF;
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
    cursor_1 := (progress.cursor_key)[1];
  END IF;
  RETURN QUERY
  SELECT 2, 2, 0, 1::smallint,
         int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'),
         w.x::text, w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x046974656d'::bytea || int4send(octet_length(w.v2)) || w.v2, '')
           || coalesce(E'\\x057072696365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')),
         NULL::bytea, w.x, NULL::bigint, ARRAY[w.t1]
    FROM (
      (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
        FROM public.order_line AS t WHERE t.xid = here AND (t."id") > (cursor_1)
         AND (progress.foreign_xmax IS NULL OR t.xid > progress.foreign_xmax
            OR NOT (SELECT pgtally.is_recorded(2, int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'), staged) FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x) AS w))
        ORDER BY t."id" LIMIT max_rows)
      UNION ALL
      (SELECT w.* FROM unnest(pgtally.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
        CROSS JOIN LATERAL (
          SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
            FROM public.order_line AS t WHERE t.xid = open.xid
             AND (progress.foreign_xmax IS NULL OR t.xid > progress.foreign_xmax
            OR NOT (SELECT pgtally.is_recorded(2, int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'), staged) FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x) AS w))
            ORDER BY t."id" LIMIT max_rows) AS w
        WHERE open.xid > here AND NOT pgtally.in_progress(open.xid, r.upto, r.upto_self)
          AND pgtally.in_progress(open.xid, progress.baseline, progress.baseline_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
        FROM public.order_line AS t
       WHERE t.xid >= pg_snapshot_xmax(r.since) AND t.xid > here AND t.xid < pg_snapshot_xmax(r.upto)
         AND NOT pgtally.in_progress(t.xid, r.upto, r.upto_self)
         AND pgtally.in_progress(t.xid, progress.baseline, progress.baseline_self)
         AND (progress.foreign_xmax IS NULL OR t.xid > progress.foreign_xmax
            OR NOT (SELECT pgtally.is_recorded(2, int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'), staged) FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x) AS w))
        ORDER BY t.xid, t."id" LIMIT max_rows)
    ) AS w
   ORDER BY w.x, w.k1 LIMIT max_rows;
END $pgtally$;

CREATE OR REPLACE FUNCTION pgtally.waiting_2(most integer, r pgtally.round)
RETURNS TABLE (waiting_rows bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(2);
  staged   bytea[];
  here     xid8 := '0';
  cursor_1 bigint;
BEGIN
  IF progress.foreign_xmax IS NOT NULL THEN
    staged := pgtally.staged_keys(2);
  END IF;
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
    cursor_1 := (progress.cursor_key)[1];
  END IF;
  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT NULL::timestamptz AS tm FROM public.order_line AS t
           WHERE t.xid >= pg_snapshot_xmin(r.since) AND t.xid >= here
             AND t.xid < pg_snapshot_xmax(r.upto)
             AND (t.xid > here OR (t."id") > (cursor_1))
             AND pgtally.in_progress(t.xid, r.since, r.since_self)
             AND pgtally.in_progress(t.xid, progress.baseline, progress.baseline_self)
             AND (progress.foreign_xmax IS NULL OR t.xid > progress.foreign_xmax
            OR NOT (SELECT pgtally.is_recorded(2, int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'), staged) FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x) AS w))
           LIMIT most) AS w;
END $pgtally$;

CREATE OR REPLACE FUNCTION pgtally.sweep_2(after text[], most integer)
RETURNS TABLE (scanned bigint, found bigint, last_key text[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(2);
  r        pgtally.round := pgtally.current_round();
  cursor_1 bigint;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."item", 'UTF8') AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(concat(t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
      FROM public.order_line AS t WHERE after IS NULL OR (t."id") > (cursor_1)
     ORDER BY t."id" LIMIT most
  ), keyed AS MATERIALIZED (
    SELECT int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8') AS key, row_number() OVER (ORDER BY w.k1) AS place, w.*
      FROM w WHERE (w.x IS NULL OR NOT pgtally.in_progress(w.x, r.since, r.since_self)
            OR NOT pgtally.in_progress(w.x, progress.baseline, progress.baseline_self)
            OR w.x <= progress.foreign_xmax)
       AND NOT EXISTS (SELECT FROM pgtally.skipped AS p WHERE p.source_id = 2
            AND (w.x IS NULL OR NOT pgtally.in_progress(w.x, p.baseline, p.baseline_self)))
  ), unrecorded AS (
    SELECT l.place, l.entry_id IS NULL AND l.content_hash IS NOT NULL AS after_delete
      FROM pgtally.latest_states(2, ARRAY(SELECT w.key FROM keyed AS w ORDER BY w.place)) AS l
     WHERE l.operation IS NULL
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key,
           source_position, source_time, content_hash)
    SELECT 2, 0, 1, w.key,
         coalesce(w.x::text, ''), w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x046974656d'::bytea || int4send(octet_length(w.v2)) || w.v2, '')
           || coalesce(E'\\x057072696365'::bytea || int4send(octet_length(w.v3)) || w.v3, ''))
      FROM keyed AS w JOIN unrecorded USING (place)
     ORDER BY w.place RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'payment'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES (3, 'payment', 'poll', true, false, NULL, true,
        false, 'record', NULL, false);
SELECT "pgtally".define(3, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b7b226e616d65223a226964222c2274797065223a22626967696e74222c227479706d6f64223a222d31227d2c7b226e616d65223a227061796572222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a22626f6f6b65645f6174222c2274797065223a2274696d657374616d7020776974682074696d65207a6f6e65222c227479706d6f64223a222d31227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22706f6c6c222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e7061796d656e74222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a227061796d656e74222c2274696d65223a22626f6f6b65645f6174222c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (3, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
CREATE OR REPLACE FUNCTION pgtally.feed_3(max_rows integer, r pgtally.round)
RETURNS SETOF pgtally.pending_row
LANGUAGE sql STABLE
AS $pgtally$
  SELECT 3, 3, 0, 1::smallint,
         int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8'),
         w.t1, w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x09626f6f6b65645f6174'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x057061796572'::bytea || int4send(octet_length(w.v2)) || w.v2, '')),
         NULL::bytea, NULL::xid8, NULL::bigint, NULL::text[]
    FROM (
      (SELECT w.* FROM pgtally.hole AS h CROSS JOIN LATERAL unnest(h.ranges) AS skipped(keys)
        CROSS JOIN LATERAL (
          SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."payer", 'UTF8') AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(concat(t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
            FROM public.payment AS t
           WHERE t."id" >= coalesce(lower(skipped.keys), '-9223372036854775808'::bigint)
             AND t."id" < upper(skipped.keys)
           ORDER BY t."id" LIMIT $1) AS w
        WHERE h.source_id = 3 AND pgtally.is_probed(h.barrier_id)
        ORDER BY w.k1 LIMIT $1)
      UNION ALL
      (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."payer", 'UTF8') AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(concat(t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
        FROM public.payment AS t WHERE t."id" > (SELECT (pgtally.progress_of(3)).high)
        ORDER BY t."id" LIMIT $1)
      UNION ALL
      (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."payer", 'UTF8') AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(concat(t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
        FROM public.payment AS t WHERE (SELECT (pgtally.progress_of(3)).high) IS NULL
        ORDER BY t."id" LIMIT $1)
    ) AS w
   ORDER BY w.k1 LIMIT $1
$pgtally$;

CREATE OR REPLACE FUNCTION pgtally.waiting_3(most integer, r pgtally.round)
RETURNS TABLE (waiting_rows bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  high bigint := (pgtally.progress_of(3)).high;
BEGIN
  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT pgtally.encodable(t."booked_at"::timestamptz) AS tm FROM public.payment AS t WHERE high IS NULL OR t."id" > high LIMIT most) AS w;
END $pgtally$;

CREATE OR REPLACE FUNCTION pgtally.sweep_3(after text[], most integer)
RETURNS TABLE (scanned bigint, found bigint, last_key text[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(3);
  r        pgtally.round := pgtally.current_round();
  cursor_1 bigint;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."payer", 'UTF8') AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(concat(t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
      FROM public.payment AS t WHERE after IS NULL OR (t."id") > (cursor_1)
     ORDER BY t."id" LIMIT most
  ), keyed AS MATERIALIZED (
    SELECT int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8') AS key, row_number() OVER (ORDER BY w.k1) AS place, w.*
      FROM w WHERE w.k1 <= progress.high AND NOT EXISTS (SELECT FROM pgtally.hole AS h
            WHERE h.source_id = 3 AND h.ranges @> w.k1::bigint)
       AND NOT EXISTS (SELECT FROM pgtally.skipped AS p
            WHERE p.source_id = 3 AND w.k1 <= p.high)
  ), unrecorded AS (
    SELECT l.place, l.entry_id IS NULL AND l.content_hash IS NOT NULL AS after_delete
      FROM pgtally.latest_states(3, ARRAY(SELECT w.key FROM keyed AS w ORDER BY w.place)) AS l
     WHERE l.operation IS NULL
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key,
           source_position, source_time, content_hash)
    SELECT 3, 0, 1, w.key,
         w.t1, w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x09626f6f6b65645f6174'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x057061796572'::bytea || int4send(octet_length(w.v2)) || w.v2, ''))
      FROM keyed AS w JOIN unrecorded USING (place)
     ORDER BY w.place RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'currency'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES (4, 'currency', 'poll', false, false, NULL, false,
        false, 'record', NULL, true);
SELECT "pgtally".define(4, 0, '\x7b22626c696e64223a66616c73652c22636f6c756d6e73223a5b7b226e616d65223a2274686520636f6465222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a226e616d65222c2274797065223a2274657874222c227479706d6f64223a222d31227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b2274686520636f6465225d2c226d6f6465223a22706f6c6c222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e63757272656e6379222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a2263757272656e6379222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
CREATE OR REPLACE FUNCTION pgtally.sweep_4(after text[], most integer)
RETURNS TABLE (scanned bigint, found bigint, last_key text[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(4);
  r        pgtally.round := pgtally.current_round();
  cursor_1 text;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."the code" AS k1, t."the code" AS t1,
             convert_to(t."the code", 'UTF8') AS v1,
             convert_to(t."name", 'UTF8') AS v2,
             NULL::timestamptz AS tm
      FROM public.currency AS t WHERE after IS NULL OR (t."the code") > (cursor_1)
     ORDER BY t."the code" LIMIT most
  ), keyed AS MATERIALIZED (
    SELECT CASE WHEN octet_length(convert_to(w.t1, 'UTF8')) + 2 > 1024 OR greatest(octet_length(convert_to(w.t1, 'UTF8'))) > 1022 THEN pgtally.long_key(ARRAY[convert_to(w.t1, 'UTF8')]) ELSE int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8') END AS key, row_number() OVER (ORDER BY w.k1) AS place, w.*
      FROM w WHERE true
  ), unrecorded AS (
    SELECT l.place, l.entry_id IS NULL AND l.content_hash IS NOT NULL AS after_delete
      FROM pgtally.latest_states(4, ARRAY(SELECT w.key FROM keyed AS w ORDER BY w.place)) AS l
     WHERE l.operation IS NULL
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key,
           source_position, source_time, content_hash)
    SELECT 4, 0, 1, w.key,
         '', w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x046e616d65'::bytea || int4send(octet_length(w.v2)) || w.v2, '')
           || coalesce(E'\\x0874686520636f6465'::bytea || int4send(octet_length(w.v1)) || w.v1, ''))
      FROM keyed AS w JOIN unrecorded USING (place)
     ORDER BY w.place RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'event'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES (5, 'event', 'append', true, true, 'vector_database_pgtally_writer', false,
        false, 'record', NULL, false);
SELECT "pgtally".define(5, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b5d2c22636f6e74656e74223a2264617461222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22617070656e64222c226e756d626572223a2230222c2272656c6174696f6e223a22706774616c6c792e617070656e645f6f6e6c795f6c6f67222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a226576656e74222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (5, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'account'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES (6, 'account', 'trigger', true, false, NULL, false,
        true, 'record', NULL, false);
SELECT "pgtally".define(6, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b7b226e616d65223a226964222c2274797065223a22626967696e74222c227479706d6f64223a222d31227d2c7b226e616d65223a226f776e6572222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a2262616c616e6365222c2274797065223a226e756d65726963222c227479706d6f64223a22373836343338227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a2274726967676572222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e6163636f756e74222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3138202844656269616e2031352e31382d302b6465623132753129222c22736f75726365223a226163636f756e74222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (6, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
CREATE OR REPLACE FUNCTION pgtally.sweep_6(after text[], most integer)
RETURNS TABLE (scanned bigint, found bigint, last_key text[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(6);
  r        pgtally.round := pgtally.current_round();
  cursor_1 bigint;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."owner", 'UTF8') AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm
      FROM public.account AS t WHERE after IS NULL OR (t."id") > (cursor_1)
     ORDER BY t."id" LIMIT most
  ), keyed AS MATERIALIZED (
    SELECT int2send(octet_length(convert_to(w.t1, 'UTF8'))::int2) || convert_to(w.t1, 'UTF8') AS key, row_number() OVER (ORDER BY w.k1) AS place, w.*
      FROM w WHERE true
  ), unrecorded AS (
    SELECT l.place, l.entry_id IS NULL AND l.content_hash IS NOT NULL AS after_delete
      FROM pgtally.latest_states(6, ARRAY(SELECT w.key FROM keyed AS w ORDER BY w.place)) AS l
     WHERE l.operation IS NULL
  ), new AS (
    INSERT INTO pgtally.append_only_log (id, source_id, definition, operation, key,
           source_position, source_time, content_hash)
    OVERRIDING SYSTEM VALUE
    SELECT pgtally.swept_id(after_delete), 6, 0, 1, w.key,
         '', w.tm,
         sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, ''))
      FROM keyed AS w JOIN unrecorded USING (place)
     ORDER BY w.place RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
CREATE OR REPLACE FUNCTION pgtally.trigger_6() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $_pgtally$
#variable_conflict use_variable
BEGIN
  -- Whoever may call it could put it on a table of his own, and forge rows.
  IF TG_RELID <> 16987 THEN
    IF NOT pgtally.is_part_of(TG_RELID, 'public.account') THEN
      PERFORM pgtally.note_missed(6, false, '42501',
        format('table %s calls the function of this source', TG_RELID::regclass));
      RETURN NULL;
    END IF;
  END IF;

  IF TG_OP = 'UPDATE' THEN
      <<w>>
      DECLARE
        t ALIAS FOR NEW;
        tm timestamptz; 
        key bytea; content bytea; moves boolean; key_before bytea;
      BEGIN
        BEGIN
          moves := OLD."id" IS DISTINCT FROM NEW."id";
          key := CASE WHEN CASE WHEN true THEN true ELSE int8out(t."id") IS NULL OR numeric_out(t."balance") IS NULL OR int8out(t."id") IS NULL END THEN decode(concat(E'\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape') END;
          content := sha256(decode(concat(E'pgtally/row/v1\\000', CASE WHEN t."balance" IS DISTINCT FROM NULL THEN E'\\007balance' || encode(int4send(octet_length(concat(t."balance"))), 'escape') END, t."balance", E'\\002id\\000\\000\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape')
           || CASE WHEN t."owner" IS DISTINCT FROM NULL THEN decode(E'\\005owner', 'escape') || int4send(octet_length(t."owner")) || convert_to(t."owner", 'UTF8') ELSE '' END);
        EXCEPTION WHEN OTHERS THEN
          BEGIN
            EXECUTE $pgtally$SELECT int2send(octet_length(w.v1)::int2) || w.v1, sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, '')), NULL FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."owner", 'UTF8') AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm FROM (SELECT ($1).*) AS t OFFSET 0) AS w$pgtally$ INTO key_before USING OLD;
            EXECUTE $pgtally$SELECT int2send(octet_length(w.v1)::int2) || w.v1, sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, '')), NULL FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."owner", 'UTF8') AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm FROM (SELECT ($1).*) AS t OFFSET 0) AS w$pgtally$ INTO key, content USING t;
            moves := key_before <> key;
          EXCEPTION WHEN OTHERS THEN
            PERFORM pgtally.note_missed(6, true, SQLSTATE, SQLERRM);
          RETURN NULL;
          END;
        END;
        IF moves THEN
      <<w>>
      DECLARE
        t ALIAS FOR OLD;
        tm timestamptz; 
        key bytea; content bytea;
      BEGIN
        BEGIN
          key := CASE WHEN CASE WHEN true THEN true ELSE int8out(t."id") IS NULL OR numeric_out(t."balance") IS NULL OR int8out(t."id") IS NULL END THEN decode(concat(E'\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape') END;
          content := sha256(decode(concat(E'pgtally/row/v1\\000', CASE WHEN t."balance" IS DISTINCT FROM NULL THEN E'\\007balance' || encode(int4send(octet_length(concat(t."balance"))), 'escape') END, t."balance", E'\\002id\\000\\000\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape')
           || CASE WHEN t."owner" IS DISTINCT FROM NULL THEN decode(E'\\005owner', 'escape') || int4send(octet_length(t."owner")) || convert_to(t."owner", 'UTF8') ELSE '' END);
        EXCEPTION WHEN OTHERS THEN
          BEGIN
            EXECUTE $pgtally$SELECT int2send(octet_length(w.v1)::int2) || w.v1, sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, '')), NULL FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."owner", 'UTF8') AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm FROM (SELECT ($1).*) AS t OFFSET 0) AS w$pgtally$ INTO key, content USING t;
          EXCEPTION WHEN OTHERS THEN
            PERFORM pgtally.note_missed(6, true, SQLSTATE, SQLERRM);
          RETURN NULL;
          END;
        END;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 3, w.key, NULL, w.content);
      END;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 1, w.key, NULL, w.content);
          RETURN NULL;
        END IF;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 2, w.key, NULL, w.content);
      END;
    RETURN NULL;
  END IF;

  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
    VALUES (6, 0, 4, NULL, NULL, decode(repeat('00', 32), 'hex'));
    RETURN NULL;
  END IF;

  IF TG_OP = 'INSERT' THEN
    DECLARE
      r        record;
      key      bytea;
      content  bytea;
      tm       timestamptz;
      at_once  boolean;
      utf8     boolean := false;
      keys     bytea[];
      contents bytea[];
      times    timestamptz[];
    BEGIN
      BEGIN
        SELECT decode(concat(E'\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape'),
               sha256(decode(concat(E'pgtally/row/v1\\000', CASE WHEN t."balance" IS DISTINCT FROM NULL THEN E'\\007balance' || encode(int4send(octet_length(concat(t."balance"))), 'escape') END, t."balance", E'\\002id\\000\\000\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape')
           || CASE WHEN t."owner" IS DISTINCT FROM NULL THEN decode(E'\\005owner', 'escape') || int4send(octet_length(t."owner")) || convert_to(t."owner", 'UTF8') ELSE '' END)
          INTO STRICT key, content
          FROM added AS t
         WHERE CASE WHEN true THEN true ELSE int8out(t."id") IS NULL OR numeric_out(t."balance") IS NULL OR int8out(t."id") IS NULL END;
      EXCEPTION WHEN no_data_found THEN
        RETURN NULL;
      WHEN OTHERS THEN
        -- Mostly because there are more rows than one.
        at_once := false;
        BEGIN
          utf8 := pg_client_encoding() = 'UTF8';
          SELECT array_agg(int2send(octet_length(w.v1)::int2) || w.v1),
                 array_agg(sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, ''))),
                 NULL
            INTO keys, contents, times
            FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN CASE WHEN utf8 THEN textsend(concat(t."id")) ELSE convert_to(concat(t."id"), 'UTF8') END END AS v1,
             CASE WHEN utf8 THEN textsend(t."owner") ELSE convert_to(t."owner", 'UTF8') END AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN CASE WHEN utf8 THEN textsend(concat(t."balance")) ELSE convert_to(concat(t."balance"), 'UTF8') END END AS v3,
             NULL::timestamptz AS tm
                    FROM added AS t LIMIT 1000 + 1) AS w;
          IF cardinality(keys) > 1000 THEN
            INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
            SELECT 6, 0, 1, int2send(octet_length(w.v1)::int2) || w.v1, NULL,
                   sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, ''))
              FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN CASE WHEN utf8 THEN textsend(concat(t."id")) ELSE convert_to(concat(t."id"), 'UTF8') END END AS v1,
             CASE WHEN utf8 THEN textsend(t."owner") ELSE convert_to(t."owner", 'UTF8') END AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN CASE WHEN utf8 THEN textsend(concat(t."balance")) ELSE convert_to(concat(t."balance"), 'UTF8') END END AS v3,
             NULL::timestamptz AS tm
                      FROM added AS t OFFSET 0) AS w;
            RETURN NULL;
          END IF;
          at_once := true;
        EXCEPTION WHEN OTHERS THEN
          IF SQLSTATE LIKE '42%' THEN  -- a column is gone: it is for all rows
            PERFORM pgtally.note_missed(6, false, SQLSTATE, SQLERRM);
            RETURN NULL;
          END IF;
        END;
        IF at_once THEN
          INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
          SELECT 6, 0, 1, u.k, NULL, u.c FROM unnest(keys, contents) AS u(k, c);
          RETURN NULL;
        END IF;
        FOR r IN SELECT * FROM added LOOP
      <<w>>
      DECLARE
        t ALIAS FOR r;
        v1 bytea; v2 bytea; v3 bytea; tm timestamptz; 
        key bytea; content bytea;
      BEGIN
        BEGIN
          v1 := CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END;
          v2 := convert_to(t."owner", 'UTF8');
          v3 := CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END;
          key := int2send(octet_length(w.v1)::int2) || w.v1;
          content := sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, ''));
        EXCEPTION WHEN OTHERS THEN
          PERFORM pgtally.note_missed(6, false, SQLSTATE, SQLERRM);
          CONTINUE;
        END;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 1, w.key, NULL, w.content);
      END;
        END LOOP;
        RETURN NULL;
      END;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 1, key, NULL, content);
    END;
    RETURN NULL;
    RETURN NULL;
  END IF;

      <<w>>
      DECLARE
        t ALIAS FOR OLD;
        tm timestamptz; 
        key bytea; content bytea;
      BEGIN
        BEGIN
          key := CASE WHEN CASE WHEN true THEN true ELSE int8out(t."id") IS NULL OR numeric_out(t."balance") IS NULL OR int8out(t."id") IS NULL END THEN decode(concat(E'\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape') END;
          content := sha256(decode(concat(E'pgtally/row/v1\\000', CASE WHEN t."balance" IS DISTINCT FROM NULL THEN E'\\007balance' || encode(int4send(octet_length(concat(t."balance"))), 'escape') END, t."balance", E'\\002id\\000\\000\\000', chr(octet_length(concat(t."id"))), t."id"), 'escape')
           || CASE WHEN t."owner" IS DISTINCT FROM NULL THEN decode(E'\\005owner', 'escape') || int4send(octet_length(t."owner")) || convert_to(t."owner", 'UTF8') ELSE '' END);
        EXCEPTION WHEN OTHERS THEN
          BEGIN
            EXECUTE $pgtally$SELECT int2send(octet_length(w.v1)::int2) || w.v1, sha256('pgtally/row/v1'::bytea || E'\\x00'::bytea
           || coalesce(E'\\x0762616c616e6365'::bytea || int4send(octet_length(w.v3)) || w.v3, '')
           || coalesce(E'\\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1, '')
           || coalesce(E'\\x056f776e6572'::bytea || int4send(octet_length(w.v2)) || w.v2, '')), NULL FROM (SELECT t."id" AS k1, concat(t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(concat(t."id"), 'UTF8') END AS v1,
             convert_to(t."owner", 'UTF8') AS v2,
             CASE WHEN t."balance" IS DISTINCT FROM NULL THEN convert_to(concat(t."balance"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm FROM (SELECT ($1).*) AS t OFFSET 0) AS w$pgtally$ INTO key, content USING t;
          EXCEPTION WHEN OTHERS THEN
            PERFORM pgtally.note_missed(6, true, SQLSTATE, SQLERRM);
          RETURN NULL;
          END;
        END;
        INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_time, content_hash)
        VALUES (6, 0, 3, w.key, NULL, w.content);
      END;
  RETURN NULL;
END $_pgtally$;
ALTER FUNCTION pgtally.trigger_6() OWNER TO postgres;
REVOKE ALL ON FUNCTION pgtally.trigger_6() FROM PUBLIC;
-- Writers wait while this waits for other transactions, so it does not wait long.
SET LOCAL lock_timeout = '1s';
CREATE TRIGGER "00_pgtally_6_insert" AFTER INSERT ON public.account REFERENCING NEW TABLE AS added FOR EACH STATEMENT
  EXECUTE FUNCTION pgtally.trigger_6();
CREATE TRIGGER "00_pgtally_6_change" AFTER UPDATE OR DELETE ON public.account FOR EACH ROW
  EXECUTE FUNCTION pgtally.trigger_6();
CREATE TRIGGER "00_pgtally_6_truncate" AFTER TRUNCATE ON public.account FOR EACH STATEMENT
  EXECUTE FUNCTION pgtally.trigger_6();
ALTER TABLE public.account ENABLE ALWAYS TRIGGER "00_pgtally_6_insert", ENABLE ALWAYS TRIGGER "00_pgtally_6_change", ENABLE ALWAYS TRIGGER "00_pgtally_6_truncate";
COMMIT;
