-- Writing to staging by hand. Direct INSERTs are as good; row-level security holds for both.

CREATE OR REPLACE FUNCTION pgtally.append(data bytea, source text DEFAULT 'append_only_log')
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  target pgtally.source.source_id%TYPE;
  staged bigint;
BEGIN
  IF data IS NULL THEN
    RAISE EXCEPTION 'there is no data to append' USING ERRCODE = 'TLR05';
  END IF;
  SELECT s.source_id INTO target FROM pgtally.source AS s
   WHERE s.name = append.source AND s.mode = 'append' AND s.state <> 'removed';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no source "%" that rows can be appended to', source
      USING ERRCODE = 'TLR05', HINT = 'pgtally source list shows the sources; pgtally source add '
                                      'NAME --append makes one.';
  END IF;
  INSERT INTO pgtally.append_only_log (source_id, data) VALUES (target, append.data)
  RETURNING id INTO staged;
  RETURN staged;
END $$;

-- A direct writer reaches the append sources that were granted to one of his roles, and there he
-- chooses data, time and position, nothing else. What a source's own capture stages is written
-- with the owner's rights. And RETURNING id works for one's own rows.
--
-- Made once, because making them anew waits for every open transaction that has written to staging.
-- A migration that changes them drops them.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_policy WHERE polrelid = 'pgtally.append_only_log'::regclass) THEN
    RETURN;
  END IF;
  CREATE POLICY append_own ON pgtally.append_only_log FOR INSERT WITH CHECK (
    operation = 1 AND definition = 0 AND key IS NULL AND content_hash IS NULL AND data IS NOT NULL
    AND (source_position IS NULL OR octet_length(source_position) <= 255)
    AND source_id IN (SELECT s.source_id FROM pgtally.source AS s
                       WHERE s.mode = 'append' AND s.state = 'active'
                         AND pg_has_role(to_regrole(quote_ident(s.writer))::oid, 'MEMBER')));
  CREATE POLICY see_own ON pgtally.append_only_log FOR SELECT USING (xid = pg_current_xact_id());
END $$;

-- What a role needs beside its policy to write to append sources. With the rights of whoever calls it.
CREATE OR REPLACE FUNCTION pgtally.let_write(writer name) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA pgtally TO %I', writer);
  EXECUTE format('GRANT INSERT (source_id, source_position, source_time, data), SELECT (id) '
                 'ON pgtally.append_only_log TO %I', writer);
  EXECUTE format('GRANT SELECT (source_id, name, mode, state, writer) ON pgtally.source TO %I', writer);
  EXECUTE format('GRANT EXECUTE ON FUNCTION pgtally.append(bytea, text) TO %I', writer);
END $$;

-- Takes it back, if none of the sources that are left is its; not from those who have it anyway, because
-- the ledger is theirs or they read it.
CREATE OR REPLACE FUNCTION pgtally.stop_writing(writer name) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = stop_writing.writer)
     OR EXISTS (SELECT FROM pgtally.source AS s
                 WHERE s.writer = stop_writing.writer AND s.state <> 'removed')
     OR has_function_privilege(writer, 'pgtally.documents(bigint, bigint)', 'EXECUTE') THEN
    RETURN;
  END IF;
  EXECUTE format('REVOKE USAGE ON SCHEMA pgtally FROM %I', writer);
  EXECUTE format('REVOKE INSERT (source_id, source_position, source_time, data), SELECT (id) '
                 'ON pgtally.append_only_log FROM %I', writer);
  EXECUTE format('REVOKE SELECT (source_id, name, mode, state, writer) ON pgtally.source FROM %I',
                 writer);
  EXECUTE format('REVOKE EXECUTE ON FUNCTION pgtally.append(bytea, text) FROM %I', writer);
END $$;
