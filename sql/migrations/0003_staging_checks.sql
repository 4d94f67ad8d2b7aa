-- What a value of staging may be, as domains. PostgreSQL reads the CHECKs of a table anew in every
-- statement that inserts into it, which made two thirds of what it cost to stage a single row; those
-- of a domain it reads once a session. The checks are not valid only because the rows that are there
-- have passed the same ones: nothing is rewritten or read, and no writer waits.

CREATE DOMAIN pgtally.staging_source AS integer;
CREATE DOMAIN pgtally.staging_definition AS integer;
CREATE DOMAIN pgtally.staging_operation AS smallint;
CREATE DOMAIN pgtally.staging_key AS bytea;
CREATE DOMAIN pgtally.staging_position AS text;
CREATE DOMAIN pgtally.staging_hash AS bytea;

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON pgtally.append_only_log;
DROP POLICY IF EXISTS see_own ON pgtally.append_only_log;

ALTER TABLE pgtally.append_only_log
  DROP CONSTRAINT append_only_log_source_id_check,
  DROP CONSTRAINT append_only_log_definition_check,
  DROP CONSTRAINT append_only_log_operation_check,
  DROP CONSTRAINT append_only_log_key_check,
  DROP CONSTRAINT append_only_log_source_position_check,
  DROP CONSTRAINT append_only_log_content_hash_check,
  ALTER COLUMN source_id       TYPE pgtally.staging_source,
  ALTER COLUMN definition      TYPE pgtally.staging_definition,
  ALTER COLUMN operation       TYPE pgtally.staging_operation,
  ALTER COLUMN key             TYPE pgtally.staging_key,
  ALTER COLUMN source_position TYPE pgtally.staging_position,
  ALTER COLUMN content_hash    TYPE pgtally.staging_hash;

ALTER DOMAIN pgtally.staging_source     ADD CHECK (VALUE > 0) NOT VALID;
ALTER DOMAIN pgtally.staging_definition ADD CHECK (VALUE >= 0) NOT VALID;
ALTER DOMAIN pgtally.staging_operation  ADD CHECK (VALUE BETWEEN 1 AND 4) NOT VALID;
ALTER DOMAIN pgtally.staging_key
  ADD CHECK (octet_length(VALUE) BETWEEN 1 AND 1024) NOT VALID;  -- null: the id is the key
ALTER DOMAIN pgtally.staging_position ADD CHECK (octet_length(VALUE) <= 255) NOT VALID;
ALTER DOMAIN pgtally.staging_hash     ADD CHECK (octet_length(VALUE) = 32) NOT VALID;
