-- Six of the seven domains that took the place of CHECKs (see 0003) go as well: preparing each of them was
-- as dear as a whole function, in every statement that stages something. Who may write to staging are, but
-- for its owner, under whose rights all capture runs, only those whom policy append_own lets choose data,
-- time and position. Now that policy says all that holds for them, and can_be_recorded() (functions/
-- rounds.sql) leaves out what is no entry, whoever staged it. The xid keeps its domain.

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON pgtally.append_only_log;
DROP POLICY IF EXISTS see_own ON pgtally.append_only_log;

ALTER TABLE pgtally.append_only_log
  ALTER COLUMN source_id       TYPE integer,
  ALTER COLUMN definition      TYPE integer,
  ALTER COLUMN operation       TYPE smallint,
  ALTER COLUMN key             TYPE bytea,
  ALTER COLUMN source_position TYPE text,
  ALTER COLUMN content_hash    TYPE bytea;

DROP DOMAIN pgtally.staging_source, pgtally.staging_definition, pgtally.staging_operation,
            pgtally.staging_key, pgtally.staging_position, pgtally.staging_hash;
