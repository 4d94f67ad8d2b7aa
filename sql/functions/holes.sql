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
  FOR b IN SELECT * FROM pgtally.barrier ORDER BY barrier_id LOOP
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
-- each one in turn when they are many (10,000 ranges take 72 ms to probe).
CREATE OR REPLACE FUNCTION pgtally.is_probed(barrier_id bigint) RETURNS boolean
LANGUAGE sql STABLE
RETURN (SELECT count(*) <= 8 FROM pgtally.barrier)
    OR (floor(extract(epoch FROM now()))::bigint + barrier_id) % 4 = 0
    OR barrier_id = (SELECT max(b.barrier_id) FROM pgtally.barrier AS b);

-- After rows of a polled source went into the log from first_id on: the new high key, holes filled
-- and holes found. New holes wait for every transaction that runs now.
CREATE OR REPLACE FUNCTION pgtally.note_polled(source integer, first_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most    CONSTANT bigint := 9223372036854775807;  -- has no place in a range that ends before its end
  high    bigint := (pgtally.progress_of(source)).high;
  seen    record;
  keys    int8multirange;
  skipped int8multirange;
BEGIN
  SELECT count(*) AS n, min(source_position::bigint) AS low, max(source_position::bigint) AS high
    INTO seen FROM pgtally.processed_log WHERE id >= first_id AND source_id = source;
  IF seen.high > high OR high IS NULL THEN
    INSERT INTO pgtally.capture (feed, high) VALUES (source, seen.high);
  END IF;
  -- The usual case: the keys go on where they ended, and there is nothing to note.
  IF seen.low = high + 1 AND seen.n = seen.high - seen.low + 1 THEN
    RETURN;
  END IF;

  SELECT coalesce(range_agg(int8range(source_position::bigint, source_position::bigint, '[]')), '{}')
    INTO keys FROM pgtally.processed_log
   WHERE id >= first_id AND source_id = source AND source_position <> most::text;
  UPDATE pgtally.hole SET ranges = ranges - keys WHERE source_id = source AND ranges && keys;
  DELETE FROM pgtally.hole WHERE source_id = source AND isempty(ranges);

  IF high IS NULL OR seen.high > high + 1 THEN
    skipped := int8multirange(int8range(CASE WHEN high < most THEN high + 1 END, seen.high)) - keys;
    IF NOT isempty(skipped) THEN
      PERFORM pgtally.add_holes(source, skipped);
    END IF;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION pgtally.add_holes(source integer, skipped int8multirange) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  max_barriers CONSTANT integer := 32;
  max_ranges   CONSTANT integer := 10000;
  barrier      bigint := (SELECT max(barrier_id) FROM pgtally.barrier);
BEGIN
  IF (SELECT count(*) FROM pgtally.barrier) < max_barriers THEN
    INSERT INTO pgtally.barrier (running) VALUES (pgtally.running_transactions())
    RETURNING barrier_id INTO barrier;
  ELSE
    -- Waiting for more than has to be waited for is safe.
    UPDATE pgtally.barrier SET running = running || pgtally.running_transactions(), prepared = NULL
     WHERE barrier_id = barrier;
  END IF;
  INSERT INTO pgtally.hole AS h (source_id, barrier_id, ranges) VALUES (source, barrier, skipped)
  ON CONFLICT (source_id, barrier_id) DO UPDATE SET ranges = h.ranges + excluded.ranges;

  -- The oldest beyond the limit are the sweep's.
  DELETE FROM pgtally.hole WHERE (source_id, barrier_id) IN (
    SELECT source_id, barrier_id FROM (
      SELECT h.source_id, h.barrier_id,
             sum((SELECT count(*) FROM unnest(h.ranges))) OVER (ORDER BY h.barrier_id DESC) AS ranges
        FROM pgtally.hole AS h WHERE h.source_id = source) AS counted
     WHERE ranges > max_ranges AND barrier_id < barrier);
END $$;

-- Gives up the holes that the batch that ends now has found empty once more, after everything that
-- could fill them had ended.
CREATE OR REPLACE FUNCTION pgtally.drop_holes(settled bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF cardinality(settled) > 0 THEN
    DELETE FROM pgtally.hole WHERE barrier_id = ANY(settled) AND pgtally.is_probed(barrier_id);
  END IF;
  DELETE FROM pgtally.barrier AS b
   WHERE NOT EXISTS (SELECT FROM pgtally.hole AS h WHERE h.barrier_id = b.barrier_id);
END $$;
