# Clients and witnesses of others against pgtally. tests/interop/run builds them, and says so if it
# cannot; INTEROP names the program.

load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin interop.example/log > /dev/null 2>&1
  VKEY="$(pgtally key show)"
}

teardown() {
  for process in $(jobs -p); do
    kill "$process" 2> /dev/null
    wait "$process" 2> /dev/null
  done
  clean_up
}

fill() { # ROWS
  seq "$1" | pgtally append > /dev/null
  pgtally run --once > /dev/null
}

size_of() { # CHECKPOINT
  sed -n 2p "$1"
}

start_witness() { # LOG_VKEY; sets URL and WITNESS_VKEY
  WITNESS_VKEY="$(pgtally key generate --witness --name w.example -o w.key -q)"
  pgtally witness --listen 127.0.0.1:0 --state w.db --key w.key --json --log "$1" \
    > w.out 2> w.log &
  for _ in {1..100}; do
    [ -s w.out ] && break
    sleep 0.05
  done
  URL="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["url"])' < w.out)"
}

@test "sumdb/note opens our checkpoints, and those with cosignatures" {
  fill 10
  pgtally checkpoint > checkpoint
  run "$INTEROP" note "$VKEY" checkpoint
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "verified 1, unverified 0" ]
  start_witness "$VKEY"
  printf 'witness W %s %s\nquorum W\n' "$WITNESS_VKEY" "$URL" > policy
  printf '[witness]\npolicy = "policy"\n' > pgtally.toml
  pgtally --config pgtally.toml run --once > /dev/null
  pgtally checkpoint > checkpoint
  run "$INTEROP" note "$VKEY" checkpoint
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "verified 1, unverified 1" ]
  sed -i "2s/.*/$(($(size_of checkpoint) + 1))/" checkpoint
  run "$INTEROP" note "$VKEY" checkpoint
  [ "$status" -eq 1 ]
}

@test "Tessera's fsck and client find a published log of 100,000 entries sound" {
  fill 70000
  pgtally checkpoint > old
  fill 30000
  mkdir log
  pgtally publish "$WORK/log" > /dev/null
  run "$INTEROP" fsck "file://$WORK/log/" "$VKEY"
  [ "$status" -eq 0 ]
  [[ "$output" == *sound ]]
  run "$INTEROP" client "file://$WORK/log/" "$VKEY" old
  [ "$status" -eq 0 ]
  [[ "$output" == *"included, of size $(size_of log/checkpoint)"*"extends size $(size_of old)"* ]]
  [ "$(size_of log/checkpoint)" -gt 100000 ]
  # And not any more once a bit of it flipped.
  python3 -c '
with open("log/tile/0/100", "r+b") as tile:
    byte = tile.read(1)[0]
    tile.seek(0)
    tile.write(bytes([byte ^ 1]))'
  run "$INTEROP" fsck "file://$WORK/log/" "$VKEY"
  [ "$status" -eq 1 ]
}

@test "Tessera's fsck and client find a served log sound" {
  fill 1000
  pgtally checkpoint > old
  fill 300
  pgtally run --listen 127.0.0.1:0 2> run.log &
  for _ in {1..100}; do
    URL="$(grep -o 'http://127.0.0.1:[0-9]*' run.log | head -1)"
    [ -n "$URL" ] && curl -sf "$URL/checkpoint" > /dev/null && break
    sleep 0.1
  done
  run "$INTEROP" fsck "$URL/" "$VKEY"
  [ "$status" -eq 0 ]
  run "$INTEROP" client "$URL/" "$VKEY" old
  [ "$status" -eq 0 ]
  [[ "$output" == *"included, of size "*"extends size $(size_of old)"* ]]
}

@test "a log of Tessera's is published once our witness has cosigned it" {
  LOG_VKEY="$(pgtally key generate --name tessera.example/log -o tessera.key -q)"
  start_witness "$LOG_VKEY"
  printf 'log %s\nwitness W %s %s\nquorum W\n' "$LOG_VKEY" "$WITNESS_VKEY" "$URL" > policy
  mkdir tessera
  tr -d '\n' < tessera.key > secret
  run "$INTEROP" witnessed policy "$WORK/tessera" secret
  [ "$status" -eq 0 ]
  [[ "$output" == *"— w.example "* ]]
  curl -sf "$URL/$(printf tessera.example/log | sha256sum | cut -c 1-64)/checkpoint" | grep -q "^3$"
}

@test "the reference witness cosigns our log as it grows, and no fork of it" {
  [ -n "${OMNIWITNESS:-}" ] || skip "the modules of the reference witness cannot be had"
  WITNESS_VKEY="$(pgtally key generate --witness --name omni.example -o omni.key -q)"
  tr -d '\n' < omni.key > omni.secret
  printf 'Logs:\n  - Origin: interop.example/log\n    PublicKey: %s\n' "$VKEY" > logs.yaml
  URL="http://127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  "$OMNIWITNESS" --listen "${URL#http://}" --metrics_listen "" --private_key_path omni.secret \
    --db_file omni.db --additional_logs logs.yaml --logtostderr 2> omni.log &
  for _ in {1..100}; do
    curl -s -o /dev/null "$URL" && break
    sleep 0.1
  done
  printf 'log %s\nwitness OMNI %s %s\nquorum OMNI\n' "$VKEY" "$WITNESS_VKEY" "$URL" > policy
  printf '[witness]\npolicy = "policy"\n' > pgtally.toml
  witnessed() { pgtally status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["witnessed"])'; }

  for size in 10 300 1; do
    seq "$size" | pgtally append > /dev/null
    pgtally --config pgtally.toml run --once > /dev/null
    [[ "$(witnessed)" == *"'newest': True"* ]]
  done
  pgtally prove append_only_log 5 -o five.tlog-proof
  run pgtally verify five.tlog-proof --policy policy --json
  [ "$status" -eq 0 ]
  [[ "$output" == *'"cosigned_by":["omni.example"]'* ]]

  key="$(find "$PGTALLY_STATE" -name '*.key')"
  export PGTALLY_SCHEMA=forked PGTALLY_STATE="$WORK/state-forked"
  pgtally init --origin interop.example/log --signing-key "$key" > /dev/null 2>&1
  seq 400 | pgtally append > /dev/null
  pgtally --config pgtally.toml run --once > /dev/null
  [ "$(witnessed)" = None ]
}
