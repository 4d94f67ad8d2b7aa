-- The documents that the define and notice entries from `first` up to `before` name, in their order.
-- They are as public as the entries; other rows' `data` is not, so the table itself shows none of it.
CREATE OR REPLACE FUNCTION pgtally.documents(first bigint, before bigint)
RETURNS TABLE (entry_id bigint, document bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT d.entry_id, d.document FROM pgtally.definition AS d
   WHERE d.entry_id >= first AND d.entry_id < before
  UNION ALL
  SELECT p.id, p.data FROM pgtally.processed_log AS p
   WHERE p.source_id = 0 AND p.key = '' AND p.operation = 6 AND p.id >= first AND p.id < before
   ORDER BY 1
$$;
