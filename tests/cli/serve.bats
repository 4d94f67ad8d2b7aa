# The log over HTTP, as curl and our own commands see it: run --listen, token.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_fresh_database
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text)"
  sql "INSERT INTO payment SELECT g, 'secret' || g FROM generate_series(1, 300) AS g"
  pgtally init --origin bank.example/served --quiet
  pgtally source add payment --table payment --key id --quiet
}

teardown() {
  stop
  clean_up
}

# Starts the service and waits until its checkpoint can be read; URL is where.
serve() {
  pgtally run --listen 127.0.0.1:0 --interval "${INTERVAL:-100ms}" "$@" 2>log 3>&- &
  SERVICE=$!
  for _ in $(seq 100); do
    URL="$(sed -n 's/.*serving.*url=\([^ ]*\).*/\1/p' log)"
    [[ -n "$URL" ]] && curl -skf -o /dev/null "$URL/checkpoint" && return
    sleep 0.1
  done
  cat log >&2
  return 1
}

stop() {
  [[ -n "${SERVICE:-}" ]] || return 0
  kill "$SERVICE" 2>/dev/null || true
  wait "$SERVICE" || true
  SERVICE=
}

fetch() {
  curl -sSf "$URL$1"
}

status_of() {
  curl -sk -o /dev/null -w '%{http_code}' "$@"
}

# Waits until the log has so many entries.
await_size() {
  for _ in $(seq 100); do
    [[ "$(fetch /checkpoint | sed -n 2p)" -ge "$1" ]] && return
    sleep 0.1
  done
  return 1
}

@test "a proof that was fetched verifies offline, and the log is all there" {
  serve
  await_size 302
  fetch "/api/v1/proof/inclusion?source=payment&key=42" > 42.tlog-proof
  run pgtally verify 42.tlog-proof --vkey "$(pgtally key show)" --source payment --key 42
  [ "$status" -eq 0 ]
  fetch "/api/v1/proof/order?first=5&second=6" > a.order-proof
  run pgtally verify a.order-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  fetch "/api/v1/proof/consistency?from=100&to=300" | pgtally tree consistency
  [ "$(fetch /tile/0/000 | wc -c)" -eq 8192 ]
  [ "$(curl -sSf --compressed "$URL/tile/entries/000" | sha256sum)" = "$(fetch /tile/entries/000 | sha256sum)" ]
  [ "$(fetch /checkpoint)" = "$(pgtally checkpoint)" ]
  [ "$(status_of "$URL/tile/0/001")" = 404 ]
  run fetch /api/v1/status
  [[ "$output" == *'"origin":"bank.example/served"'*'"name":"payment"'* ]]
  run fetch /readyz/sequencer
  [[ "$output" == '{"ok":true}' ]]
  run fetch /metrics
  [[ "$output" == *'pgtally_source_lag_seconds{source="payment"}'* ]]
}

@test "an answer that the client has already is a 304, and HEAD has no body" {
  serve
  etag="$(curl -sSfI "$URL/tile/0/000" | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')"
  [[ -n "$etag" ]]
  [ "$(status_of -H "If-None-Match: $etag" "$URL/tile/0/000")" = 304 ]
  [[ "$(curl -sSfI "$URL/tile/0/000")" == *"immutable"* ]]
}

@test "new rows come to who listens for events" {
  serve
  await_size 302
  curl -sN "$URL/api/v1/events" > events &
  CURL=$!
  sleep 0.3
  sql "INSERT INTO payment VALUES (301, 'new')"
  await_size 303
  for _ in $(seq 50); do
    grep -q '^id: 303' events && break
    sleep 0.1
  done
  kill "$CURL"
  grep -q '^event: checkpoint' events
  grep -q '^id: 303' events
}

@test "rows and salts are for who has a token that allows them" {
  serve
  await_size 302
  path="$URL/api/v1/proof/inclusion?source=payment&key=42"
  run curl -sSf "$path"
  [[ "$output" != *"secret"* ]]
  [ "$(status_of "$path&row=1")" = 401 ]
  token="$(pgtally token create auditor --allow rows --quiet)"
  curl -sSf -H "Authorization: Bearer $token" "$path&row=1" > 42.tlog-proof
  run pgtally verify 42.tlog-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"payer=secret42"* ]]
  pgtally token revoke auditor
  [ "$(status_of -H "Authorization: Bearer $token" "$path&row=1")" = 401 ]
}

@test "who may append is answered with the proof of his entry" {
  serve
  [ "$(status_of -d x "$URL/add")" = 401 ]
  token="$(pgtally token create shop --allow append --allow salts --quiet)"
  [ "$(status_of -H "Authorization: Bearer $token" -d x "$URL/api/v1/entries")" = 202 ]
  id="$(curl -sSf -H "Authorization: Bearer $token" --data-binary 'door opened' "$URL/add")"
  run fetch "/api/v1/entries/$id"
  [[ "$output" == *'"source":"append_only_log"'* ]]
  curl -sSf -H "Authorization: Bearer $token" -H 'Accept: text/plain' \
    --data-binary 'door closed' "$URL/api/v1/entries?wait=1" > closed.tlog-proof
  printf 'door closed' > data
  run pgtally verify closed.tlog-proof --vkey "$(pgtally key show)" --row data
  [ "$status" -eq 0 ]
  run pgtally token list
  [[ "$output" == *"shop"*"append, salts"* ]]
  [[ "$output" != *"$token"* ]]
}

