# pgtally uninstall: nothing is left of the ledger in its database and cluster.

load ../support/cli

setup() {
  use_fresh_database
}

teardown() {
  clean_up
}

# Schema, publications, slots and roles, as they are now. Newer versions of pg_dump write a password
# of the moment into \restrict lines.
traces() {
  dump | grep -v restrict
  sql "SELECT rolname FROM pg_roles WHERE starts_with(rolname, current_database() || '_') ORDER BY 1"
  sql "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1"
  sql "SELECT pubname FROM pg_publication ORDER BY 1"
}

dump() {
  if [[ -n "${PGTALLY_DATABASE:-}" ]]; then
    pg_dump -s -d "$PGTALLY_DATABASE"
  else
    pg_dump -s -d "$(pgtally psql -XqAt -c "SELECT format('host=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_database(), current_user)")"
  fi
}

make_tables() {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, note text); INSERT INTO payment SELECT g, 'x' FROM generate_series(1, 20) AS g"
  sql "CREATE TABLE account (id bigint PRIMARY KEY, balance int); INSERT INTO account VALUES (1, 10)"
}

@test "after uninstall schema, roles, slots and publications are what they were before init" {
  make_tables
  traces > before
  pgtally init --origin bank.example/payments --quiet
  pgtally source add payment --table payment --quiet
  pgtally source add polled --table account --mode poll --quiet
  for mode in trigger logical; do
    if ! pgtally source add --help | grep -q "$mode" ; then continue; fi
    pgtally source add "$mode" --table account --mode "$mode" --quiet
  done
  pgtally run --once --quiet
  run pgtally uninstall --yes-remove bank.example/payments
  [ "$status" -eq 0 ]
  [[ "$output" == *"removed  bank.example/payments with "*"left: $WORK/state/"*".guard"* ]]
  traces > after
  diff before after
  [ "$(sql "SELECT count(*) FROM payment")" = 20 ]
  sql "UPDATE account SET balance = 11; INSERT INTO payment VALUES (21)"
}

@test "uninstall removes nothing until somebody confirms with the right origin" {
  pgtally init --origin bank.example/payments --quiet
  run pgtally uninstall < /dev/null
  [ "$status" -eq 2 ]
  [[ "$output" == *"nobody confirmed"*"--yes-remove bank.example/payments"* ]]
  run pgtally uninstall --yes-remove bank.example/payment
  [ "$status" -eq 2 ]
  [[ "$output" == *"Nothing was removed."* ]]
  pgtally status > /dev/null
}

@test "the SQL that uninstall prints does the same when somebody else runs it" {
  make_tables
  traces > before
  pgtally init --origin bank.example/payments --quiet
  pgtally source add payment --table payment --mode poll --quiet
  pgtally uninstall --print-sql > script.sql
  pgtally status > /dev/null
  sql "$(cat script.sql)"
  traces > after
  diff before after
}

@test "roles that init found are left" {
  role="$(sql "SELECT current_database()")_pgtally"
  for name in writer sequencer reader; do sql "CREATE ROLE ${role}_$name"; done
  traces > before
  pgtally init --origin bank.example/payments --roles existing --quiet
  run pgtally uninstall --yes-remove bank.example/payments
  [ "$status" -eq 0 ]
  [[ "$output" == *"left: role ${role}_reader"* ]]
  traces > after
  diff before after
}

@test "uninstall refuses to take objects of others along" {
  pgtally init --origin bank.example/payments --quiet
  sql "CREATE VIEW seen AS SELECT size FROM pgtally.checkpoint"
  run pgtally uninstall --yes-remove bank.example/payments
  [ "$status" -eq 2 ]
  [[ "$output" == *"view public.seen"* ]]
  sql "DROP VIEW seen"
  run pgtally uninstall --yes-remove bank.example/payments --json
  [ "$status" -eq 0 ]
  [[ "$output" == '{"ok":true,"origin":"bank.example/payments","entries":2,'* ]]
}
