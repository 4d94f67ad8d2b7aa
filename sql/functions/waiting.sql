-- Of a source that only sweeps find rows of: when the last whole one of these began. What was committed
-- by then is recorded.
CREATE OR REPLACE FUNCTION pgtally.complete_up_to(source integer) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(max(w.started_at), min(s.created_at))
    FROM pgtally.source AS s
    LEFT JOIN pgtally.sweep AS w ON w.source_id = s.source_id AND w.finished_at IS NOT NULL
   WHERE s.source_id = source
$$;

-- How far behind each source is: rows that are committed and not in the log yet, up to a million,
-- and the time that the first of them claims. No rows and a time: only since when is known.
CREATE OR REPLACE FUNCTION pgtally.waiting()
RETURNS TABLE (source_id integer, waiting_rows bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET datestyle = 'ISO'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET lc_numeric = 'C'
SET quote_all_identifiers = off
SET standard_conforming_strings = on
SET jit = off
SET lock_timeout = '200ms'  -- somebody may be altering a table
AS $$
DECLARE
  r    pgtally.round := pgtally.current_round();
  most CONSTANT integer := 1000000;
  s    record;
BEGIN
  r.upto := pg_current_snapshot();
  RETURN QUERY
    SELECT w.source_id, count(*), min(w.source_time)
      FROM (SELECT l.source_id, coalesce(l.source_time, l.created_at) AS source_time
              FROM pgtally.append_only_log AS l, pgtally.progress_of(0) AS p
             WHERE l.xid >= pg_snapshot_xmin(r.since)
               AND pgtally.in_progress(l.xid, r.since, r.since_self)
               AND (p.round_id = r.round_id AND l.id <= p.cursor_key[1]::bigint)
                   IS NOT TRUE
             LIMIT most) AS w
     GROUP BY w.source_id;
  FOR s IN
    SELECT src.source_id FROM pgtally.source AS src
     WHERE format('feed_%s', src.source_id) = ANY(pgtally.feeds())
        OR src.state = 'active' AND src.sweeps_only AND src.endpoint_id IS NULL
  LOOP
    BEGIN
      RETURN QUERY EXECUTE format('SELECT %s, waiting_rows, oldest FROM pgtally.%I($1, $2)',
                                  s.source_id, 'waiting_' || s.source_id) USING most, r;
    EXCEPTION WHEN OTHERS THEN
      NULL;  -- the next batch or sweep says what is wrong with it
    END;
  END LOOP;
  RETURN QUERY SELECT src.source_id, 0::bigint, pgtally.complete_up_to(src.source_id)
                 FROM pgtally.source AS src
                WHERE src.state = 'active' AND src.sweeps_only AND src.endpoint_id IS NOT NULL;
  RETURN QUERY SELECT g.source_id, g.waiting_rows, g.oldest
                 FROM pgtally.reading AS g JOIN pgtally.source AS src USING (source_id)
                WHERE g.waiting_rows > 0 AND src.state = 'active';
END $$;
