-- The service calls order_triggers() of functions/triggers.sql, and waiting() tells of sources that only
-- sweeps find rows of: whatever calls them knows by this number that they are there.

-- functions/append.sql makes these again. They failed for every writer once the role of one source was
-- gone.
DROP POLICY IF EXISTS append_own ON pgtally.append_only_log;
DROP POLICY IF EXISTS see_own ON pgtally.append_only_log;
