-- Mode trigger: what the generated functions (src/capture/trigger.cc) and their registry call.

-- Whether a trigger fires for the table of this name or a partition of it. Looks names up without
-- rights of its own, so that it fails for nobody.
CREATE OR REPLACE FUNCTION pgtally.is_part_of(part oid, relation text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid IN (SELECT part UNION ALL SELECT relid FROM pg_partition_ancestors(part))
       AND quote_ident(n.nspname) || '.' || quote_ident(c.relname) = relation)
$$;

-- Takes note, in the application's transaction, of a statement or row that could not be recorded.
CREATE OR REPLACE FUNCTION pgtally.note_missed(
  source integer, for_good boolean, sqlstate text, message text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO pgtally.missed AS m (source_id, for_good, sqlstate, message)
  VALUES (source, for_good, sqlstate, left(message, 1000))
  ON CONFLICT ON CONSTRAINT missed_pkey DO UPDATE SET for_good = true
    WHERE excluded.for_good AND NOT m.for_good
$$;

-- Turns what triggers have noted into failures of their sources, and has these swept from the
-- beginning. Under the lock.
CREATE OR REPLACE FUNCTION pgtally.take_missed() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  m record;
BEGIN
  FOR m IN
    WITH gone AS (DELETE FROM pgtally.missed RETURNING *)
    SELECT source_id, bool_or(g.for_good) AS for_good, count(*) AS transactions,
           (array_agg(g.sqlstate ORDER BY g.xid DESC))[1] AS sqlstate,
           (array_agg(g.message ORDER BY g.xid DESC))[1] AS message, s.state, s.existing
      FROM gone AS g JOIN pgtally.source AS s USING (source_id)
     GROUP BY source_id, s.state, s.existing ORDER BY source_id
  LOOP
    CONTINUE WHEN m.state = 'removed';
    IF m.for_good AND NOT EXISTS (SELECT FROM pgtally.failure AS f
                                   WHERE f.source_id = m.source_id AND f.sqlstate <> 'TLO06')
    THEN
      PERFORM pgtally.notice_about(m.source_id, 'missed',
        'Updates or deletes could not be recorded by the triggers of the table. They are not in the '
        'log; rows that were inserted follow.');
    END IF;
    PERFORM pgtally.note_failure(m.source_id, m.sqlstate,
      format('its trigger could not record rows of %s transactions: %s', m.transactions, m.message),
      CASE WHEN m.for_good
           THEN 'Updates or deletes are among them, and these are lost to the ledger. '
           ELSE '' END ||
      CASE WHEN m.existing = 'skip'
           THEN 'A sweep cannot tell these rows from those that were skipped when it was added.'
           ELSE 'Inserted rows are found by a sweep as soon as the cause is gone.' END);
    -- Sessions keep plans for the types that columns had; a new version of the function ends that.
    IF m.sqlstate LIKE '42%'
       AND to_regprocedure(format('pgtally.trigger_%s()', m.source_id)) IS NOT NULL
    THEN
      EXECUTE format('ALTER FUNCTION pgtally.%I() COST 100', 'trigger_' || m.source_id);
    END IF;
    IF m.state = 'active' AND m.existing <> 'skip' THEN
      PERFORM pgtally.sweep_again(m.source_id);
    END IF;
  END LOOP;
END $$;

-- The next sweep of a source begins now, at the beginning.
CREATE OR REPLACE FUNCTION pgtally.sweep_again(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE pgtally.sweep SET cursor_key = NULL WHERE source_id = source AND finished_at IS NULL;
  IF NOT FOUND THEN
    INSERT INTO pgtally.sweep (source_id) VALUES (source);
  END IF;
END $$;

-- Sources with tracked changes whose inserts are taken when the statement ends, though their tables have
-- got row triggers since. What these change would be recorded before the insert that made them fire.
CREATE OR REPLACE FUNCTION pgtally.overtaken_triggers()
RETURNS TABLE (source_id integer, relation regclass, trigger name, enabled boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.source_id, g.tgrelid::regclass, g.tgname, g.tgenabled <> 'D'
    FROM pgtally.source AS s
    JOIN pg_proc AS f ON f.oid = to_regprocedure(format('pgtally.trigger_%s()', s.source_id))
    JOIN pg_trigger AS g ON g.tgfoid = f.oid
   WHERE s.track_changes AND s.state <> 'removed' AND g.tgtype & 5 = 4
     AND strpos(f.prosrc, 'TG_LEVEL') > 0  -- earlier programs made functions that cannot do otherwise
     AND NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = g.tgrelid)  -- PostgreSQL cannot
     AND EXISTS (SELECT FROM pg_trigger AS o
                  WHERE o.tgrelid = g.tgrelid AND NOT o.tgisinternal
                    AND o.tgtype & 1 = 1 AND o.tgtype & 66 = 0 AND o.tgname !~ '^00_.+_[0-9]+_(insert|change|truncate)$')
$$;

-- Has the inserts of such a source taken ahead of those triggers: all rows of a statement with the first
-- of them. With the rights of whoever calls it.
CREATE OR REPLACE FUNCTION pgtally.take_inserts_first(source integer) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT * FROM pgtally.overtaken_triggers() AS o WHERE o.source_id = source LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS added '
                   'FOR EACH ROW EXECUTE FUNCTION pgtally.%I()',
                   t.trigger, t.relation, 'trigger_' || source);
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation,
                   CASE WHEN t.enabled THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END, t.trigger);
  END LOOP;
  PERFORM pgtally.forget_overtaken(ARRAY(SELECT o.source_id FROM pgtally.overtaken_triggers() AS o));
