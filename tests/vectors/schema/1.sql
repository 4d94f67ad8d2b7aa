-- A ledger of schema version 1, as the program of that version made it: `init --print-sql`, then
-- `source add --print-sql` for a source of each mode. Its signing key is beside it. The database is
-- called vector_database here.
CREATE TABLE public.order_line (id bigint PRIMARY KEY, item text, price numeric(12,2),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(), CHECK (xid = pg_current_xact_id()));
CREATE INDEX ON public.order_line (xid, id);
CREATE TABLE public.payment (id bigint PRIMARY KEY, payer text, booked_at timestamptz DEFAULT now());
CREATE TABLE public.currency ("the code" text PRIMARY KEY, name text);
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

CREATE OR REPLACE FUNCTION "pgtally".current_round() RETURNS "pgtally".round
LANGUAGE sql STABLE
RETURN (SELECT r FROM "pgtally".round AS r ORDER BY round_id DESC LIMIT 1);

CREATE OR REPLACE FUNCTION "pgtally".progress_of(feed integer) RETURNS "pgtally".capture
LANGUAGE sql STABLE
RETURN (SELECT c FROM "pgtally".capture AS c WHERE c.feed = progress_of.feed
         ORDER BY capture_id DESC LIMIT 1);

-- The rows of staging that the round `r` still has to take, in order; at most max_rows.
--
-- Three ranges, because PostgreSQL can start an index scan in the middle only for one of them at a
-- time: the rest of the transaction that the cursor stands in; transactions that were open when the
-- last round ended; and those that began after that.
CREATE OR REPLACE FUNCTION "pgtally".staged(max_rows integer, r "pgtally".round)
RETURNS SETOF "pgtally".pending_row
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  progress  "pgtally".capture := "pgtally".progress_of(0);
  here      xid8 := '0';
  here_id   bigint;
