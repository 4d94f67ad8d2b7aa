-- Dropping rows of staging that a signed checkpoint covers.
--
-- Which rows these are follows from the rounds, without a look at the log. When a round has ended,
-- every row that was over in its snapshot is in the log, below the id that stands beside the
-- snapshot (round.next_id). Once a checkpoint is as large as that, all of them can go. Pruning
-- goes on from one such snapshot to a later one by the rule of the rounds, so it comes to each row
-- once and never walks over what it has deleted, which a long transaction may keep in the indexes
-- for a day.

-- Deletes the next rows, at most max_rows, and returns how many. Fewer than max_rows: the others
-- are not covered yet, or another session prunes. Takes no lock that a writer or a sequencer waits
-- for.
CREATE OR REPLACE FUNCTION pgtally.prune(max_rows integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $$
DECLARE
  class    CONSTANT integer := 1885827180;  -- "pgtl"
  pruning  CONSTANT integer := 'pgtally.pruning'::regclass::oid::bigint::bit(32)::integer;
  p        pgtally.pruning;
  mark     pgtally.round;
  here     xid8 := '0';
  here_id  bigint := 0;
  gone     bigint;
  last_xid xid8;
  last_id  bigint;
BEGIN
  IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000000 THEN
    RAISE EXCEPTION 'max_rows is %, and has to be within 1..1000000', max_rows
      USING ERRCODE = 'TLR03';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'pruning needs READ COMMITTED, this transaction is %',
      upper(current_setting('transaction_isolation')) USING ERRCODE = 'TLR04',
      HINT = 'Start it with BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  -- In another cluster, snapshots from before do not tell what is in the log.
  IF NOT pg_try_advisory_xact_lock(class, pruning) OR NOT pgtally.is_at_home() THEN
    RETURN 0;
  END IF;

  SELECT * INTO p FROM pgtally.pruning ORDER BY pruning_id DESC LIMIT 1;
  IF p.upto IS NULL THEN
    p.since := coalesce(p.since, '1:1:');
    SELECT * INTO mark FROM pgtally.round AS r
     WHERE r.next_id <= (SELECT max(size) FROM pgtally.checkpoint)
     ORDER BY r.round_id DESC LIMIT 1;
    IF NOT FOUND OR mark.since::text = p.since::text THEN
      RETURN 0;
    END IF;
    p.upto := mark.since;
    p.upto_self := mark.since_self;
  ELSE
    here := coalesce(p.cursor_xid, '0');
    here_id := coalesce(p.cursor_id, 0);
  END IF;

  -- The three ranges of staged(), see functions/rounds.sql.
  WITH doomed AS MATERIALIZED (
    SELECT d.place, d.xid, d.id FROM (
      (SELECT l.ctid AS place, l.xid, l.id FROM pgtally.append_only_log AS l
        WHERE l.xid = here AND l.id > here_id
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.place, l.xid, l.id
         FROM unnest(pgtally.in_progress_below_xmax(p.since, p.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT l.ctid AS place, l.xid, l.id FROM pgtally.append_only_log AS l
            WHERE l.xid = open.xid ORDER BY l.id LIMIT max_rows) AS l
        WHERE open.xid > here AND NOT pgtally.in_progress(open.xid, p.upto, p.upto_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT l.ctid AS place, l.xid, l.id FROM pgtally.append_only_log AS l
        WHERE l.xid >= pg_snapshot_xmax(p.since) AND l.xid > here
          AND l.xid < pg_snapshot_xmax(p.upto)
          AND NOT pgtally.in_progress(l.xid, p.upto, p.upto_self)
        ORDER BY l.xid, l.id LIMIT max_rows)
    ) AS d
    ORDER BY d.xid, d.id LIMIT max_rows
  ), deleted AS (
    DELETE FROM pgtally.append_only_log WHERE ctid = ANY(ARRAY(SELECT place FROM doomed))
  )
  SELECT (SELECT count(*) FROM doomed), last.xid, last.id INTO gone, last_xid, last_id
    FROM (SELECT) AS one
    LEFT JOIN (SELECT d.xid, d.id FROM doomed AS d ORDER BY d.xid DESC, d.id DESC LIMIT 1) AS last
      ON true;

  -- Rounds go on while nothing is staged. What found nothing writes nothing.
  IF gone = 0 AND here = '0' THEN
    RETURN 0;
  END IF;
  IF gone < max_rows THEN
    INSERT INTO pgtally.pruning (since, since_self) VALUES (p.upto, p.upto_self);
  ELSE
    INSERT INTO pgtally.pruning (since, since_self, upto, upto_self, cursor_xid, cursor_id)
    VALUES (p.since, p.since_self, p.upto, p.upto_self, last_xid, last_id);
  END IF;
  DELETE FROM pgtally.pruning
   WHERE pruning_id < (SELECT max(newest.pruning_id) FROM pgtally.pruning AS newest);
  RETURN gone;
END $$;
