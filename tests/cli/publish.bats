# Publishing a ledger into a directory, by hand and by the service.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/payments --quiet
}

teardown() {
  [[ -z "${SERVICE:-}" ]] || kill -9 "$SERVICE" 2>/dev/null || true
  [[ -z "${SERVER:-}" ]] || kill "$SERVER" 2>/dev/null || true
  clean_up
}

record() {
  sql "INSERT INTO pgtally.append_only_log (data) SELECT g::text::bytea FROM generate_series(1, $1) AS g"
}

serve() {
  python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$1" >server.log 2>&1 3>&- &
  SERVER=$!
  for _ in $(seq 100); do
    PORT="$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log)"
    [[ -n "$PORT" ]] && break
    sleep 0.05
  done
  URL="http://127.0.0.1:$PORT"
}

check() {
  pgtally monitor "$URL" --vkey "$(pgtally key show)" --once --entries --state "$WORK/seen-$RANDOM" "$@"
}

@test "publish writes a log that a plain web server serves" {
  record 600
  pgtally run --once --quiet
  run pgtally publish published
  [ "$status" -eq 0 ]
  [[ "$output" == "published published has size 602, 9 new files" ]]
  for document in published/document/*; do
    [ "$(sha256sum < "$document")" = "$(basename "$document")  -" ]
  done
  [ "$(cat published/document/* | grep -c '"origin":"bank.example/payments"')" = 1 ]
  [ "$(ls published/document | sort)" = "$(sql "SELECT encode(content_hash, 'hex') FROM pgtally.processed_log WHERE operation = 5" | sort)" ]
  [ -f published/tile/entries/001 ]
  [ -f published/tile/0/002.p/90 ]
  serve published
  run check
  [ "$status" -eq 0 ]
  [[ "$output" == *"size           602"*"first seen, all entries fit"* ]]
  run pgtally publish published --json
  [[ "$output" == '{"ok":true,"directory":"published","before":602,"size":602,"files":0}' ]]
}

@test "what the log says of itself is published too, also by a role that sees no rows' data" {
  sql "SELECT pgtally.notice_about(1, 'paused', 'for a test')" > /dev/null
  pgtally run --once --quiet
  sequencer="$(sql "SELECT current_database() || '_pgtally_sequencer'")"
  PGOPTIONS="-c role=$sequencer" pgtally publish published
  grep -q '"event":"paused"' published/document/*
}

@test "publish needs a directory and something signed" {
  run pgtally publish
  [ "$status" -eq 2 ]
  [[ "$output" == *"nothing says where to"*"[publish]"* ]]
  run pgtally publish published
  [ "$status" -eq 3 ]
  [[ "$output" == *"nothing was signed yet"* ]]
}

@test "publish refuses the directory of another ledger" {
  mkdir published
  record 3
  pgtally run --once --quiet
  printf 'other.example\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n' >published/checkpoint
  run pgtally publish published
  [ "$status" -eq 1 ]
  [[ "$output" == *"published/checkpoint is not this log's"*"Nothing was overwritten"* ]]
}

@test "run --once publishes where the configuration says" {
  printf '[publish]\ndirectory = "%s/published"\n' "$WORK" >pgtally.toml
  record 10
  pgtally run --once --quiet --config pgtally.toml
  cmp published/checkpoint <(pgtally checkpoint)
  printf '[publish]\ndirectry = "x"\n' >pgtally.toml
  run pgtally run --once --config pgtally.toml
  [ "$status" -eq 2 ]
  [[ "$output" == *"pgtally.toml, line 2: directry is not a setting"*"directory"* ]]
}

@test "the service publishes each checkpoint, and goes on after kill -9 in the middle of it" {
  printf '[publish]\ndirectory = "%s/published"\n' "$WORK" >pgtally.toml
  mkdir published
  serve published
  for round in $(seq 8); do
    record 2500
    pgtally run --config pgtally.toml --interval 50ms 2>>service.log 3>&- &
    SERVICE=$!
    sleep "0.$((round * 7 % 9 + 1))"
    kill -9 "$SERVICE"
    wait "$SERVICE" || true
    # Whatever stands there now is right.
    [[ ! -f published/checkpoint ]] || check --quiet
  done
  record 100
  pgtally run --config pgtally.toml --interval 50ms 2>>service.log 3>&- &
  SERVICE=$!
  for _ in $(seq 200); do
    grep -qx 20102 published/checkpoint 2>/dev/null && break
    sleep 0.05
  done
  grep -qx 20102 published/checkpoint
  kill -TERM "$SERVICE"
  wait "$SERVICE"
  cmp published/checkpoint <(pgtally checkpoint)
  run check
  [ "$status" -eq 0 ]
}
