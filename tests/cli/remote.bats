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
  end_jobs
  sql "DROP DATABASE IF EXISTS ${SHOP}_new WITH (FORCE)"
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

@test "an audit that cannot reach a database has not read it" {
  pgtally source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  pgtally run --once --quiet
  run pgtally audit
  [ "$status" -eq 0 ]
  [[ "$output" == *"as recorded"*"at "*"/$SHOP"* ]]
  sql "ALTER DATABASE $SHOP ALLOW_CONNECTIONS false"
  run pgtally audit
  [ "$status" -eq 3 ]
  [[ "$output" == *"trade"*"not compared"*"its database cannot be reached"* ]]
  sql "ALTER DATABASE $SHOP ALLOW_CONNECTIONS true"
}

@test "an auditor of one database accuses nobody of another one" {
  sql "CREATE TABLE trade (id bigint PRIMARY KEY, amount numeric); INSERT INTO trade SELECT g, 7 FROM generate_series(1, 30) AS g"
  pgtally source add own --table trade --key id --mode poll --quiet
  pgtally source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  pgtally run --once --quiet
  pgtally bundle -o both.bundle --quiet
  VKEY="$(pgtally key show)"
  run pgtally audit --bundle both.bundle --database "$LEDGER" --vkey "$VKEY"
  [ "$status" -eq 0 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *" own 30 rows as recorded trade 0 rows not compared at "*" because it is in another database, at "* ]]
  run pgtally audit --bundle both.bundle --database "$THERE" --vkey "$VKEY"
  [ "$status" -eq 0 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" == *" own 0 rows not compared because this seems to be the database of source trade"*" trade 300 rows as recorded at "* ]]
  # Whoever names a source knows better.
  run pgtally audit own --bundle both.bundle --database "$THERE" --vkey "$VKEY"
  [ "$status" -eq 1 ]
}

@test "sources go on from their place when their database has gone to another one" {
  there "ALTER TABLE trade REPLICA IDENTITY FULL; CREATE TABLE log (id bigint PRIMARY KEY)"
  pgtally source add trade --table trade --key id --mode logical --track-changes --database "$THERE" --quiet
  pgtally source add log --table log --key id --mode poll --database "$THERE" --quiet
  there "INSERT INTO log VALUES (1)"
  pgtally run --interval 50ms >run.log 2>&1 &
  service=$!
  for _ in {1..200}; do [ "$(entries)" = "300 1" ] && break; sleep 0.1; done

  sql "CREATE DATABASE ${SHOP}_new TEMPLATE template0"
  NEW="${THERE/dbname=$SHOP/dbname=${SHOP}_new}"
  run pgtally source move trade --database "$NEW"
  [ "$status" -eq 3 ]
  [[ "$output" == *"source trade is not to be found at "*"${SHOP}_new: "*"Nothing was changed."* ]]
  pg_dump -d "$THERE" | grep -v PUBLICATION | psql -XqAt -v ON_ERROR_STOP=1 -d "$NEW" > /dev/null
  psql -XqAt -d "$NEW" -c "INSERT INTO trade VALUES (301, 1); DELETE FROM trade WHERE id = 7; INSERT INTO log VALUES (2)"
  run pgtally source move log --database "$NEW password=geheim" --print-sql
  [[ "$output" == *"password is left out"*"INSERT INTO pgtally.endpoint"*"UPDATE pgtally.source"*"'moved'"* ]]
  [[ "$output" != *geheim* ]]
  run pgtally source move log --database "$NEW password=geheim"
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "moved    trade, log from "*"/$SHOP to "*"/${SHOP}_new" ]]
  [[ "$output" != *geheim* ]]
  for _ in {1..200}; do [ "$(entries)" = "302 2" ] && break; sleep 0.1; done
  [ "$(entries)" = "302 2" ]

  # A file that still names the old place is told so.
  printf '[[source]]\nname = "log"\ntable = "log"\nkey = "id"\nmode = "poll"\ndatabase = "%s"\n' "$THERE" > old.toml
  run pgtally apply --config old.toml
  echo "$output"
  [ "$status" -eq 2 ]
  [[ "$output" == *"differs   log"*"database is "*"pgtally source move log --database URI"* ]]

  # What is written at the old place is no more than that; another password alone is no other place.
  there "INSERT INTO log VALUES (3)"
  psql -XqAt -d "$NEW" -c "INSERT INTO log VALUES (4)"
  run pgtally source move log --database "$NEW password=anders"
  [ "$status" -eq 0 ]
  for _ in {1..200}; do [ "$(entries)" = "302 3" ] && break; sleep 0.1; done
  kill -INT $service
  wait $service
  pgtally run --once --quiet
  [ "$(entries)" = "302 3" ]
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND convert_from(data, 'UTF8') LIKE '%moved%'")" = 2 ]
  pgtally audit
  there "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '$SHOP'" > left
  [ ! -s left ]
  pgtally source remove trade
  pgtally run --once --quiet
}

