# pgtally witness, and ledgers that have their checkpoints witnessed.

load ../support/cli

setup() {
  use_fresh_database
}

teardown() {
  end_jobs
  clean_up
}

# start_witness NAME LOG_VKEY… : NAME.key, NAME.db; sets URL
start_witness() {
  local name="$1" log args=()
  shift
  for log in "$@"; do args+=(--log "$log"); done
  [ -f "$name.key" ] || pgtally key generate --witness --name "$name.example" -o "$name.key" -q \
    > "$name.vkey"
  : > "$name.out"
  pgtally witness --listen "${LISTEN:-127.0.0.1:0}" --state "$name.db" --key "$name.key" --json \
    "${args[@]}" > "$name.out" 2> "$name.log" &
  WITNESS=$!
  for _ in {1..100}; do
    [ -s "$name.out" ] && break
    sleep 0.05
  done
  URL="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["url"])' < "$name.out")"
}

ledger() { # ORIGIN: in a schema and a state of its own
  export PGTALLY_SCHEMA="$1" PGTALLY_STATE="$WORK/state-$1"
  pgtally init --origin "$1.example" > /dev/null 2>&1
}

field() {
  python3 -c 'import json, sys; v = json.load(sys.stdin); print('"$1"')'
}

@test "a ledger has its checkpoints witnessed, and its proofs say so" {
  ledger one
  VKEY="$(pgtally key show)"
  start_witness w "$VKEY"
  cat > policy <<POLICY
log $VKEY
witness W $(cat w.vkey) $URL
quorum W
POLICY
  cat > pgtally.toml <<'TOML'
[witness]
policy = "policy"
timeout = "5s"
TOML
  pgtally append "first" > /dev/null
  pgtally --config pgtally.toml run --once
  pgtally status --json > status
  [ "$(field 'v["witnessed"]["size"] == v["checkpoint"]["size"] and v["witnessed"]["newest"]' < status)" = True ]
  [[ "$(pgtally status)" == *"witnessed   the newest checkpoint"* ]]

  pgtally checkpoint > checkpoint
  [ "$(grep -c '^— ' checkpoint)" -eq 2 ]
  diff checkpoint <(pgtally checkpoint --witnessed)
  diff checkpoint <(curl -sf "$URL/$(printf one.example | sha256sum | cut -c 1-64)/checkpoint")

  pgtally prove append_only_log 1 -o first.tlog-proof
  run pgtally verify first.tlog-proof --policy policy --json
  [ "$status" -eq 0 ]
  [ "$(field 'v["cosigned_by"]' <<< "$output")" = "['w.example']" ]

  # Signed, but not witnessed yet: entries from before are proved under what is witnessed.
  pgtally append "second" > /dev/null
  pgtally run --once
  [ "$(pgtally status --json | field 'v["witnessed"]["newest"]')" = False ]
  pgtally prove append_only_log 1 -o first.tlog-proof
  pgtally verify first.tlog-proof --policy policy
  pgtally prove append_only_log 2 -o second.tlog-proof
  run pgtally verify second.tlog-proof --policy policy
  [ "$status" -eq 1 ]
  [[ "$output" == *"lacks the cosignatures"* ]]
  pgtally --config pgtally.toml run --once
  pgtally prove append_only_log 2 -o second.tlog-proof
  pgtally verify second.tlog-proof --policy policy

  # An order proof says when a witness saw the first entry and not the second.
  run pgtally prove-order append_only_log:1 append_only_log:2 --policy policy -o both.order-proof
  [ "$status" -eq 0 ]
  [ "$(grep -c '  witnessed .* by w.example, the checkpoint of' <<<"$output")" -eq 2 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *"Both were in the log when that checkpoint was cosigned"* ]]
  [[ "$text" == *"with append_only_log 1 and without append_only_log 2, was cosigned"* ]]
  run pgtally prove-order append_only_log:1 append_only_log:2 -o both.order-proof
  [[ "$output" != *"witnessed"* ]]
  # The newest checkpoint is not cosigned, but one over the first entry was.
  pgtally append "third" > /dev/null
  pgtally run --once
  run pgtally prove-order append_only_log:1 append_only_log:3 --policy policy -o third.order-proof
  [ "$status" -eq 0 ]
  [ "$(grep -c '  witnessed .* by w.example, the checkpoint of' <<<"$output")" -eq 1 ]

  # The file has what the witness said even so, for whoever trusts it.
  run pgtally verify both.order-proof --policy policy
  [ "$status" -eq 0 ]
  [ "$(grep -c '  witnessed .* by w.example, the checkpoint of' <<<"$output")" -eq 2 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *"with append_only_log 1 and without append_only_log 2, was cosigned"* ]]
}

