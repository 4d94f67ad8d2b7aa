-- Sources that fail. One of them is set aside, so that the others go on without it, and is looked at
-- again after a second, then after two, four, … up to a minute.

CREATE OR REPLACE FUNCTION pgtally.note_failure(
  source integer, sqlstate text, message text, hint text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO pgtally.failure AS f (source_id, sqlstate, message, hint, retry_at)
  SELECT source, sqlstate, CASE WHEN is_locked THEN 'its table is locked by another transaction'
                                ELSE message END,
         CASE WHEN is_locked THEN 'It goes on when that has ended; pg_locks says who it is.' ELSE hint END,
         clock_timestamp() + interval '1 s'
    FROM (SELECT sqlstate = '55P03') AS s(is_locked)
  ON CONFLICT ON CONSTRAINT failure_pkey DO UPDATE
    SET sqlstate = excluded.sqlstate, message = excluded.message, hint = excluded.hint,
        attempts = f.attempts + 1,
        retry_at = clock_timestamp() + least(interval '1 s' * 2 ^ least(f.attempts, 6),
                                             interval '60 s')
$$;

-- A source was read again. What its reader has against this source alone (TLO05) stays until the
-- reader itself takes it back with heal(); that its triggers come too late (TLO06), until they do not.
CREATE OR REPLACE FUNCTION pgtally.clear_failure(source integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM pgtally.failure WHERE source_id = source AND sqlstate NOT IN ('TLO05', 'TLO06')
$$;

CREATE OR REPLACE FUNCTION pgtally.heal(source integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM pgtally.failure WHERE source_id = source
$$;

-- For order_triggers(). Whatever else fails a source is worse. It is to be tried at once, always, so
-- that sweeps go on.
CREATE OR REPLACE FUNCTION pgtally.note_overtaken(source integer, message text, hint text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO pgtally.failure AS f (source_id, sqlstate, message, hint, retry_at)
  VALUES (source, 'TLO06', message, hint, clock_timestamp())
  ON CONFLICT ON CONSTRAINT failure_pkey DO UPDATE
    SET message = excluded.message, hint = excluded.hint WHERE f.sqlstate = 'TLO06'
$$;

CREATE OR REPLACE FUNCTION pgtally.forget_overtaken(still integer[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM pgtally.failure WHERE sqlstate = 'TLO06' AND source_id <> ALL (still)
$$;

-- After a batch that failed: reads each feed by itself and notes those that cannot be read. Returns
-- how many they are; if none is, the error was not a source's. Under the lock.
CREATE OR REPLACE FUNCTION pgtally.set_aside_failing(max_rows integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  feed    text;
  failing integer := 0;
BEGIN
  FOREACH feed IN ARRAY pgtally.feeds() LOOP
    CONTINUE WHEN feed = 'staged';
    CONTINUE WHEN pgtally.can_be_read(substr(feed, 6)::integer, max_rows);
    failing := failing + 1;
  END LOOP;
  RETURN failing;
END $$;

-- Whether a source's feed gives its next rows. Why not is noted.
CREATE OR REPLACE FUNCTION pgtally.can_be_read(source integer, max_rows integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  message text;
  hint    text;
BEGIN
  PERFORM count(*) FROM pgtally.pending(max_rows, NULL, NULL, ARRAY[format('feed_%s', source)]);
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  PERFORM pgtally.note_failure(source, SQLSTATE, message, hint);
  RETURN false;
END $$;

-- Takes sources back that can be read again. Under the lock, before a batch.
CREATE OR REPLACE FUNCTION pgtally.retry_failing() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s pgtally.source;
BEGIN
  IF EXISTS (SELECT FROM pgtally.missed) THEN
    PERFORM pgtally.take_missed();
  END IF;
  FOR s IN
    SELECT src.* FROM pgtally.failure AS f JOIN pgtally.source AS src USING (source_id)
     WHERE f.retry_at <= clock_timestamp() AND src.state = 'active' AND src.has_feed
  LOOP
    CONTINUE WHEN NOT pgtally.can_be_read(s.source_id, 40000);
    PERFORM pgtally.clear_failure(s.source_id);
    PERFORM pgtally.begin_again(s.source_id);
  END LOOP;
END $$;

-- For a source that was left out for a while. Of mode xid, rounds went by without it: what is there
-- now is left to a first sweep, which knows what is in the log already. Others find their place.
CREATE OR REPLACE FUNCTION pgtally.begin_again(target integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  foreign_xmax xid8;
BEGIN
  IF (SELECT mode = 'xid' AND endpoint_id IS NULL FROM pgtally.source AS s
       WHERE s.source_id = begin_again.target) THEN
    -- Before the baseline: what is in progress there was in progress then.
    foreign_xmax := pgtally.foreign_xmax(target);
    INSERT INTO pgtally.capture (feed, baseline, baseline_self, foreign_xmax)
    VALUES (target, pg_current_snapshot(), pg_current_xact_id(), foreign_xmax);
    DELETE FROM pgtally.sweep WHERE source_id = target;
  ELSIF EXISTS (SELECT FROM pgtally.source
                 WHERE source_id = target AND mode = 'trigger' AND existing <> 'skip') THEN
    PERFORM pgtally.sweep_again(target);
  END IF;
  -- Of mode logical, changes were dropped meanwhile.
  UPDATE pgtally.stream_source
     SET load = 'resync', barrier = NULL, cursor_key = NULL, loaded = 0, broken = false
   WHERE source_id = target;
END $$;