END $$;

-- The same for one of the sources that need it but those that were tried; no source if there is none. To
-- be called in a transaction of its own: while it waits for a table, it should not have another one. One
-- that cannot be helped is shown as failing, though its rows are taken all the while: that (TLO06) holds
-- nothing up.
CREATE OR REPLACE FUNCTION pgtally.order_triggers(
  tried integer[], OUT source_id integer, OUT name text, OUT trouble text, OUT is_locked boolean)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'  -- what is set below ends with the call
AS $$
DECLARE
  s    record;
  hint text;
BEGIN
  is_locked := false;
  PERFORM pgtally.forget_overtaken(ARRAY(SELECT o.source_id FROM pgtally.overtaken_triggers() AS o));
  SELECT src.source_id, src.name, o.relation, c.relowner::regrole AS owner,
         pg_has_role(c.relowner, 'USAGE') AS may INTO s
    FROM pgtally.overtaken_triggers() AS o JOIN pgtally.source AS src USING (source_id)
    JOIN pg_class AS c ON c.oid = o.relation
   WHERE src.source_id <> ALL (tried) ORDER BY random() LIMIT 1;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  source_id := s.source_id;
  name := s.name;
  BEGIN
    IF NOT s.may THEN
      RAISE insufficient_privilege USING MESSAGE = 'it may not alter the table';
    END IF;
    PERFORM set_config('lock_timeout', '100ms', true);  -- all writers of the table wait as long
    PERFORM pgtally.take_inserts_first(s.source_id);
    RETURN;
  EXCEPTION WHEN lock_not_available THEN
    is_locked := true;
    hint := 'A transaction that goes on has written to the table. The service tries it again.';
  WHEN OTHERS THEN
    hint := format('Run GRANT %s TO %s: the service then takes inserts ahead of them. Or let a superuser '
                   'run pgtally source pause %s, and pgtally source resume %3$s. (%4$s)',
                   s.owner, quote_ident(current_user), name, SQLERRM);
  END;
  trouble := format('table %s has got row triggers of its own, and what they change in the statement '
                    'that inserts a row is recorded before the insert', s.relation);
  PERFORM pgtally.note_overtaken(s.source_id, trouble, hint);
END $$;

-- ALTER TABLE … DISABLE TRIGGER, or ENABLE ALWAYS TRIGGER, for all triggers of a source, whatever
-- its table is called by now. With the rights of whoever calls it.
CREATE OR REPLACE FUNCTION pgtally.switch_triggers(source integer, enabled boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  t record;
BEGIN
  IF enabled THEN
    PERFORM pgtally.take_inserts_first(source);
  END IF;
  FOR t IN
    SELECT g.tgrelid::regclass AS relation, g.tgname FROM pg_trigger AS g
     WHERE g.tgfoid = to_regprocedure(format('pgtally.trigger_%s()', source)) AND g.tgparentid = 0
  LOOP
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation,
                   CASE WHEN enabled THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END, t.tgname);
  END LOOP;
END $$;
