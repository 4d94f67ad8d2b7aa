# pgtally recover: a private cluster whose data directory is put back to what it was.

load ../support/cli

setup() {
  use_embedded
  pgtally init --origin bank.example/payments --quiet
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text)"
  pgtally source add payment --table payment --key id --quiet
  pay 1 5
  pgtally run --once --quiet
}

teardown() {
  [[ -z "${SERVICE:-}" ]] || kill -9 "$SERVICE" 2>/dev/null || true
  clean_up
}

pay() {
  sql "INSERT INTO payment SELECT g, 'ACME' FROM generate_series($1, $2) AS g"
}

# A backup, and then more that is recorded and published into `out`.
lose() {
  cp -a cluster/data saved
  pay 6 300
  pgtally run --once --quiet
  pgtally publish out >/dev/null
  rm -rf cluster/data
  mv saved cluster/data
}

json() {
  python3 -c 'import json, sys; v = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

@test "recover says of a ledger that lost nothing that it lost nothing" {
  pgtally publish out >/dev/null
  run pgtally recover --published out
  [ "$status" -eq 0 ]
  [[ "$output" == *"Nothing has to be recovered"* ]]
  run pgtally recover
  [ "$status" -eq 0 ]
}

@test "without --execute it explains a restored database and changes nothing" {
  lose
  run pgtally recover --published out
  [ "$status" -eq 1 ]
  [[ "$output" == *"The database is behind what was signed"* ]]
  [[ "$output" == *"records entries 8 to 302 again"* ]]
  [ "$(sql 'SELECT count(*) FROM pgtally.processed_log')" = 8 ]
  pgtally recover --published out --json >found.json || true
  [ "$(json '(v["ok"], v["state"], v["guard"]["size"], v["published"]["size"], v["database"]["size"])' <found.json)" = \
    "(False, 'behind', 303, 303, 8)" ]
  run pgtally recover
  [ "$status" -eq 1 ]
  [[ "$output" == *"a copy of the log that was published"* ]]
}

@test "with --execute the published entries are there again, and the log goes on from them" {
  lose
  pgtally checkpoint -o before >/dev/null
  run pgtally run --once
  [ "$status" -eq 1 ]
  [[ "$output" == *"pgtally recover"* ]]
  run pgtally recover --published out --execute
  [ "$status" -eq 0 ]
  [[ "$output" == *"recorded  295 entries again, size 303"* ]]
  pay 250 310   # some of what was lost, and something new
  pgtally run --once --quiet
  pgtally sweep payment --quiet
  pgtally run --once --quiet
  [ "$(sql 'SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log WHERE operation = 1')" = "310|310" ]
  pgtally rebuild --check
  pgtally publish out
  run pgtally recover --published out
  [ "$status" -eq 0 ]
  pgtally prove payment 300 -o p
  pgtally verify p --vkey "$(pgtally key show)" --source payment --key 300
}

@test "a served log is as good as a directory" {
  cp -a cluster/data saved
  pay 6 300
  pgtally run --once --quiet
  cp -a cluster twin
  pgtally --embedded "$WORK/twin" run --listen 127.0.0.1:0 2>serve.log 3>&- &
  SERVICE=$!
  for _ in $(seq 100); do
    URL="$(sed -n 's/.*url=\(http[^ ]*\).*/\1/p; s/.*"url":"\([^"]*\)".*/\1/p' serve.log)"
    [[ -n "$URL" ]] && break
    sleep 0.1
  done
  rm -rf cluster/data
  mv saved cluster/data
  run pgtally recover --published "$URL" --execute
  [ "$status" -eq 0 ]
  [[ "$output" == *"recorded  295 entries again, size 303"* ]]
  kill "$SERVICE"
  wait "$SERVICE" || true
  SERVICE=
}

@test "a bundle that was made for an auditor is as good as a directory" {
  cp -a cluster/data saved
  pay 6 1300
  pgtally run --once --quiet
  pgtally bundle -o ledger.bundle >/dev/null
  rm -rf cluster/data
  mv saved cluster/data
  run pgtally recover --bundle ledger.bundle
  [ "$status" -eq 1 ]
  [[ "$output" == *"records entries 8 to 1,302 again"* ]]
  run pgtally recover --bundle ledger.bundle --execute
  [ "$status" -eq 0 ]
  [[ "$output" == *"recorded  1,295 entries again, size 1,303"* ]]
  pgtally run --once --quiet
  pgtally rebuild --check
  run pgtally recover --bundle ledger.bundle
  [ "$status" -eq 0 ]
}

@test "a database that went on by itself is named, and ends with a signed statement" {
  lose
  pay 6 7
  sql "SELECT pgtally.process_next_batch()" >/dev/null
  run pgtally recover --published out
  [ "$status" -eq 1 ]
  [[ "$output" == *"They part at entry 8:"*'published  insert of payment "6"'*"database   insert of payment"* ]]
  run pgtally recover --published out --execute
  [ "$status" -eq 1 ]
  [[ "$output" == *"--new-origin NAME"* ]]
  [ ! -e bank.example%2Fpayments.end ]

  vkey="$(pgtally key show)"
  run pgtally recover --published out --execute --new-origin bank.example/payments-2 --new-schema second --reason "a restore"
  [ "$status" -eq 0 ]
  [[ "$output" == *"pgtally --schema second source add payment --table public.payment --mode poll --key id"* ]]
  statement="$(ls ./*.end)"
  [ "$(head -n 3 "$statement")" = "$(printf 'pgtally log end v1\nbank.example/payments\n303')" ]
  run pgtally verify "$statement" --vkey "$vkey"
  [ "$status" -eq 0 ]
  [[ "$output" == *"bank.example/payments ended with 303 entries"*"bank.example/payments-2"* ]]
  sed 's/^303$/304/' "$statement" >forged
  run pgtally verify forged --vkey "$vkey"
  [ "$status" -eq 1 ]

  run pgtally run --once
  [ "$status" -eq 3 ]
  [[ "$output" == *"has ended"* ]]
  run pgtally recover --published out
  [[ "$output" == *"Nothing has to be recovered: the log has ended"* ]]
  [[ "$output" != *"--new-origin"* ]]
  pgtally --schema second source add payment --table public.payment --mode poll --key id --quiet
  run pgtally --schema second run --once
  [ "$status" -eq 0 ]
  [ "$(sql 'SELECT count(*) FROM second.processed_log WHERE operation = 1')" = 7 ]
}

@test "where more was signed than published nothing is recorded again" {
  pgtally publish out >/dev/null
  cp -a cluster/data saved
  pay 6 9
  pgtally run --once --quiet
  rm -rf cluster/data
  mv saved cluster/data
  run pgtally recover --published out --execute
  [ "$status" -eq 1 ]
  [[ "$output" == *"has 8 of the 12 entries that the guard names"* ]]
  [[ "$output" == *"this log cannot be gone on with"* ]]
  [ "$(sql 'SELECT count(*) FROM pgtally.processed_log')" = 8 ]
}

@test "a copy that another key has signed is refused" {
  pgtally publish out >/dev/null
  pgtally key generate --name bank.example/payments -o other.key >other
  run pgtally recover --published out --vkey "$(tail -n 1 other)"
  [ "$status" -ne 0 ]
  run pgtally recover --published nowhere
  [ "$status" -eq 2 ]
  [[ "$output" == *"no log is published in nowhere"* ]]
}
