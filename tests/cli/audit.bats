# Are the rows of today those that were recorded?

load ../support/cli

setup() {
  use_fresh_database
  pgtally init --origin bank.example/payments --quiet
  sql "CREATE TABLE package (name text, arch text, size int, PRIMARY KEY (name, arch));
       INSERT INTO package VALUES ('bash', 'amd64', 7), ('bash', 'arm64', 8), ('dash', 'amd64', 9);
       CREATE TABLE event (id bigint PRIMARY KEY, what text)"
  pgtally source add debian_package --table package --key name,arch --quiet
  pgtally source add event --table event --key id --mode poll --quiet
  sql "INSERT INTO event SELECT g, 'event ' || g FROM generate_series(1, 50) AS g"
  pgtally run --once --quiet
}

teardown() {
  clean_up
}

@test "an audit of what nobody touched says that all is well, and what that is worth" {
  run pgtally audit
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "all is well: "*" entries and 53 rows are as they were recorded" ]]
  [[ "$output" == *"consistent with itself"*"all it can show"* ]]
  pgtally checkpoint -o outside.checkpoint
  run pgtally audit --checkpoint outside.checkpoint
  [ "$status" -eq 0 ]
  [[ "$output" != *"consistent with itself"* ]]
  [[ "$output" == *"outside.checkpoint"* ]]
}

@test "an audit names each row that was changed, removed or slipped in, and since when it was signed" {
  sql "UPDATE package SET size = size + 1 WHERE name = 'bash' AND arch = 'amd64';
       DELETE FROM event WHERE id = 17; INSERT INTO event VALUES (-3, 'slipped in')"
  run pgtally audit --wait 0s
  [ "$status" -eq 1 ]
  [[ "$output" == *"changed     debian_package bash amd64"*"under signature since"* ]]
  [[ "$output" == *"missing     event 17"* ]]
  run pgtally audit --wait 0s --json
  [ "$status" -eq 1 ]
  python3 - "$output" <<'END'
import json, sys
report = json.loads(sys.argv[1])
assert report["ok"] is False and report["remembered"] is None
found = {(f["kind"], f["source"], tuple(f["key"])): f for f in report["findings"]}
changed = found[("changed", "debian_package", ("bash", "amd64"))]
assert changed["covered_by"]["size"] > changed["id"]
assert changed["covered_by"]["time"].endswith("Z")
assert ("missing", "event", ("17",)) in found
sources = {s["name"]: s for s in report["sources"]}
assert sources["event"]["content_checked"] is True
assert sources["event"]["not_covered"] == []
END
}

@test "an audit of one source leaves the others alone" {
  sql "DELETE FROM event WHERE id = 17"
  pgtally audit debian_package
  run pgtally audit event
  [ "$status" -eq 1 ]
  run pgtally audit payroll
  [ "$status" -eq 2 ]
  [[ "$output" == *"there is no source"*"debian_package, event"* ]]
}

@test "a ledger that was written anew is caught by a checkpoint that was kept elsewhere" {
  pgtally checkpoint -o outside.checkpoint
  pgtally publish copy
  sql "ALTER TABLE pgtally.processed_log DISABLE TRIGGER ALL;
       ALTER TABLE pgtally.checkpoint DISABLE TRIGGER ALL;
       UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 20;
       DELETE FROM pgtally.checkpoint"
  run pgtally audit --checkpoint outside.checkpoint
  [ "$status" -eq 1 ]
  [[ "$output" == *"log"*"outside.checkpoint"* ]]
  run pgtally audit --published copy
  [ "$status" -eq 1 ]
  [[ "$output" == *"(entry 20)"*"position"* ]]
}

@test "a checkpoint of somebody else is a mistake on the command line, and no finding" {
  printf 'no note' > strange
  run pgtally audit --checkpoint strange
  [ "$status" -eq 2 ]
  run pgtally audit --checkpoint not-there
  [ "$status" -eq 3 ]
  [[ "$output" == *"put it before the options"* ]]
}

@test "what may not be read is named with the GRANT" {
  role="${DATABASE:-alone}_stranger"
  sql "CREATE ROLE $role; GRANT USAGE ON SCHEMA pgtally TO $role;
       GRANT SELECT ON pgtally.ledger, pgtally.source TO $role"
  PGOPTIONS="-c role=$role" run pgtally audit
  [ "$status" -eq 3 ]
  [[ "$output" == *"GRANT SELECT ON"*"processed_log"*"TO $role"* ]]
}

@test "the report can be had as a page" {
  pgtally audit --html report.html
  grep -q "<html" report.html
  grep -q "bank.example/payments" report.html
}

@test "of many findings, those that are listed are named" {
  sql "INSERT INTO event SELECT g, 'event ' || g FROM generate_series(51, 3000) AS g"
  pgtally run --once --quiet
  sql "DELETE FROM event WHERE id > 40"
  pgtally audit --json > report || [ $? -eq 1 ]
  python3 - <<'END'
import json
report = json.load(open("report"))
assert report["counts"] == [{"source": "event", "kind": "missing", "findings": 2960}], report["counts"]
assert len(report["findings"]) == 1000
assert all(f["key"] for f in report["findings"])
END
}

@test "what a registry says that is not the log's is found" {
  sql "UPDATE pgtally.ledger SET origin = 'other.example/log'"
  run pgtally audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"the log is of bank.example/payments"*"table ledger calls it other.example/log"* ]]
  sql "UPDATE pgtally.ledger SET origin = 'bank.example/payments';
       DELETE FROM pgtally.secret AS x USING pgtally.source AS s WHERE s.source_id = x.source_id AND s.name = 'event';
       UPDATE event SET what = 'another' WHERE id = 5"
  run pgtally audit
  [ "$status" -eq 1 ]
  [[ "$output" == *"1 finding: 1 log"*"table secret has none for it"* ]]
  pgtally source remove event
  pgtally audit
}

@test "what somebody puts beside an entry that keeps no data accuses no row" {
  pgtally append hello --quiet
  pgtally run --once --quiet
  sql "ALTER TABLE pgtally.processed_log DISABLE TRIGGER ALL;
       UPDATE pgtally.processed_log SET data = 'other' WHERE source_id = 1 AND operation = 1"
  pgtally prove append_only_log "$(sql "SELECT max(id) FROM pgtally.append_only_log WHERE source_id = 1")" --row -o p
  pgtally verify p --vkey "$(pgtally key show)"
}

@test "a finding says that the source was paused when the row may have changed" {
  sql "CREATE TABLE account (id int PRIMARY KEY, owner text); INSERT INTO account SELECT g, 'a' FROM generate_series(1, 9) AS g"
  pgtally source add account --table account --key id --mode trigger --track-changes --quiet
  pgtally run --once --quiet
  pgtally source pause account --quiet
  sql "UPDATE account SET owner = 'b' WHERE id = 5"
  pgtally source resume account --quiet
  sql "UPDATE account SET owner = 'c' WHERE id = 6; ALTER TABLE account DISABLE TRIGGER ALL; DELETE FROM account WHERE id = 6"
  pgtally run --once --quiet
  run pgtally audit
  [ "$status" -eq 1 ]
  text="$(tr -s '\n ' ' ' <<<"$output")"
  [[ "$text" =~ "changed account 5 ".*"; the source was paused, and its changes not recorded, from entry "[0-9]+" to entry "[0-9]+" when" ]]
  [[ "$text" =~ "missing account 6 ".*" now no row when" ]]
}
