# What capture promises to whoever works on the tables meanwhile.

load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/capture --quiet
}

teardown() {
  end_jobs
  clean_up
}

# as_user ROLE: how pgtally connects to the test's database as ROLE.
as_user() {
  if [[ -n "${PGTALLY_DATABASE:-}" ]]; then
    echo "$PGTALLY_DATABASE user=$1"
  else
    pgtally psql -XqAt -c "SELECT format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), '$1', current_database())"
  fi
}

@test "a domain does not keep others' transaction ids out, so mode xid asks for a check of the table" {
  sql "CREATE DOMAIN own_xid AS xid8 CHECK (VALUE = pg_current_xact_id());
       CREATE TABLE a (id bigint PRIMARY KEY, xid own_xid NOT NULL DEFAULT pg_current_xact_id());
       CREATE INDEX ON a (xid, id)"
  run pgtally source add a --table a --mode xid
  [ "$status" -eq 2 ]
  [[ "$output" == *"CHECK (xid = pg_current_xact_id())"* ]]
  sql "CREATE TABLE b (id bigint PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id());
       CREATE INDEX ON b (xid, id);
       ALTER TABLE b ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID"
  pgtally source add b --table b --mode xid --quiet
  sql "INSERT INTO b VALUES (1)"
  run sql "INSERT INTO b SELECT id + 1, xid FROM b"
  [ "$status" -ne 0 ]
  [[ "$output" == *"xid_is_the_writers_own"* ]]
}

@test "source check does not wait for whoever has locked the table" {
  sql "CREATE TABLE a (id bigint PRIMARY KEY, note text DEFAULT 'x')"
  pgtally source add a --table a --mode poll --quiet
  mkfifo hold
  psql -XqAt -d "$PGTALLY_DATABASE" < hold > locked 3>&- &
  exec 7> hold
  echo "BEGIN; LOCK TABLE a; SELECT 'locked';" >&7
  for _ in {1..100}; do [ -s locked ] && break; sleep 0.05; done
  run timeout 20 pgtally source check a
  exec 7>&-
  [ "$status" -eq 0 ]
}

@test "run --once sets a source aside that cannot be swept, and goes on with the others" {
  for table in bad good; do
    sql "CREATE TABLE $table (id bigint PRIMARY KEY, b text); INSERT INTO $table VALUES (1, 'x'), (2, 'y')"
    pgtally source add $table --table $table --mode trigger --track-changes --quiet
  done
  sql "ALTER TABLE bad DROP COLUMN b"
  run pgtally run --once
  [ "$status" -eq 0 ]
  run pgtally source list
  [[ "$output" == *"bad "*"failing"* ]]
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE name = 'good' AND operation = 1")" = 2 ]
}

@test "--print-sql registers no source that nobody would read" {
  sql "CREATE TABLE a (id bigint PRIMARY KEY)"
  run pgtally source add a --table a --mode logical --print-sql
  [ "$status" -eq 0 ]
  [[ "$output" == *"-- Mode logical also puts"*"replication slot"* ]]
  [[ "$output" != *"INSERT"* ]]
}

@test "source check tells of row triggers that came after those of a source, and resuming goes ahead of them" {
  sql "CREATE TABLE a (id bigint PRIMARY KEY, n int)"
  pgtally source add a --table a --mode trigger --track-changes --quiet
  pgtally run --once --quiet
  pgtally source check a
  sql "CREATE FUNCTION sum_up() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RETURN NULL; END \$\$;
       CREATE TRIGGER sum_up AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION sum_up()"
  run pgtally source check a
  [ "$status" -eq 3 ]
  [[ "$output" == *"has got row triggers of its own"*"Pause the source and resume it"* ]]
  pgtally source pause a --quiet
  pgtally source resume a --quiet
  pgtally source check a
}

# lag NAME: how many rows of a source wait by `status`, and whether it is behind.
lag() {
  pgtally status --json | grep -o "\"name\":\"$1\".*" |
    sed -E 's/.*"lag_rows":([0-9]+),"lag_seconds":([0-9.eE+-]+).*/\1 \2/' |
    awk '{ print $1, ($2 > 0 ? "behind" : "level") }'
}

@test "status counts what no sweep has found yet, or says since when nobody has looked" {
  sql "CREATE TABLE pair (a int, b date, PRIMARY KEY (a, b)); INSERT INTO pair SELECT g, 'today' FROM generate_series(1, 3) AS g"
  pgtally source add pair --table pair --mode poll --quiet
  pgtally run --once --quiet
  [ "$(lag pair)" = "0 level" ]
  sql "INSERT INTO pair SELECT g, 'today' FROM generate_series(4, 8) AS g"
  [ "$(lag pair)" = "5 behind" ]
  pgtally run --once --quiet
  [ "$(lag pair)" = "0 level" ]
  sql "INSERT INTO pair SELECT g, 'today' FROM generate_series(9, 20000) AS g"
  [ "$(lag pair)" = "0 behind" ]
}

