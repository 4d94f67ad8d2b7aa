# Sources in another database than the ledger's: --database behind `source add`.

load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/remote --quiet
  # Another database of the same server.
  if [[ -n "${PGTALLY_DATABASE:-}" ]]; then
    LEDGER="$PGTALLY_DATABASE"
    SHOP="${DATABASE}_shop"
    THERE="${PGTALLY_DATABASE/dbname=$DATABASE/dbname=$SHOP}"
  else
    LEDGER="$(pgtally psql -XqAt -c "SELECT format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user, current_database())")"
    SHOP="shop"
    THERE="${LEDGER% dbname=*} dbname=shop"
  fi
  sql "CREATE DATABASE $SHOP TEMPLATE template0"
  there "CREATE TABLE trade (id bigint PRIMARY KEY, amount numeric)"
  there "INSERT INTO trade SELECT g, g * 1.5 FROM generate_series(1, 300) AS g"
}

teardown() {
  sql "DROP DATABASE IF EXISTS $SHOP WITH (FORCE)"
  clean_up
}

there() {
  psql -XqAt -v ON_ERROR_STOP=1 -d "$THERE" -c "$1"
}

@test "a table of another database is recorded, listed with its place, and checked" {
  run pgtally source add trade --table trade --key id --mode poll --database "$THERE"
  [ "$status" -eq 0 ]
  [[ "$output" == *"trade"*"$SHOP"* ]]
  pgtally run --once --quiet
  there "INSERT INTO trade VALUES (301, 1)"
  pgtally run --once --quiet
  run pgtally source list --json
  [[ "$output" == *'"name":"trade"'*'"entries":302'*"/$SHOP\""* ]]
  run pgtally source list
  [[ "$output" == *"public.trade at "*"/$SHOP"* ]]
  run pgtally source check trade
  [ "$status" -eq 0 ]
  there "ALTER TABLE trade DROP COLUMN amount"
  run pgtally source check trade
  [ "$status" -eq 3 ]
  [[ "$output" == *'"amount" is gone'* ]]
}

@test "a sweep on demand finds keys that were used late" {
  pgtally source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  # The second run gives up the keys below the first one, which nobody is writing.
  pgtally run --once --quiet
  pgtally run --once --quiet
  there "INSERT INTO trade VALUES (-5, 1)"
  run pgtally sweep trade
  [ "$status" -eq 0 ]
  [[ "$output" == *"trade"*"301 rows looked at, 1 found"* ]]
  pgtally run --once --quiet
  run pgtally status --json
  [[ "$output" == *'"name":"trade"'*'"entries":302'* ]]
}

@test "a password is stored, and shown nowhere" {
  run pgtally source add trade --table trade --key id --mode poll --database "$THERE password=geheim" --print-sql
  [ "$status" -eq 0 ]
  [[ "$output" == *"password is left out"*"INSERT INTO pgtally.endpoint"* ]]
  [[ "$output" != *geheim* ]]
  run pgtally source add trade --table trade --key id --mode poll --database "$THERE password=geheim"
  [[ "$output" != *geheim* ]]
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint WHERE conninfo LIKE '%geheim%'")" = 1 ]
  run bash -c 'pgtally source list --json; pgtally status; pgtally source check; pgtally run --once 2>&1'
  [[ "$output" != *geheim* ]]
  sql "ALTER DATABASE $SHOP ALLOW_CONNECTIONS false"
  run bash -c 'pgtally run --once 2>&1; pgtally status; pgtally source check 2>&1; pgtally sweep 2>&1'
  [[ "$output" == *"$SHOP"* ]]
  [[ "$output" != *geheim* ]]
}

@test "a URI that leads to the ledger's own database makes a local source" {
  sql "CREATE TABLE own (id bigint PRIMARY KEY)"
  pgtally source add own --table own --key id --database "$LEDGER" --quiet
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint")" = 0 ]
}

@test "--database behind source add names the ledger where nothing else does" {
  sql "CREATE TABLE own (id bigint PRIMARY KEY)"
  unset PGTALLY_DATABASE PGTALLY_EMBEDDED
  pgtally source add own --table own --key id --database "$LEDGER" --quiet
  pgtally --database "$LEDGER" source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  run pgtally source list --database "$LEDGER"
  [[ "$output" == *"own"*"trade"*"$SHOP"* ]]
  export PGTALLY_DATABASE="$LEDGER"
}

@test "a removed source leaves no password behind, but the place where it was" {
  pgtally source add trade --table trade --key id --mode poll --database "$THERE password=geheim"
  pgtally source add other --table trade --key id --mode poll --database "$THERE password=geheim"
  pgtally source remove trade
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint WHERE conninfo LIKE '%geheim%'")" -eq 1 ]
  pgtally source remove other
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint WHERE conninfo LIKE '%geheim%'")" -eq 0 ]
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint WHERE place <> ''")" -eq 1 ]
}
