# pgtally verify: what it prints and how it exits, on the golden proofs in tests/vectors/format.

load ../support/cli

setup() {
  use_nothing
  PROOFS="$BATS_TEST_DIRNAME/../vectors/format/proofs"
  VKEY="$(cat "$PROOFS/../log.vkey")"
  POLICY="$PROOFS/../policy.txt"
}

teardown() {
  clean_up
}

# Only what goes to standard output, parsed as JSON, through a Python expression on `v`.
json() {
  python3 -c 'import json, sys; v = json.load(sys.stdin); print('"$1"')'
}

@test "a proof with its row is verified, and everything in it is said" {
  run pgtally verify "$PROOFS/payment_42.tlog-proof" --vkey "$VKEY" --source payment --key 42
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "verified  payment 42 is entry 3 of ledger.example/payments" ]
  [[ "$output" == *"recorded    2026-11-18 11:06:40.250000 UTC   (the operator's clock)"* ]]
  [[ "$output" == *"says        2026-11-18 11:06:39.972000 UTC   (the source's own time)"* ]]
  [[ "$output" == *"row         amount=1200.00  created_at='2026-11-18 11:06:39.972+00'  id=42"* ]]
  [[ "$output" == *"checked     checkpoint signature, inclusion, "*"source, key"* ]]
}

@test "JSON has the fields that others rely on" {
  pgtally --json verify "$PROOFS/payment_42.tlog-proof" --policy "$POLICY" > out.json
  [ "$(json 'v["ok"]' < out.json)" = True ]
  [ "$(json 'v["origin"]' < out.json)" = ledger.example/payments ]
  [ "$(json '(v["size"], v["id"], v["ordinal"], v["source"], v["key"])' < out.json)" = \
    "(19, 3, 1, 'payment', ['42'])" ]
  [ "$(json 'v["operation"]' < out.json)" = insert ]
  [ "$(json 'v["sequenced_at"]' < out.json)" = 2026-11-18T11:06:40.250000Z ]
  [ "$(json 'v["source_time"]' < out.json)" = 2026-11-18T11:06:39.972000Z ]
  [ "$(json 'len(bytes.fromhex(v["content_hash"]))' < out.json)" = 32 ]
  [ "$(json 'v["cosigned_by"]' < out.json)" = "['w1.example/witness', 'w2.example/witness']" ]
  [ "$(json 'v["cosigned_at"][0]' < out.json)" = 2026-11-18T12:06:41.000000Z ]
  [ "$(json '"witnesses" in v["checked"] and "inclusion" in v["checked"]' < out.json)" = True ]
  [ "$(json 'v["row"]["payer"]' < out.json)" = ACME ]
}

@test "with a policy, each witness that cosigned is named with its time" {
  run pgtally verify "$PROOFS/payment_42.tlog-proof" --policy "$POLICY"
  [ "$status" -eq 0 ]
  [ "${lines[2]}" = \
    "  cosigned    2026-11-18 12:06:41.000000 UTC by w1.example/witness   (1 h 0 min later)" ]
  [ "${lines[3]}" = \
    "  cosigned    2026-11-18 12:06:42.000000 UTC by w2.example/witness   (1 h 0 min later)" ]
  [[ "$output" != *w3.example* ]]
  [[ "$output" == *"checked     "*"checkpoint signature, witnesses, inclusion"* ]]

  # Of an entry that cannot be read, the checkpoint's witnesses are known even so.
  run pgtally verify "$PROOFS/version_9.tlog-proof" --policy "$POLICY"
  [ "$status" -eq 0 ]
  [[ "$output" == *"cosigned    "*" by w1.example/witness"* ]]
}

@test "cosignatures are carried along and not counted where no policy asks for them" {
  pgtally verify "$PROOFS/payment_42.tlog-proof" --vkey "$VKEY" --json > out.json
  [ "$(json '(v["cosigned_by"], "witnesses" in v["checked"])' < out.json)" = "([], False)" ]
  # Named, but not needed: said, and not listed as checked.
  { grep -v "^ *quorum" "$POLICY"; echo "quorum none"; } > optional
  pgtally verify "$PROOFS/payment_42.tlog-proof" --policy optional --json > out.json
  [ "$(json '(len(v["cosigned_by"]), "witnesses" in v["checked"])' < out.json)" = "(2, False)" ]
}

@test "a quorum that is not met is exit 1, and so is a cosignature that is wrong" {
  local proof="$PROOFS/payment_42.tlog-proof"
  { grep -v "group" "$POLICY"; echo "group all_three all W1 W2 W3"; echo "quorum all_three"; } > strict
  run pgtally verify "$proof" --policy strict --json
  [ "$status" -eq 1 ]
  [ "$(json 'v["ok"]' <<< "$output")" = False ]
  [[ "$(json 'v["reason"]' <<< "$output")" == *'quorum "all_three", cosigned by 2 of 3 witnesses' ]]

  grep -v "^— w2.example" "$proof" > without_w2
  run pgtally verify without_w2 --policy "$POLICY"
  [ "$status" -eq 1 ]
  [[ "$output" == *"lacks the cosignatures that the policy asks for"* ]]

  python3 - "$proof" > forged <<'PYTHON'
import base64, sys
for line in open(sys.argv[1], encoding="utf-8"):
    if line.startswith("— w1.example"):
        dash, name, text = line.split()
        blob = bytearray(base64.b64decode(text))
        blob[4 + 7] ^= 1  # a second earlier or later than what was signed
        line = f"{dash} {name} {base64.b64encode(blob).decode()}\n"
    sys.stdout.write(line)
PYTHON
  run pgtally verify forged --policy "$POLICY"
  [ "$status" -eq 1 ]
  [[ "$output" == *'the signature by "w1.example/witness" on the checkpoint is wrong'* ]]
}

