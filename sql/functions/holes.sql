-- Holes of polled sources: keys that were skipped below the highest key taken so far, and who could
-- still fill them. See docs/ARCHITECTURE.md for why transaction ids alone cannot tell.

-- The virtual transactions that run in this database now. Those of sessions that cannot be told
-- apart count as well.
CREATE OR REPLACE FUNCTION pgtally.running_transactions() RETURNS text[]
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.virtualtransaction), '{}')
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid)
   WHERE l.locktype = 'virtualxid'
     AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;

CREATE OR REPLACE FUNCTION pgtally.prepared_transactions() RETURNS text[]
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(gid), '{}') FROM pg_prepared_xacts WHERE database = current_database()
$$;

-- Moves barriers on and returns those that nothing is left of. PREPARE drops the virtual
-- transaction, so prepared ones are listed only once all of the former have ended.
CREATE OR REPLACE FUNCTION pgtally.settled_barriers() RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b       pgtally.barrier;
  running text[];
  settled bigint[] := '{}';
BEGIN
  FOR b IN SELECT * FROM pgtally.barrier WHERE reader IS NULL ORDER BY barrier_id LOOP
    IF b.prepared IS NULL THEN
      running := coalesce(running, pgtally.running_transactions());
      CONTINUE WHEN b.running && running;
      UPDATE pgtally.barrier SET prepared = pgtally.prepared_transactions()
       WHERE barrier_id = b.barrier_id RETURNING * INTO b;
    END IF;
    IF NOT b.prepared && pgtally.prepared_transactions() THEN
      settled := settled || b.barrier_id;
    END IF;
  END LOOP;
  RETURN settled;
END $$;

-- Which barriers' holes are looked into by this transaction: all of them while they are few, and
-- each one in turn when they are many (10,000 ranges take 72 ms to probe), unless the session has
-- asked for all.
CREATE OR REPLACE FUNCTION pgtally.is_probed(barrier_id bigint) RETURNS boolean
LANGUAGE sql STABLE
RETURN (SELECT count(*) <= 8 FROM pgtally.barrier WHERE reader IS NULL)
    OR current_setting('pgtally_session.probe_all_holes', true) = 'on'
    OR (floor(extract(epoch FROM now()))::bigint + barrier_id) % 4 = 0
    OR barrier_id = (SELECT max(b.barrier_id) FROM pgtally.barrier AS b WHERE b.reader IS NULL);

-- After a polled source's feed gave `taken` rows, with keys from `low` to `top`, to the batch that
-- begins with first_id: the new high key, holes filled and holes found. New holes wait for every
-- transaction that runs now.
CREATE OR REPLACE FUNCTION pgtally.note_polled(
  source integer, first_id bigint, taken bigint, low bigint, top bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most    CONSTANT bigint := 9223372036854775807;  -- has no place in a range that ends before its end
  high    bigint := (pgtally.progress_of(source)).high;
  end_id  bigint;
  keys    int8multirange;
  skipped int8multirange;
BEGIN
  IF top > high OR high IS NULL THEN
    INSERT INTO pgtally.capture (feed, high) VALUES (source, top);
  END IF;
  -- The usual case: the keys go on where they ended, and there is nothing to note. Numeric, because
  -- keys may lie further apart than a bigint can count.
  IF low = high::numeric + 1 AND taken = top::numeric - low + 1 THEN
    RETURN;
  END IF;

  -- The batch by its ids, with both ends given and the source looked at row by row: a planner
  -- without statistics would otherwise read the whole log, or all that it has of the source.
  SELECT next_id INTO end_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1;
  SELECT coalesce(range_agg(int8range(source_position::bigint, source_position::bigint, '[]'))
           FILTER (WHERE source_id = source AND source_position <> most::text), '{}')
    INTO keys FROM pgtally.processed_log WHERE id >= first_id AND id < end_id;
  skipped := pgtally.fill_holes(source, high, top, keys);
  IF NOT isempty(skipped) THEN
    PERFORM pgtally.add_holes(source, skipped);
  END IF;
END $$;

-- Takes `keys`, which were found, out of the source's holes. Returns those between `high` and `top`
-- that were not found.
CREATE OR REPLACE FUNCTION pgtally.fill_holes(
  source integer, high bigint, top bigint, keys int8multirange) RETURNS int8multirange
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most CONSTANT bigint := 9223372036854775807;
BEGIN
  UPDATE pgtally.hole SET ranges = ranges - keys WHERE source_id = source AND ranges && keys;
  DELETE FROM pgtally.hole WHERE source_id = source AND isempty(ranges);
  IF high IS NULL OR top > high::numeric + 1 THEN
    RETURN int8multirange(int8range(CASE WHEN high < most THEN high + 1 END, top)) - keys;
  END IF;
  RETURN '{}';
END $$;

-- New holes of a source, behind a barrier of `running`. Of another database: `reader` and `server`
-- say whose transactions these are.
CREATE OR REPLACE FUNCTION pgtally.put_holes(
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
  SELECT max(b.barrier_id), count(*) INTO newest, barriers FROM pgtally.barrier AS b
   WHERE b.reader IS NOT DISTINCT FROM put_holes.reader;
  IF barriers < max_barriers THEN
    INSERT INTO pgtally.barrier (running, reader, server)
    VALUES (put_holes.running, put_holes.reader, put_holes.server) RETURNING barrier_id INTO newest;
  ELSE
    -- Waiting for more than has to be waited for is safe.
    UPDATE pgtally.barrier AS b SET running = b.running || put_holes.running, prepared = NULL
     WHERE b.barrier_id = newest;
  END IF;
  INSERT INTO pgtally.hole AS h (source_id, barrier_id, ranges) VALUES (source, newest, skipped)
  ON CONFLICT (source_id, barrier_id) DO UPDATE SET ranges = h.ranges + excluded.ranges;

  -- The oldest beyond the limit are the sweep's.
  DELETE FROM pgtally.hole WHERE (source_id, barrier_id) IN (
    SELECT counted.source_id, counted.barrier_id FROM (
      SELECT h.source_id, h.barrier_id,
             sum((SELECT count(*) FROM unnest(h.ranges))) OVER (ORDER BY h.barrier_id DESC) AS ranges
        FROM pgtally.hole AS h WHERE h.source_id = source) AS counted
     WHERE counted.ranges > max_ranges AND counted.barrier_id < newest);
END $$;

CREATE OR REPLACE FUNCTION pgtally.add_holes(source integer, skipped int8multirange) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pgtally.put_holes(source, skipped, pgtally.running_transactions(), NULL, NULL)
$$;

-- Gives up the holes that the batch that ends now has found empty once more, after everything that
-- could fill them had ended. Not those of a source that was not looked at, and not those of a
-- barrier that the same batch has put new holes behind.
CREATE OR REPLACE FUNCTION pgtally.drop_holes(settled bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF cardinality(settled) > 0 THEN
    DELETE FROM pgtally.hole AS h USING pgtally.barrier AS b, pgtally.source AS s
     WHERE h.barrier_id = ANY(settled) AND pgtally.is_probed(h.barrier_id)
       AND b.barrier_id = h.barrier_id AND b.prepared IS NOT NULL
       AND s.source_id = h.source_id AND format('feed_%s', s.source_id) = ANY(pgtally.feeds());
  END IF;
  DELETE FROM pgtally.barrier AS b
   WHERE b.reader IS NULL
     AND NOT EXISTS (SELECT FROM pgtally.hole AS h WHERE h.barrier_id = b.barrier_id);
END $$;
