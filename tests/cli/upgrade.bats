# A ledger of schema version 1 (tests/vectors/schema) under today's program.

load ../support/cli

setup() {
  use_fresh_database
  pgtally psql -c 'SELECT 1' > /dev/null   # makes the cluster where there is none
  name="$(sql 'SELECT current_database()')"
  sed "s/vector_database/$name/g" "$BATS_TEST_DIRNAME/../vectors/schema/1.sql" > old.sql
  pgtally psql -Xq -v ON_ERROR_STOP=1 -f old.sql > /dev/null 2>&1
  mkdir -m 700 state
  for file in key guard; do
    install -m 600 "$BATS_TEST_DIRNAME/../vectors/schema/1.$file" "state/v1.example%2flog.$file"
  done
  sql "INSERT INTO order_line SELECT g, 'item', g FROM generate_series(1, 100) AS g"
  sql "SELECT pgtally.append('before', 'event')" > /dev/null
  sql "SELECT pgtally.process_next_batch(50)" > /dev/null
}

teardown() {
  clean_up
}

@test "commands refuse the old ledger and say what to do" {
  for command in status "source list" "run --once" "checkpoint"; do
    run pgtally $command
    [ "$status" -eq 3 ]
    [[ "$output" == *"schema is of version 1"*"pgtally upgrade"* ]]
  done
}

@test "upgrade says what it did, and everything goes on from where it was" {
  run pgtally upgrade
  [ "$status" -eq 0 ]
  [[ "$output" == "upgraded  from schema version 1 to 7: 0002_capture.sql, 0003_staging_checks.sql, 0004_serving.sql, 0005_staging_xid.sql, 0006_staging_plain.sql, 0007_order_triggers.sql"*"3 sources"* ]]
  pgtally run --once --quiet
  pgtally rebuild --check
  pgtally prove order 77 --row -o p
  pgtally verify p --vkey "$(pgtally key show)" --source order --key 77
  [ "$(sql "SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log WHERE source_id = 2 AND operation = 1")" = "100|100" ]
  run pgtally upgrade --json
  [ "$status" -eq 0 ]
  [[ "$output" == '{"ok":true,"from":7,"to":7,"migrations":[],'* ]]
}

@test "what upgrade --print-sql prints does the same in psql" {
  pgtally upgrade --print-sql > upgrade.sql
  run pgtally status
  [ "$status" -eq 3 ]
  pgtally psql -Xq -v ON_ERROR_STOP=1 -f upgrade.sql > /dev/null
  pgtally status --quiet
  run pgtally psql -Xq -v ON_ERROR_STOP=1 -f upgrade.sql
  [ "$status" -ne 0 ]
  [[ "$output" == *"has changed since"* ]]
}
