-- Which rows a round takes. The rule and its proof are in docs/ARCHITECTURE.md.

-- Whether a transaction was not over when the snapshot was taken by `self`.
CREATE OR REPLACE FUNCTION pgtally.in_progress(xid xid8, snapshot pg_snapshot, self xid8)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT pg_visible_in_snapshot(xid, snapshot) OR xid IS NOT DISTINCT FROM self;

-- The transactions below the snapshot's xmax that were not over, in ascending order.
CREATE OR REPLACE FUNCTION pgtally.in_progress_below_xmax(snapshot pg_snapshot, self xid8)
RETURNS xid8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
  SELECT x FROM (SELECT pg_snapshot_xip(snapshot) UNION SELECT self) AS u(x)
   WHERE x < pg_snapshot_xmax(snapshot) ORDER BY x);

CREATE OR REPLACE FUNCTION pgtally.current_round() RETURNS pgtally.round
LANGUAGE sql STABLE
RETURN (SELECT r FROM pgtally.round AS r ORDER BY round_id DESC LIMIT 1);

CREATE OR REPLACE FUNCTION pgtally.progress_of(feed integer) RETURNS pgtally.capture
LANGUAGE sql STABLE
RETURN (SELECT c FROM pgtally.capture AS c WHERE c.feed = progress_of.feed
         ORDER BY capture_id DESC LIMIT 1);

-- The rows of staging that the round `r` still has to take, in order; at most max_rows.
--
-- Three ranges, because PostgreSQL can start an index scan in the middle only for one of them at a
-- time: the rest of the transaction that the cursor stands in; transactions that were open when the
-- last round ended; and those that began after that.
CREATE OR REPLACE FUNCTION pgtally.staged(max_rows integer, r pgtally.round)
RETURNS SETOF pgtally.pending_row
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  progress  pgtally.capture := pgtally.progress_of(0);
  here      xid8 := '0';
  here_id   bigint;
BEGIN
  IF progress.round_id = r.round_id THEN
    here := progress.cursor_xid;
    here_id := progress.cursor_key[1]::bigint;
  END IF;
  RETURN QUERY
  SELECT 0, w.source_id, w.definition, w.operation,
         coalesce(w.key, int2send(octet_length(w.id::text)::int2) || convert_to(w.id::text, 'UTF8')),
         coalesce(w.source_position, w.id::text), pgtally.encodable(w.source_time),
         coalesce(w.content_hash, sha256(w.data)),
         CASE WHEN s.keep_data THEN w.data END, w.xid, w.id, NULL::text[]
    FROM (
      (SELECT l.* FROM pgtally.append_only_log AS l
        WHERE l.xid = here AND l.id > here_id
        ORDER BY l.id LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM unnest(pgtally.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
         CROSS JOIN LATERAL (
           SELECT * FROM pgtally.append_only_log AS l
            WHERE l.xid = open.xid ORDER BY l.id LIMIT max_rows) AS l
        WHERE open.xid > here AND NOT pgtally.in_progress(open.xid, r.upto, r.upto_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT l.* FROM pgtally.append_only_log AS l
        WHERE l.xid >= pg_snapshot_xmax(r.since) AND l.xid > here
          AND l.xid < pg_snapshot_xmax(r.upto)
          AND NOT pgtally.in_progress(l.xid, r.upto, r.upto_self)
        ORDER BY l.xid, l.id LIMIT max_rows)
    ) AS w
    LEFT JOIN pgtally.source AS s USING (source_id)
   ORDER BY w.xid, w.id LIMIT max_rows;
END $$;
