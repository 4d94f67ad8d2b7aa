-- Mode logical: what the reader of a replication slot stores beside the rows that it stages.

-- Moves the stream's progress on, for a reader that knew it as `expected`. Another reader of the same
-- slot may have gone on meanwhile: then nothing that this one brings may be staged.
CREATE OR REPLACE FUNCTION pgtally.advance_stream(
  stream integer, expected bigint, commit_lsn pg_lsn, changes bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest bigint;
BEGIN
  PERFORM pg_advisory_xact_lock('pgtally.stream'::regclass::oid::bigint::bit(32)::integer, stream);
  SELECT max(p.progress_id) INTO newest FROM pgtally.stream_progress AS p WHERE p.stream_id = stream;
  IF newest IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'another reader has gone on with stream %', stream USING ERRCODE = 'TLY03',
      HINT = 'Only one at a time can; this one begins again where the other stands.';
  END IF;
  INSERT INTO pgtally.stream_progress (stream_id, commit_lsn, changes)
  VALUES (stream, advance_stream.commit_lsn, advance_stream.changes)
  RETURNING progress_id INTO newest;
  IF newest % 64 = 0 THEN
    DELETE FROM pgtally.stream_progress AS p
     WHERE p.stream_id = stream AND p.progress_id < newest - 64;
  END IF;
  RETURN newest;
END $$;

-- The latest entries of these keys of a source, recorded or on their way. A key that has none, or
-- that was deleted or truncated away, has a null operation.
--
-- Whatever a stream records goes through staging in the order of its ids, so what is staged is later
-- than what is in the log.
CREATE OR REPLACE FUNCTION pgtally.latest_states(source integer, keys bytea[])
RETURNS TABLE (place bigint, operation smallint, entry_id bigint, content_hash bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
  r          pgtally.round := pgtally.current_round();
  since      xid8 := pg_snapshot_xmin(r.since);
  emptied    bigint := (SELECT max(p.id) FROM (
                          SELECT e.id, e.operation FROM pgtally.processed_log AS e
                           WHERE e.source_id = source AND e.key = '' OFFSET 0) AS p
                         WHERE p.operation = 4);
  emptied_in_staging bigint := (SELECT max(l.id) FROM pgtally.append_only_log AS l
                                 WHERE l.source_id = source AND l.xid >= since AND l.operation = 4
                                   AND pgtally.in_progress(l.xid, r.since, r.since_self)
                                   AND pgtally.can_be_recorded(l, ARRAY[source]));
BEGIN
  RETURN QUERY
  WITH asked AS (
    SELECT k.key, k.place FROM unnest(keys) WITH ORDINALITY AS k(key, place)
  ), staged AS MATERIALIZED (
    SELECT DISTINCT ON (l.key) l.key, l.operation, l.content_hash
      FROM pgtally.append_only_log AS l
     WHERE l.source_id = source AND l.xid >= since AND l.key IS NOT NULL
       AND pgtally.in_progress(l.xid, r.since, r.since_self)
       AND pgtally.can_be_recorded(l, ARRAY[source])
       AND l.id > coalesce(emptied_in_staging, 0)
     ORDER BY l.key, l.id DESC
  )
  SELECT a.place, nullif(coalesce(s.operation, p.operation), 3::smallint),
         CASE WHEN s.key IS NULL THEN p.id END, coalesce(s.content_hash, p.content_hash)
    FROM asked AS a
    LEFT JOIN staged AS s ON s.key = a.key
    LEFT JOIN LATERAL (
      -- Behind OFFSET 0, or the planner walks down the whole log by id.
      SELECT e.id, e.operation, e.content_hash FROM (
        SELECT * FROM pgtally.processed_log AS e
         WHERE e.source_id = source AND e.key = a.key OFFSET 0) AS e
       WHERE e.id > coalesce(emptied, -1)
       ORDER BY e.id DESC LIMIT 1) AS p ON s.key IS NULL AND emptied_in_staging IS NULL;
END $$;

-- For each row of a table, given by key and content: 1 where it has to be recorded as an insert, 2 as
-- an update, 0 where it is recorded as it is. With `note_seen` for record_missing(), later.
CREATE OR REPLACE FUNCTION pgtally.compare_rows(
  source integer, keys bytea[], contents bytea[], note_seen boolean) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  hidden_with bytea := (SELECT s.secret FROM pgtally.secret AS s WHERE s.source_id = source);
BEGIN
  IF note_seen THEN
    INSERT INTO pgtally.stream_seen (source_id, key) SELECT source, unnest(keys)
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN ARRAY(
    SELECT CASE
             WHEN l.operation IS NULL THEN 1
             WHEN l.content_hash = CASE WHEN l.entry_id IS NULL THEN c.content
                  ELSE pgtally.published_hash(c.content, hidden_with, l.entry_id) END THEN 0
             ELSE 2
           END::bigint
      FROM unnest(contents) WITH ORDINALITY AS c(content, place)
      JOIN pgtally.latest_states(source, keys) AS l USING (place)
     ORDER BY c.place);
END $$;

-- Stages a delete for each of the next `most` recorded keys after `after` that is alive and was not
-- seen. Returns the last of these keys; null when there are no more.
CREATE OR REPLACE FUNCTION pgtally.record_missing(
  source integer, after bytea, most integer, source_position text,
  OUT last_key bytea, OUT staged bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  since xid8 := pg_snapshot_xmin((pgtally.current_round()).since);
  keys  bytea[];
BEGIN
  keys := ARRAY(
    SELECT DISTINCT u.key FROM (
      (SELECT DISTINCT p.key FROM pgtally.processed_log AS p
        WHERE p.source_id = source AND p.key > after ORDER BY p.key LIMIT most)
      UNION
      (SELECT DISTINCT l.key FROM pgtally.append_only_log AS l
        WHERE l.source_id = source AND l.xid >= since AND l.key > after ORDER BY l.key LIMIT most)
    ) AS u ORDER BY u.key LIMIT most);
  last_key := keys[cardinality(keys)];
  INSERT INTO pgtally.append_only_log (source_id, definition, operation, key, source_position,
         source_time, content_hash)
  SELECT source, (SELECT s.definition FROM pgtally.source AS s WHERE s.source_id = source), 3,
         k.key, record_missing.source_position, NULL, decode(repeat('00', 32), 'hex')
    FROM unnest(keys) WITH ORDINALITY AS k(key, place)
    JOIN pgtally.latest_states(source, keys) AS l USING (place)
   WHERE l.operation IS NOT NULL
     AND NOT EXISTS (SELECT FROM pgtally.stream_seen AS n WHERE n.source_id = source AND n.key = k.key)
   ORDER BY k.place;
  GET DIAGNOSTICS staged = ROW_COUNT;
END $$;
