-- One batch, in the parts that both roads share: lock_ledger(), open_batch(), the rows of pending()
-- numbered into processed_log, close_batch(). process_next_batch() is the road in plain SQL.

-- Makes the caller the one sequencer until its transaction ends. Has to be a statement of its own
-- before the first that reads: a snapshot from before the wait would number rows twice.
CREATE OR REPLACE FUNCTION pgtally.lock_ledger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'
AS $$
DECLARE
  class  CONSTANT integer := 1885827180;  -- "pgtl"
  ledger CONSTANT integer := 'pgtally.ledger'::regclass::oid::bigint::bit(32)::integer;
  holder record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'a batch needs READ COMMITTED, this transaction is %',
      upper(current_setting('transaction_isolation')) USING ERRCODE = 'TLR04',
      HINT = 'Start it with BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this server is a standby' USING ERRCODE = 'TLO01',
      HINT = 'Connect to the primary, for example with target_session_attrs=read-write.';
  END IF;
  PERFORM pg_advisory_xact_lock(class, ledger);
  -- Whoever holds the lock and then sleeps holds up everybody.
  PERFORM set_config('idle_in_transaction_session_timeout', '60s', true);
  -- What is in the log is durable, whatever the caller's settings say.
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
EXCEPTION WHEN lock_not_available THEN
  SELECT a.pid, a.usename, a.application_name, a.state, now() - a.xact_start AS since INTO holder
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
   WHERE l.locktype = 'advisory' AND l.granted AND l.classid = class::bigint::oid
     AND l.objid = 'pgtally.ledger'::regclass::oid AND l.database = (
       SELECT oid FROM pg_database WHERE datname = current_database());
  RAISE EXCEPTION 'the ledger is locked by another session for more than 10 s'
    USING ERRCODE = 'TLY01', HINT = coalesce(format(
      'Process %s (user %s, application "%s", %s) has held it for %s.', holder.pid, holder.usename,
      holder.application_name, holder.state, holder.since), 'Try again.');
END $$;

-- Where the next batch starts. Call it under the lock.
--
-- `upto` is where a round would end if none is open yet. `settled` are the barriers all of whose
-- transactions had ended before this call: a key that a later snapshot lacks will never come from
-- them. `has_work` says that close_batch() has something to do even if no row is new; a batch
-- without either writes nothing and takes no transaction id.
CREATE OR REPLACE FUNCTION pgtally.open_batch() RETURNS pgtally.batch
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  head pgtally.log_head;
  b    pgtally.batch;
BEGIN
  IF NOT pgtally.is_at_home() THEN
    RAISE EXCEPTION 'the ledger is in another cluster than before' USING ERRCODE = 'TLY02',
      HINT = 'It was restored, or a standby was promoted. The service and process_next_batch() find '
             'out what is in the log already, and go on from there.';
  END IF;
  -- Before the head is read: it may put a notice into the log.
  PERFORM pgtally.retry_failing();
  SELECT * INTO STRICT head FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1;
  IF head.sequenced_at > clock_timestamp() + interval '60 s' THEN
    RAISE EXCEPTION 'the last entry was recorded at %, which is still to come (now: %)',
      head.sequenced_at, clock_timestamp() USING ERRCODE = 'TLO02',
      HINT = 'The clock of the database server was set back, or was wrong before. Look at it; '
             'sequencing goes on by itself once the clock has caught up.';
  END IF;
  b.next_id := head.next_id;
  b.sequenced_at := greatest(head.sequenced_at, clock_timestamp());
  b.next_ordinals := head.next_ordinals;
  b.upto := pg_current_snapshot();
  b.upto_self := pg_current_xact_id_if_assigned();
  b.settled := pgtally.settled_barriers();
  b.has_work := cardinality(b.settled) > 0 OR (pgtally.current_round()).upto IS NOT NULL
                OR pgtally.left_out() IS NOT NULL;
  RETURN b;
END $$;

