#include "cli/rewrite_ledger.h"

#include "pgtally/merkle.h"
#include "postgres/transaction.h"
#include "service/guard.h"
#include "service/state_files.h"

namespace pgtally::cli {
namespace {

// Sweeps know how to hash a table's rows. With the log emptied, they stage every row that is there.
constexpr const char* kRewrite = R"sql(
SELECT pgtally.lock_ledger();
CREATE TEMP TABLE before_rewriting ON COMMIT DROP AS SELECT * FROM pgtally.processed_log;
CREATE INDEX ON before_rewriting (source_id, key, id);
ANALYZE before_rewriting;
ALTER TABLE pgtally.processed_log DISABLE TRIGGER USER;
ALTER TABLE pgtally.tile DISABLE TRIGGER USER;
ALTER TABLE pgtally.checkpoint DISABLE TRIGGER USER;
TRUNCATE pgtally.processed_log, pgtally.tile, pgtally.checkpoint, pgtally.cosignature,
         pgtally.witnessed;
DO $do$
DECLARE
  s       pgtally.source;
  after   text[];
  scanned bigint;
  last    text[];
BEGIN
  FOR s IN SELECT * FROM pgtally.source
            WHERE mode IN ('xid', 'poll', 'trigger') AND state <> 'removed' ORDER BY source_id
  LOOP
    after := NULL;
    LOOP
      EXECUTE format('SELECT scanned, last_key FROM pgtally.%I($1, 10000)', 'sweep_' || s.source_id)
        INTO scanned, last USING after;
      EXIT WHEN scanned < 10000;
      after := last;
    END LOOP;
  END LOOP;
END $do$;
CREATE TEMP TABLE rows_of_today ON COMMIT DROP AS
SELECT l.source_id::integer, l.definition::integer, l.key::bytea, l.source_position::text,
       l.source_time, l.content_hash::bytea AS content
  FROM pgtally.append_only_log AS l WHERE l.xid = pg_current_xact_id();
DELETE FROM pgtally.append_only_log WHERE xid = pg_current_xact_id();
INSERT INTO rows_of_today
SELECT l.source_id, l.definition, pgtally.staged_key(l.operation, l.key, l.id),
       coalesce(l.source_position, l.id::text), l.source_time, coalesce(l.content_hash, sha256(l.data))
  FROM pgtally.append_only_log AS l JOIN pgtally.source AS s USING (source_id)
 WHERE s.mode = 'append';

INSERT INTO pgtally.processed_log (id, source_id, definition, ordinal, operation, key,
       source_position, source_time, content_hash, data, sequenced_at)
WITH kept AS (
  -- Definitions first, so that each comes before the rows that it is about.
  SELECT b.source_id, b.definition, b.operation, b.key, b.source_position, b.source_time,
         b.content_hash AS content, b.data, min(b.sequenced_at) OVER () AS sequenced_at,
         b.id - 4611686018427387904 AS place
    FROM before_rewriting AS b WHERE b.operation >= 5
   UNION ALL
  SELECT t.source_id, t.definition, 1, t.key, coalesce(f.source_position, t.source_position),
         t.source_time, t.content, f.data,
         coalesce(f.sequenced_at, (SELECT max(sequenced_at) FROM before_rewriting)),
         coalesce(f.id, 4611686018427387904)
    FROM rows_of_today AS t
    LEFT JOIN LATERAL (
      SELECT b.id, b.source_position, b.data, b.sequenced_at FROM before_rewriting AS b
       WHERE b.source_id = t.source_id AND b.key = t.key AND b.operation <= 2
       ORDER BY b.id LIMIT 1) AS f ON true
), numbered AS (
  SELECT k.*, row_number() OVER w - 1 AS id,
         row_number() OVER (PARTITION BY source_id ORDER BY place, key) - 1 AS ordinal
    FROM kept AS k WINDOW w AS (ORDER BY place, source_id, key)
)
SELECT n.id, n.source_id, n.definition, n.ordinal, n.operation, n.key, n.source_position,
       n.source_time,
       CASE WHEN n.operation >= 5 THEN n.content
            ELSE pgtally.published_hash(n.content, h.secret, n.id) END,
       n.data, n.sequenced_at
  FROM numbered AS n LEFT JOIN pgtally.secret AS h USING (source_id);

UPDATE pgtally.definition AS d SET entry_id = p.id FROM pgtally.processed_log AS p
 WHERE p.source_id = d.source_id AND p.definition = d.number AND p.operation = 5;
INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals)
SELECT max(p.id) + 1, max(p.sequenced_at), ARRAY(
         SELECT (SELECT count(*) FROM pgtally.processed_log AS q WHERE q.source_id = s)
           FROM generate_series(0, (SELECT max(source_id) FROM pgtally.source)) AS s ORDER BY s)
  FROM pgtally.processed_log AS p;
INSERT INTO pgtally.tree_head (size, root, frontier, guard_id)
SELECT 0, sha256(''), '', h.guard_id FROM pgtally.tree_head AS h ORDER BY h.head_id DESC LIMIT 1;
)sql";