# Of trade and of log, without definitions.
entries() {
  sql "SELECT string_agg(n::text, ' ' ORDER BY source_id) FROM (SELECT source_id, count(*) AS n
       FROM pgtally.processed_log WHERE source_id >= 2 AND operation < 5 GROUP BY 1) AS e"
}

@test "sources of two addresses come together, and removed ones stay where they were" {
  there "CREATE TABLE log (id bigint PRIMARY KEY); CREATE TABLE old (id bigint PRIMARY KEY)"
  pgtally source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  pgtally source add old --table old --key id --mode poll --database "$THERE password=one" --quiet
  pgtally source add log --table log --key id --mode poll --database "$THERE password=one" --quiet
  pgtally source remove old
  run pgtally source move log --database "$THERE"
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "moved    log from "* ]]
  [ "$(sql "SELECT count(DISTINCT endpoint_id) FROM pgtally.source WHERE name IN ('trade', 'log')")" = 1 ]
  [ "$(sql "SELECT count(*) FROM pgtally.endpoint WHERE conninfo LIKE '%password%'")" = 0 ]
  there "INSERT INTO log VALUES (1)"
  pgtally run --once --quiet
  [ "$(pgtally source list --json | python3 -c 'import json, sys; print([(s["name"], s["entries"]) for s in json.load(sys.stdin)["sources"]][1:])')" = "[('trade', 301), ('log', 2)]" ]

  # Two replication slots stay two.
  there "ALTER TABLE log REPLICA IDENTITY FULL; ALTER TABLE trade REPLICA IDENTITY FULL"
  pgtally source add log2 --table log --key id --mode logical --database "$THERE" --quiet
  pgtally source add trade2 --table trade --key id --mode logical --database "$THERE password=one" --quiet
  run pgtally source move trade2 --database "$THERE"
  [ "$status" -eq 2 ]
  [[ "$output" == *"sources of mode logical are read at "*" already"* ]]
  run pgtally source move trade2 --database "$THERE password=two"
  [ "$status" -eq 0 ]
  there "INSERT INTO trade VALUES (900, 1)"
  pgtally run --once --quiet
  pgtally audit
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND convert_from(data, 'UTF8') LIKE '%resync%'")" = 0 ]
  pgtally source remove log2
  pgtally source remove trade2
  pgtally run --once --quiet
}

@test "what cannot be moved is refused" {
  sql "CREATE TABLE own (id bigint PRIMARY KEY)"
  pgtally source add own --table own --key id --quiet
  pgtally source add trade --table trade --key id --mode poll --database "$THERE" --quiet
  run pgtally source move own --database "$THERE"
  [ "$status" -eq 2 ]
  [[ "$output" == *"in the ledger's own database"* ]]
  run pgtally source move trade --database "$LEDGER"
  [ "$status" -eq 2 ]
  [[ "$output" == *"that is the ledger's own database"* ]]
  run pgtally source move nothing --database "$THERE"
  [ "$status" -eq 2 ]
  run pgtally source move trade
  [ "$status" -eq 2 ]
  run pgtally source move trade --database "host=/nowhere dbname=x"
  [ "$status" -eq 3 ]
  run pgtally source move trade --database "$THERE"
  [ "$status" -eq 0 ]
  pgtally source remove trade
  run pgtally source move trade --database "$THERE"
  [ "$status" -eq 2 ]
}
