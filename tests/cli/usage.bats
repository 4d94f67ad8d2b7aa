# The command line itself: help, global options, errors of usage, streams.

bats_require_minimum_version 1.5.0
load ../support/cli

setup() {
  use_nothing
}

teardown() {
  clean_up
}

@test "help lists every command, and every command explains itself with examples" {
  run pgtally --help
  [ "$status" -eq 0 ]
  [[ "$output" == *"exit status: 0 fine, 1 verification says no, 2 usage, 3 environment"* ]]
  local commands nouns verbs command
  commands="$(pgtally --help | sed -n '/^options/q; s/^  \([a-z-]*\)  .*/\1/p')"
  [ -n "$commands" ]
  for command in $commands; do
    verbs="$(pgtally "$command" --help | sed -n "s/^  pgtally \($command [a-z-]*\) .*/\1/p")"
    while read -r command; do
      # shellcheck disable=SC2086
      run pgtally $command --help
      [ "$status" -eq 0 ]
      [[ "${lines[0]}" == "pgtally $command: "* ]]
      [[ "$output" == *$'\nexamples\n'* ]] || { echo "no examples: $command"; return 1; }
    done <<< "${verbs:-$command}"
  done
}

@test "help can be asked for in several ways, also beside mistakes" {
  pgtally help tree root > one
  pgtally tree root -h > two
  pgtally tree root --nonsense --help > three
  pgtally --help tree root > four
  cmp one two
  cmp one three
  cmp one four
}

@test "examples of plumbing work as written" {
  for command in inclusion consistency; do
    pgtally tree "$command" --help | sed -n '/^ *H=/,$p' | sed 's/^    //' > example
    [ "$(bash example)" = ok ]
  done
}

@test "without a command the help goes to stderr and the exit status is 2" {
  run --separate-stderr pgtally
  [ "$status" -eq 2 ]
  [ -z "$output" ]
  [[ "$stderr" == *"usage: pgtally COMMAND"* ]]
}

@test "the version is one line" {
  run pgtally --version
  [ "$status" -eq 0 ]
  [[ "$output" =~ ^pgtally\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "unknown commands and options are exit 2 with the nearest name and where to look" {
  run pgtally verfiy x
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = 'error: unknown command "verfiy"' ]
  [ "${lines[1]}" = "Did you mean verify?" ]
  [ "${lines[2]}" = 'See `pgtally --help`.' ]
  run pgtally verify x --polcy y
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = "error: unknown option --polcy" ]
  [ "${lines[1]}" = "Did you mean --policy?" ]
  run pgtally tree root extra
  [ "$status" -eq 2 ]
  [[ "$output" == *'unexpected argument "extra"'* ]]
  run pgtally verify x --vkey
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = "error: --vkey needs a value" ]
}

@test "a value that is wrong is named, with what would be right and where to look" {
  run pgtally verify x --vkey a --vkey b
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = "error: --vkey: given more than once" ]
  [ "${lines[1]}" = 'See `pgtally verify --help`.' ]
}

@test "errors are JSON where JSON was asked for, even if nothing else was understood" {
  run --separate-stderr pgtally verify --json --nonsense
  [ "$status" -eq 2 ]
  [[ "$output" == '{"ok":false,"error":{"code":"reject","message":"unknown option --nonsense"'* ]]
  [ -z "$stderr" ]
}

@test "arguments that are no text are shown harmless" {
  run pgtally $'\033[31m\xff'
  [ "$status" -eq 2 ]
  [[ "$output" != *$'\033'* ]]
  run pgtally --json $'\xff'
  python3 -c 'import json, sys; json.loads(sys.argv[1].encode("utf-8", "surrogateescape"))' "$output"
}

@test "two databases are one too many" {
  run pgtally key show --database x --embedded y
  [ "$status" -eq 2 ]
  PGTALLY_DATABASE=x PGTALLY_EMBEDDED=y run pgtally key show
  [ "$status" -eq 2 ]
  [[ "$output" == *"PGTALLY_DATABASE and PGTALLY_EMBEDDED"* ]]
  PGTALLY_EMBEDDED=y run pgtally key show --database "host=$WORK"
  [ "$status" -eq 3 ]
  [ ! -e y ]
}

@test "no colours where there is no terminal, colours where there is one" {
  pgtally --help > plain
  run ! grep -q $'\033' plain
  TERM=xterm script -qec 'pgtally --help' /dev/null < /dev/null > coloured
  grep -q $'\033\[1m' coloured
  NO_COLOR=1 TERM=xterm script -qec 'pgtally --help' /dev/null < /dev/null > refused
  run ! grep -q $'\033' refused
}

@test "a reader that goes away is no crash, a full disk is exit 3" {
  run bash -c 'pgtally --help | true; echo "${PIPESTATUS[0]}"'
  [ "${lines[-1]}" = 0 ]
  run bash -c '(trap "" PIPE; pgtally --help) | (exec 0<&-; sleep 0.2); echo "${PIPESTATUS[0]}"'
  [ "${lines[-1]}" = 0 ]
  run bash -c 'pgtally --help > /dev/full'
  [ "$status" -eq 3 ]
  [[ "$output" == *"No space left on device"* ]]
}