@test "two organisations witness each other, while both services run" {
  ledger one
  ONE="$(pgtally key show)"
  ledger two
  TWO="$(pgtally key show)"
  start_witness first "$TWO"
  FIRST_URL=$URL
  start_witness second "$ONE"
  printf 'log %s\nwitness second %s %s\nquorum second\n' "$ONE" "$(cat second.vkey)" "$URL" > policy-one
  printf 'log %s\nwitness first %s %s\nquorum first\n' "$TWO" "$(cat first.vkey)" "$FIRST_URL" > policy-two

  local schema
  for schema in one two; do
    printf '[witness]\npolicy = "policy-%s"\ninterval = "50ms"\n' $schema > $schema.toml
    PGTALLY_SCHEMA=$schema PGTALLY_STATE="$WORK/state-$schema" \
      pgtally --config $schema.toml run --interval 20ms 2> $schema.log &
  done
  for schema in one two; do
    export PGTALLY_SCHEMA=$schema PGTALLY_STATE="$WORK/state-$schema"
    for number in {1..5}; do
      pgtally append "$schema $number" > /dev/null
    done
    for _ in {1..200}; do
      [ "$(pgtally status --json | field 'v["witnessed"] and v["witnessed"]["size"] == 7')" = True ] && break
      sleep 0.1
    done
    pgtally prove append_only_log 5 -o $schema.tlog-proof
    pgtally verify $schema.tlog-proof --policy policy-$schema
  done
  run pgtally verify one.tlog-proof --policy policy-two
  [ "$status" -eq 1 ]
}

@test "a witness that is killed and started again goes on, and cosigns no fork" {
  ledger one
  VKEY="$(pgtally key show)"
  start_witness w "$VKEY"
  printf 'witness W %s %s\nquorum W\n' "$(cat w.vkey)" "$URL" > policy
  printf '[witness]\npolicy = "policy"\ntimeout = "2s"\n' > pgtally.toml
  pgtally append "history" > /dev/null
  pgtally --config pgtally.toml run --once

  kill -HUP $WITNESS
  sleep 0.1
  kill -9 $WITNESS
  wait $WITNESS || [ $? -eq 137 ]
  LISTEN="${URL#http://}" start_witness w "$VKEY"
  pgtally append "goes on" > /dev/null
  pgtally --config pgtally.toml run --once
  [ "$(pgtally status --json | field 'v["witnessed"]["newest"]')" = True ]

  # The same origin and key, and another history.
  local key
  key="$(find "$WORK/state-one" -name '*.key' | head -1)"
  export PGTALLY_SCHEMA=forked PGTALLY_STATE="$WORK/state-forked"
  pgtally init --origin one.example --signing-key "$key" > /dev/null 2>&1
  for number in 1 2 3 4; do pgtally append "another $number" > /dev/null; done
  kill -9 $WITNESS
  wait $WITNESS || true
  LISTEN="${URL#http://}" start_witness w "$VKEY"
  run pgtally --config pgtally.toml run --once
  [ "$status" -eq 0 ]
  [ "$(pgtally status --json | field 'v["witnessed"]')" = None ]
  [ "$(pgtally checkpoint | grep -c '^— ')" -eq 1 ]
  grep -q "refused what a log signed" w.log
}

@test "a witness that does not answer holds up nothing" {
  ledger one
  VKEY="$(pgtally key show)"
  pgtally key generate --witness --name gone.example -o gone.key -q > gone.vkey
  printf 'witness W %s http://127.0.0.1:1\nquorum W\n' "$(cat gone.vkey)" > policy
  printf '[witness]\npolicy = "policy"\ntimeout = "1s"\n' > pgtally.toml
  pgtally append "one" > /dev/null
  run timeout 20 pgtally --config pgtally.toml run --once
  [ "$status" -eq 0 ]
  [ "$(pgtally status --json | field '(v["checkpoint"]["size"] == v["size"], v["witnessed"])')" = "(True, None)" ]
  run pgtally checkpoint --witnessed
  [ "$status" -eq 3 ]
  [[ "$output" == *"no checkpoint was witnessed yet"* ]]
}

@test "a checkpoint that was published by hand, unwitnessed, stands, and the service goes on from it" {
  ledger one
  VKEY="$(pgtally key show)"
  pgtally key generate --witness --name w.example -o w.key -q > w.vkey
  LISTEN="127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  printf 'witness W %s http://%s\nquorum W\n' "$(cat w.vkey)" "$LISTEN" > policy
  printf '[witness]\npolicy = "policy"\ntimeout = "10m"\n[publish]\ndirectory = "published"\n' > pgtally.toml
  pgtally append "one" > /dev/null
  pgtally --config pgtally.toml run --interval 50ms 2> run.log &
  for _ in {1..100}; do
    [ "$(pgtally status --json | field 'v["checkpoint"] and v["checkpoint"]["size"]')" = 3 ] && break
    sleep 0.1
  done
  # Nobody has cosigned it, and it has ten minutes left.
  run pgtally --config pgtally.toml publish
  [ "$status" -eq 3 ]
  [[ "$output" == *"no checkpoint is witnessed yet"* ]]
  [ ! -e published/checkpoint ]
  pgtally publish published
  [ "$(grep -c '^— ' published/checkpoint)" -eq 1 ]

  start_witness w "$VKEY"
  pgtally append "two" > /dev/null
  for _ in {1..200}; do
    grep -qx 4 published/checkpoint && break
    sleep 0.1
  done
  [ "$(grep -c '^— ' published/checkpoint)" -eq 2 ]
  ! grep "publishing.*failed" run.log
}

