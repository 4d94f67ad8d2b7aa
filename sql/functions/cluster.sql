-- Which cluster the ledger is in, and finding its place in another one.
--
-- Rounds, baselines and cursors speak in transaction ids, and these mean nothing in a cluster that
-- did not give them out. After a dump and restore the same numbers are given out again, to rows that
-- a round would take for old ones; and rows which are in the log already carry numbers that are still
-- to come, when a round would take them for new. So the ledger remembers its cluster. In another one
-- it asks the log itself, by source, key and position, what is recorded, and begins a new round from
-- there.
--
-- A restart of the same cluster is no such case, whatever was lost in a crash. The commit record of a
-- batch is flushed, and with it all WAL before it: the commit of every row that the batch has seen,
-- and the end of every transaction below the xmax of the snapshot that it stored. A transaction that
-- was lost, with synchronous_commit off, ended after that. Its id is at or above that xmax or in the
-- list of those in progress, so its rows were in no batch, and whoever is given the id again is new.
-- The same holds for a standby that is promoted. It begins a new timeline nevertheless, and on a new
-- timeline a dump of the old one may have been restored, so it is taken for another cluster.

-- The cluster that this session is connected to. Not on a standby.
CREATE OR REPLACE FUNCTION pgtally.this_cluster() RETURNS pgtally.cluster
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT true, c.system_identifier,
         -- pg_control_checkpoint() says it only after the next checkpoint.
         ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
         pg_postmaster_start_time(), pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot()),
         clock_timestamp()
    FROM pg_control_system() AS c
$$;

-- Whether the ledger is in its own cluster. A server that has not been started since the ledger last
-- looked is the one that it was; so the usual answer costs nothing.
CREATE OR REPLACE FUNCTION pgtally.is_at_home() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  home pgtally.cluster;
  here pgtally.cluster;
BEGIN
  SELECT * INTO home FROM pgtally.cluster;
  IF home.started_at = pg_postmaster_start_time() THEN
    RETURN true;
  END IF;
  here := pgtally.this_cluster();
  RETURN coalesce(home.system_identifier = here.system_identifier AND home.timeline = here.timeline
                  AND home.lsn <= here.lsn AND home.next_xid <= here.next_xid, false);
END $$;

CREATE OR REPLACE FUNCTION pgtally.note_cluster() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM pgtally.cluster;
  INSERT INTO pgtally.cluster SELECT (pgtally.this_cluster()).*;
END $$;

-- The next step of finding the ledger's place in the cluster that it is in now: a transaction of its
-- own under the lock, to be repeated until `done`. A step that is killed is done again by the next
-- call. Nothing is sequenced before the last one.
--
-- 1. Rows of staging that are in the log, and that carry an id which this cluster has not used up
--    yet, are given that of this transaction, which ends now. (No other id may be given to a row.)
-- 2. Then every row that is in the log is over in the snapshot that begins the next round. It is
--    stored with this transaction beside it, which gives its own id to the rows that are not in the
--    log. They are therefore in progress there, as is every transaction that has not ended yet, and
--    the next rounds take exactly these.
CREATE OR REPLACE FUNCTION pgtally.settle_step(
  OUT moved    boolean,  -- there was something to do
  OUT done     boolean,
  OUT recorded bigint,   -- rows of staging that turned out to be in the log, and looked new
  OUT waiting  bigint,   -- and those that are not in it
  OUT sweeps   bigint)   -- sources whose whole tables are gone through next
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
  target integer;
