-- Capture from anywhere: triggers, replication slots, tables of other databases; sources that fail
-- without holding up the others; and how the ledger recognises the clusters that it reads.

ALTER TABLE pgtally.source
  DROP CONSTRAINT source_mode_check,
  ADD CONSTRAINT source_mode_check
    CHECK (mode IN ('ledger', 'append', 'xid', 'poll', 'trigger', 'logical')),
  ADD COLUMN endpoint_id   integer,  -- the database it is in; null: the ledger's own
  ADD COLUMN track_changes boolean NOT NULL DEFAULT false,  -- updates and deletes are entries, too
  ADD COLUMN existing      text NOT NULL DEFAULT 'record' CHECK (existing IN ('record', 'skip'));

-- Other databases that sources are in. For the owner's eyes only: a conninfo may hold a password.
CREATE TABLE pgtally.endpoint (
  endpoint_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conninfo    text NOT NULL UNIQUE,
  place       text NOT NULL        -- host:port/database, which everybody may see
);
ALTER TABLE pgtally.source
  ADD CONSTRAINT source_endpoint FOREIGN KEY (endpoint_id) REFERENCES pgtally.endpoint;

-- Sources that rows cannot be taken from at present, and why. The others go on without them. A row
-- goes when the source was read again.
CREATE TABLE pgtally.failure (
  source_id integer PRIMARY KEY REFERENCES pgtally.source,
  sqlstate  text NOT NULL,          -- '' where the error was not the server's
  message   text NOT NULL,
  hint      text NOT NULL DEFAULT '',
  since     timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts  integer NOT NULL DEFAULT 1,
  retry_at  timestamptz NOT NULL
);

-- Of a source that was added with --existing skip: what was there then, which is not recorded.
CREATE TABLE pgtally.skipped (
  source_id     integer PRIMARY KEY REFERENCES pgtally.source,
  baseline      pg_snapshot,         -- mode xid
  baseline_self xid8,
  high          bigint               -- mode poll
);