constexpr const char* kTriggersAgain = R"sql(
ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER continue_log;
ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER only_grow;
ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER only_thin;
)sql";

Result<void> check_sources(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.name FROM pgtally.source AS s
     WHERE s.source_id > 0 AND s.state <> 'removed'
       AND (s.endpoint_id IS NOT NULL OR s.mode NOT IN ('append', 'xid', 'poll', 'trigger')
            OR s.existing = 'skip'
            OR s.mode = 'append' AND (
                 SELECT count(*) FROM pgtally.processed_log AS p
                  WHERE p.source_id = s.source_id AND p.operation <= 2
                    AND NOT EXISTS (SELECT FROM pgtally.append_only_log AS l
                                     WHERE l.source_id = p.source_id
                                       AND pgtally.staged_key(l.operation, l.key, l.id) = p.key)) > 0)
     ORDER BY s.name LIMIT 1)sql"));
  if (rows.empty()) return {};
  TRY(const auto name, rows.get<std::string>(0, 0));
  return reject("this demonstration does not know how to forge source " + name,
                "It knows tables of the ledger's own database in modes xid, poll and trigger, and "
                "appended rows that were not pruned.");
}

Result<void> rewrite(const Ledger& ledger) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute(kRewrite));
  TRY_VOID(ledger.execute(kTriggersAgain));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return {};
  return retry("whether the log was rewritten is not known: " + result.reason);
}

}  // namespace

Result<Rewritten> rewrite_ledger(const Ledger& ledger, const RunnerOptions& options) {
  TRY_VOID(check_sources(ledger));
  // What waits is taken in first, as it would have been.
  TRY([[maybe_unused]] const auto taken, run_once(ledger.connection(), options, {}));
  Rewritten done;
  TRY(const auto counted, ledger.query("SELECT (SELECT count(*) FROM pgtally.processed_log), "
                                       "(SELECT max(signed_at) FROM pgtally.checkpoint)"));
  TRY(const auto before, counted.get<std::int64_t>(0, 0));
  TRY(const Time signed_at, counted.get<Time>(0, 1));
  done.before = static_cast<std::uint64_t>(before);

  TRY_VOID(rewrite(ledger));
  const Guard guard(StateFiles::of(options.state_directory, ledger.origin()).guard);
  TRY(GuardState state, guard.read());
  state.size = TreeSize{0};
  state.root = empty_root();
  TRY_VOID(guard.replace(state));
  TRY(const OnceReport report, run_once(ledger.connection(), options, {}));
  done.size = report.head.size;
  done.root = report.head.root;
  // The time of a checkpoint is the operator's word as well.
  TRY_VOID(ledger.execute("ALTER TABLE pgtally.checkpoint DISABLE TRIGGER USER"));
  TRY([[maybe_unused]] const auto dated,
      ledger.query("UPDATE pgtally.checkpoint SET signed_at = $1", pg::Params().time(signed_at)));
  TRY_VOID(ledger.execute(kTriggersAgain));
  return done;
}

}  // namespace pgtally::cli
