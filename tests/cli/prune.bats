# Dropping what the log has: from staging, as it goes or on demand, and from a source's own table.

load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/payments --quiet
}

teardown() {
  clean_up
}

staged() {
  sql "SELECT count(*) FROM pgtally.append_only_log"
}

@test "prune drops from staging what is signed, and says how much" {
  printf '%s\n' a b c | pgtally append > /dev/null
  run pgtally prune
  [ "$status" -eq 3 ]
  [[ "$output" == *"nothing was signed yet"*"pgtally run --once"* ]]
  pgtally run --once --quiet
  sql "SELECT pgtally.append('later')" > /dev/null
  run pgtally prune
  [ "$status" -eq 0 ]
  [[ "$output" == "pruned   3 rows from staging, under the checkpoint of size 5"*"append_only_log"* ]]
  [ "$(staged)" -eq 1 ]
  run pgtally prune --json
  [[ "$output" == '{"ok":true,"pruned":0,"covered":5,"data_not_kept":["append_only_log"]}' ]]
  pgtally rebuild --check
}

@test "data of a source that keeps it can be disclosed after pruning, others only proved" {
  pgtally source add kept --append --keep-data --quiet
  sql "SELECT pgtally.append('shown later', 'kept'), pgtally.append('gone')" > /dev/null
  pgtally run --once --quiet
  pgtally prune --quiet
  [ "$(staged)" -eq 0 ]
  pgtally prove kept 1 --row -o kept.tlog-proof
  run pgtally verify kept.tlog-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"shown later"* ]]
  run pgtally prove append_only_log 2 --row -o gone.tlog-proof
  [ "$status" -eq 2 ]
  [[ "$output" == *"was pruned, and source append_only_log keeps none in the log"*"without --row"* ]]
  pgtally prove append_only_log 2 -o gone.tlog-proof
  printf gone > gone
  pgtally verify gone.tlog-proof --vkey "$(pgtally key show)"
}

@test "run --once --prune leaves nothing in staging" {
  sql "INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, 500)"
  pgtally run --once --prune --batch-rows 100 --quiet
  [ "$(staged)" -eq 0 ]
}

@test "the service prunes as it goes where pgtally.toml asks for it" {
  echo 'prune = true' > pgtally.toml
  pgtally run --config pgtally.toml --interval 20ms 2> log &
  service=$!
  for _ in $(seq 5); do
    sql "INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, 200)"
  done
  for _ in $(seq 100); do [ "$(staged)" -eq 0 ] && break; sleep 0.1; done
  kill -TERM $service
  wait $service
  [ "$(staged)" -eq 0 ]
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE operation = 1")" -eq 1000 ]
}

@test "a source's own table is pruned only as far as the log has it" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text)"
  sql "INSERT INTO payment SELECT g, 'p' || g FROM generate_series(1, 100) AS g"
  pgtally source add payment --table payment --key id --quiet
  pgtally run --once --quiet
  run pgtally prune --source payment --before 51
  [ "$status" -eq 0 ]
  [[ "$output" == "-- 50 rows of source payment were compared"*"DELETE FROM public.payment"* ]]
  [ "$(sql "SELECT count(*) FROM payment")" -eq 100 ]
  sql "UPDATE payment SET payer = 'somebody else' WHERE id = 7"
  run pgtally prune --source payment --before 51 --execute
  [ "$status" -eq 1 ]
  [[ "$output" == *"payment 7: not what entry 9 recorded"*"1 of 50 rows not in the log"*"nothing was deleted"* ]]
  sql "UPDATE payment SET payer = 'p7' WHERE id = 7"
  run pgtally prune --source payment --before 51 --execute
  [ "$status" -eq 0 ]
  [[ "$output" == *"deleted  50 rows of payment"*"an audit will report"* ]]
  [ "$(sql "SELECT min(id) FROM payment")" -eq 51 ]
}

@test "what does not go together is refused" {
  run pgtally prune --before 5
  [ "$status" -eq 2 ]
  run pgtally prune --source append_only_log
  [ "$status" -eq 2 ]
  [[ "$output" == *"--before KEY is needed"* ]]
}
