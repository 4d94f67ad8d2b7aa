-- Which rows a round takes. The rule and its proof are in docs/ARCHITECTURE.md.

-- Whether a transaction was not over when the snapshot was taken by `self`.
CREATE OR REPLACE FUNCTION pgtally.in_progress(xid xid8, snapshot pg_snapshot, self xid8)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT pg_visible_in_snapshot(xid, snapshot) OR xid IS NOT DISTINCT FROM self;

-- The transactions below the snapshot's xmax that were not over, in ascending order.
CREATE OR REPLACE FUNCTION pgtally.in_progress_below_xmax(snapshot pg_snapshot, self xid8)
RETURNS xid8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
  SELECT x FROM (SELECT pg_snapshot_xip(snapshot) UNION SELECT self) AS u(x)
   WHERE x < pg_snapshot_xmax(snapshot) ORDER BY x);

-- These two, and feeds(), are asked several times in a batch. In PL/pgSQL, because their plans are kept
-- there: a function in SQL that holds a query is parsed and planned anew each time.
CREATE OR REPLACE FUNCTION pgtally.current_round() RETURNS pgtally.round
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest pgtally.round;
BEGIN
  SELECT * INTO newest FROM pgtally.round ORDER BY round_id DESC LIMIT 1;
  RETURN newest;
END $$;

CREATE OR REPLACE FUNCTION pgtally.progress_of(feed integer) RETURNS pgtally.capture
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest pgtally.capture;
BEGIN
  SELECT * INTO newest FROM pgtally.capture AS c WHERE c.feed = progress_of.feed
   ORDER BY capture_id DESC LIMIT 1;
  RETURN newest;
END $$;

-- Whether staging may hold rows that the round `r` takes: none that was staged by a transaction of
-- before all that were in progress when the round began is one of them. Costs next to nothing where
-- sources do not go by way of staging.
CREATE OR REPLACE FUNCTION pgtally.may_be_staged(r pgtally.round) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest xid8;
BEGIN
  SELECT l.xid INTO newest FROM pgtally.append_only_log AS l ORDER BY l.xid DESC LIMIT 1;
  RETURN coalesce(newest >= least(pg_snapshot_xmin(r.since), r.since_self), false);
END $$;

-- The key of a row of staging: its own, or its id. A truncate has none. STABLE, as convert_to() is:
-- otherwise it would not be inlined, and cost more than all the rest.
CREATE OR REPLACE FUNCTION pgtally.staged_key(operation smallint, key bytea, id bigint)
RETURNS bytea
LANGUAGE sql STABLE
RETURN CASE
  WHEN operation = 4 THEN ''::bytea
  ELSE coalesce(key, int2send(octet_length(id::text)::int2) || convert_to(id::text, 'UTF8')) END;

-- What is recorded of the content of a row of staging: the hash of its data or, where it has none, the
-- hash that whoever captured it has put there. The owner can leave out both. That row holds nothing,
-- and is recorded like one that holds no byte.
CREATE OR REPLACE FUNCTION pgtally.staged_content(content_hash bytea, data bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(sha256(data), content_hash, sha256(''::bytea));

-- Whether an entry can be made of a row of staging, whose source is one of these. Only what its owner
-- writes there by hand can be otherwise, which nothing refuses. Inlined where it is called.
CREATE OR REPLACE FUNCTION pgtally.can_be_recorded(l pgtally.append_only_log, sources integer[])
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
CREATE OR REPLACE FUNCTION pgtally.left_out() RETURNS bigint
LANGUAGE sql STABLE
RETURN nullif(current_setting('left_out.pgtally', true), '')::bigint;

-- Takes note, in the session, that a round passes by a row of which no entry can be made. close_batch()
-- tells of it; if nothing else waits, that of the session's next batch. False, for a WHERE.
CREATE OR REPLACE FUNCTION pgtally.leave_out(id bigint) RETURNS boolean
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
CREATE OR REPLACE FUNCTION pgtally.staged(max_rows integer, r pgtally.round)
RETURNS SETOF pgtally.pending_row
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_sort = off   -- by the primary key, and not everything that waits each time
AS $$
DECLARE
  progress  pgtally.capture := pgtally.progress_of(0);
  here      bigint := -9223372036854775808;
  begun     xid8 := pg_snapshot_xmax(r.since);
  from_id   bigint;
  swept_id  bigint;
  keeping   integer[] := ARRAY(SELECT s.source_id FROM pgtally.source AS s WHERE s.keep_data);
  sources   integer[] := ARRAY(SELECT s.source_id FROM pgtally.source AS s WHERE s.source_id > 0);
BEGIN
  IF progress.round_id = r.round_id THEN
    here := progress.cursor_key[1]::bigint;
  END IF;
  from_id := here;
  IF here < 0 THEN
    -- Not by the primary key, which is what "+ 0" is for.
    from_id := (SELECT min(l.id + 0) FROM pgtally.append_only_log AS l
                 WHERE l.xid >= begun AND l.id > 0) - 1;
    -- Sweeps stage one after the other, so those that were taken come before those that were not.
    swept_id := greatest(here, (
      SELECT l.id FROM pgtally.append_only_log AS l
       WHERE l.id < 0 AND NOT pgtally.in_progress(l.xid, r.since, r.since_self)
       ORDER BY l.id DESC LIMIT 1));
  END IF;
  RETURN QUERY
  SELECT 0, w.source_id, w.definition, w.operation,
         pgtally.staged_key(w.operation, w.key, w.id),
         coalesce(w.source_position, w.id::text), pgtally.encodable(w.source_time),
         pgtally.staged_content(w.content_hash, w.data),
         CASE WHEN w.source_id = ANY(keeping) THEN w.data END, w.xid::xid8, w.id, NULL::text[]
    FROM (
      (SELECT l.* FROM unnest(pgtally.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT * FROM pgtally.append_only_log AS l
            WHERE l.xid = open.xid AND l.id > here
              AND (pgtally.can_be_recorded(l, sources) OR pgtally.leave_out(l.id))
            ORDER BY l.id LIMIT max_rows) AS l
        WHERE NOT pgtally.in_progress(open.xid, r.upto, r.upto_self))
      UNION ALL
      (SELECT l.* FROM pgtally.append_only_log AS l
        WHERE l.id > from_id AND l.xid >= begun AND l.xid < pg_snapshot_xmax(r.upto)
          AND NOT pgtally.in_progress(l.xid, r.upto, r.upto_self)
          AND (pgtally.can_be_recorded(l, sources) OR pgtally.leave_out(l.id))
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM pgtally.append_only_log AS l
        WHERE l.id > swept_id AND l.id < 0 AND l.xid >= begun
          AND NOT pgtally.in_progress(l.xid, r.upto, r.upto_self)
          AND (pgtally.can_be_recorded(l, sources) OR pgtally.leave_out(l.id))
        ORDER BY l.id LIMIT max_rows)
    ) AS w
   ORDER BY w.id LIMIT max_rows;
END $$;

-- The id of a row that a sweep stages though its changes are staged, too. The row is read as it was
-- before all changes that the sweep cannot see yet, and their ids may have been given out already; so
-- it takes its place before them. Not where the sweep saw that the row was deleted before.
CREATE OR REPLACE FUNCTION pgtally.swept_id(after_delete boolean) RETURNS bigint
LANGUAGE sql VOLATILE
RETURN nextval('pgtally.append_only_log_id_seq') - CASE WHEN after_delete THEN 0 ELSE 4611686018427387904 END;
