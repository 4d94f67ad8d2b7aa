# The parts of ./quickstart that read this machine; the whole of it takes minutes and a build.

load ../support/cli

setup() {
  use_nothing
  PARTS="$BATS_TEST_DIRNAME/../../packaging/quickstart"
}

teardown() {
  clean_up
}

# stdout and stderr apart.
read_packages() {
  "$PARTS/read-packages" >out.csv 2>remarks
}

@test "a package is a row, and fields that are not asked for are passed over" {
  read_packages <<'END'
Package: bash
Essential: yes
Version: 5.2.15-2+b7
Architecture: amd64
Description: GNU shell
 Package: this line belongs to the description
Filename: pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb
Size: 1490652
SHA256: 82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1
END
  [ "$(cat out.csv)" = "bash,5.2.15-2+b7,amd64,pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb,1490652,82130bb6a560cd2a7234d8018baf73f188f5dd56413d5aa0accc987b2197a6a1" ]
  [ "$(cat remarks)" = "    1 packages" ]
}

@test "of packages with the same key the first is kept, and the others are counted" {
  for size in 1 2 3; do
    printf 'Package: a\nVersion: 1\nArchitecture: all\nFilename: f\nSize: %s\nSHA256: 00\n\n' "$size"
  done | read_packages
  [ "$(cat out.csv)" = "a,1,all,f,1,00" ]
  grep -q "2 more had the name, version and architecture of one before" remarks
}

@test "a package that is in no archive is left out, and counted" {
  printf 'Package: local\nVersion: 1\nArchitecture: all\n\n' | read_packages
  [ ! -s out.csv ]
  grep -q "1 that are installed here and in no archive" remarks
}

@test "rotated logs are read from the oldest to the newest, compressed or not" {
  mkdir log
  echo "2026-01-01 00:00:00 startup archives unpack" | gzip >log/dpkg.log.10.gz
  echo "2026-02-01 00:00:00 install a:all <none> 1" | gzip >log/dpkg.log.2.gz
  echo "2026-03-01 00:00:00 status installed a:all 1" >log/dpkg.log.1
  echo "2026-04-01 00:00:00 remove a:all 1 <none>" >log/dpkg.log
  echo "not a log" >log/dpkg.log.bak
  TZ=UTC "$PARTS/read-events" log >out.csv 2>remarks
  diff out.csv - <<'END'
1,2026-01-01T00:00:00+00:00,startup,,archives unpack
2,2026-02-01T00:00:00+00:00,install,a:all,<none> 1
3,2026-03-01T00:00:00+00:00,status,a:all,installed 1
4,2026-04-01T00:00:00+00:00,remove,a:all,1 <none>
END
}

@test "the log's times are taken as local times" {
  mkdir log
  echo "2026-07-01 12:00:00 startup archives unpack" >log/dpkg.log
  TZ=Europe/Berlin "$PARTS/read-events" log >out.csv 2>remarks
  grep -q '^1,2026-07-01T12:00:00+02:00,' out.csv
}

@test "lines that dpkg did not write are left out, counted, and leave their number free" {
  mkdir log
  printf '2026-01-01 00:00:00 startup a b\n\0\0\0garbage\n2026-13-01 00:00:00 startup a b\n2026-01-02 00:00:00 startup a b\n' >log/dpkg.log
  "$PARTS/read-events" log >out.csv 2>remarks
  [ "$(cut -d, -f1 out.csv | tr '\n' ' ')" = "1 4 " ]
  grep -q "2 lines that dpkg did not write" remarks
}

@test "without a log the file lists of the installed packages stand in, and that is said" {
  mkdir log
  "$PARTS/read-events" log >out.csv 2>remarks
  grep -q "nothing is left of log/dpkg.log" remarks
  grep -q ',list-written,bash:' out.csv
}

@test "what the parts write fits the tables, and both tables become sources" {
  use_fresh_database
  pgtally psql -Xq -v ON_ERROR_STOP=1 -f "$PARTS/tables.sql"
  for name in bash dash; do
    printf 'Package: %s\nVersion: 1:2+b\nArchitecture: amd64\nFilename: f\nSize: 1\nSHA256: %064d\n\n' "$name" 7
  done | "$PARTS/read-packages" 2>/dev/null | sql "COPY debian_package FROM STDIN (FORMAT csv)"
  mkdir log
  echo "2026-01-01 00:00:00 install bash:amd64 <none> 1:2+b" >log/dpkg.log
  "$PARTS/read-events" log 2>/dev/null | sql "COPY dpkg_event FROM STDIN (FORMAT csv)"

  pgtally init --origin quickstart.example/debian --quiet
  pgtally source add debian_package --table debian_package --key name,version,architecture --no-blind --quiet
  pgtally source add dpkg_event --table dpkg_event --key line --time logged_at --quiet
  run pgtally run --once
  [ "$status" -eq 0 ]
  [[ "$output" == "recorded  3 rows, "* ]]
  pgtally prove-order debian_package:name=bash,version=1:2+b,architecture=amd64 dpkg_event:1 --row -o both.order-proof
  run pgtally verify both.order-proof --vkey "$(pgtally key show)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"was recorded before"* ]]

  # How the story ends; rewriting the ledger is in demo.bats, on a private cluster.
  pgtally checkpoint -o outside.checkpoint
  run pgtally audit --checkpoint outside.checkpoint
  [ "$status" -eq 0 ]
  sql "UPDATE debian_package SET size = size + 1 WHERE name = 'bash'"
  sql "DELETE FROM dpkg_event WHERE line = 1"
  run pgtally audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"2 findings: 1 changed, 1 missing"* ]]
  [[ "$output" == *"changed     debian_package bash 1:2+b amd64"*"under signature since"* ]]
  [[ "$output" == *"missing     dpkg_event 1 "*"under signature since"* ]]
}
