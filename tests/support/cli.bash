# For the scripts in tests/cli: `load ../support/cli` at the top, then in setup() one of
#
#     use_fresh_database    PGTALLY_DATABASE: a new database in the cluster that all tests share
#     use_embedded          PGTALLY_EMBEDDED: a private cluster that the first command will make
#     use_nothing           neither
#
# and `clean_up` in teardown(). Each makes a directory $WORK, goes there, and makes it $HOME, so that
# keys and guards of one test never meet those of another. PATH begins with the build under test.

use_nothing() {
  local parent="${PGTALLY_TEST_DIRECTORY:-/tmp}"
  mkdir -p "$parent"
  WORK="$(mktemp -d "$parent/pgtally-XXXXXX")"
  chmod 755 "$WORK"
  cd "$WORK" || return 1
  export WORK HOME="$WORK" PGTALLY_STATE="$WORK/state"
  PATH="${PGTALLY_BUILD:-$BATS_TEST_DIRNAME/../../build/release}:$PATH"
  unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_DATA_HOME PGTALLY_DATABASE PGTALLY_EMBEDDED
  unset PGTALLY_SCHEMA PGTALLY_CONFIG
  unset PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE
}

use_embedded() {
  use_nothing
  export PGTALLY_EMBEDDED="$WORK/cluster"
}

# Without the fixture of ctest there is no shared cluster; then it is a private one after all.
use_fresh_database() {
  use_nothing
  if [[ ! -f "${PGTALLY_TEST_DIRECTORY:-}/shared/conninfo" ]]; then
    export PGTALLY_EMBEDDED="$WORK/cluster"
    return
  fi
  SHARED="$(cat "$PGTALLY_TEST_DIRECTORY/shared/conninfo")"
  DATABASE="test_cli_$$_${BATS_TEST_NUMBER}_$RANDOM"
  psql -XqAt -d "$SHARED" -c "CREATE DATABASE $DATABASE TEMPLATE template0"
  export PGTALLY_DATABASE="${SHARED%% dbname=*} dbname=$DATABASE"
}

# Runs SQL where pgtally works, and prints what `psql -At` prints.
sql() {
  if [[ -n "${PGTALLY_DATABASE:-}" ]]; then
    psql -XqAt -v ON_ERROR_STOP=1 -d "$PGTALLY_DATABASE" -c "$1"
  else
    pgtally psql -XqAt -v ON_ERROR_STOP=1 -c "$1"
  fi
}

# Ends what the test has left running in the background.
end_jobs() {
  local process
  for process in $(jobs -p); do
    kill -9 "$process" 2> /dev/null
    wait "$process" 2> /dev/null
  done
}

clean_up() {
  if [[ -n "${DATABASE:-}" ]]; then
    psql -XqAt -d "$SHARED" -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)"
    psql -XqAt -d "$SHARED" >/dev/null <<SQL
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE starts_with(rolname, '${DATABASE}_')
\gexec
SQL
  fi
  cd / || return 1
  rm -rf "$WORK"
}
