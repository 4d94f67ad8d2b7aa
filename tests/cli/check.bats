# pgtally check: what a database can do, before and after there is a ledger.

load ../support/cli

setup() {
  use_fresh_database
}

teardown() {
  clean_up
}

@test "check looks at server, rights and tables where there is no ledger, and makes none" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, amount numeric, net numeric GENERATED ALWAYS AS (amount) STORED)"
  sql "CREATE TABLE code (code text NOT NULL UNIQUE); CREATE UNLOGGED TABLE cache (id int PRIMARY KEY)"
  run pgtally check
  [ "$status" -eq 0 ]
  [[ "$output" == *"server      PostgreSQL "*"encoding"*"UTF8"*"wal_level"*"CREATE on the database"* ]]
  [[ "$output" == *"ledger      none in schema pgtally yet"* ]]
  [[ "$output" == *"public.payment"*"poll"*"id"*"its rows are only inserted, and its key is one integer"* ]]
  [[ "$output" == *"public.cache"*"is unlogged"*"SET LOGGED"* ]]
  [[ "$output" == *"not covered: net"* ]]
  [[ "$output" == *"its only unique key"* ]]
  [ "$(sql "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgtally'")" = 0 ]
}

@test "check names the sources that there are, and leaves the ledger's own tables out" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY)"
  pgtally init --origin bank.example/payments --quiet
  pgtally source add pay --table payment --quiet
  run pgtally check
  [ "$status" -eq 0 ]
  [[ "$output" == *"ledger      bank.example/payments in schema pgtally"* ]]
  [[ "$output" == *"(source pay already)"* ]]
  [[ "$output" != *"processed_log"* ]]
}

@test "check of named tables says what each mode would need, and fails if one cannot be a source" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS id"
  run pgtally check payment
  [ "$status" -eq 0 ]
  [[ "$output" == *"what each mode would need for public.payment"*"ADD COLUMN xid xid8"* ]]
  run pgtally check payment v
  [ "$status" -eq 2 ]
  [[ "$output" == *"Views and foreign tables cannot be sources"* ]]
  run pgtally check no_such_table
  [ "$status" -eq 2 ]
}

@test "check tells programs everything" {
  sql "CREATE TABLE payment (id bigint PRIMARY KEY); CREATE TABLE part (a int NOT NULL); CREATE UNIQUE INDEX part_a ON part (a) WHERE a > 0"
  pgtally check --json > out
  python3 - <<'PYTHON'
import json
out = json.load(open("out"))
assert out["server"]["can_carry_ledger"] is True and out["ledger"] is None, out
settings = {f["what"]: f for f in out["server"]["findings"]}
assert settings["encoding"]["value"] == "UTF8" and settings["encoding"]["weight"] == "fine"
tables = {t["table"]: t for t in out["tables"]}
payment = tables["public.payment"]
assert payment["ok"] and payment["mode"] == "poll" and payment["key"] == ["id"], payment
xid = next(m for m in payment["modes"] if m["mode"] == "xid")
assert not xid["possible"] and "ADD COLUMN xid" in xid["lacks"][0]["sql"], xid
assert "part_a: it is partial" in json.dumps(tables["public.part"]), tables["public.part"]
PYTHON
}

@test "check exits 3 where no ledger can be, and says what would have to change" {
  [[ -n "${SHARED:-}" ]] || skip "needs the shared cluster"
  psql -XqAt -d "$SHARED" -c "CREATE ROLE ${DATABASE}_app LOGIN"
  sql "CREATE TABLE payment (id bigint PRIMARY KEY); ALTER TABLE payment OWNER TO ${DATABASE}_app"
  as_app="$(sed -E 's/user=[^ ]+//' <<< "$PGTALLY_DATABASE") user=${DATABASE}_app"
  run pgtally check --database "$as_app"
  [ "$status" -eq 3 ]
  [[ "$output" == *"CREATE on the database"*"no"*"GRANT CREATE ON DATABASE"* ]]
  sql "GRANT CREATE ON DATABASE $DATABASE TO ${DATABASE}_app"
  run pgtally check --database "$as_app"
  [ "$status" -eq 0 ]
  [[ "$output" == *"CREATEROLE"*"no"*"init --roles none"* ]]
  [[ "$output" == *"REPLICATION"*"no"*"mode logical needs it"* ]]
  sql "REVOKE CREATE ON DATABASE $DATABASE FROM ${DATABASE}_app; DROP TABLE payment"
}