-- Whether a batch of that many rows may have left some behind. Feeds share max_rows evenly, so none
-- was cut off if all together gave nothing or less than one share.
CREATE OR REPLACE FUNCTION pgtally.may_have_more(taken bigint, max_rows integer) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN taken > 0 AND taken >= max_rows / cardinality(pgtally.feeds());
END $$;

-- Takes note of a batch that was just put into processed_log, and whether some feed may have had
-- more. In arrays of equal length: the feeds that gave rows, how many, the position of the first row,
-- xid and key of the last one in the feed's order (the key of a polled row is its position).
CREATE OR REPLACE FUNCTION pgtally.close_batch(
  b          pgtally.batch,
  max_rows   integer,
  feed_ids   integer[],
  counts     bigint[],
  first_positions text[],
  last_xids  xid8[],
  last_keys  text[])   -- as the text of a text[], because arrays of arrays need equal lengths
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  r        pgtally.round := pgtally.current_round();
  taken    bigint := (SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1) - b.next_id;
  cut_off  boolean := pgtally.may_have_more(taken, max_rows);
  begun    pgtally.round := r;
  in_round boolean := EXISTS (
    SELECT FROM unnest(feed_ids) AS f(id) LEFT JOIN pgtally.source AS s ON s.source_id = f.id
     WHERE f.id = 0 OR s.mode = 'xid') OR pgtally.left_out() IS NOT NULL;
  i        integer;
BEGIN
  IF in_round AND r.upto IS NULL THEN
    r.upto := b.upto;
    r.upto_self := b.upto_self;
    IF cut_off THEN
      INSERT INTO pgtally.round (since, since_self, upto, upto_self)
      VALUES (r.since, r.since_self, r.upto, r.upto_self) RETURNING * INTO r;
    END IF;
  END IF;

  FOR i IN 1 .. cardinality(feed_ids) LOOP
    IF feed_ids[i] <> 0 AND (SELECT mode FROM pgtally.source WHERE source_id = feed_ids[i]) = 'poll' THEN
      PERFORM pgtally.note_polled(feed_ids[i], b.next_id, counts[i], first_positions[i]::bigint,
                                  (last_keys[i]::text[])[1]::bigint);
    ELSIF cut_off THEN
      -- Programs of schema version 1 took staging by transactions, and say which row was the last by
      -- that order; others give transaction 0.
      IF feed_ids[i] = 0 AND last_xids[i] <> '0' THEN
        last_keys[i] := ARRAY[(SELECT max(s.staged_id) FROM pgtally.staged(counts[i]::integer, r) AS s)]::text;
      END IF;
      INSERT INTO pgtally.capture (feed, round_id, cursor_xid, cursor_key, baseline, baseline_self,
                                   foreign_xmax)
      SELECT feed_ids[i], r.round_id, last_xids[i], last_keys[i]::text[], p.baseline, p.baseline_self,
             p.foreign_xmax
        FROM pgtally.progress_of(feed_ids[i]) AS p;
    END IF;
  END LOOP;

  IF r.upto IS NOT NULL AND NOT (cut_off AND pgtally.round_has_more(r)) THEN
    INSERT INTO pgtally.round (since, since_self, next_id)
    VALUES (r.upto, r.upto_self, b.next_id + taken);
  END IF;
  IF NOT cut_off THEN
    PERFORM pgtally.drop_holes(b.settled);
  END IF;
  PERFORM pgtally.trim_heads(b.next_id);
  PERFORM pgtally.tell_of_left_out(begun);
END $$;

-- Puts a notice into the log if the round passed by a row of which no entry can be made: leave_out(). A
-- session may remember one of an earlier round that another session has told of.
CREATE OR REPLACE FUNCTION pgtally.tell_of_left_out(r pgtally.round) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  staged bigint := pgtally.left_out();
BEGIN
  IF staged IS NULL THEN
    RETURN;
  END IF;
  PERFORM set_config('left_out.pgtally', '', false);
  IF EXISTS (SELECT FROM pgtally.append_only_log AS l
              WHERE l.id = staged AND pgtally.in_progress(l.xid, r.since, r.since_self)) THEN
    PERFORM pgtally.notice_about(1, 'left_out', format(
      'Row %s of staging, and perhaps others, was written there by hand. No entry can be made of it, '
      'so it is not in the log.', staged));
  END IF;