BEGIN
  IF progress.round_id = r.round_id THEN
    here := progress.cursor_xid;
    here_id := progress.cursor_key[1]::bigint;
  END IF;
  RETURN QUERY
  SELECT 0, w.source_id, w.definition, w.operation,
         coalesce(w.key, int2send(octet_length(w.id::text)::int2) || convert_to(w.id::text, 'UTF8')),
         coalesce(w.source_position, w.id::text), "pgtally".encodable(w.source_time),
         coalesce(w.content_hash, sha256(w.data)),
         CASE WHEN s.keep_data THEN w.data END, w.xid, w.id, NULL::text[]
    FROM (
      (SELECT l.* FROM "pgtally".append_only_log AS l
        WHERE l.xid = here AND l.id > here_id
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM unnest("pgtally".in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT * FROM "pgtally".append_only_log AS l
            WHERE l.xid = open.xid ORDER BY l.id LIMIT max_rows) AS l
        WHERE open.xid > here AND NOT "pgtally".in_progress(open.xid, r.upto, r.upto_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM "pgtally".append_only_log AS l
        WHERE l.xid >= pg_snapshot_xmax(r.since) AND l.xid > here
          AND l.xid < pg_snapshot_xmax(r.upto)
          AND NOT "pgtally".in_progress(l.xid, r.upto, r.upto_self)
        ORDER BY l.xid, l.id LIMIT max_rows)
    ) AS w
    LEFT JOIN "pgtally".source AS s USING (source_id)
   ORDER BY w.xid, w.id LIMIT max_rows;
END $$;
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
  FOR b IN SELECT * FROM "pgtally".barrier ORDER BY barrier_id LOOP
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
RETURN (SELECT count(*) <= 8 FROM "pgtally".barrier)
    OR current_setting('pgtally_session.probe_all_holes', true) = 'on'
    OR (floor(extract(epoch FROM now()))::bigint + barrier_id) % 4 = 0
    OR barrier_id = (SELECT max(b.barrier_id) FROM "pgtally".barrier AS b);

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
  UPDATE "pgtally".hole SET ranges = ranges - keys WHERE source_id = source AND ranges && keys;
  DELETE FROM "pgtally".hole WHERE source_id = source AND isempty(ranges);

  IF high IS NULL OR top > high::numeric + 1 THEN
    skipped := int8multirange(int8range(CASE WHEN high < most THEN high + 1 END, top)) - keys;
    IF NOT isempty(skipped) THEN
      PERFORM "pgtally".add_holes(source, skipped);
    END IF;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION "pgtally".add_holes(source integer, skipped int8multirange) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  max_barriers CONSTANT integer := 32;
  max_ranges   CONSTANT integer := 10000;
  newest       bigint := (SELECT max(barrier_id) FROM "pgtally".barrier);
BEGIN
  IF (SELECT count(*) FROM "pgtally".barrier) < max_barriers THEN
    INSERT INTO "pgtally".barrier (running) VALUES ("pgtally".running_transactions())
    RETURNING barrier_id INTO newest;
  ELSE
    -- Waiting for more than has to be waited for is safe.
    UPDATE "pgtally".barrier SET running = running || "pgtally".running_transactions(), prepared = NULL
     WHERE barrier_id = newest;
  END IF;
  INSERT INTO "pgtally".hole AS h (source_id, barrier_id, ranges) VALUES (source, newest, skipped)
  ON CONFLICT (source_id, barrier_id) DO UPDATE SET ranges = h.ranges + excluded.ranges;

  -- The oldest beyond the limit are the sweep's.
  DELETE FROM "pgtally".hole WHERE (source_id, barrier_id) IN (
    SELECT source_id, barrier_id FROM (
      SELECT h.source_id, h.barrier_id,
             sum((SELECT count(*) FROM unnest(h.ranges))) OVER (ORDER BY h.barrier_id DESC) AS ranges
        FROM "pgtally".hole AS h WHERE h.source_id = source) AS counted
     WHERE ranges > max_ranges AND barrier_id < newest);
END $$;

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
       AND s.source_id = h.source_id AND s.state = 'active';
  END IF;
  DELETE FROM "pgtally".barrier AS b
   WHERE NOT EXISTS (SELECT FROM "pgtally".hole AS h WHERE h.barrier_id = b.barrier_id);
END $$;
-- What is new, and in which order. Nothing else decides that.

-- The next rows of all local sources in the order in which they will be numbered, at most max_rows.
--
-- While a round is open its snapshot is held; otherwise the round would end at `upto`, by default
-- the snapshot of this call. Each feed keeps its own order. Feeds are merged like sorted lists by
-- the time that their rows claim: the running maximum within the source, so that its order survives,
-- capped at now. A row that claims none, or an infinite one, comes with the row before it; the first
-- of a feed, when the last batch ended. Feeds that have something share max_rows evenly, so none
-- waits behind another's backlog.
CREATE OR REPLACE FUNCTION "pgtally".pending(
  max_rows  integer,
  upto      pg_snapshot DEFAULT NULL,
  upto_self xid8 DEFAULT NULL)
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

  FOREACH name IN ARRAY "pgtally".feeds() LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM "pgtally".%I(1, $1))', name) INTO has_rows USING r;
    IF has_rows THEN
      busy := busy || name;
    END IF;
  END LOOP;

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
-- is read straight from its own table.
CREATE OR REPLACE FUNCTION "pgtally".feeds() RETURNS text[]
LANGUAGE sql STABLE
RETURN ARRAY(
  SELECT format('feed_%s', source_id) FROM "pgtally".source
   WHERE state = 'active' AND has_feed ORDER BY source_id)
  || ARRAY['staged'];
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
  b.has_work := cardinality(b.settled) > 0 OR ("pgtally".current_round()).upto IS NOT NULL;
  RETURN b;
END $$;

