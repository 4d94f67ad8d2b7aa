-- After entries that had been published and were lost are recorded again: capture has to know them.
-- (src/service/re_record.h puts them into the log.)

-- Takes note of the entries from `first` on, as if they had been taken from their sources just now.
-- Has the ledger settle anew, as in another cluster: settle_step() looks up in the log which rows of
-- staging are recorded, and has local tables swept. Under the lock, in the transaction that recorded
-- the entries.
CREATE OR REPLACE FUNCTION pgtally.note_recovered(first bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s pgtally.source;
BEGIN
  PERFORM pgtally.renumber_staging(first);
  PERFORM pgtally.drop_restaged(first);
  FOR s IN SELECT * FROM pgtally.source WHERE state <> 'removed' AND source_id > 1 ORDER BY source_id
  LOOP
    IF s.mode = 'poll' AND NOT s.sweeps_only THEN
      PERFORM pgtally.note_recovered_keys(s.source_id, first, s.endpoint_id IS NOT NULL);
    ELSIF s.mode = 'xid' AND s.endpoint_id IS NOT NULL THEN
      -- A history that is no server's: the reader begins again where that server is now.
      INSERT INTO pgtally.capture (feed, since, server, server_lsn)
      SELECT s.source_id, p.since, 'recovered', p.server_lsn FROM pgtally.progress_of(s.source_id) AS p
       WHERE p.since IS NOT NULL;
    ELSIF s.mode = 'logical' THEN
      PERFORM pgtally.begin_again(s.source_id);
    END IF;
  END LOOP;
  PERFORM pgtally.trim_heads(first);
  DELETE FROM pgtally.cluster;
END $$;

-- The restored sequence gives ids out again that rows of staging had which are lost. A row that took
-- such an id is another one than the entry that bears it, and gets a new id; a row that has the entry's
-- content is the one that the entry is about.
CREATE OR REPLACE FUNCTION pgtally.renumber_staging(first bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  highest bigint;
BEGIN
  SELECT max(p.source_position::bigint) INTO highest
    FROM pgtally.processed_log AS p JOIN pgtally.source AS s USING (source_id)
   WHERE p.id >= first AND p.operation <= 4 AND s.mode IN ('append', 'trigger')
     AND p.source_position ~ '^[0-9]{1,18}$';
  IF highest IS NULL THEN
    RETURN;
  END IF;
  PERFORM setval('pgtally.append_only_log_id_seq',
                 greatest(highest, nextval('pgtally.append_only_log_id_seq')));
  UPDATE pgtally.append_only_log AS l SET id = DEFAULT, xid = pg_current_xact_id()
   WHERE (l.key IS NULL OR l.source_position IS NULL)
     AND EXISTS (
       SELECT FROM pgtally.processed_log AS p
        WHERE p.id >= first AND p.source_id = l.source_id AND p.operation = l.operation
          AND p.key = pgtally.staged_key(l.operation, l.key, l.id)
          AND (l.key IS NULL OR p.source_position = l.id::text))
     AND NOT EXISTS (
       SELECT FROM pgtally.processed_log AS p LEFT JOIN pgtally.secret AS h USING (source_id)
        WHERE p.source_id = l.source_id AND p.operation = l.operation
          AND p.key = pgtally.staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.content_hash = pgtally.published_hash(
                pgtally.staged_content(l.content_hash, l.data), h.secret, p.id));
END $$;

-- Rows of mode trigger that were lost and that the application has inserted again, as they were: their
-- entries are those that were recorded again.
CREATE OR REPLACE FUNCTION pgtally.drop_restaged(first bigint) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM pgtally.append_only_log WHERE id IN (
    SELECT l.id
      FROM pgtally.append_only_log AS l
      JOIN pgtally.source AS s ON s.source_id = l.source_id AND s.mode = 'trigger'
      LEFT JOIN pgtally.secret AS h ON h.source_id = l.source_id
     CROSS JOIN LATERAL (
       SELECT p.id, p.operation, p.content_hash FROM pgtally.processed_log AS p
        WHERE p.id >= first AND p.source_id = l.source_id AND p.key = l.key
        ORDER BY p.id DESC LIMIT 1) AS newest
     WHERE l.operation = 1 AND newest.operation IN (1, 2)
       AND newest.content_hash = pgtally.published_hash(l.content_hash, h.secret, newest.id)
       AND NOT EXISTS (
         SELECT FROM pgtally.processed_log AS p
          WHERE p.source_id = l.source_id AND p.key = l.key AND p.operation = l.operation
            AND p.source_position = coalesce(l.source_position, l.id::text)))
$$;

-- What note_polled() or note_read() would have noted of the recovered entries of a polled source. A
-- barrier of a reader names no server, and so begins again with all that run there.
CREATE OR REPLACE FUNCTION pgtally.note_recovered_keys(source integer, first bigint, remote boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most    CONSTANT bigint := 9223372036854775807;
  high    bigint := (pgtally.progress_of(source)).high;
  top     bigint;
  keys    int8multirange;
  skipped int8multirange;
BEGIN
  SELECT max(p.source_position::bigint),
         coalesce(range_agg(int8range(p.source_position::bigint, p.source_position::bigint, '[]'))
                    FILTER (WHERE p.source_position <> most::text), '{}')
    INTO top, keys
    FROM pgtally.processed_log AS p
   WHERE p.id >= first AND p.source_id = source AND p.operation = 1;
  IF top IS NULL THEN
    RETURN;
  END IF;
  skipped := pgtally.fill_holes(source, high, top, keys);
  IF NOT isempty(skipped) THEN
    IF remote THEN
      PERFORM pgtally.put_holes(source, skipped, '{}', source, 'recovered');
    ELSE
      PERFORM pgtally.add_holes(source, skipped);
    END IF;
  END IF;
  INSERT INTO pgtally.capture (feed, high, server)
  VALUES (source, greatest(high, top), CASE WHEN remote THEN 'recovered' END);
END $$;