@test "over TLS, and the certificate is read again on SIGHUP" {
  make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
      -subj "/CN=$1" -keyout key.pem -out cert.pem 2>/dev/null
  }
  subject() {
    openssl s_client -connect "${URL#https://}" </dev/null 2>/dev/null | openssl x509 -noout -subject
  }
  make_certificate first.example
  serve --tls-certificate cert.pem --tls-key key.pem
  [[ "$URL" == https://* ]]
  [[ "$(subject)" == *first.example* ]]
  make_certificate second.example
  kill -HUP "$SERVICE"
  for _ in $(seq 50); do
    [[ "$(subject)" == *second.example* ]] && break
    sleep 0.1
  done
  [[ "$(subject)" == *second.example* ]]
}

@test "settings in pgtally.toml serve as well, and half of a TLS setting is refused" {
  printf '[http]\nlisten = "127.0.0.1:0"\ncache_mib = 8\n' > pgtally.toml
  pgtally --config pgtally.toml run 2>log 3>&- &
  SERVICE=$!
  for _ in $(seq 100); do
    grep -q "serving.*url=http://127.0.0.1:" log && break
    sleep 0.1
  done
  grep -q "serving.*url=http://127.0.0.1:" log
  run pgtally run --listen 127.0.0.1:0 --tls-key key.pem
  [ "$status" -eq 2 ]
  run pgtally run --listen nowhere
  [ "$status" -ne 0 ]
  for wrong in 'max_connections = 0' 'max_body_kib = 40000' 'idle_timeout = "0"' 'idle_time = "1s"'; do
    printf '[http]\nlisten = "127.0.0.1:0"\n%s\n' "$wrong" > pgtally.toml
    run timeout 5 pgtally --config pgtally.toml run
    [ "$status" -eq 2 ]
    [[ "$output" == *"pgtally.toml, line 3: "* ]]
  done
}

# A connection that has been answered once, as descriptor $1.
connect() {
  eval "exec $1<>/dev/tcp/127.0.0.1/${URL##*:}"
  printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&"$1"
  read -r -t 5 line <&"$1"
  [[ "$line" == "HTTP/1.1 200 OK"* ]]
}

@test "connections, bodies and idle time have the limits that pgtally.toml says" {
  printf '[http]\nmax_connections = 2\nmax_body_kib = 2\n' > pgtally.toml
  serve --config pgtally.toml
  token="$(pgtally token create shop --allow append --quiet)"
  head -c 2048 /dev/zero > small
  head -c 2049 /dev/zero > large
  [ "$(status_of -H "Authorization: Bearer $token" --data-binary @small "$URL/api/v1/entries")" = 202 ]
  [ "$(status_of -H "Authorization: Bearer $token" --data-binary @large "$URL/api/v1/entries")" = 413 ]
  connect 5
  connect 6
  connect 7
  timeout 5 cat <&5 > /dev/null # it had to go
  exec 5>&- 6>&- 7>&-
  stop

  printf '[http]\nidle_timeout = "300ms"\n' > pgtally.toml
  serve --config pgtally.toml
  connect 5
  connect 6
  timeout 5 cat <&5 > /dev/null
  timeout 5 cat <&6 > /dev/null
  exec 5>&- 6>&-
}

@test "an idle service takes at once what is appended through it" {
  INTERVAL=1m serve
  token="$(pgtally token create shop --allow append --quiet)"
  # It sleeps twice as long each time; after 2 s of idling for 2 s more.
  sleep 4
  for word in first second third; do
    curl -sSf -m 2 -o /dev/null -H "Authorization: Bearer $token" -d "$word" "$URL/api/v1/entries?wait=1"
    sleep 0.5
  done
}

@test "what was signed can still be read when the database contradicts the guard" {
  serve
  await_size 302
  before="$(fetch /checkpoint)"
  guard=("$PGTALLY_STATE"/*.guard)
  sed -i '5s/.*/47DEQpj8HBSa+\/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=/' "${guard[0]}"
  sql "INSERT INTO payment VALUES (301, 'new')"
  for _ in $(seq 100); do
    grep -q "serving goes on" log && break
    sleep 0.1
  done
  grep -q "nothing is recorded any more" log
  [ "$(fetch /checkpoint)" = "$before" ]
  [ "$(status_of "$URL/tile/0/000")" = 200 ]
  [ "$(status_of "$URL/readyz")" = 200 ]
  [ "$(status_of "$URL/readyz/sequencer")" = 503 ]
  kill "$SERVICE"
  exit_status=0
  wait "$SERVICE" || exit_status=$?
  SERVICE=
  [ "$exit_status" -eq 1 ]
}
