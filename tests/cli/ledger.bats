# The way of a row through the commands, from init to a proof that verifies offline.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_fresh_database
}

teardown() {
  clean_up
}

make_payments() {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text, amount numeric(12,2), booked_at timestamptz)"
  sql "INSERT INTO payment SELECT g, 'p' || g, g * 1.5, '2026-01-01Z'::timestamptz + g * interval '1 min' FROM generate_series(1, 300) AS g"
  pgtally init --origin bank.example/payments --quiet
  pgtally source add payment --table payment --key id --time booked_at --quiet
}

@test "the five lines of the README lead from a table to a verified proof" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, amount numeric)"
  sql "INSERT INTO payment VALUES (41, 1.50), (42, 99.90)"
  pgtally init --origin bank.example/payments
  pgtally source add payment --table public.payment --key id
  pgtally run --once && pgtally prove payment 42 --row -o 42.tlog-proof
  run pgtally verify 42.tlog-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"verified  payment 42 is entry 4 of bank.example/payments"*"amount=99.90"* ]]
}

@test "status tells programs size, root, checkpoint and every source" {
  make_payments
  run pgtally status --json
  [[ "$output" == *'"size":0'*'"checkpoint":null'*'"name":"payment","mode":"poll","state":"active","entries":1,"lag_rows":300'* ]]
  pgtally run --once --quiet
  run pgtally status --json
  [[ "$output" == *'"origin":"bank.example/payments"'*'"size":303'*'"checkpoint":{"size":303'*'"entries":301,"lag_rows":0,"lag_seconds":0'* ]]
  run pgtally status
  [[ "$output" == *"303 entries"*"payment"*"poll"*"301"* ]]
}

@test "run --once takes everything that waits and says how much" {
  make_payments
  run pgtally run --once
  [ "$status" -eq 0 ]
  [[ "$output" == "recorded  300 rows, size 303, signed" ]]
  run pgtally run --once --json
  [ "$status" -eq 0 ]
  [[ "$output" == '{"ok":true,"rows":0,"size":303,'* ]]
}

@test "a source whose table is gone is named, holds up no other, and comes back by itself" {
  make_payments
  sql "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)"
  pgtally source add other --table other --key id
  pgtally run --once
  sql "INSERT INTO other VALUES (2); ALTER TABLE payment RENAME TO elsewhere"
  run --separate-stderr pgtally run --once
  [ "$status" -eq 0 ]
  [[ "$output" == "recorded  1 row,"* ]]
  [[ "$stderr" == *'payment could not be read: relation "public.payment" does not exist'* ]]
  pgtally status | grep -q 'payment .*failing'
  [[ "$(pgtally run --once --json)" == *'"failing":["payment"]'* ]]
  sql "ALTER TABLE elsewhere RENAME TO payment; INSERT INTO payment VALUES (1000, 'back', 1, now());
       UPDATE pgtally.failure SET retry_at = now()"
  run pgtally run --once
  [[ "$output" == "recorded  1 row,"* ]]
  pgtally prove payment 1000 > p
}

@test "run stops cleanly when it is asked to, and what was written meanwhile is signed" {
  make_payments
  pgtally run --interval 50ms --log-format json 2> log &
  service=$!
  for _ in $(seq 100); do grep -q '"message":"started"' log && break; sleep 0.1; done
  sql "INSERT INTO payment VALUES (1000, 'late', 1, now())"
  for _ in $(seq 100); do pgtally prove payment 1000 > p 2> /dev/null && break; sleep 0.1; done
  kill -TERM $service
  wait $service
  grep -q '"message":"stopped"' log
  pgtally verify p --vkey "$(pgtally key show)" --source payment --key 1000
}

@test "an order proof names what was recorded first, whichever is asked for first" {
  make_payments
  pgtally append 'door 7 opened' > id
  pgtally run --once --quiet
  pgtally append 'door 7 closed' >> id
  pgtally run --once --quiet
  pgtally prove-order append_only_log:2 append_only_log:1 --row -o doors.order-proof
  run pgtally verify doors.order-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"append_only_log 1 was recorded before append_only_log 2"* ]]
  [[ "$output" == *"door 7 opened"*"door 7 closed"* ]]
}