@test "an order proof shows both entries and what it proves" {
  run pgtally verify "$PROOFS/package_before_update.order-proof" --vkey "$VKEY"
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == *"was recorded before the update of payment 42 in ledger.example/payments" ]]
  [[ "$output" == *"first     debian_package bash 5.2.15-2+b7 amd64 is entry 4"* ]]
  [[ "$output" == *"second    the update of payment 42 is entry 7"* ]]
  [[ "$(tr -s "\n " " " <<<"$output")" == *"recorded before is not happened before"* ]]
  [[ "$output" != *"one batch"* ]]

  pgtally verify "$PROOFS/same_batch.order-proof" --vkey "$VKEY" --json > out.json
  [ "$(json '(v["ok"], v["same_batch"], v["first"]["id"], v["second"]["id"])' < out.json)" = \
    "(True, True, 3, 4)" ]
  [ "$(json 'v["second"]["key"][0]' < out.json)" = bash ]
}

@test "an order proof the wrong way round is refused" {
  run pgtally verify "$PROOFS/wrong_way_round.order-proof" --vkey "$VKEY"
  [ "$status" -eq 1 ]
  [[ "$output" == "error: "*"wrong_way_round.order-proof does not verify: "* ]]
}

@test "what is expected of one entry is not asked of two" {
  run pgtally verify "$PROOFS/same_batch.order-proof" --vkey "$VKEY" --source payment
  [ "$status" -eq 2 ]
  [[ "$output" == *"an order proof is about two entries"* ]]
}

@test "another source, key, row or content hash than expected is exit 1" {
  local proof="$PROOFS/payment_42.tlog-proof"
  run pgtally verify "$proof" --vkey "$VKEY" --source login
  [ "$status" -eq 1 ]
  [[ "$output" == *'about source payment, not "login"'* ]]
  run pgtally verify "$proof" --vkey "$VKEY" --key 43
  [ "$status" -eq 1 ]
  echo "other" > row
  run pgtally verify "$proof" --vkey "$VKEY" --row row
  [ "$status" -eq 1 ]
  run pgtally verify "$proof" --vkey "$VKEY" --content-hash "$(printf '%064d' 1)"
  [ "$status" -eq 1 ]
}

@test "the content hash, and the row that it is the hash of, are recognised" {
  pgtally verify "$PROOFS/payment_42.tlog-proof" --vkey "$VKEY" --json > out.json
  run pgtally verify "$PROOFS/payment_42_salt.tlog-proof" --vkey "$VKEY" \
    --content-hash "$(json 'v["content"]' < out.json)"
  [ "$status" -eq 0 ]
  [[ "$output" == *"content hash"* ]]
  # row/v1, written down by hand
  { printf 'pgtally/row/v1\0'
    printf '\006amount\0\0\0\0071200.00'
    printf '\012created_at\0\0\0\0322026-11-18 11:06:39.972+00'
    printf '\002id\0\0\0\00242'
    printf '\005payer\0\0\0\004ACME'; } > row
  run pgtally verify "$PROOFS/payment_42_salt.tlog-proof" --vkey "$VKEY" --row row
  [ "$status" -eq 0 ]
  [[ "$output" == *"salt, row"* ]]
}

@test "a key of several columns can be given by place, by name, and name by name" {
  local proof="$PROOFS/package_bash.tlog-proof"
  run pgtally verify "$proof" --vkey "$VKEY" --key bash 5.2.15-2+b7 amd64
  [ "$status" -eq 0 ]
  run pgtally verify "$proof" --vkey "$VKEY" --key architecture=amd64 name=bash version=5.2.15-2+b7
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == *"debian_package name=bash version=5.2.15-2+b7 architecture=amd64 is entry 4"* ]]
  run pgtally verify --vkey "$VKEY" --key name=bash --key =5.2.15-2+b7 --key =amd64 "$proof"
  [ "$status" -eq 0 ]
  run pgtally verify "$proof" --vkey "$VKEY" --key name=bash version=5.2.15-2+b7 architecture=i386
  [ "$status" -eq 1 ]
}

