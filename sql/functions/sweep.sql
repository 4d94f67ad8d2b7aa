-- Sweeps: a pass over a source's whole table by key, for rows that its capture could not see: those
-- that were there before it, and keys that were handed out long before they were used.

-- Scans the next `most` keys of the source's running sweep, starting one if there is none, and
-- stages what is neither in the log nor on its way into it. Under the lock, so that no row is
-- taken twice. What it found is in the log after the next batches.
CREATE OR REPLACE FUNCTION pgtally.sweep_step(
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
SET lock_timeout = '1s'
AS $$
DECLARE
  s      pgtally.source;
  sweep  pgtally.sweep;
  last   text[];
BEGIN
  PERFORM pgtally.lock_ledger();
  PERFORM pgtally.open_batch();
  SELECT * INTO s FROM pgtally.source WHERE source_id = target;
  IF s.state <> 'active' OR s.mode NOT IN ('xid', 'poll', 'trigger') THEN
    RAISE EXCEPTION 'source % is not one that can be swept now (mode %, %)', s.name, s.mode, s.state
      USING ERRCODE = 'TLR06';
  END IF;
  IF s.existing = 'skip' AND s.mode = 'trigger' THEN
    RAISE EXCEPTION 'the rows that source % had when it was added were skipped, and a sweep cannot '
      'tell them from rows that were missed', s.name USING ERRCODE = 'TLR06';
  END IF;
  SELECT * INTO sweep FROM pgtally.sweep AS w WHERE w.source_id = target AND finished_at IS NULL;
  IF sweep.sweep_id IS NULL THEN
    -- A partition may have come with rows of another cluster since the last one.
    IF s.mode = 'xid' AND pgtally.foreign_xmax(target)
                          > coalesce((pgtally.progress_of(target)).foreign_xmax, '0') THEN
      PERFORM pgtally.begin_again(target);
    END IF;
    INSERT INTO pgtally.sweep (source_id) VALUES (target) RETURNING * INTO sweep;
  END IF;

  EXECUTE format('SELECT * FROM pgtally.%I($1, $2)', 'sweep_' || target)
    INTO scanned, staged, last USING sweep.cursor_key, most;
  done := scanned < most;
  UPDATE pgtally.sweep AS w
     SET cursor_key = coalesce(last, w.cursor_key), scanned = w.scanned + sweep_step.scanned,
         found = w.found + staged, finished_at = CASE WHEN done THEN clock_timestamp() END
   WHERE w.sweep_id = sweep.sweep_id;
  IF EXISTS (SELECT FROM pgtally.failure AS f WHERE f.source_id = target) THEN
    PERFORM pgtally.clear_failure(target);
  END IF;
END $$;
