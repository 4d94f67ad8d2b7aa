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