END $$;

CREATE OR REPLACE FUNCTION pgtally.round_has_more(r pgtally.round) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  feed text;
  more boolean;
BEGIN
  FOREACH feed IN ARRAY pgtally.feeds() LOOP
    CONTINUE WHEN EXISTS (
      SELECT FROM pgtally.source AS s WHERE s.mode = 'poll' AND format('feed_%s', s.source_id) = feed);
    EXECUTE format('SELECT EXISTS (SELECT FROM pgtally.%I(1, $1))', feed) INTO more USING r;
    IF more THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;

-- Old heads, rounds and capture rows count for nothing. They go in batches, so that no single row
-- is hot and nobody's old snapshot makes the newest slow to find.
CREATE OR REPLACE FUNCTION pgtally.trim_heads(next_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest bigint := (SELECT head_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1);
BEGIN
  IF newest % 64 <> 0 THEN
    RETURN;
  END IF;
  DELETE FROM pgtally.log_head WHERE head_id < newest - 64;
  DELETE FROM pgtally.tree_head WHERE head_id < (SELECT max(head_id) FROM pgtally.tree_head) - 64;
  -- The newest round that the newest checkpoint covers is where pruning may go to.
  DELETE FROM pgtally.round WHERE round_id < (SELECT max(round_id) FROM pgtally.round) - 64
     AND round_id <> (SELECT coalesce(max(r.round_id), 0) FROM pgtally.round AS r
                       WHERE r.next_id <= (SELECT max(size) FROM pgtally.checkpoint));
  DELETE FROM pgtally.capture AS c
   USING (SELECT feed, max(capture_id) AS newest FROM pgtally.capture GROUP BY feed) AS n
   WHERE c.feed = n.feed AND c.capture_id < n.newest;
  PERFORM pgtally.note_cluster();
END $$;

-- Sequences one batch and returns how many rows it took. Plain SQL: any client may call it, and a
-- service that runs beside it integrates what it finds. In a cluster that is new to the ledger, a call
-- takes no rows but the next step of settling there.
CREATE OR REPLACE FUNCTION pgtally.process_next_batch(max_rows integer DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET jit = off
AS $$
BEGIN
  PERFORM pgtally.lock_ledger();
  IF NOT pgtally.is_at_home() THEN
    PERFORM pgtally.settle_step();
    RETURN 0;
  END IF;
  BEGIN
    RETURN pgtally.sequence_batch(max_rows);
  EXCEPTION WHEN OTHERS THEN
    -- The trouble of one source is not the others'.
    IF SQLSTATE LIKE 'TL_%' AND SQLSTATE <> 'TLO03' OR pgtally.set_aside_failing(max_rows) = 0 THEN
      RAISE;
    END IF;
  END;
  RETURN pgtally.sequence_batch(max_rows);
END $$;

-- The batch itself, under the lock that the caller holds.
CREATE OR REPLACE FUNCTION pgtally.sequence_batch(max_rows integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b      pgtally.batch;
  taken  bigint;
  feeds  integer[];
  counts bigint[];
  firsts text[];
  xids   xid8[];
  keys   text[];
BEGIN
  b := pgtally.open_batch();
  WITH rows AS MATERIALIZED (
    SELECT t.*, row_number() OVER (PARTITION BY source_id ORDER BY place) AS nth
      FROM pgtally.pending(max_rows, b.upto, b.upto_self) WITH ORDINALITY AS t(
             feed, source_id, definition, operation, key, source_position, source_time, content,
             data, xid, staged_id, cursor_key, place)
  ), numbered AS (
    INSERT INTO pgtally.processed_log (id, source_id, definition, ordinal, operation, key,
           source_position, source_time, content_hash, data, sequenced_at)
    SELECT b.next_id + place - 1, source_id, definition,
           coalesce(b.next_ordinals[source_id + 1], 0) + nth - 1, operation, key,
           source_position, source_time,
           pgtally.published_hash(content, secret, b.next_id + place - 1), data, b.sequenced_at
      FROM rows LEFT JOIN pgtally.secret USING (source_id)
     ORDER BY place
  ), last AS (
    -- In the order of the feed: rows of staging may stand in another one, by their sources' times.
    SELECT DISTINCT ON (feed) feed, CASE WHEN feed = 0 THEN '0' ELSE xid END AS xid,
           coalesce(cursor_key, ARRAY[coalesce(staged_id::text, source_position)])::text AS key
      FROM rows ORDER BY feed, staged_id DESC NULLS LAST, rows.xid DESC NULLS LAST, place DESC
  ), first AS (
    SELECT feed, count(*) AS n, min(place) AS place FROM rows GROUP BY feed
  )
  SELECT (SELECT count(*) FROM rows), array_agg(l.feed), array_agg(f.n),
         array_agg(r.source_position), array_agg(l.xid), array_agg(l.key)
    INTO taken, feeds, counts, firsts, xids, keys
    FROM last AS l JOIN first AS f USING (feed) JOIN rows AS r ON r.place = f.place;
  IF taken > 0 OR b.has_work THEN
    PERFORM pgtally.close_batch(b, max_rows, coalesce(feeds, '{}'), counts, firsts, xids, keys);
  END IF;
  RETURN taken;
END $$;

-- What an entry shows of the content's hash: the hash itself, or blinded with a salt of its own.
-- Spec: docs/formats.md, "Content hash".
CREATE OR REPLACE FUNCTION pgtally.published_hash(content bytea, secret bytea, id bigint)
RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN CASE
  WHEN secret IS NULL OR content = '\x0000000000000000000000000000000000000000000000000000000000000000'
  THEN content
  ELSE sha256('pgtally/blind/v1'::bytea || '\x00'::bytea || sha256(secret || int8send(id)) || content)
END;

-- Records what the hashes of a source mean from here on, before any row is hashed so.
CREATE OR REPLACE FUNCTION pgtally.define(source_id integer, number integer, document bytea)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b pgtally.batch;
BEGIN
  PERFORM pgtally.lock_ledger();
  b := pgtally.open_batch();
  INSERT INTO pgtally.processed_log (id, source_id, definition, ordinal, operation, key,
         source_position, source_time, content_hash, data, sequenced_at)
  VALUES (b.next_id, define.source_id, number,
          coalesce(b.next_ordinals[define.source_id + 1], 0), 5, '', '', NULL,
          sha256(document), document, b.sequenced_at);
  INSERT INTO pgtally.definition VALUES (define.source_id, number, b.next_id, document);
  UPDATE pgtally.source AS s SET definition = number WHERE s.source_id = define.source_id;
  RETURN b.next_id;
END $$;

-- Records an event of the ledger's own life, as a document (docs/formats.md, "Notices").
CREATE OR REPLACE FUNCTION pgtally.notice(document bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b pgtally.batch;
BEGIN
  PERFORM pgtally.lock_ledger();
  b := pgtally.open_batch();
  INSERT INTO pgtally.processed_log (id, source_id, definition, ordinal, operation, key,
         source_position, source_time, content_hash, data, sequenced_at)
  VALUES (b.next_id, 0, 0, coalesce(b.next_ordinals[1], 0), 6, '', '', NULL,
          sha256(document), document, b.sequenced_at);
  RETURN b.next_id;
END $$;

-- A notice about one source. `detail` needs no escaping in JSON.
CREATE OR REPLACE FUNCTION pgtally.notice_about(source integer, event text, detail text)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pgtally.notice(convert_to(format(
           '{"at":"%s","detail":"%s","event":"%s","sources":["%s"],"v":"1"}',
           to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           detail, event, (SELECT s.name FROM pgtally.source AS s WHERE s.source_id = source)), 'UTF8'))
$$;