@test "an order proof says since when each entry is signed, what it proves, and what not" {
  make_payments
  pgtally append 'door 7 opened' >/dev/null
  pgtally run --once --quiet
  sql "SELECT count(*) FROM pgtally.processed_log" >first_size
  pgtally append 'door 7 closed' 'door 8 closed' >/dev/null
  pgtally run --once --quiet
  run pgtally prove-order append_only_log:1 append_only_log:2 -o doors.order-proof
  [ "$status" -eq 0 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *"by the checkpoint of $(cat first_size) entries, the first that is kept"* ]]
  [[ "$text" == *"Whoever has the checkpoint of $(cat first_size) entries knows that append_only_log 1 was recorded when append_only_log 2 was not yet"* ]]
  [[ "$text" == *"recorded before is not happened before"* ]]
  [[ "$text" != *"one batch"* ]]

  # When it was signed is for the operator to say; that it was, the file shows.
  run pgtally verify doors.order-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *"covered by the checkpoint of $(cat first_size) entries, the first in this file"* ]]
  [[ "$text" == *"Whoever has the checkpoint of $(cat first_size) entries knows that append_only_log 1 was recorded when append_only_log 2 was not yet"* ]]
  [[ "$text" == *"earlier checkpoint"* ]]

  pgtally prove-order append_only_log:2 append_only_log:3 -o two.order-proof --json >out.json
  [ "$(python3 -c 'import json; v = json.load(open("out.json")); print(v["same_batch"], v["first"]["covered_by"]["size"] == v["second"]["covered_by"]["size"], len(v["proves"]), "one batch" in v["does_not_prove"][0])')" = "True True 1 True" ]
  pgtally prove-order append_only_log:2 append_only_log:3 >proof 2>said
  pgtally verify proof --vkey "$(pgtally key show)"
  grep -q "proves not" said
  run pgtally prove-order append_only_log:2 append_only_log:3 --json
  [ "$status" -eq 2 ]
}

@test "consistency between two sizes can be checked on hashes alone" {
  make_payments
  pgtally run --once --quiet
  run bash -c "pgtally prove-consistency 100 303 | pgtally tree consistency"
  [ "$status" -eq 0 ]
}

@test "append takes lines of standard input, and data can be proved with --row" {
  make_payments
  printf 'one\ntwo\nthree\n' | pgtally append
  pgtally run --once --quiet
  pgtally prove append_only_log 3 --row -o three.tlog-proof
  printf three > three
  run pgtally verify three.tlog-proof --vkey "$(pgtally key show)" --row three
  [ "$status" -eq 0 ]
  printf four > three
  run pgtally verify three.tlog-proof --vkey "$(pgtally key show)" --row three
  [ "$status" -eq 1 ]
}

@test "a row whose key came late is found by a sweep, once" {
  make_payments
  sql "INSERT INTO payment VALUES (5000, 'high', 1, now())"
  pgtally run --once --quiet
  pgtally run --once --quiet
  sql "INSERT INTO payment VALUES (4000, 'late', 1, now())"
  pgtally run --once --quiet
  run pgtally prove payment 4000
  [ "$status" -eq 2 ]
  [[ "$output" == *"pgtally sweep payment"* ]]
  run pgtally sweep payment
  [[ "$output" == "swept    payment: 302 rows looked at, 1 found" ]]
  pgtally sweep payment
  pgtally run --once --quiet
  pgtally prove payment 4000 > /dev/null
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE source_position = '4000'")" = 1 ]
}

@test "a changed row can not be proved with --row, only what was recorded" {
  make_payments
  pgtally run --once --quiet
  sql "UPDATE payment SET amount = amount + 1 WHERE id = 7"
  run pgtally prove payment 7 --row
  [ "$status" -eq 1 ]
  [[ "$output" == *"the row was changed"* ]]
  pgtally prove payment 7 | pgtally verify - --vkey "$(pgtally key show)"
}

