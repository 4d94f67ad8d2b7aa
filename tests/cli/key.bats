# pgtally key: files that only their owner may read, verifier keys for everybody.

load ../support/cli

setup() {
  use_nothing
}

teardown() {
  clean_up
}

@test "generate writes a private file and prints the verifier key" {
  VKEY="$(pgtally key generate --name bank.example/payments -o p.key 2> remark)"
  [[ "$VKEY" == bank.example/payments+????????+A* ]]
  [ "$(stat -c %a p.key)" = 600 ]
  [[ "$(cat p.key)" == PRIVATE+KEY+bank.example/payments+* ]]
  grep -q 'private key is in p.key' remark
  [ "$(pgtally key show --signing-key p.key)" = "$VKEY" ]
}

@test "without a file the key's name is the file's" {
  run pgtally key generate --name bank.example/payments --json
  [ "$status" -eq 0 ]
  [[ "$output" == *'"file":"bank.example-payments.key"'* ]]
  [ -f bank.example-payments.key ]
}

@test "with --quiet nothing but the verifier key is said" {
  run pgtally key generate --name a -o a.key --quiet
  [ "${#lines[@]}" -eq 1 ]
}

@test "a file that is there is never overwritten" {
  echo precious > p.key
  run pgtally key generate --name a -o p.key
  [ "$status" -eq 3 ]
  [[ "$output" == *"File exists"*"never overwritten"* ]]
  [ "$(cat p.key)" = precious ]
}

@test "a name that a key cannot have is a usage error" {
  for name in "" "a b" "a+b" $'a\tb'; do
    run pgtally key generate --name "$name" -o a.key
    [ "$status" -eq 2 ]
    [ ! -e a.key ]
  done
  run pgtally key generate
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = "error: --name is missing" ]
}

@test "a key file that is missing, open to others or corrupt is exit 3 with a next step" {
  run pgtally key show --signing-key missing.key
  [ "$status" -eq 3 ]
  pgtally key generate --name a -o a.key --quiet
  chmod 644 a.key
  run pgtally key show --signing-key a.key
  [ "$status" -eq 3 ]
  [[ "$output" == *"chmod 600 a.key"* ]]
  chmod 600 a.key
  sed -i 's/.$//' a.key
  run pgtally key show --signing-key a.key --json
  [ "$status" -eq 3 ]
  [[ "$output" == *'"code":"operator"'* ]]
  [[ "$output" != *"$(cut -d+ -f5 a.key)"* ]]
}

@test "without a file the ledger is asked, and a server that is not there is exit 3" {
  run pgtally key show --database "host=$WORK dbname=none"
  [ "$status" -eq 3 ]
  [[ "$output" == "error: cannot connect"* ]]
}
