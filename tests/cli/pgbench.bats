# pgbench's own tables, as pgbench makes them, are sources while pgbench runs: its history, which has
# no key, and its accounts, which are updated.

load ../support/cli

setup() {
  use_fresh_database
  [[ "$(sql "SHOW wal_level")" == logical ]] || skip "needs wal_level = logical"
}

teardown() {
  [[ -z "${service:-}" ]] || kill "$service" 2> /dev/null || true
  [[ -z "${service:-}" ]] || wait "$service" || true
  sql "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE database = current_database() AND NOT active" > /dev/null || true
  clean_up
}

# The content hash of a row as docs/formats.md has it, without any help of pgtally.
make_hashes() {
  sql "CREATE FUNCTION public.col(name text, value text) RETURNS bytea LANGUAGE sql IMMUTABLE AS \$\$
         SELECT CASE WHEN value IS NULL THEN ''::bytea
                     ELSE substr(int2send(octet_length(name)::int2), 2) || convert_to(name, 'UTF8')
                          || int4send(octet_length(value)) || convert_to(value, 'UTF8') END \$\$"
  sql "CREATE VIEW public.history_now AS
         SELECT sha256('pgtally/row/v1\\000'::bytea || col('aid', format('%s', aid))
                       || col('bid', format('%s', bid)) || col('delta', format('%s', delta))
                       || col('filler', filler::text)
                       || col('mtime', format('%s', mtime)) || col('tid', format('%s', tid))) AS hash
           FROM public.pgbench_history"
  sql "CREATE VIEW public.accounts_now AS
         SELECT aid, sha256('pgtally/row/v1\\000'::bytea || col('abalance', format('%s', abalance))
                       || col('aid', format('%s', aid)) || col('bid', format('%s', bid))
                       || col('filler', format('%s', filler))) AS hash
           FROM public.pgbench_accounts"
  sql "CREATE VIEW public.entry AS
         SELECT p.*, s.name FROM pgtally.processed_log AS p JOIN pgtally.source AS s USING (source_id)"
}

@test "every change that pgbench makes to its own tables is in the log" {
  pgbench --initialize --quiet --scale 1 "$PGTALLY_DATABASE" > /dev/null 2>&1
  pgtally init --origin bench.example/log --quiet
  pgtally source add history --table pgbench_history --mode logical --no-blind --quiet
  pgtally source add accounts --table pgbench_accounts --mode logical --no-blind --quiet
  make_hashes

  pgtally run --interval 100ms > run.log 2>&1 &
  service=$!
  pgbench --no-vacuum --client 4 --jobs 2 --time 6 "$PGTALLY_DATABASE" > bench.log 2>&1
  transactions="$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' bench.log)"
  [ "$transactions" -gt 0 ]

  for _ in $(seq 600); do
    [[ "$(sql "SELECT count(*) FILTER (WHERE name = 'history' AND operation = 1) = $transactions
                  AND count(*) FILTER (WHERE name = 'accounts' AND operation = 2) >= $transactions
                 FROM entry")" == t ]] && break
    sleep 0.1
  done
  kill -TERM "$service"
  wait "$service"
  service=

  # What is recorded of the history are its rows, each as often as it is there.
  [ "$(sql "SELECT count(*) FROM pgbench_history")" -eq "$transactions" ]
  [ "$(sql "SELECT count(*) FROM (SELECT hash, count(*) FROM history_now GROUP BY hash) AS h
              FULL JOIN (SELECT content_hash AS hash, count(*) FROM entry
                          WHERE name = 'history' AND operation = 1 GROUP BY 1) AS e USING (hash)
             WHERE h.count IS DISTINCT FROM e.count")" -eq 0 ]

  # Each transaction updates one account; the last entry of each is the account as it is now.
  [ "$(sql "SELECT count(*) FROM entry WHERE name = 'accounts' AND operation = 2")" -eq "$transactions" ]
  [ "$(sql "SELECT count(*) FROM entry WHERE name = 'accounts' AND operation = 1")" -eq 100000 ]
  [ "$(sql "SELECT count(*) FROM accounts_now AS a
              FULL JOIN (SELECT DISTINCT ON (key) convert_from(substr(key, 3), 'UTF8') AS aid,
                                content_hash, operation FROM entry
                          WHERE name = 'accounts' AND operation < 5 ORDER BY key, id DESC) AS e
                ON e.aid = a.aid::text
             WHERE a.hash IS DISTINCT FROM e.content_hash OR e.operation > 2")" -eq 0 ]
  pgtally rebuild --check --quiet
}
