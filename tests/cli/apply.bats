# pgtally apply: [[source]] tables of the configuration file, and what becomes of each.

load ../support/cli

setup() {
  use_fresh_database
  export PGTALLY_CONFIG="$WORK/pgtally.toml"
  touch pgtally.toml
}

teardown() {
  clean_up
}

make_ledger() {
  pgtally init --origin bank.example/payments --quiet
}

names() {
  sql "SELECT string_agg(name, ' ' ORDER BY source_id) FROM pgtally.source WHERE source_id > 1 AND state <> 'removed'"
}

@test "forty tables become sources at once, and a second time nothing changes" {
  make_ledger
  for n in $(seq 40); do
    echo "CREATE TABLE t$n (id bigint PRIMARY KEY, note text); INSERT INTO t$n VALUES ($n, 'x');"
    printf '[[source]]\nname = "s%s"\ntable = "t%s"\n' "$n" "$n" >> pgtally.toml
  done > tables.sql
  sql "$(cat tables.sql)"
  run pgtally apply --dry-run
  [ "$status" -eq 0 ]
  [ "$(grep -c '^would add s' <<< "$output")" -eq 40 ]
  [ -z "$(names)" ]
  run pgtally apply
  [ "$status" -eq 0 ]
  [ "$(grep -c '^added *s' <<< "$output")" -eq 40 ]
  run pgtally apply
  [ "$status" -eq 0 ]
  [ "$(grep -c '^as it is *s' <<< "$output")" -eq 40 ]
  pgtally run --once --quiet
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE operation = 1 AND source_id > 1")" = 40 ]
}

@test "apply goes on behind a source that is refused, and exits with what that deserves" {
  make_ledger
  sql "CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id bigint PRIMARY KEY)"
  cat > pgtally.toml <<'TOML'
[[source]]
name = "one"
table = "a"

[[source]]
name = "two"
table = "missing"

[[source]]
name = "three"
table = "b"
TOML
  run pgtally apply
  [ "$status" -eq 2 ]
  [[ "$output" == *"added     one"*"refused   two: "*"pgtally.toml, line 5: there is no table"*"added     three"* ]]
  [ "$(names)" = "one three" ]
  sql "CREATE TABLE missing (id bigint PRIMARY KEY)"
  run pgtally apply --json
  [ "$status" -eq 0 ]
  [[ "$output" == '{"ok":true,"dry_run":false,'*'"name":"two","outcome":"added","table":"public.missing","mode":"poll"'* ]]
}

@test "a source that differs is reported and left as it is" {
  make_ledger
  sql "CREATE TABLE a (id bigint PRIMARY KEY, note text, at timestamptz)"
  pgtally source add one --table a --exclude note --quiet
  pgtally source add other --append --quiet
  printf '[[source]]\nname = "one"\ntable = "public.a"\ntime = "at"\n' > pgtally.toml
  run pgtally apply
  [ "$status" -eq 2 ]
  [[ "$output" == *"differs   one from public.a"*"time is nothing, not at"*"exclude is note, not nothing"* ]]
  [[ "$output" == *"other is not in the file; it is left as it is"* ]]
  [ "$(names)" = "one other" ]
  [ "$(sql "SELECT max(number) FROM pgtally.definition")" = 0 ]
  printf '[[source]]\nname = "one"\ntable = "public.a"\nexclude = "note"\n' > pgtally.toml
  pgtally apply
}

@test "what a source may say in the file is what source add takes" {
  make_ledger
  sql "CREATE TABLE a (x int, \"a,b\" text, sha bytea NOT NULL, at timestamptz, note text, PRIMARY KEY (x, \"a,b\"))"
  cat > pgtally.toml <<'TOML'
interval = "2s"

[[source]]
name = "rows"
table = "a"
key = ["x", "a,b"]
mode = "poll"
time = "at"
columns = ["x", "a,b", "at"]
blind = false

[[source]]
name = "hashes"
table = "public.a"
key = ["a,b", "x"]
mode = "poll"
hash_column = "sha"

[[source]]
name = "events"
append = true
keep_data = true
TOML
  pgtally apply
  pgtally apply
  [ "$(names)" = "rows hashes events" ]
  run pgtally source list --json
  [[ "$output" == *'"name":"rows"'*'"blind":false'*'"key":["x","a,b"]'* ]]
}

@test "an empty list of columns to leave out is none" {
  make_ledger
  sql "CREATE TABLE one (id bigint PRIMARY KEY, v int)"
  printf '[[source]]\nname = "one"\ntable = "one"\nmode = "poll"\nexclude = []\n' > pgtally.toml
  pgtally apply --quiet
  [ "$(sql "SELECT count(*) FROM pgtally.source WHERE name = 'one'")" = 1 ]
}

@test "the file is refused as a whole where it does not parse, with the line" {
  make_ledger
  refused() {
    run pgtally apply
    echo "$output"
    [ "$status" -eq 2 ]
    [[ "$output" == *"$1"* ]]
  }
  printf '[[source]]\nname = "a"\ntabel = "t"\n' > pgtally.toml
  refused "line 3: tabel is not a setting of a source"
  printf '[[source]]\nname = "a"\n[[source]]\nname = "a"\n' > pgtally.toml
  refused 'line 3: source "a" was named before'
  printf '[[source]]\ntable = "t"\n' > pgtally.toml
  refused "line 1: the source has no name"
  printf '[[source]]\nname = "a"\nblind = "yes"\n' > pgtally.toml
  refused "line 3: blind: expected true or false"
  printf '[[source]]\nname = "a"\nkey = [1]\n' > pgtally.toml
  refused "line 3: key: expected a string, or an array of strings"
  printf '[[source]]\nname = "a"\nexisting = "maybe"\n' > pgtally.toml
  refused 'expected "record" or "skip"'
  printf '[source]\nname = "a"\n' > pgtally.toml
  refused "expected an array of tables"
  printf 'schema = "pgtally"\n' > pgtally.toml
  refused "names no sources"
  PGTALLY_CONFIG="" run pgtally apply
  [ "$status" -eq 2 ]
  [[ "$output" == *"--config FILE"* ]]
}

@test "the SQL that apply prints adds the same sources when somebody else runs it" {
  make_ledger
  sql "CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id bigint PRIMARY KEY); INSERT INTO b VALUES (7)"
  printf '[[source]]\nname = "one"\ntable = "a"\n[[source]]\nname = "two"\ntable = "b"\n' > pgtally.toml
  pgtally apply --print-sql > script.sql
  [ -z "$(names)" ]
  sql "$(cat script.sql)"
  [ "$(names)" = "one two" ]
  pgtally apply | grep -c "as it is" | grep -qx 2
  pgtally run --once --quiet
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE source_position = '7'")" = 1 ]
}