-- What the reader of a source last saw there: how much waits that is not even staged yet.
CREATE TABLE pgtally.reading (
  source_id    integer PRIMARY KEY REFERENCES pgtally.source,
  waiting_rows bigint NOT NULL,
  oldest       timestamptz,          -- since when the first of them has waited, by its own time
  read_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Pruning (functions/prune.sql): once a checkpoint has this size, it covers every row of staging that
-- was over in `since`. Null where that is not known, as in rounds from before this column.
ALTER TABLE pgtally.round ADD COLUMN next_id bigint;
UPDATE pgtally.round
   SET next_id = (SELECT h.next_id FROM pgtally.log_head AS h ORDER BY h.head_id DESC LIMIT 1)
 WHERE round_id = (SELECT max(r.round_id) FROM pgtally.round AS r);

-- How far staging is pruned: everything up to `since`, and of what lies between that and `upto`,
-- which is null while nothing is begun, everything up to the cursor. The newest row counts.
CREATE TABLE pgtally.pruning (
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
ALTER TABLE pgtally.append_only_log SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
  toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 10000);

-- Mode logical (functions/streams.sql). A replication slot with its publications; all logical sources
-- of one database share it, so that they are recorded in the order of their commits. Publishing the
-- updates of a table without replica identity would make them fail, hence the second publication.
CREATE TABLE pgtally.stream (
  stream_id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint_id        integer REFERENCES pgtally.endpoint,  -- null: the ledger's own database
  slot               name NOT NULL,
  publication        name NOT NULL,
  insert_publication name NOT NULL,   -- of tables of which only inserts and truncates are published
  system_identifier  text,            -- of the cluster that the slot was made in; null: no slot yet
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX stream_of_endpoint ON pgtally.stream ((coalesce(endpoint_id, 0)));

-- How far a stream was staged: all transactions whose commit lies before commit_lsn, and of the one
-- that commits right there the first `changes` changes. The newest row counts.
CREATE TABLE pgtally.stream_progress (
  progress_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stream_id   integer NOT NULL,
  commit_lsn  pg_lsn NOT NULL,
  changes     bigint NOT NULL DEFAULT 0,
  stored_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX stream_progress_newest ON pgtally.stream_progress (stream_id, progress_id DESC);

-- What a stream knows of each of its sources. `load` is what has to be done with the rows of the
-- table before the stream goes on beyond `barrier`:
--   copy      stage all of them; nothing of the source is recorded yet
--   continue  a copy that was interrupted: of the rows beyond cursor_key, stage those that the stream
--             has not brought meanwhile
--   compare   stage what has no living entry or one with another content, and deletes for living
--             entries without a row
--   resync    the same; until its snapshot is taken, changes are dropped
CREATE TABLE pgtally.stream_source (
  source_id  integer PRIMARY KEY REFERENCES pgtally.source,
  stream_id  integer NOT NULL REFERENCES pgtally.stream,
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
CREATE TABLE pgtally.stream_seen (
  source_id integer NOT NULL,
  key       bytea NOT NULL,
  PRIMARY KEY (source_id, key)
);

-- What init did about the three roles, so that uninstall drops those and only those that it made.
-- Null: the ledger is older than this column.
ALTER TABLE pgtally.ledger
  ADD COLUMN roles text CHECK (roles IN ('create', 'existing', 'none'));

-- One row: the cluster that the ledger is in and whose transaction ids it speaks of, as it was when it
-- last looked. See functions/cluster.sql.
CREATE TABLE pgtally.cluster (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  system_identifier bigint NOT NULL,
  timeline          bigint NOT NULL,
  started_at        timestamptz NOT NULL,   -- the postmaster
  lsn               pg_lsn NOT NULL,        -- its WAL has come so far, durably,
  next_xid          xid8 NOT NULL,          -- and all transaction ids below this are given out
  seen_at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A ledger whose rounds are ahead of this server has just been brought here.
INSERT INTO pgtally.cluster
SELECT true, c.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
       pg_postmaster_start_time(), pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot())
  FROM pg_control_system() AS c
 WHERE NOT EXISTS (SELECT FROM pgtally.round AS r
                    WHERE pg_snapshot_xmax(r.since) > pg_snapshot_xmax(pg_current_snapshot()));

-- Mode xid: rows that carry the transaction ids of another cluster, up to this one at most, and which
-- those of this cluster cannot be told from. They are looked up by their keys. Null: there are none.
ALTER TABLE pgtally.capture ADD COLUMN foreign_xmax xid8;

-- Modes poll and xid in other databases (functions/remote.sql). Which sources are found by sweeps
-- alone no longer follows from has_feed: those of other databases have no feed here.
ALTER TABLE pgtally.source ADD COLUMN sweeps_only boolean NOT NULL DEFAULT false;
UPDATE pgtally.source SET sweeps_only = true WHERE mode = 'poll' AND NOT has_feed;

-- Such a source has rounds of its own, between two snapshots of its server; its cursor stands in
-- cursor_xid and cursor_key while `upto` is not null.
ALTER TABLE pgtally.capture
  ADD COLUMN since      pg_snapshot,
  ADD COLUMN upto       pg_snapshot,
  ADD COLUMN server     text,    -- which history of which cluster these belong to
  ADD COLUMN server_lsn pg_lsn;  -- how far its WAL had come, durably, when they were taken

-- Barriers of holes in another database: whose reader waits, and for which server's transactions.
ALTER TABLE pgtally.barrier
  ADD COLUMN reader integer REFERENCES pgtally.source,  -- null: this database's transactions
  ADD COLUMN server text;

-- Mode trigger (functions/triggers.sql): transactions in which a trigger could not record something,
-- and let the application go on. One row for each of them, so that no two ever wait for each other.
CREATE TABLE pgtally.missed (
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
  IF to_regprocedure('pgtally.process_next_batch(integer)') IS NULL THEN
    RETURN;
  END IF;
  polled := ARRAY(SELECT source_id FROM pgtally.source WHERE mode = 'poll' AND state = 'active');
  UPDATE pgtally.source SET state = 'paused' WHERE source_id = ANY(polled);
  WHILE (SELECT r.upto IS NOT NULL FROM pgtally.round AS r ORDER BY r.round_id DESC LIMIT 1) LOOP
    PERFORM pgtally.process_next_batch(100000);
  END LOOP;
  UPDATE pgtally.source SET state = 'active' WHERE source_id = ANY(polled);
END $$;
