-- How far behind each source is: rows that are committed and not in the log yet, up to a million,
-- and the time that the first of them claims.
CREATE OR REPLACE FUNCTION pgtally.waiting()
RETURNS TABLE (source_id integer, waiting_rows bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET timezone = 'UTC'
SET standard_conforming_strings = on
SET jit = off
AS $$
DECLARE
  r    pgtally.round := pgtally.current_round();
  most CONSTANT integer := 1000000;
  s    record;
BEGIN
  r.upto := pg_current_snapshot();
  RETURN QUERY
    SELECT w.source_id, count(*), min(w.source_time)
      FROM (SELECT l.source_id, l.source_time
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
  LOOP
    BEGIN
      RETURN QUERY EXECUTE format('SELECT %s, waiting_rows, oldest FROM pgtally.%I($1, $2)',
                                  s.source_id, 'waiting_' || s.source_id) USING most, r;
    EXCEPTION WHEN OTHERS THEN
      NULL;  -- the next batch says what is wrong with it
    END;
  END LOOP;
  RETURN QUERY SELECT g.source_id, g.waiting_rows, g.oldest FROM pgtally.reading AS g
                WHERE g.waiting_rows > 0;
END $$;