@test "a single changed bit anywhere in a proof is noticed" {
  # Without the signatures of others: those that nobody asks for are carried along and do not count.
  awk '!/^— / || /^— ledger.example\/payments /' "$PROOFS/payment_42_bare.tlog-proof" > bare
  pgtally verify bare --vkey "$VKEY"
  local at
  for ((at = 0; at < $(stat -c %s bare); at += 7)); do
    python3 - "$at" > changed <<'PYTHON'
import sys
proof = bytearray(open("bare", "rb").read())
proof[int(sys.argv[1])] ^= 1
sys.stdout.buffer.write(proof)
PYTHON
    run pgtally verify changed --vkey "$VKEY"
    [ "$status" -eq 1 ] || { echo "byte $at: $output"; return 1; }
    [[ "$output" == "error: changed does not verify: "* ]]
  done
}

@test "what is no proof at all is exit 1, with a reason in JSON" {
  head -c 200 "$PROOFS/payment_42.tlog-proof" > truncated
  : > empty
  head -c 1000 /dev/urandom > random
  for file in truncated empty random; do
    run pgtally verify "$file" --vkey "$VKEY"
    [ "$status" -eq 1 ]
    run pgtally verify "$file" --vkey "$VKEY" --json
    [ "$status" -eq 1 ]
    [ "$(json 'v["ok"] is False and len(v["reason"]) > 0 and v["checked"] == []' <<< "$output")" = True ]
  done
}

@test "a proof by another key is exit 1" {
  OTHER="$(pgtally key generate --name ledger.example/payments -o other.key 2> /dev/null)"
  run pgtally verify "$PROOFS/payment_42.tlog-proof" --vkey "$OTHER"
  [ "$status" -eq 1 ]
}

@test "a file that is too large is refused before it is read" {
  truncate -s 40G huge
  run timeout 5 pgtally verify huge --vkey "$VKEY"
  [ "$status" -eq 1 ]
  [[ "$output" == *"huge is larger than 33,554,432 bytes"* ]]
  run timeout 20 bash -c 'pgtally verify - --vkey "$0" < <(yes)' "$VKEY"
  [ "$status" -eq 1 ]
  [[ "$output" == *"standard input is larger than"* ]]
}

@test "several files are all checked, and one that fails decides" {
  run pgtally verify "$PROOFS/payment_42.tlog-proof" "$PROOFS/wrong_way_round.order-proof" missing \
    "$PROOFS/payment_43.tlog-proof" --vkey "$VKEY"
  [ "$status" -eq 1 ]
  [[ "$output" == *"payment 42 is entry 3"*"payment 43 is entry 16"* ]]
  [[ "$output" == *"cannot read missing: No such file or directory"* ]]

  run pgtally verify "$PROOFS/payment_42.tlog-proof" "$PROOFS/wrong_way_round.order-proof" \
    --vkey "$VKEY" --json
  [ "$status" -eq 1 ]
  [ "$(json '[one["ok"] for one in v]' <<< "$output")" = "[True, False]" ]

  run pgtally verify "$PROOFS/payment_42.tlog-proof" missing --vkey "$VKEY" --json
  [ "$status" -eq 3 ]
  [ "$(json 'v[1]["error"]["code"]' <<< "$output")" = operator ]
}

@test "standard input is a file like others, once" {
  run bash -c 'pgtally verify - --vkey "$0" < "$1"' "$VKEY" "$PROOFS/payment_42.tlog-proof"
  [ "$status" -eq 0 ]
  run pgtally verify - - --vkey "$VKEY"
  [ "$status" -eq 2 ]
}

@test "an entry of a version that is not known is still proved to be there" {
  run pgtally verify "$PROOFS/version_9.tlog-proof" --vkey "$VKEY"
  [ "$status" -eq 0 ]
  [[ "$output" == *"entry version 9 is entry 15"*"unchecked"* ]]
}

@test "a missing file is exit 3, missing trust and malformed expectations are exit 2" {
  local proof="$PROOFS/payment_42.tlog-proof"
  run pgtally verify missing --vkey "$VKEY"
  [ "$status" -eq 3 ]
  run pgtally verify . --vkey "$VKEY"
  [ "$status" -eq 3 ]
  run pgtally verify "$proof" --policy missing
  [ "$status" -eq 3 ]
  run pgtally verify "$proof"
  [ "$status" -eq 2 ]
  [[ "$output" == *"--vkey, or a policy file with --policy"* ]]
  run pgtally verify --vkey "$VKEY"
  [ "$status" -eq 2 ]
  [ "${lines[0]}" = "error: FILE is missing" ]
  run pgtally verify "$proof" --vkey "$VKEY" --policy "$POLICY"
  [ "$status" -eq 2 ]
  run pgtally verify "$proof" --vkey nonsense
  [ "$status" -eq 2 ]
  run pgtally verify "$proof" --vkey "$VKEY" --content-hash 12
  [ "$status" -eq 2 ]
  echo "log" > policy
  run pgtally verify "$proof" --policy policy
  [ "$status" -eq 2 ]
}

@test "what a proof brings along cannot drive the terminal" {
  run pgtally verify "$PROOFS/payment_42_update.tlog-proof" --vkey "$VKEY"
  [ "$status" -eq 0 ]
  [[ "$output" == *"note='paid \"late\"\\x0aüber'"* ]]
}
