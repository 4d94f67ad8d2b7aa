-- The last two CHECKs that staging itself had, which PostgreSQL reads anew in every statement that
-- stages something (see 0003): an eighth of what it cost to stage a single row.
--
-- xid: the same CHECK, of a domain. NOT VALID for two reasons: rows that are there carry the ids of
-- their own transactions, and pg_dump restores it after the data. COPY and the owner are held by it as
-- before. Only a value that comes out of a column of this very type is not looked at again, so an owner
-- who inserts into staging what he selects from staging has to leave the xid out.
--
-- Content: who writes directly is held by policy append_own, and for everybody else staged_content()
-- has an answer to whatever is given.

-- functions/append.sql makes them again.
DROP POLICY IF EXISTS append_own ON pgtally.append_only_log;
DROP POLICY IF EXISTS see_own ON pgtally.append_only_log;

CREATE DOMAIN pgtally.staging_xid AS xid8;
ALTER TABLE pgtally.append_only_log
  DROP CONSTRAINT content_is_given_once,
  DROP CONSTRAINT xid_is_the_writers_own,
  ALTER COLUMN xid TYPE pgtally.staging_xid;
ALTER DOMAIN pgtally.staging_xid
  ADD CONSTRAINT xid_is_the_writers_own CHECK (VALUE = pg_current_xact_id()) NOT VALID;