BEGIN
  PERFORM pgtally.lock_ledger();
  recorded := 0;
  waiting := 0;
  sweeps := 0;
  done := pgtally.is_at_home();
  moved := NOT done;
  IF done THEN
    RETURN;
  END IF;
  IF NOT pgtally.is_complete() THEN
    RAISE EXCEPTION 'the ledger''s schema is not complete' USING ERRCODE = 'TLY04',
      HINT = 'Perhaps it is still being restored. If not, it was restored without its triggers and '
             'constraints, and has to be restored again.';
  END IF;

  UPDATE pgtally.append_only_log AS l SET xid = pg_current_xact_id()
   WHERE l.xid >= pg_snapshot_xmin(pg_current_snapshot())
     AND pgtally.in_progress(l.xid, pg_current_snapshot(), pg_current_xact_id_if_assigned())
     AND EXISTS (
       SELECT FROM pgtally.processed_log AS p
        WHERE p.source_id = l.source_id AND p.key = pgtally.staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.operation = l.operation);
  GET DIAGNOSTICS recorded = ROW_COUNT;
  IF recorded > 0 THEN
    RETURN;
  END IF;

  -- Pruning must find no round whose snapshot is of another cluster.
  DELETE FROM pgtally.round;
  DELETE FROM pgtally.pruning;
  INSERT INTO pgtally.round (since, since_self, next_id)
  SELECT pg_current_snapshot(), pg_current_xact_id(), h.next_id
    FROM pgtally.log_head AS h ORDER BY h.head_id DESC LIMIT 1;
  UPDATE pgtally.append_only_log AS l SET xid = pg_current_xact_id()
   WHERE NOT EXISTS (
       SELECT FROM pgtally.processed_log AS p
        WHERE p.source_id = l.source_id AND p.key = pgtally.staged_key(l.operation, l.key, l.id)
          AND p.source_position = coalesce(l.source_position, l.id::text)
          AND p.operation = l.operation);
  GET DIAGNOSTICS waiting = ROW_COUNT;

  -- Who could fill a hole is not told by virtual transactions of another server. Prepared ones may
  -- have come along to a promoted standby; they are listed once these here have ended.
  UPDATE pgtally.barrier SET running = pgtally.running_transactions(), prepared = NULL
   WHERE reader IS NULL;
  FOR target IN
    SELECT s.source_id FROM pgtally.source AS s
     WHERE s.mode IN ('xid', 'poll') AND s.endpoint_id IS NULL AND s.state <> 'removed'
     ORDER BY s.source_id
  LOOP
    PERFORM pgtally.begin_again(target);
    -- Which rows of mode xid were there when the source was added can no longer be told. Better one
    -- recorded that was to be skipped than one missing.
    DELETE FROM pgtally.skipped WHERE source_id = target AND baseline IS NOT NULL;
    PERFORM pgtally.sweep_again(target);
    sweeps := sweeps + 1;
  END LOOP;
  PERFORM pgtally.note_cluster();
  done := true;
END $$;

-- What a restore puts in place last.
CREATE OR REPLACE FUNCTION pgtally.is_complete() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM pg_trigger
                  WHERE tgrelid = 'pgtally.processed_log'::regclass AND tgname = 'continue_log')
     AND EXISTS (SELECT FROM pg_constraint
                  WHERE contypid = 'pgtally.staging_xid'::regtype
                    AND conname = 'xid_is_the_writers_own')
     AND EXISTS (SELECT FROM pg_policy
                  WHERE polrelid = 'pgtally.append_only_log'::regclass AND polname = 'see_own')
     AND EXISTS (SELECT FROM pg_index
                  WHERE indexrelid = to_regclass('pgtally.processed_log_key') AND indisvalid)
$$;

-- The highest transaction id in a source's table that this cluster has not used up: a row can be seen
-- only if its transaction is over, so those that carry such an id were written in another cluster.
-- Null if there is none; the highest of all if the table cannot be read.
CREATE OR REPLACE FUNCTION pgtally.foreign_xmax(source integer) RETURNS xid8
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  relation text;
  highest  xid8;
BEGIN
  SELECT convert_from(d.document, 'UTF8')::json ->> 'relation' INTO relation
    FROM pgtally.definition AS d WHERE d.source_id = source ORDER BY d.number DESC LIMIT 1;
  EXECUTE format('SELECT t.xid FROM %s AS t WHERE t.xid >= pg_snapshot_xmin(pg_current_snapshot())'
                 ' AND NOT pg_visible_in_snapshot(t.xid, pg_current_snapshot())'
                 ' ORDER BY t.xid DESC LIMIT 1', relation) INTO highest;
  RETURN highest;
EXCEPTION WHEN OTHERS THEN
  RETURN '18446744073709551615';
END $$;

-- Whether a key is in the log already, or waits in staging: what tells new rows from old ones that
-- carry the transaction ids of another cluster (src/capture/xid.cc).
CREATE OR REPLACE FUNCTION pgtally.is_recorded(source integer, key bytea, staged bytea[])
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN key = ANY(staged) OR EXISTS (
    SELECT FROM pgtally.processed_log AS p
     WHERE p.source_id = source AND p.key = is_recorded.key);
END $$;

-- The keys of a source that wait in staging.
CREATE OR REPLACE FUNCTION pgtally.staged_keys(source integer) RETURNS bytea[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(l.key), '{}')
    FROM pgtally.append_only_log AS l, pgtally.current_round() AS r
   WHERE l.source_id = source AND l.key IS NOT NULL AND l.xid >= pg_snapshot_xmin(r.since)
     AND pgtally.can_be_recorded(l, ARRAY[source])
$$;