@test "source check tells of the values of a type that have other names now" {
  sql "CREATE TYPE mood AS ENUM ('good', 'bad');
       CREATE TABLE a (id bigint PRIMARY KEY, m mood); INSERT INTO a VALUES (1, 'good')"
  pgtally source add a --table a --mode poll --quiet
  pgtally run --once --quiet
  sql "ALTER TYPE mood ADD VALUE 'so-so'"
  pgtally source check a
  sql "ALTER TYPE mood RENAME VALUE 'good' TO 'well'"
  run pgtally source check a
  [ "$status" -eq 3 ]
  [[ "$output" == *'type public.mood has no value "good" any more'* ]]
}

@test "a role that is named as writer may write to that source, and to no other" {
  sql "CREATE ROLE ${DATABASE:-cli}_app LOGIN"
  app="${DATABASE:-cli}_app"
  pgtally source add theirs --append --writer "$app" --quiet
  pgtally source add ours --append --quiet
  [ "$(sql "SET ROLE $app; SELECT pgtally.append('x', 'theirs') > 0")" = t ]
  run sql "SET ROLE $app; SELECT pgtally.append('x', 'ours')"
  [[ "$output" == *"row-level security"* ]]
  run sql "SET ROLE $app; SELECT * FROM pgtally.secret"
  [[ "$output" == *"permission denied"* ]]
  pgtally source add more --append --writer "$app" --quiet
  pgtally source remove theirs --quiet
  [ "$(sql "SET ROLE $app; SELECT pgtally.append('x', 'more') > 0")" = t ]
  pgtally source remove more --quiet
  sql "DROP ROLE $app"
}

@test "a role that is gone keeps nobody else from writing" {
  sql "CREATE ROLE ${DATABASE:-cli}_one LOGIN; CREATE ROLE ${DATABASE:-cli}_two LOGIN"
  pgtally source add one --append --writer "${DATABASE:-cli}_one" --quiet
  pgtally source add two --append --writer "${DATABASE:-cli}_two" --quiet
  sql "DROP OWNED BY ${DATABASE:-cli}_one; DROP ROLE ${DATABASE:-cli}_one"
  [ "$(sql "SET ROLE ${DATABASE:-cli}_two; SELECT pgtally.append('x', 'two') > 0")" = t ]
  pgtally source remove one --quiet
  pgtally source remove two --quiet
  sql "DROP ROLE ${DATABASE:-cli}_two"
}

@test "the service of a role that only sequences goes on without what needs a reader" {
  role="${DATABASE:-cli}_svc"
  db="$(sql "SELECT current_database()")"
  sql "CREATE ROLE $role LOGIN; GRANT \"${db}_pgtally_sequencer\" TO $role;
       CREATE TABLE a (id bigint PRIMARY KEY); INSERT INTO a VALUES (1);
       CREATE TABLE l (id bigint PRIMARY KEY)"
  pgtally source add a --table a --mode poll --quiet
  pgtally source add l --table l --mode logical --quiet
  PGTALLY_DATABASE="$(as_user "$role")" run pgtally run --once
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE name = 'a' AND operation = 1")" = 1 ]
  run pgtally source list
  [[ "$output" == *"l fails since"*"may not read for it"* ]]
  pgtally run --once --quiet
  run pgtally source list
  [[ "$output" != *"fails since"* ]]
  pgtally uninstall --yes-remove bank.example/capture --quiet
  sql "DROP ROLE $role"
}

@test "a source that a superuser adds for the owner of the ledger can be read by the owner" {
  role="${DATABASE:-cli}_own"
  db="$(sql "SELECT current_database()")"
  pgtally uninstall --yes-remove bank.example/capture --quiet
  sql "CREATE ROLE $role LOGIN; GRANT CREATE ON DATABASE \"$db\" TO $role;
       CREATE TABLE a (id bigint PRIMARY KEY); INSERT INTO a VALUES (1); GRANT SELECT ON a TO $role"
  PGTALLY_DATABASE="$(as_user "$role")" pgtally init --origin bank.example/own --roles none --quiet
  pgtally source add a --table a --mode trigger --quiet
  PGTALLY_DATABASE="$(as_user "$role")" pgtally run --once --quiet
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE name = 'a' AND operation = 1")" = 1 ]
  pgtally uninstall --yes-remove bank.example/own --quiet
  sql "DROP OWNED BY $role; DROP ROLE $role"
}

@test "a key and a column may be of domains of any kind" {
  sql "CREATE DOMAIN posint AS int NOT NULL CHECK (VALUE > 0);
       CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN temper AS mood;
       CREATE DOMAIN code AS char(5); CREATE DOMAIN flags AS bit(8); CREATE DOMAIN pair AS int[];
       CREATE TABLE a (id posint PRIMARY KEY, m temper, c code, f flags, p pair);
       INSERT INTO a VALUES (1, 'good', 'abcd', B'10101010', '{1,2}'); INSERT INTO a (id) VALUES (2)"
  pgtally source add a --table a --mode poll --quiet
  pgtally source add b --table a --mode trigger --quiet
  sql "INSERT INTO a VALUES (3, 'bad', 'xyzzy', B'11110000', '{3}')"
  pgtally run --once --quiet
  run pgtally audit
  [ "$status" -eq 0 ]
  [[ "$output" == *"all is well"* ]]
  [ "$(sql "SELECT count(*) FROM pgtally.processed_log WHERE operation = 1")" = 6 ]
}
