-- What must never happen to the log, refused by the database for every role, the owner included.
-- The owner can drop these triggers and a superuser can do anything; an audit then shows it.

CREATE OR REPLACE FUNCTION pgtally.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'TLR01', HINT = 'Nothing that is in the log can be changed or taken out of it.';
END $$;

-- After every INSERT or COPY into processed_log, whichever road it took: the new rows continue the
-- log without a gap, in ids and in the ordinals of each source, or none of them goes in. This is
-- the only writer of log_head.
CREATE OR REPLACE FUNCTION pgtally.continue_log() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  head      pgtally.log_head;
  added     record;
  per       record;
  ordinals  bigint[];
  expected  bigint;
BEGIN
  -- One pass over the new rows; what is left are a few rows for each source.
  SELECT sum(n)::bigint AS n, min(low_id) AS low, max(high_id) AS high, min(earliest) AS earliest,
         max(latest) AS latest, array_agg(source_id) AS sources, array_agg(n) AS counts,
         array_agg(low) AS lows, array_agg(high) AS highs, bool_or(scattered) AS scattered
    INTO added
    FROM (SELECT source_id, count(*) AS n, min(id) AS low_id, max(id) AS high_id,
                 min(sequenced_at) AS earliest, max(sequenced_at) AS latest,
                 min(ordinal) AS low, max(ordinal) AS high,
                 min(ordinal - id) <> max(ordinal - id) AS scattered
            FROM appended GROUP BY source_id) AS of_source;
  IF added.n IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT * INTO head FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1;

  IF added.low <> head.next_id OR added.high <> head.next_id + added.n - 1 THEN
    RAISE EXCEPTION 'ids %..% (% rows) do not continue the log, which ends before id %',
      added.low, added.high, added.n, head.next_id USING ERRCODE = 'TLR02',
      HINT = 'Only process_next_batch() and the pgtally service number rows.';
  END IF;
  IF added.earliest <> added.latest OR added.earliest < head.sequenced_at THEN
    RAISE EXCEPTION 'a batch has one time, and it is not before %, that of the last one',
      head.sequenced_at USING ERRCODE = 'TLR02';
  END IF;

  ordinals := head.next_ordinals;
  FOR per IN
    SELECT * FROM unnest(added.sources, added.counts, added.lows, added.highs)
                    AS u(source_id, n, low, high)
  LOOP
    IF NOT EXISTS (SELECT FROM pgtally.source WHERE source_id = per.source_id) THEN
      RAISE EXCEPTION 'there is no source %', per.source_id USING ERRCODE = 'TLR02';
    END IF;
    expected := coalesce(ordinals[per.source_id + 1], 0);
    IF per.low <> expected OR per.high <> expected + per.n - 1 THEN
      RAISE EXCEPTION 'ordinals %..% (% rows) do not continue source %, which ends before %',
        per.low, per.high, per.n, per.source_id, expected USING ERRCODE = 'TLR02';
    END IF;
    ordinals[per.source_id + 1] := per.high + 1;
  END LOOP;

  -- With ids without a gap and ordinal - id constant, the ordinals have none either. Where rows of
  -- several sources are mixed, each ordinal has to be looked at.
  IF added.scattered AND EXISTS (
    SELECT FROM (
      SELECT ordinal, coalesce(head.next_ordinals[source_id + 1], 0) - 1
                      + row_number() OVER (PARTITION BY source_id ORDER BY id) AS expected
        FROM appended) AS numbered
     WHERE ordinal <> numbered.expected)
  THEN
    RAISE EXCEPTION 'ordinals do not rise by one within each source' USING ERRCODE = 'TLR02';
  END IF;

  INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals)
  VALUES (added.high + 1, added.latest,
          ARRAY(SELECT coalesce(o, 0) FROM unnest(ordinals) WITH ORDINALITY AS u(o, i) ORDER BY i));
  RETURN NULL;
END $$;

-- A tile only ever grows at its end. Nothing about a full one changes, except through rebuild's
-- repair_tile(), which computes it anew from the log. The context is text that others can imitate;
-- only the owner, with whose rights that function runs, is believed.
CREATE OR REPLACE FUNCTION pgtally.only_grow() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  context text;
BEGIN
  IF NEW.level = OLD.level AND NEW.index = OLD.index
     AND octet_length(NEW.hashes) > octet_length(OLD.hashes)
     AND substr(NEW.hashes, 1, octet_length(OLD.hashes)) = OLD.hashes
  THEN
    RETURN NEW;
  END IF;
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF position(quote_ident(TG_TABLE_SCHEMA) || '.repair_tile(' IN context) > 0
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'tile % of level % holds hashes already, and they are append-only',
    OLD.index, OLD.level USING ERRCODE = 'TLR01',
    HINT = 'If it is damaged, pgtally rebuild computes it anew from the log.';
END $$;

-- Checkpoints are thinned by one function, and by nothing else.
CREATE OR REPLACE FUNCTION pgtally.only_thin() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF position(quote_ident(TG_TABLE_SCHEMA) || '.thin_checkpoints(' IN context) > 0
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
  THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'DELETE on %.% is refused: it is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'TLR01', HINT = 'thin_checkpoints() is what removes old ones.';
END $$;

CREATE OR REPLACE TRIGGER continue_log AFTER INSERT ON pgtally.processed_log
  REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION pgtally.continue_log();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON pgtally.processed_log
  FOR EACH STATEMENT EXECUTE FUNCTION pgtally.refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON pgtally.tile
  FOR EACH STATEMENT EXECUTE FUNCTION pgtally.refuse_change();
CREATE OR REPLACE TRIGGER only_grow BEFORE UPDATE ON pgtally.tile
  FOR EACH ROW EXECUTE FUNCTION pgtally.only_grow();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON pgtally.checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION pgtally.refuse_change();
CREATE OR REPLACE TRIGGER only_thin BEFORE DELETE ON pgtally.checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION pgtally.only_thin();

-- Also under session_replication_role = replica.
ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER continue_log;
ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER only_grow;
ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER only_thin;
