# What is wrong gets one clear error with a next step, and the right exit status: 1 verification says
# no, 2 the command line or what it names, 3 the environment.

load ../support/cli

setup() {
  use_fresh_database
}

teardown() {
  clean_up
}

found_ledger() {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text)"
  sql "INSERT INTO payment SELECT g, 'p' || g FROM generate_series(1, 20) AS g"
  pgtally init --origin bank.example/payments --quiet
  pgtally source add payment --table payment --key id --quiet
  pgtally run --once --quiet
}

# fails STATUS TEXT COMMAND…: exits with STATUS and says TEXT.
fails() {
  local expected="$1" text="$2"
  shift 2
  run "$@"
  echo "$* -> $status: $output"
  [ "$status" -eq "$expected" ]
  [[ "$output" == *"$text"* ]]
}

@test "a database without a ledger is told what to do" {
  fails 3 "pgtally init --origin" pgtally status
  fails 3 "pgtally init --origin" pgtally run --once
  fails 3 "pgtally init --origin" pgtally prove payment 1
}

@test "a database that is not there is the environment's fault" {
  fails 3 "does not exist" pgtally status --database "$PGTALLY_DATABASE dbname=no_such_database"
  for option in PGTALLY_DATABASE "--database" "PG* variables" "--embedded"; do
    fails 3 "$option" pgtally status --database "host=/nowhere dbname=x"
  done
}

@test "what is not in the ledger is a wrong argument" {
  found_ledger
  fails 2 "there is no source" pgtally prove nothing 1
  fails 2 "no entry of source payment has the key 999" pgtally prove payment 999
  fails 2 "is no value of key column id" pgtally prove payment abc
  fails 2 "there is no entry 999" pgtally prove payment --id 999
  fails 2 "is of source append_only_log" pgtally prove payment --id 1
  fails 2 "the key of payment has 1 column" pgtally prove payment 1 2
  fails 2 "which row?" pgtally prove payment
  fails 2 "beyond" pgtally prove-consistency 1 999999
  fails 2 "whole numbers" pgtally prove-consistency 1 18446744073709551616
  fails 2 "names no entry" pgtally prove-order 1 x
  fails 2 "two entries" pgtally prove-order 3 3
}

@test "a second init is refused and leaves everything as it was" {
  found_ledger
  fails 2 "exists already" pgtally init --origin bank.example/other
  fails 2 "there is a guard for bank.example/payments already" pgtally init --origin bank.example/payments --schema other --roles none
  fails 2 "cannot be an origin" pgtally init --origin "with blanks" --schema other
  fails 2 "cannot live in a schema" pgtally init --origin a.example/x --schema 'No Way'
  [ "$(sql "SELECT to_regnamespace('other') IS NULL")" = t ]
  pgtally status > /dev/null
}

@test "an init that cannot create roles says what to do, and leaves nothing behind" {
  sql "CREATE ROLE ${DATABASE}_weak LOGIN; GRANT CREATE ON DATABASE $DATABASE TO ${DATABASE}_weak"
  fails 3 "permission denied to create role" pgtally init --origin a.example/weak --database "$PGTALLY_DATABASE user=${DATABASE}_weak"
  [ "$(sql "SELECT to_regnamespace('pgtally') IS NULL")" = t ]
  [ -z "$(find "$PGTALLY_STATE" -name '*.guard' -o -name '*.key')" ]
  pgtally init --origin a.example/weak --roles none --database "$PGTALLY_DATABASE user=${DATABASE}_weak" --quiet
}

@test "a user without rights is told whom to ask" {
  found_ledger
  sql "CREATE ROLE ${DATABASE}_nobody LOGIN"
  fails 3 "may not" pgtally status --database "$PGTALLY_DATABASE user=${DATABASE}_nobody"
}