@test "sources with odd names, keys of several columns and other schemas work from end to end" {
  sql 'CREATE SCHEMA "Büro"; CREATE TABLE "Büro"."Order Lines" ("Order Id" int, "select" text, "größe" text, PRIMARY KEY ("Order Id", "select"))'
  sql "INSERT INTO \"Büro\".\"Order Lines\" VALUES (7, 'a=b', 'x'), (7, 'c', NULL), (8, 'd''\"', 'y')"
  pgtally init --origin shop.example/orders --quiet
  pgtally source add lines --table 'Büro.Order Lines' --key 'Order Id,select' --no-blind --quiet
  pgtally run --once --quiet
  for key in 'a=b' c "d'\""; do
    id=7; [ "$key" = "d'\"" ] && id=8
    pgtally prove lines "Order Id=$id" "select=$key" --row -o p
    pgtally verify p --vkey "$(pgtally key show)" --source lines --key "Order Id=$id" "select=$key"
  done
}

@test "a source can be paused, resumed and removed; its name is never given out again" {
  make_payments
  pgtally source pause payment
  run pgtally run --once --json
  [[ "$output" == *'"rows":0'* ]]
  pgtally source resume payment
  run pgtally run --once --json
  [[ "$output" == *'"rows":300'* ]]
  pgtally source remove payment
  sql "INSERT INTO payment VALUES (9000, 'x', 1, now())"
  run pgtally run --once --json
  [[ "$output" == *'"rows":0'* ]]
  pgtally prove payment 42 > /dev/null
  run pgtally source add payment --table payment --key id
  [ "$status" -eq 2 ]
  [[ "$output" == *"never used again"* ]]
}

@test "source check names what a table lost" {
  make_payments
  run pgtally source check
  [ "$status" -eq 0 ]
  sql "ALTER TABLE payment DROP COLUMN payer"
  run pgtally source check payment
  [ "$status" -eq 3 ]
  [[ "$output" == *'column "payer" is gone'* ]]
}

@test "--print-sql shows what would be run, changes nothing, and runs in psql as it is" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY)"
  pgtally init --origin a.example/b --roles none --print-sql > init.sql
  [ "$(sql "SELECT to_regnamespace('pgtally') IS NULL")" = t ]
  pgtally psql -Xq -v ON_ERROR_STOP=1 -f init.sql > /dev/null
  pgtally source add payment --table payment --key id --print-sql > add.sql
  [ "$(sql "SELECT count(*) FROM pgtally.source")" = 2 ]
  pgtally psql -Xq -v ON_ERROR_STOP=1 -f add.sql > /dev/null
  [ "$(sql "SELECT count(*) FROM pgtally.source")" = 3 ]
}

@test "settings may stand in a file, and a misspelt one is refused" {
  make_payments
  printf 'interval = "50ms"\nbatch_rows = 100\n' > pgtally.toml
  pgtally run --once --config pgtally.toml --quiet
  [ "$(sql "SELECT count(DISTINCT sequenced_at) FROM pgtally.processed_log WHERE operation = 1")" -ge 3 ]
  echo 'batch_row = 100' > pgtally.toml
  run pgtally run --once --config pgtally.toml
  [ "$status" -eq 2 ]
  [[ "$output" == *"pgtally.toml, line 1: batch_row is not a setting"* ]]
}

@test "another schema holds a ledger of its own" {
  make_payments
  pgtally init --origin bank.example/other --schema other_ledger --quiet
  pgtally append --schema other_ledger hello
  pgtally run --once --schema other_ledger --quiet
  run pgtally status --schema other_ledger --json
  [[ "$output" == *'"origin":"bank.example/other"'*'"size":3'* ]]
  run pgtally status --json
  [[ "$output" == *'"origin":"bank.example/payments"'*'"size":0'* ]]
}

@test "rebuild --check finds a flipped bit and names it; rebuild mends a tile" {
  make_payments
  pgtally run --once --quiet
  run pgtally rebuild --check
  [ "$status" -eq 0 ]
  sql "ALTER TABLE pgtally.tile DISABLE TRIGGER USER; UPDATE pgtally.tile SET hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 1) WHERE level = 0; ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER only_grow"
  run pgtally rebuild --check
  [ "$status" -eq 1 ]
  [[ "$output" == *"tile/0/000 is damaged at place 3"* ]]
  pgtally rebuild
  run pgtally rebuild --check
  [ "$status" -eq 0 ]
}