@test "a ledger that was rewritten is caught by what a witness has cosigned" {
  unset PGTALLY_DATABASE # only a private cluster is rewritten
  export PGTALLY_EMBEDDED="$WORK/cluster"
  pgtally init --origin one.example --quiet
  VKEY="$(pgtally key show)"
  start_witness w "$VKEY"
  printf 'log %s\nwitness W %s %s\nquorum W\n' "$VKEY" "$(cat w.vkey)" "$URL" > policy
  printf '[witness]\npolicy = "policy"\ntimeout = "2s"\n' > pgtally.toml
  pgtally append one two three > /dev/null
  run pgtally audit --policy policy # signed, and not witnessed
  [ "$status" -eq 1 ]
  [[ "$output" == *"never witnessed"* ]]
  pgtally --config pgtally.toml run --once
  pgtally audit --policy policy --json > audit
  [ "$(field 'v["ok"] and v["remembered"] == v["witnessed"]["size"] == v["size"]' < audit)" = True ]
  [ "$(field 'v["witnessed"]["cosigned_by"]' < audit)" = "['w.example']" ]
  pgtally append four > /dev/null
  pgtally run --once # the newest waits for its witness
  run pgtally audit --policy policy --html page
  [ "$status" -eq 0 ]
  [[ "$(tr -s '\n ' ' ' <<<"$output")" == *"witnesses have cosigned (size $(field 'v["size"]' < audit) by w.example at"*"only the operator's own word"* ]]
  grep -q "a witnessed checkpoint over the first" page
  pgtally bundle -o one.bundle --quiet
  pgtally audit --bundle one.bundle --policy policy

  pgtally demo rewrite-ledger
  pgtally audit
  run pgtally audit --policy policy
  [ "$status" -eq 1 ]
  [[ "$output" == *"1 finding"* ]]
  pgtally bundle -o anew.bundle --quiet
  run pgtally audit --bundle anew.bundle --policy policy
  [ "$status" -eq 1 ]
  # And the witness is not to be talked into it.
  pgtally append five > /dev/null
  run pgtally --config pgtally.toml run --once
  [[ "$output" == *"If that is true, the log forked."* ]]
  [ "$(pgtally checkpoint | grep -c '^— ')" -eq 1 ]
  run pgtally audit --policy policy
  [ "$status" -eq 1 ]
}

@test "keys, state and policies that cannot be right are refused at once" {
  ledger one
  VKEY="$(pgtally key show)"
  pgtally key generate --witness --name w.example -o w.key -q > w.vkey
  [[ "$(cat w.vkey)" == w.example+*+B* ]] # type 4
  [ "$(pgtally key show --witness --signing-key w.key)" = "$(cat w.vkey)" ]
  run pgtally witness --listen 127.0.0.1:0 --state w.db --key w.key
  [ "$status" -eq 2 ]
  [[ "$output" == *"no log to witness"* ]]
  run pgtally witness --listen 127.0.0.1:0 --state w.db --key w.key --log "$(cat w.vkey)"
  [ "$status" -eq 2 ]
  head -c 8192 /dev/urandom > garbage
  run pgtally witness --listen 127.0.0.1:0 --state garbage --key w.key --log "$VKEY"
  [ "$status" -eq 3 ]
  run pgtally witness --listen 127.0.0.1:0 --state w.db --key missing.key --log "$VKEY"
  [ "$status" -eq 3 ]

  printf '[witness]\npolicy = "policy"\n' > pgtally.toml
  run pgtally --config pgtally.toml run --once
  [ "$status" -eq 3 ]
  [[ "$output" == *"cannot read the policy policy"* ]]
  printf 'witness W %s\nquorum W\n' "$(cat w.vkey)" > policy
  run pgtally --config pgtally.toml run --once
  [ "$status" -eq 2 ]
  [[ "$output" == *"no witness that can be asked"* ]]
  other="$(pgtally key generate --name other.example -o other.key -q)"
  printf 'log %s\nwitness W %s http://127.0.0.1:1\nquorum W\n' "$other" "$(cat w.vkey)" > policy
  run pgtally --config pgtally.toml run --once
  [ "$status" -eq 3 ]
  [[ "$output" == *"about other ledgers"* ]]
}