-- Whether a batch of that many rows may have left some behind. Feeds share max_rows evenly, so none
-- was cut off if all together gave nothing or less than one share.
CREATE OR REPLACE FUNCTION "pgtally".may_have_more(taken bigint, max_rows integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT taken > 0 AND taken >= max_rows / cardinality("pgtally".feeds())
$$;

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
  in_round boolean := EXISTS (
    SELECT FROM unnest(feed_ids) AS f(id) LEFT JOIN "pgtally".source AS s ON s.source_id = f.id
     WHERE f.id = 0 OR s.mode = 'xid');
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
      INSERT INTO "pgtally".capture (feed, round_id, cursor_xid, cursor_key, baseline, baseline_self)
      SELECT feed_ids[i], r.round_id, last_xids[i], last_keys[i]::text[], p.baseline, p.baseline_self
        FROM "pgtally".progress_of(feed_ids[i]) AS p;
    END IF;
  END LOOP;

  IF r.upto IS NOT NULL AND NOT (cut_off AND "pgtally".round_has_more(r)) THEN
    INSERT INTO "pgtally".round (since, since_self) VALUES (r.upto, r.upto_self);
  END IF;
  IF NOT cut_off THEN
    PERFORM "pgtally".drop_holes(b.settled);
  END IF;
  PERFORM "pgtally".trim_heads(b.next_id);
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
  DELETE FROM "pgtally".round WHERE round_id < (SELECT max(round_id) FROM "pgtally".round) - 64;
  DELETE FROM "pgtally".capture AS c
   USING (SELECT feed, max(capture_id) AS newest FROM "pgtally".capture GROUP BY feed) AS n
   WHERE c.feed = n.feed AND c.capture_id < n.newest;
END $$;

-- Sequences one batch and returns how many rows it took. Plain SQL: any client may call it, and a
-- service that runs beside it integrates what it finds.
CREATE OR REPLACE FUNCTION "pgtally".process_next_batch(max_rows integer DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET jit = off
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
  PERFORM "pgtally".lock_ledger();
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
    SELECT DISTINCT ON (feed) feed, xid,
           coalesce(cursor_key, ARRAY[coalesce(staged_id::text, source_position)])::text AS key
      FROM rows ORDER BY feed, xid DESC NULLS LAST, staged_id DESC NULLS LAST, place DESC
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
-- with the owner's rights.
DROP POLICY IF EXISTS append_own ON "pgtally".append_only_log;
CREATE POLICY append_own ON "pgtally".append_only_log FOR INSERT WITH CHECK (
  operation = 1 AND definition = 0 AND key IS NULL AND content_hash IS NULL
  AND source_id IN (SELECT s.source_id FROM "pgtally".source AS s
                     WHERE s.mode = 'append' AND s.state = 'active'
                       AND s.writer IS NOT NULL AND pg_has_role(s.writer, 'MEMBER')));
-- RETURNING id works for one's own rows.
DROP POLICY IF EXISTS see_own ON "pgtally".append_only_log;
CREATE POLICY see_own ON "pgtally".append_only_log FOR SELECT USING (xid = pg_current_xact_id());
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
  IF s.state <> 'active' OR s.mode NOT IN ('xid', 'poll') THEN
    RAISE EXCEPTION 'source % is not one that can be swept now (mode %, %)', s.name, s.mode, s.state
      USING ERRCODE = 'TLR06';
  END IF;
  SELECT * INTO sweep FROM "pgtally".sweep AS w WHERE w.source_id = target AND finished_at IS NULL;
  IF sweep.sweep_id IS NULL THEN
    INSERT INTO "pgtally".sweep (source_id) VALUES (target) RETURNING * INTO sweep;
  END IF;

  EXECUTE format('SELECT * FROM "pgtally".%I($1, $2)', 'sweep_' || target)
    INTO scanned, staged, last USING sweep.cursor_key, most;
  done := scanned < most;
  UPDATE "pgtally".sweep AS w
     SET cursor_key = coalesce(last, w.cursor_key), scanned = w.scanned + sweep_step.scanned,
         found = w.found + staged, finished_at = CASE WHEN done THEN clock_timestamp() END
   WHERE w.sweep_id = sweep.sweep_id;
END $$;

-- Whether a key that a sweep came across is in the log already, or waits in staging.
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
$$;
-- Upkeep of what was signed, and of the tree.

-- Of the checkpoints older than `keep_all`, keeps the last of every minute. The newest is always
-- kept. Returns how many went.
CREATE OR REPLACE FUNCTION "pgtally".thin_checkpoints(keep_all interval DEFAULT '10 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  gone bigint;
BEGIN
  DELETE FROM "pgtally".checkpoint AS c
   WHERE c.signed_at < now() - keep_all
     AND EXISTS (SELECT FROM "pgtally".checkpoint AS later
                  WHERE later.size > c.size
                    AND later.signed_at < date_trunc('minute', c.signed_at) + interval '1 minute');
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
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
               AND (p.round_id = r.round_id AND (l.xid, l.id) <= (p.cursor_xid, p.cursor_key[1]::bigint))
                   IS NOT TRUE
             LIMIT most) AS w
     GROUP BY w.source_id;
  FOR s IN
    SELECT src.source_id FROM "pgtally".source AS src
     WHERE format('feed_%s', src.source_id) = ANY("pgtally".feeds())
  LOOP
    RETURN QUERY EXECUTE format('SELECT %s, waiting_rows, oldest FROM "pgtally".%I($1, $2)',
                                s.source_id, 'waiting_' || s.source_id) USING most, r;
  END LOOP;
END $$;
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
                "pgtally".round, "pgtally".capture, "pgtally".barrier, "pgtally".hole, "pgtally".sweep
   TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";
GRANT EXECUTE ON FUNCTION "pgtally".waiting() TO "vector_database_pgtally_reader", "vector_database_pgtally_sequencer";

-- Sequences, integrates and stores what was signed.
GRANT INSERT ON "pgtally".tree_head, "pgtally".tile, "pgtally".checkpoint, "pgtally".cosignature
   TO "vector_database_pgtally_sequencer";
GRANT UPDATE (hashes) ON "pgtally".tile TO "vector_database_pgtally_sequencer";
GRANT EXECUTE ON FUNCTION "pgtally".lock_ledger(), "pgtally".process_next_batch(integer),
                          "pgtally".may_have_more(bigint, integer),
                          "pgtally".sweep_step(integer, integer), "pgtally".thin_checkpoints(interval)
   TO "vector_database_pgtally_sequencer";

-- Who this ledger is, and its first entries.
INSERT INTO "pgtally".ledger (origin, vkey, schema_version, oldest_version)
VALUES ('v1.example/log', 'v1.example/log+167c2eba+Af7iVTROTTCoU942wlANypRMjuOAh2xVs4kB6nAZ7pEK', 1, 1);
INSERT INTO "pgtally".source (source_id, name, mode, blind, writer)
VALUES (0, 'pgtally', 'ledger', false, NULL), (1, 'append_only_log', 'append', true, 'vector_database_pgtally_writer');
INSERT INTO "pgtally".secret (source_id, secret) VALUES (1, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
INSERT INTO "pgtally".log_head (next_id, sequenced_at, next_ordinals)
VALUES (0, '1970-01-01 00:00:00+00', '{}');
INSERT INTO "pgtally".round (since, since_self) VALUES (pg_current_snapshot(), pg_current_xact_id());
INSERT INTO "pgtally".tree_head (size, root, frontier, guard_id)
VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'::bytea, '', '\x51bbc950b92c621d51f4750d8be1f30a'::bytea);
SELECT "pgtally".define(0, 0, '\x7b226e6f6e6365223a2238613531616262383237626164653036636265303738313638373631313939373538333038303863663232313731383032306131656230656665623934616238222c226f726967696e223a2276312e6578616d706c652f6c6f67222c2276223a2231222c22766b6579223a2276312e6578616d706c652f6c6f672b31363763326562612b416637695654524f5454436f55393432776c414e7970524d6a754f416832785673346b42366e415a3770454b227d'::bytea);
SELECT "pgtally".define(1, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b5d2c22636f6e74656e74223a2264617461222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22617070656e64222c226e756d626572223a2230222c2272656c6174696f6e223a22706774616c6c792e617070656e645f6f6e6c795f6c6f67222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3230202844656269616e2031352e32302d302b6465623132753129222c22736f75726365223a22617070656e645f6f6e6c795f6c6f67222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
COMMIT;
BEGIN;
-- Source 'order'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed)
VALUES (2, 'order', 'xid', true, false, NULL, true);
SELECT "pgtally".define(2, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b7b226e616d65223a226964222c2274797065223a22626967696e74222c227479706d6f64223a222d31227d2c7b226e616d65223a226974656d222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a227072696365222c2274797065223a226e756d65726963222c227479706d6f64223a22373836343338227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22786964222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e6f726465725f6c696e65222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3230202844656269616e2031352e32302d302b6465623132753129222c22736f75726365223a226f72646572222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
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
  here     xid8 := '0';
  cursor_1 bigint;
BEGIN
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
    cursor_1 := (progress.cursor_key)[1];
  END IF;
  RETURN QUERY
  SELECT 2, 2, 0, 1::smallint,
         int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'),
         w.x::text, w.tm,
         sha256('pgtally/row/v1'::bytea || '\x00'::bytea
           || CASE WHEN w.v1 IS NULL THEN ''::bytea ELSE '\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1 END
           || CASE WHEN w.v2 IS NULL THEN ''::bytea ELSE '\x046974656d'::bytea || int4send(octet_length(w.v2)) || w.v2 END
           || CASE WHEN w.v3 IS NULL THEN ''::bytea ELSE '\x057072696365'::bytea || int4send(octet_length(w.v3)) || w.v3 END),
         NULL::bytea, w.x, NULL::bigint, ARRAY[w.t1]
    FROM (
      (SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."item" IS DISTINCT FROM NULL THEN convert_to(t."item", 'UTF8') END AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
        FROM public.order_line AS t WHERE t.xid = here AND (t."id") > (cursor_1)
        ORDER BY t."id" LIMIT max_rows)
      UNION ALL
      (SELECT w.* FROM unnest(pgtally.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
        CROSS JOIN LATERAL (
          SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."item" IS DISTINCT FROM NULL THEN convert_to(t."item", 'UTF8') END AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
            FROM public.order_line AS t WHERE t.xid = open.xid ORDER BY t."id" LIMIT max_rows) AS w
        WHERE open.xid > here AND NOT pgtally.in_progress(open.xid, r.upto, r.upto_self)
          AND pgtally.in_progress(open.xid, progress.baseline, progress.baseline_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."item" IS DISTINCT FROM NULL THEN convert_to(t."item", 'UTF8') END AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
        FROM public.order_line AS t
       WHERE t.xid >= pg_snapshot_xmax(r.since) AND t.xid > here AND t.xid < pg_snapshot_xmax(r.upto)
         AND NOT pgtally.in_progress(t.xid, r.upto, r.upto_self)
         AND pgtally.in_progress(t.xid, progress.baseline, progress.baseline_self)
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
  here     xid8 := '0';
  cursor_1 bigint;
BEGIN
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
    cursor_1 := (progress.cursor_key)[1];
  END IF;
  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT NULL::timestamptz AS tm FROM public.order_line AS t
           WHERE t.xid >= pg_snapshot_xmin(r.since) AND t.xid >= here
             AND (t.xid > here OR (t."id") > (cursor_1))
             AND pgtally.in_progress(t.xid, r.since, r.since_self)
             AND pgtally.in_progress(t.xid, progress.baseline, progress.baseline_self)
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
  waiting  bytea[] := pgtally.staged_keys(2);
  cursor_1 bigint;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."item" IS DISTINCT FROM NULL THEN convert_to(t."item", 'UTF8') END AS v2,
             CASE WHEN t."price" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."price"), 'UTF8') END AS v3,
             NULL::timestamptz AS tm,
             t.xid AS x
      FROM public.order_line AS t WHERE after IS NULL OR (t."id") > (cursor_1)
     ORDER BY t."id" LIMIT most
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_position,
           source_time, content_hash)
    SELECT 2, 0, 1,
         int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'),
         coalesce(w.x::text, ''), w.tm,
         sha256('pgtally/row/v1'::bytea || '\x00'::bytea
           || CASE WHEN w.v1 IS NULL THEN ''::bytea ELSE '\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1 END
           || CASE WHEN w.v2 IS NULL THEN ''::bytea ELSE '\x046974656d'::bytea || int4send(octet_length(w.v2)) || w.v2 END
           || CASE WHEN w.v3 IS NULL THEN ''::bytea ELSE '\x057072696365'::bytea || int4send(octet_length(w.v3)) || w.v3 END)
      FROM w
     WHERE (w.x IS NULL OR NOT pgtally.in_progress(w.x, r.since, r.since_self)
            OR NOT pgtally.in_progress(w.x, progress.baseline, progress.baseline_self))
       AND NOT pgtally.is_recorded(2, int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'), waiting)
     ORDER BY w.k1 RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'payment'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed)
VALUES (3, 'payment', 'poll', true, false, NULL, true);
SELECT "pgtally".define(3, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b7b226e616d65223a226964222c2274797065223a22626967696e74222c227479706d6f64223a222d31227d2c7b226e616d65223a227061796572222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a22626f6f6b65645f6174222c2274797065223a2274696d657374616d7020776974682074696d65207a6f6e65222c227479706d6f64223a222d31227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22706f6c6c222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e7061796d656e74222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3230202844656269616e2031352e32302d302b6465623132753129222c22736f75726365223a227061796d656e74222c2274696d65223a22626f6f6b65645f6174222c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (3, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
CREATE OR REPLACE FUNCTION pgtally.feed_3(max_rows integer, r pgtally.round)
RETURNS SETOF pgtally.pending_row
LANGUAGE sql STABLE
AS $pgtally$
  SELECT 3, 3, 0, 1::smallint,
         int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'),
         w.t1, w.tm,
         sha256('pgtally/row/v1'::bytea || '\x00'::bytea
           || CASE WHEN w.v3 IS NULL THEN ''::bytea ELSE '\x09626f6f6b65645f6174'::bytea || int4send(octet_length(w.v3)) || w.v3 END
           || CASE WHEN w.v1 IS NULL THEN ''::bytea ELSE '\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1 END
           || CASE WHEN w.v2 IS NULL THEN ''::bytea ELSE '\x057061796572'::bytea || int4send(octet_length(w.v2)) || w.v2 END),
         NULL::bytea, NULL::xid8, NULL::bigint, NULL::text[]
    FROM (
      (SELECT w.* FROM pgtally.hole AS h CROSS JOIN LATERAL unnest(h.ranges) AS skipped(keys)
        CROSS JOIN LATERAL (
          SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."payer" IS DISTINCT FROM NULL THEN convert_to(t."payer", 'UTF8') END AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
            FROM public.payment AS t
           WHERE t."id" >= coalesce(lower(skipped.keys), -9223372036854775808)
             AND t."id" < upper(skipped.keys)
           ORDER BY t."id" LIMIT $1) AS w
        WHERE h.source_id = 3 AND pgtally.is_probed(h.barrier_id)
        ORDER BY w.k1 LIMIT $1)
      UNION ALL
      (SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."payer" IS DISTINCT FROM NULL THEN convert_to(t."payer", 'UTF8') END AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
        FROM public.payment AS t WHERE t."id" > (SELECT (pgtally.progress_of(3)).high)
        ORDER BY t."id" LIMIT $1)
      UNION ALL
      (SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."payer" IS DISTINCT FROM NULL THEN convert_to(t."payer", 'UTF8') END AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."booked_at"), 'UTF8') END AS v3,
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
  waiting  bytea[] := pgtally.staged_keys(3);
  cursor_1 bigint;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."id" AS k1, format('%s', t."id") AS t1,
             CASE WHEN t."id" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."id"), 'UTF8') END AS v1,
             CASE WHEN t."payer" IS DISTINCT FROM NULL THEN convert_to(t."payer", 'UTF8') END AS v2,
             CASE WHEN t."booked_at" IS DISTINCT FROM NULL THEN convert_to(format('%s', t."booked_at"), 'UTF8') END AS v3,
             pgtally.encodable(t."booked_at"::timestamptz) AS tm
      FROM public.payment AS t WHERE after IS NULL OR (t."id") > (cursor_1)
     ORDER BY t."id" LIMIT most
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_position,
           source_time, content_hash)
    SELECT 3, 0, 1,
         int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'),
         w.t1, w.tm,
         sha256('pgtally/row/v1'::bytea || '\x00'::bytea
           || CASE WHEN w.v3 IS NULL THEN ''::bytea ELSE '\x09626f6f6b65645f6174'::bytea || int4send(octet_length(w.v3)) || w.v3 END
           || CASE WHEN w.v1 IS NULL THEN ''::bytea ELSE '\x026964'::bytea || int4send(octet_length(w.v1)) || w.v1 END
           || CASE WHEN w.v2 IS NULL THEN ''::bytea ELSE '\x057061796572'::bytea || int4send(octet_length(w.v2)) || w.v2 END)
      FROM w
     WHERE w.k1 <= progress.high AND NOT EXISTS (SELECT FROM pgtally.hole AS h
            WHERE h.source_id = 3 AND h.ranges @> w.k1::bigint)
       AND NOT pgtally.is_recorded(3, int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8'), waiting)
     ORDER BY w.k1 RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'currency'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed)
VALUES (4, 'currency', 'poll', false, false, NULL, false);
SELECT "pgtally".define(4, 0, '\x7b22626c696e64223a66616c73652c22636f6c756d6e73223a5b7b226e616d65223a2274686520636f6465222c2274797065223a2274657874222c227479706d6f64223a222d31227d2c7b226e616d65223a226e616d65222c2274797065223a2274657874222c227479706d6f64223a222d31227d5d2c22636f6e74656e74223a22726f772f7631222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b2274686520636f6465225d2c226d6f6465223a22706f6c6c222c226e756d626572223a2230222c2272656c6174696f6e223a227075626c69632e63757272656e6379222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3230202844656269616e2031352e32302d302b6465623132753129222c22736f75726365223a2263757272656e6379222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
CREATE OR REPLACE FUNCTION pgtally.sweep_4(after text[], most integer)
RETURNS TABLE (scanned bigint, found bigint, last_key text[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgtally$
#variable_conflict use_variable

DECLARE
  progress pgtally.capture := pgtally.progress_of(4);
  r        pgtally.round := pgtally.current_round();
  waiting  bytea[] := pgtally.staged_keys(4);
  cursor_1 text;
BEGIN
  IF after IS NOT NULL THEN
    cursor_1 := (after)[1];
  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT t."the code" AS k1, t."the code" AS t1,
             CASE WHEN t."the code" IS DISTINCT FROM NULL THEN convert_to(t."the code", 'UTF8') END AS v1,
             CASE WHEN t."name" IS DISTINCT FROM NULL THEN convert_to(t."name", 'UTF8') END AS v2,
             NULL::timestamptz AS tm
      FROM public.currency AS t WHERE after IS NULL OR (t."the code") > (cursor_1)
     ORDER BY t."the code" LIMIT most
  ), new AS (
    INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_position,
           source_time, content_hash)
    SELECT 4, 0, 1,
         CASE WHEN octet_length(w.t1) + 2 > 1024 OR greatest(octet_length(w.t1)) > 1022 THEN pgtally.long_key(ARRAY[convert_to(w.t1, 'UTF8')]) ELSE int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8') END,
         '', w.tm,
         sha256('pgtally/row/v1'::bytea || '\x00'::bytea
           || CASE WHEN w.v2 IS NULL THEN ''::bytea ELSE '\x046e616d65'::bytea || int4send(octet_length(w.v2)) || w.v2 END
           || CASE WHEN w.v1 IS NULL THEN ''::bytea ELSE '\x0874686520636f6465'::bytea || int4send(octet_length(w.v1)) || w.v1 END)
      FROM w
     WHERE true
       AND NOT pgtally.is_recorded(4, CASE WHEN octet_length(w.t1) + 2 > 1024 OR greatest(octet_length(w.t1)) > 1022 THEN pgtally.long_key(ARRAY[convert_to(w.t1, 'UTF8')]) ELSE int2send(octet_length(w.t1)::int2) || convert_to(w.t1, 'UTF8') END, waiting)
     ORDER BY w.k1 RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[w.t1] FROM w ORDER BY w.k1 DESC LIMIT 1);
END $pgtally$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
BEGIN;
-- Source 'event'.
SELECT "pgtally".lock_ledger();
INSERT INTO "pgtally".source (source_id, name, mode, blind, keep_data, writer, has_feed)
VALUES (5, 'event', 'append', true, true, 'vector_database_pgtally_writer', false);
SELECT "pgtally".define(5, 0, '\x7b22626c696e64223a747275652c22636f6c756d6e73223a5b5d2c22636f6e74656e74223a2264617461222c226578636c75646564223a5b5d2c22686173685f636f6c756d6e223a6e756c6c2c226b6579223a5b226964225d2c226d6f6465223a22617070656e64222c226e756d626572223a2230222c2272656c6174696f6e223a22706774616c6c792e617070656e645f6f6e6c795f6c6f67222c2272656e616d6564223a5b5d2c227365727665725f76657273696f6e223a2231352e3230202844656269616e2031352e32302d302b6465623132753129222c22736f75726365223a226576656e74222c2274696d65223a6e756c6c2c227479706573223a5b5d2c2276223a2231227d'::bytea);
INSERT INTO pgtally.secret (source_id, secret) VALUES (5, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
COMMIT;
