# pgtally demo: runs by itself, tells the truth, leaves nothing.

load ../support/cli

setup() {
  use_nothing
  export TMPDIR="$WORK/tmp"
  mkdir -m 777 "$TMPDIR"
}

teardown() {
  clean_up
}

@test "the demo ends by itself with exit 0 and leaves neither files nor a server" {
  run pgtally demo --seconds 1
  [ "$status" -eq 0 ]
  [[ "$output" == *"rows were committed, and each is in the log exactly once"* ]]
  [[ "$output" == *"the row was changed"* ]]
  [ -z "$(ls -A "$TMPDIR")" ]
  run bash -c 'readlink /proc/[0-9]*/cwd | grep -F "$TMPDIR"'  # where a server works
  [ "$status" -eq 1 ]
}

@test "it touches no database that is configured" {
  PGTALLY_EMBEDDED="$WORK/precious" run pgtally demo --seconds 1
  [ "$status" -eq 0 ]
  [ ! -e "$WORK/precious" ]
}

@test "when it is interrupted it cleans up" {
  pgtally demo --seconds 60 >out 2>&1 &
  demo=$!
  for _ in $(seq 100); do grep -q "2  Recording" out && break; sleep 0.1; done
  kill -TERM "$demo"
  status=0
  wait "$demo" || status=$?
  [ "$status" -eq 3 ]
  grep -q "everything was removed" out
  [ -z "$(ls -A "$TMPDIR")" ]
}

@test "demo tamper falsifies rows and log, and an audit names each of them" {
  run pgtally demo tamper
  [ "$status" -eq 0 ]
  for named in "changed     payment 7" "missing     login 8" "unrecorded  login 900" \
    "changed     payment 12" "log         payment 39" "all it can show" "there are two histories"; do
    [[ "$output" == *"$named"* ]] || { echo "not named: $named" && false; }
  done
  [ -z "$(ls -A "$TMPDIR")" ]
}

@test "a demonstration that there is not is refused" {
  run pgtally demo magic
  [ "$status" -eq 2 ]
  [[ "$output" == *"there is no demonstration"*"rewrite-ledger"* ]]
}

@test "rewrite-ledger touches no database but a private one" {
  run pgtally demo rewrite-ledger
  [ "$status" -eq 2 ]
  PGTALLY_DATABASE="host=/nowhere" run pgtally demo rewrite-ledger
  [ "$status" -eq 2 ]
  [[ "$output" == *"would destroy a ledger"* ]]
}

@test "a ledger that was rewritten is consistent with itself, and not with a checkpoint from before" {
  export PGTALLY_EMBEDDED="$WORK/cluster"
  pgtally init --origin bank.example/payments --quiet
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text, at timestamptz DEFAULT now());
       CREATE TABLE login (id bigint, host text, PRIMARY KEY (id, host));
       INSERT INTO payment SELECT g, 'ACME' FROM generate_series(1, 700) AS g;
       INSERT INTO login SELECT g, 'a' || g % 3 FROM generate_series(1, 100) AS g"
  pgtally source add payment --table payment --key id --time at --quiet
  pgtally source add login --table login --key id,host --mode trigger --no-blind --quiet
  pgtally append one two three >/dev/null
  pgtally run --once --quiet
  sql "INSERT INTO login VALUES (200, 'b'); INSERT INTO payment VALUES (900, 'late')"
  pgtally run --once --quiet
  pgtally checkpoint -o outside.checkpoint
  pgtally audit --checkpoint outside.checkpoint
  sql "UPDATE payment SET payer = 'nobody' WHERE id = 5"
  run pgtally audit
  [ "$status" -eq 1 ]

  run pgtally demo rewrite-ledger
  [ "$status" -eq 0 ]
  run pgtally audit
  [ "$status" -eq 0 ]
  [[ "$output" == *"that is all it can show"* ]]
  run pgtally audit --checkpoint outside.checkpoint
  [ "$status" -eq 1 ]
  [[ "$output" == *"there are two histories"* ]]

  # And with fewer rows, and one that no capture has seen; then it goes on as if nothing had been.
  sql "DELETE FROM payment WHERE id BETWEEN 10 AND 20; DELETE FROM login WHERE id = 7"
  pgtally demo rewrite-ledger --quiet
  sql "INSERT INTO payment VALUES (901, 'next')"
  pgtally run --once --quiet
  pgtally audit
  pgtally rebuild --check
  run pgtally audit --checkpoint outside.checkpoint
  [ "$status" -eq 1 ]
  pgtally prove payment 901 --row -o p
  pgtally verify p --vkey "$(pgtally key show)"
}
