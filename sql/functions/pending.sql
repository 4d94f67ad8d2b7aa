-- What is new, and in which order. Nothing else decides that.

DROP FUNCTION IF EXISTS pgtally.pending(integer, pg_snapshot, xid8);  -- of schema version 1

-- The next rows of all local sources in the order in which they will be numbered, at most max_rows.
--
-- While a round is open its snapshot is held; otherwise the round would end at `upto`, by default
-- the snapshot of this call. Each feed keeps its own order. Feeds are merged like sorted lists by
-- the time that their rows claim: the running maximum within the source, so that its order survives,
-- capped at now. A row that claims none, or an infinite one, comes with the row before it; the first
-- of a feed, when the last batch ended. Feeds that have something share max_rows evenly, so none
-- waits behind another's backlog.
CREATE OR REPLACE FUNCTION pgtally.pending(
  max_rows   integer,
  upto       pg_snapshot DEFAULT NULL,
  upto_self  xid8 DEFAULT NULL,
  feed_names text[] DEFAULT NULL)   -- of these alone; otherwise of all feeds()
RETURNS SETOF pgtally.pending_row
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
SET lock_timeout = '1s'  -- whose table is locked for longer is set aside
AS $$
DECLARE
  r     pgtally.round := pgtally.current_round();
  names text[] := coalesce(feed_names, pgtally.feeds());
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

  IF cardinality(names) > 1 AND NOT pgtally.may_be_staged(r) THEN
    names := array_remove(names, 'staged');
  END IF;
  IF cardinality(names) = 1 THEN
    -- Nothing to merge it with: planning the question would cost as much as reading the rows.
    busy := names;
  ELSE
    FOREACH name IN ARRAY names LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM pgtally.%I(1, $1))', name) INTO has_rows USING r;
      IF has_rows THEN
        busy := busy || name;
      END IF;
    END LOOP;
  END IF;

  -- Staging holds rows of several sources, unless there is only one.
  IF cardinality(busy) = 1 AND (busy[1] <> 'staged' OR
                                (SELECT count(*) = 1 FROM pgtally.source WHERE source_id > 0))
  THEN
    RETURN QUERY EXECUTE format('SELECT * FROM pgtally.%I($1, $2)', busy[1]) USING max_rows, r;
  ELSIF cardinality(busy) > 0 THEN
    SELECT string_agg(format(
             'SELECT * FROM pgtally.%I($1, $2) WITH ORDINALITY AS f(feed, source_id, definition,'
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
          (SELECT sequenced_at FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1), max_rows;
  END IF;
END $$;

-- The functions that pending() reads: staging, and one that `source add` made for each source that
-- is read straight from its own table. Not those of sources that were set aside because they fail.
CREATE OR REPLACE FUNCTION pgtally.feeds() RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT format('feed_%s', source_id) FROM pgtally.source AS s
     WHERE state = 'active' AND has_feed
       AND NOT EXISTS (SELECT FROM pgtally.failure AS f WHERE f.source_id = s.source_id)
     ORDER BY source_id)
    || ARRAY['staged'];
END $$;

-- Makes the owner of the ledger that of a source's functions, which a superuser may have made.
CREATE OR REPLACE FUNCTION pgtally.give_functions(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f record;
BEGIN
  FOR f IN
    SELECT p.oid::regprocedure AS signature, n.nspowner::regrole AS owner
      FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE n.oid = (SELECT relnamespace FROM pg_class WHERE oid = 'pgtally.ledger'::regclass)
       AND p.proowner <> n.nspowner
       AND p.proname IN ('feed_' || source, 'waiting_' || source, 'sweep_' || source)
  LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO %s', f.signature, f.owner);
  END LOOP;
END $$;
