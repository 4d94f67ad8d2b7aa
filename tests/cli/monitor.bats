# Following a log over the network. A published directory behind python3's web server stands for any
# log; tests/unit/client flips bits at many more places.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/payments --quiet
  sql "INSERT INTO pgtally.append_only_log (data) SELECT g::text::bytea FROM generate_series(1, 600) AS g"
  pgtally run --once --quiet
  pgtally publish published --quiet
  python3 -u -m http.server 0 --bind 127.0.0.1 --directory published >server.log 2>&1 3>&- &
  SERVER=$!
  for _ in $(seq 100); do
    PORT="$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log)"
    [[ -n "$PORT" ]] && break
    sleep 0.05
  done
  URL="http://127.0.0.1:$PORT"
  VKEY="$(pgtally key show)"
}

teardown() {
  [[ -z "${FOLLOWER:-}" ]] || kill -9 "$FOLLOWER" 2>/dev/null || true
  kill "$SERVER" 2>/dev/null || true
  clean_up
}

more() {
  sql "INSERT INTO pgtally.append_only_log (data) SELECT g::text::bytea FROM generate_series(1, 100) AS g"
  pgtally run --once --quiet
  pgtally publish published --quiet
}

monitor() {
  pgtally monitor "$URL" --vkey "$VKEY" --state seen "$@"
}

# Flips one bit of the byte at $2 in the file $1.
flip() {
  python3 - "$1" "$2" <<'PYTHON'
import sys
path, at = sys.argv[1], int(sys.argv[2])
content = bytearray(open(path, "rb").read())
content[at] ^= 1
open(path, "wb").write(content)
PYTHON
}

@test "monitor remembers what it saw, and verifies that the next checkpoint extends it" {
  run monitor --once
  [ "$status" -eq 0 ]
  [[ "$output" == "monitoring  bank.example/payments at $URL"*"602"*"first seen"* ]]
  more
  run monitor --once --entries
  [ "$status" -eq 0 ]
  [[ "$output" == *"702"*"extends 602, all entries fit"* ]]
  run monitor --once --entries --json
  [[ "$output" == *'"origin":"bank.example/payments","size":702,'*'"extends":702,"entries_checked":702,"cosigned_by":[]}' ]]
}

@test "monitor follows until it is asked to stop, and comes through an absence" {
  pgtally monitor "$URL" --vkey "$VKEY" --state seen --interval 100ms >seen.log 2>errors.log 3>&- &
  FOLLOWER=$!
  for _ in $(seq 100); do grep -q "first seen" seen.log && break; sleep 0.05; done
  mv published away
  for _ in $(seq 100); do grep -q "status 404" errors.log && break; sleep 0.05; done
  grep -q "status 404" errors.log
  mv away published
  more
  for _ in $(seq 100); do grep -q "extends 602" seen.log && break; sleep 0.05; done
  grep -q "extends 602" seen.log
  kill -TERM "$FOLLOWER"
  wait "$FOLLOWER"
}

@test "one flipped bit in a tile, a bundle or the checkpoint gives exit status 1" {
  for file in tile/0/000 tile/0/002.p/90 tile/1/000.p/2 tile/entries/001 tile/entries/002.p/90 checkpoint; do
    size="$(stat -c %s "published/$file")"
    for at in 0 $((size / 2)) $((size - 2)); do
      cp "published/$file" good
      flip "published/$file" "$at"
      run pgtally monitor "$URL" --vkey "$VKEY" --state "fresh-$RANDOM" --once --entries
      echo "$file byte $at: $status $output"
      [ "$status" -eq 1 ]
      cp good "published/$file"
    done
  done
  monitor --once --entries
}

@test "a fork ends the monitor with both checkpoints printed and kept" {
  monitor --once
  cp published/checkpoint first
  # Another history under the same key, which signs in a second database.
  mkdir other-state
  cp "$PGTALLY_STATE"/*.key other-state/log.key
  other() {
    env -u PGTALLY_DATABASE PGTALLY_EMBEDDED="$WORK/other" PGTALLY_STATE="$WORK/other-state" pgtally "$@"
  }
  other init --origin bank.example/payments --signing-key other-state/log.key --quiet
  other psql -Xqc "INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, 900)"
  other run --once --quiet
  rm -r published/* published/.pgtally
  other publish published --quiet
  run monitor --once
  [ "$status" -eq 1 ]
  [[ "$output" == *"the log forked: its tree of 902 entries does not begin with that of 602"* ]]
  [[ "$output" == *"$(sed -n 3p first)"*"$(sed -n 3p published/checkpoint)"* ]]
  cmp first seen/bank.example%2fpayments.602.*.checkpoint
  cmp published/checkpoint seen/bank.example%2fpayments.902.*.checkpoint
}

# With a certificate of the test's own, which is trusted in a mount namespace and nowhere else.
@test "monitor follows a redirect to another https server, and none from https to http" {
  authorities=/etc/ssl/certs/ca-certificates.crt
  [[ -f "$authorities" ]] && unshare --user --map-root-user --mount true || skip "no mounts of one's own"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
  cat >server.py <<'PYTHON'
import functools, http.server, ssl, sys
class Redirecting(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        parts = self.path.split("/", 2)
        to = {"http": sys.argv[1], "https": f"https://127.0.0.1:{self.server.server_port}"}.get(parts[1])
        if to is None:
            return super().do_GET()
        self.send_response(302)
        self.send_header("Location", f"{to}/{parts[2]}")
        self.send_header("Content-Length", "0")
        self.end_headers()
server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(Redirecting, directory="published"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
  python3 server.py "$URL" >port 2>secure.log 3>&- &
  FOLLOWER=$!
  for _ in $(seq 100); do [[ -s port ]] && break; sleep 0.05; done
  trusting() {
    unshare --user --map-root-user --mount bash -c \
      'mount --bind cert.pem /etc/ssl/certs/ca-certificates.crt && exec "$@"' -- "$@"
  }
  run pgtally monitor "https://127.0.0.1:$(cat port)" --vkey "$VKEY" --state seen --once
  [ "$status" -eq 3 ] # nobody trusts that certificate
  run trusting pgtally monitor "https://127.0.0.1:$(cat port)/https" --vkey "$VKEY" --state seen --once --entries
  [ "$status" -eq 0 ]
  : >server.log
  run trusting pgtally monitor "https://127.0.0.1:$(cat port)/http" --vkey "$VKEY" --state seen --once
  [ "$status" -eq 3 ]
  [[ "$output" == *"127.0.0.1:$(cat port)/http/checkpoint"*"rotocol"* ]]
  [[ ! -s server.log ]] # it was not even asked
}

@test "monitor needs to know whom to trust, and a URL" {
  run pgtally monitor "$URL" --once
  [ "$status" -eq 2 ]
  [[ "$output" == *"nothing says whom to trust"* ]]
  run pgtally monitor published --vkey "$VKEY" --once
  [ "$status" -eq 2 ]
  [[ "$output" == *"is not the URL of a log"* ]]
  run pgtally monitor http://127.0.0.1:1 --vkey "$VKEY" --once
  [ "$status" -eq 3 ]
}
