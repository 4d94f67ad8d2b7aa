# The auditor's bundle: made by the operator, audited by somebody who sees nothing but the tables.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/payments --quiet
  sql "CREATE TABLE payment (id bigint PRIMARY KEY, payer text, amount numeric(12,2));
       CREATE TABLE login (id bigint PRIMARY KEY, who text);
       INSERT INTO payment SELECT g, 'P' || g, g * 1.5 FROM generate_series(1, 300) AS g;
       INSERT INTO login SELECT g, 'w' || g FROM generate_series(1, 50) AS g"
  pgtally source add payment --table payment --key id --mode poll --quiet
  pgtally source add login --table login --key id --mode trigger --track-changes --quiet
  pgtally run --once --quiet
  VKEY="$(pgtally key show)"
}

teardown() {
  [[ -z "${AUDITOR:-}" ]] || sql "DROP OWNED BY $AUDITOR; DROP ROLE $AUDITOR"
  clean_up
}

# Without what only the operator has.
audit() {
  PGTALLY_STATE="$WORK/nobody" pgtally audit --bundle ledger.bundle --vkey "$VKEY" "$@"
}

@test "bundle writes one file, and audit needs nothing else of the ledger" {
  run pgtally bundle -o ledger.bundle
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "bundled  354 entries in ledger.bundle: 1 checkpoint, "*" bytes" ]]
  [[ "${lines[1]}" == "salts    append_only_log, login, payment" ]]
  run audit
  [ "$status" -eq 0 ]
  [[ "$output" == *"354 entries and 350 rows are as they were recorded"* ]]
  [[ "$output" == *"read from a bundle that was made at 20"* ]]
}

@test "bundle says for programs what is in it, and needs to know where to" {
  run pgtally bundle -o ledger.bundle --salts payment --json
  [ "$status" -eq 0 ]
  [[ "$output" == '{"ok":true,"file":"ledger.bundle","bytes":'*',"size":354,'*'"salts":300,"salts_of":["payment"]}' ]]
  run pgtally bundle -o ledger.bundle --no-salts
  [[ "${lines[1]}" == "salts    none" ]]
  run pgtally bundle
  [ "$status" -eq 2 ]
  run pgtally bundle -o -
  [ "$status" -eq 2 ]
  run pgtally bundle -o x --salts nothing
  [ "$status" -eq 2 ]
  [[ "$output" == *"there is no source nothing"* ]]
  run pgtally bundle -o x --salts payment --no-salts
  [ "$status" -eq 2 ]
  run pgtally bundle -o no/such/place
  [ "$status" -eq 3 ]
  [ ! -e x ]
}

@test "audit by bundle names what was tampered with, on a page as well" {
  pgtally bundle -o ledger.bundle --quiet
  sql "UPDATE payment SET amount = amount + 1 WHERE id = 7; DELETE FROM payment WHERE id = 8"
  run audit --html audit.html
  [ "$status" -eq 1 ]
  [[ "$output" == "2 findings: 1 changed, 1 missing"* ]]
  grep -q "<h1>2 rows are not what was recorded</h1>" audit.html
  audit --json >out.json || true
  [ "$(python3 -c 'import json; v = json.load(open("out.json")); print([(f["kind"], f["source"], f["key"], f["covered_by"]["size"]) for f in v["findings"]])')" = \
    "[('changed', 'payment', ['7'], 354), ('missing', 'payment', ['8'], 354)]" ]
}

@test "audit by bundle does not call newer rows tampered, and does not call them well" {
  pgtally bundle -o ledger.bundle --quiet
  sql "INSERT INTO payment VALUES (301, 'new', 1); UPDATE login SET who = 'x' WHERE id = 1"
  run audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"1 undecided"* ]]
  [[ "$output" == *"a newer bundle decides"* ]]
  [[ "$output" != *"findings"* ]]
  run audit --as-of-bundle
  [ "$status" -eq 1 ]
  [[ "$output" == "2 findings: 1 changed, 1 unrecorded"* ]]
  pgtally run --once --quiet
  pgtally bundle -o ledger.bundle --quiet
  run audit
  [ "$status" -eq 0 ]
}

@test "audit by bundle works for a role that may read the tables and nothing else" {
  pgtally bundle -o ledger.bundle --quiet
  AUDITOR="auditor_${RANDOM}_$$"
  sql "CREATE ROLE $AUDITOR; GRANT SELECT ON payment TO $AUDITOR; UPDATE payment SET payer = '' WHERE id = 9"
  export PGOPTIONS="-c role=$AUDITOR"
  run audit
  [ "$status" -eq 1 ]
  [[ "$output" == "1 finding: 1 changed"* ]]
  [[ "$output" == *"table public.login may not be read"* ]]
  run audit login
  [ "$status" -eq 3 ]
  [[ "$output" == *"GRANT SELECT"* ]]
  run pgtally audit
  [ "$status" -eq 3 ]
  run pgtally bundle -o other.bundle
  [ "$status" -eq 3 ]
  unset PGOPTIONS
}

@test "audit trusts only the key on its command line" {
  pgtally bundle -o ledger.bundle --quiet
  run pgtally audit --bundle ledger.bundle
  [ "$status" -eq 2 ]
  [[ "$output" == *"nothing says whom to trust"* ]]
  pgtally key generate --name other.example/log -o other.key >/dev/null
  run pgtally audit --bundle ledger.bundle --vkey "$(pgtally key show --signing-key other.key)"
  [ "$status" -eq 2 ]
  [[ "$output" == *'the bundle is of the ledger "bank.example/payments"'* ]]
  pgtally key generate --name bank.example/payments -o false.key >/dev/null
  run pgtally audit --bundle ledger.bundle --vkey "$(pgtally key show --signing-key false.key)"
  [ "$status" -eq 1 ]
}

@test "a bundle that is damaged, cut off or none is refused as what it is" {
  pgtally bundle -o whole --quiet
  head -c 1000 whole >ledger.bundle
  run audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"ledger.bundle: the bundle is cut off: it ends at byte 1000"* ]]
  { head -c -40 whole; printf 'x'; tail -c 39 whole; } >ledger.bundle
  run audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"ledger.bundle: the bundle is damaged"* || "$output" == *"ledger.bundle: section salts"* ]]
  head -c 1000 /dev/zero >ledger.bundle
  run audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"this is no bundle of a ledger"* ]]
  rm ledger.bundle
  run audit
  [ "$status" -eq 3 ]
  run pgtally audit --as-of-bundle
  [ "$status" -eq 2 ]
}