@test "tables that cannot be sources are refused with the reason" {
  found_ledger
  sql "CREATE TABLE t (id bigint PRIMARY KEY, n int, r regclass); CREATE TABLE k (a int NOT NULL, b int NOT NULL, UNIQUE (a)); CREATE UNLOGGED TABLE u (id bigint PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t"
  fails 2 "there is no table" pgtally source add a --table no_such_table --key id
  fails 2 "there is no column" pgtally source add a --table t --key no_such_column
  fails 2 "may be null" pgtally source add a --table t --key n
  fails 2 "no unique index" pgtally source add a --table k --key a,b
  fails 2 "cannot be covered" pgtally source add a --table t --key id
  fails 2 "unlogged" pgtally source add a --table u --key id
  fails 2 "Views" pgtally source add a --table v --key id
  fails 2 "cannot be the name of a source" pgtally source add 'No Name' --table t --key id
  fails 2 "there is no capture mode" pgtally source add a --table t --key id --exclude r --mode magic
  fails 2 "ADD COLUMN xid xid8" pgtally source add a --table t --key id --exclude r --mode xid
  fails 2 "needs a table" pgtally source add a
  fails 2 "type timestamptz" pgtally source add a --table t --key id --exclude r --time n
  pgtally source add a --table t --key id --exclude r --quiet
}

@test "a corrupt or open key file is refused, and nothing is signed" {
  found_ledger
  key="$(find "$PGTALLY_STATE" -name '*.key')"
  chmod 644 "$key"
  fails 3 "$key" pgtally run --once
  chmod 600 "$key"
  echo garbage > "$key"
  fails 3 "$key" pgtally run --once
  rm "$key"
  fails 3 "there is no signing key" pgtally run --once
}

@test "without the guard, or with a damaged one, nothing is signed and both ways on are named" {
  found_ledger
  guard="$(find "$PGTALLY_STATE" -name '*.guard')"
  size="$(sql "SELECT max(size) FROM pgtally.checkpoint")"
  cp "$guard" saved
  rm "$guard"
  sql "INSERT INTO payment VALUES (100, 'x')"
  fails 3 "--accept-head SIZE:ROOT" pgtally run --once
  echo garbage > "$guard"
  fails 3 "is damaged" pgtally run --once
  [ "$(sql "SELECT max(size) FROM pgtally.checkpoint")" = "$size" ]
  cp saved "$guard"
  pgtally run --once --quiet
  [ "$(sql "SELECT max(size) FROM pgtally.checkpoint")" = "$((size + 1))" ]
}

@test "a fresh host takes over with a published head, and with no other" {
  found_ledger
  mapfile -t note < <(pgtally checkpoint)
  rm "$(find "$PGTALLY_STATE" -name '*.guard')"
  fails 1 "another root" pgtally run --accept-head "$((note[1] - 1)):${note[2]}"
  fails 1 "fewer" pgtally run --accept-head "9999:${note[2]}"
  fails 2 "SIZE:ROOT" pgtally run --accept-head "${note[1]}"
  pgtally run --accept-head "${note[1]}:${note[2]}"
  sql "INSERT INTO payment VALUES (100, 'x')"
  pgtally run --once --quiet
}

@test "a database that was restored to an earlier state is not signed for" {
  found_ledger
  psql -XqAt -d "$SHARED" -c "CREATE DATABASE ${DATABASE}_backup TEMPLATE $DATABASE"
  sql "INSERT INTO payment VALUES (100, 'x')"
  pgtally run --once --quiet
  restored="${PGTALLY_DATABASE/dbname=$DATABASE/dbname=${DATABASE}_backup}"
  fails 1 "the database is behind what this ledger has already signed" pgtally run --once --database "$restored"
  [[ "$output" == *"Nothing was signed"* ]]
  psql -XqAt -d "$restored" -c "INSERT INTO payment VALUES (101, 'other'), (102, 'other')" -c "SELECT pgtally.process_next_batch()" > /dev/null
  fails 1 "Nothing was signed" pgtally run --once --database "$restored"
  psql -XqAt -d "$SHARED" -c "DROP DATABASE ${DATABASE}_backup WITH (FORCE)"
}

@test "numbers and words that make no sense are usage errors" {
  found_ledger
  fails 2 "--batch-rows" pgtally run --once --batch-rows 0
  fails 2 "is not a duration" pgtally run --once --interval soon
  fails 2 "--roles is" pgtally init --origin a.example/x --roles some
  fails 2 "no source" pgtally append --source payment x
  fails 3 "there is no configuration" pgtally status --config /nowhere.toml
}
