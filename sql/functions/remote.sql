-- Modes poll and xid in other databases: what their readers (src/capture/remote_*) store beside the
-- rows that they stage. The rules are those of rounds.sql and holes.sql; what only the other server
-- can tell is fetched there and handed in.

-- Makes the caller's transaction the only one that stages rows of a source, for a reader that knew
-- the source's progress as `expected` (null: whatever it is). A statement of its own.
CREATE OR REPLACE FUNCTION pgtally.lock_source(source integer, expected bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s pgtally.source;
BEGIN
  SELECT r.* INTO s FROM pgtally.source AS r WHERE r.source_id = source FOR NO KEY UPDATE;
  IF s.state IS DISTINCT FROM 'active' THEN
    RAISE EXCEPTION 'source % is %', s.name, s.state USING ERRCODE = 'TLR06';
  END IF;
  IF expected <> coalesce((pgtally.progress_of(source)).capture_id, 0) THEN
    RAISE EXCEPTION 'another reader has gone on with source %', s.name USING ERRCODE = 'TLY03',
      HINT = 'Only one at a time can; this one begins again where the other stands.';
  END IF;
END $$;

-- The places (from 1) of the keys that are neither in the log nor on their way into it.
CREATE OR REPLACE FUNCTION pgtally.unrecorded(source integer, keys bytea[]) RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.place ORDER BY l.place), '{}')
    FROM pgtally.latest_states(source, keys) AS l WHERE l.operation IS NULL
$$;

-- The same for rows that a sweep came across. It leaves to the reader what the reader is going to
-- take, in its next round or in a hole that it still looks into; and out what is to be skipped.
CREATE OR REPLACE FUNCTION pgtally.late_rows(source integer, keys bytea[], positions text[])
RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  progress pgtally.capture := pgtally.progress_of(source);
  skip     pgtally.skipped;
  s        pgtally.source;
  holes    int8multirange;
  places   bigint[] := pgtally.unrecorded(source, keys);
BEGIN
  SELECT r.* INTO s FROM pgtally.source AS r WHERE r.source_id = source;
  SELECT k.* INTO skip FROM pgtally.skipped AS k WHERE k.source_id = source;
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
    FROM pgtally.hole AS h, unnest(h.ranges) AS r(keys) WHERE h.source_id = source;
  RETURN ARRAY(
    SELECT p FROM unnest(places) AS p
     WHERE positions[p]::bigint <= progress.high AND NOT holes @> positions[p]::bigint
       AND (positions[p]::bigint <= skip.high) IS NOT TRUE);
END $$;

-- The holes that a reader looks into now: all while their barriers are few; of many, each in turn.
CREATE OR REPLACE FUNCTION pgtally.probed_holes(source integer)
RETURNS TABLE (barrier_id bigint, ranges int8multirange)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT h.barrier_id, h.ranges FROM (
    SELECT h.*, count(*) OVER () AS n, max(h.barrier_id) OVER () AS newest
      FROM pgtally.hole AS h WHERE h.source_id = source) AS h
   WHERE n <= 8 OR h.barrier_id = newest
      OR current_setting('pgtally_session.probe_all_holes', true) = 'on'
      OR (floor(extract(epoch FROM clock_timestamp()))::bigint + h.barrier_id) % 4 = 0
$$;

-- Whether move_barriers() would do anything that counts for a reader that looks into the holes behind
-- `probed`; asked first, so that an idle reader writes nothing.
CREATE OR REPLACE FUNCTION pgtally.barriers_move(
  source integer, server text, running text[], prepared text[], probed bigint[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pgtally.barrier AS b
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
CREATE OR REPLACE FUNCTION pgtally.move_barriers(
  source integer, server text, running text[], prepared text[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  settled bigint[];
BEGIN
  UPDATE pgtally.barrier AS b
     SET server = move_barriers.server, running = move_barriers.running, prepared = NULL
   WHERE b.reader = source AND b.server <> move_barriers.server;
  UPDATE pgtally.barrier AS b SET prepared = move_barriers.prepared
   WHERE b.reader = source AND b.prepared IS NULL AND NOT b.running && move_barriers.running;
  SELECT coalesce(array_agg(b.barrier_id), '{}') INTO settled FROM pgtally.barrier AS b
   WHERE b.reader = source AND b.prepared IS NOT NULL AND NOT b.prepared && move_barriers.prepared;
  RETURN settled;
END $$;

-- After a reader staged the rows of `keys`, the highest of which is `top` (null: there were none):
-- gives up the holes behind `closed`, which were found empty after all that could fill them had
-- ended; fills holes; and notes new ones behind those who ran there after the rows were read.
CREATE OR REPLACE FUNCTION pgtally.note_read(
  source integer, server text, keys int8multirange, top bigint, closed bigint[], running text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  high    bigint := (pgtally.progress_of(source)).high;
  skipped int8multirange;
BEGIN
  DELETE FROM pgtally.hole AS h WHERE h.source_id = source AND h.barrier_id = ANY(closed);
  IF top IS NOT NULL THEN
    skipped := pgtally.fill_holes(source, high, top, keys);
    IF NOT isempty(skipped) THEN
      PERFORM pgtally.put_holes(source, skipped, running, source, server);
    END IF;
  END IF;
  DELETE FROM pgtally.barrier AS b
   WHERE b.reader = source
     AND NOT EXISTS (SELECT FROM pgtally.hole AS h WHERE h.barrier_id = b.barrier_id);
  INSERT INTO pgtally.capture (feed, high, server) VALUES (source, greatest(high, top), server);
END $$;

-- A sweep over all, from the beginning, for a source whose place in its table is not certain any more.
CREATE OR REPLACE FUNCTION pgtally.sweep_anew(source integer) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM pgtally.sweep WHERE source_id = source AND finished_at IS NULL;
  INSERT INTO pgtally.sweep (source_id) VALUES (source);
$$;
