-- Upkeep of what was signed, and of the tree.

-- Of the checkpoints older than `keep_all`, keeps the last of every minute. The newest is always
-- kept. Returns how many went.
CREATE OR REPLACE FUNCTION pgtally.thin_checkpoints(keep_all interval DEFAULT '10 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  gone bigint;
BEGIN
  DELETE FROM pgtally.checkpoint AS c
   WHERE c.signed_at < now() - keep_all
     AND EXISTS (SELECT FROM pgtally.checkpoint AS later
                  WHERE later.size > c.size
                    AND later.signed_at < date_trunc('minute', c.signed_at) + interval '1 minute');
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

-- Writes what rebuild computed from the log over a tile that is damaged or missing.
CREATE OR REPLACE FUNCTION pgtally.repair_tile(level integer, index bigint, hashes bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO pgtally.tile AS t (level, index, hashes)
  VALUES (repair_tile.level, repair_tile.index, repair_tile.hashes)
  ON CONFLICT ON CONSTRAINT tile_pkey DO UPDATE SET hashes = excluded.hashes;
END $$;
