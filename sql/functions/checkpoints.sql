-- Upkeep of what was signed, and of the tree.

-- Of the checkpoints older than `keep_all`, keeps the last of every minute, and the last of it that is
-- witnessed. The newest is always kept, and so is the newest that is witnessed. What witnesses said of
-- the others goes with them. Returns how many went.
CREATE OR REPLACE FUNCTION pgtally.thin_checkpoints(keep_all interval DEFAULT '10 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  sizes bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM pgtally.checkpoint AS c
     WHERE c.signed_at < now() - keep_all
       AND EXISTS (SELECT FROM pgtally.checkpoint AS later
                    WHERE later.size > c.size
                      AND later.signed_at < date_trunc('minute', c.signed_at) + interval '1 minute')
       AND (NOT EXISTS (SELECT FROM pgtally.witnessed AS w WHERE w.size = c.size)
            OR EXISTS (SELECT FROM pgtally.checkpoint AS later
                         JOIN pgtally.witnessed AS w ON w.size = later.size
                        WHERE later.size > c.size
                          AND later.signed_at < date_trunc('minute', c.signed_at)
                                                + interval '1 minute'))
    RETURNING c.size)
  SELECT coalesce(array_agg(size), '{}') INTO sizes FROM gone;
  DELETE FROM pgtally.cosignature WHERE size = ANY (sizes);
  DELETE FROM pgtally.witnessed WHERE size = ANY (sizes);
  RETURN cardinality(sizes);
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
