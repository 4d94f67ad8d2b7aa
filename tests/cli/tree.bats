# pgtally tree: proofs on hashes alone, from JSON on standard input.

load ../support/cli

EMPTY=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

setup() {
  use_nothing
  # An RFC 6962 tree of seven leaves, made without pgtally.
  python3 - <<'PYTHON'
import base64, hashlib, json

def node(a, b): return hashlib.sha256(b"\x01" + a + b).digest()
def root(leaves):
    if len(leaves) == 1: return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:k]), root(leaves[k:]))
def b64(x): return base64.b64encode(x).decode()
def write(name, value): json.dump(value, open(name, "w"))

l = [hashlib.sha256(b"\x00" + bytes([i])).digest() for i in range(7)]
inclusion = {"leaf_index": 5, "tree_size": 7, "leaf_hash": b64(l[5]), "root": b64(root(l)),
             "proof": [b64(x) for x in (l[4], l[6], root(l[:4]))]}
write("inclusion.json", inclusion)
write("inclusion_text.json", inclusion | {"leaf_index": "5", "tree_size": "7"})
write("inclusion_other.json", inclusion | {"leaf_index": 4})
write("inclusion_beyond.json", inclusion | {"leaf_index": 7})
write("consistency.json", {"size1": 3, "size2": 7, "root1": b64(root(l[:3])), "root2": b64(root(l)),
                           "proof": [b64(x) for x in (l[2], l[3], root(l[:2]), root(l[4:]))]})
write("subtree_inclusion.json", {"leaf_index": 5, "start": 4, "end": 7, "leaf_hash": b64(l[5]),
                                 "root": b64(root(l[4:7])), "proof": [b64(l[4]), b64(l[6])]})
write("subtree_consistency.json", {"start": 4, "end": 6, "size": 7, "root1": b64(root(l[4:6])),
                                   "root2": b64(root(l)), "proof": [b64(l[6]), b64(root(l[:4]))]})
write("leaves.json", {"leaf_hashes": [b64(x) for x in l]})
open("root", "w").write(b64(root(l)) + "\n")
# The last leaf but one of the largest tree that has a number: the path is as deep as can be.
index, size, path, hash_ = 2**64 - 2, 2**64 - 1, [], l[0]
node_, last = index, size - 1
while last:
    if node_ & 1 or node_ == last:
        path.append(l[1]); hash_ = node(l[1], hash_)
        while not node_ & 1: node_ >>= 1; last >>= 1
    else:
        path.append(l[1]); hash_ = node(hash_, l[1])
    node_ >>= 1; last >>= 1
write("largest.json", {"leaf_index": index, "tree_size": size, "leaf_hash": b64(l[0]),
                       "root": b64(hash_), "proof": [b64(x) for x in path]})
PYTHON
}

teardown() {
  clean_up
}

tree() {
  run bash -c 'pgtally tree "${@:2}" < "$1"' _ "$@"
}

@test "proofs that hold are ok" {
  tree inclusion.json inclusion
  [ "$status" -eq 0 ]
  [ "$output" = ok ]
  tree inclusion_text.json inclusion --json
  [ "$status" -eq 0 ]
  [ "$output" = '{"ok":true}' ]
  tree consistency.json consistency
  [ "$status" -eq 0 ]
  tree subtree_inclusion.json inclusion --subtree
  [ "$status" -eq 0 ]
  tree subtree_consistency.json consistency --subtree
  [ "$status" -eq 0 ]
  tree largest.json inclusion
  [ "$status" -eq 0 ]
}

@test "proofs that do not hold are exit 1, with the reason" {
  tree inclusion_other.json inclusion
  [ "$status" -eq 1 ]
  [[ "$output" == "error: the proof leads to another root"* ]]
  tree inclusion_beyond.json inclusion --json
  [ "$status" -eq 1 ]
  [[ "$output" == '{"ok":false,"reason":"'* ]]
  sed 's/"size1": 3/"size1": 4/' consistency.json > wrong.json
  tree wrong.json consistency
  [ "$status" -eq 1 ]
  sed 's/"start": 4/"start": 3/' subtree_consistency.json > wrong.json
  tree wrong.json consistency --subtree
  [ "$status" -eq 1 ]
}

@test "what is not such JSON is exit 1, and says what is wrong" {
  check() {
    run bash -c 'printf %s "$1" | pgtally tree inclusion' _ "$1"
    [ "$status" -eq 1 ]
    [[ "$output" == *"$2"* ]] || { echo "$output"; return 1; }
  }
  check '' 'not JSON'
  check '{"leaf_index":1' 'not JSON'
  check '{} {}' 'more after byte'
  check '[]' 'not a JSON object'
  check '{}' '"leaf_index" is missing'
  check '{"leaf_index":-1}' '"leaf_index" is not an integer from 0 to 2^64-1'
  check '{"leaf_index":1.5}' '"leaf_index" is not an integer'
  check '{"leaf_index":18446744073709551616}' '"leaf_index" is not an integer'
  check '{"leaf_index":"007"}' '"leaf_index"'
  check '{"leaf_index":0,"leaf_hash":7}' '"leaf_hash" is not a string'
  check '{"leaf_index":0,"leaf_hash":"YQ=="}' '"leaf_hash": a hash has 32 bytes'
  check '{"leaf_index":0,"leaf_hash":"?"}' '"leaf_hash"'
  check "{\"leaf_index\":0,\"leaf_hash\":\"$EMPTY\",\"root\":\"$EMPTY\",\"proof\":{}}" \
    '"proof" is not an array'
  check "{\"leaf_index\":0,\"leaf_hash\":\"$EMPTY\",\"root\":\"$EMPTY\",\"proof\":[1]}" \
    '"proof" element 0'
}

@test "the root over leaves is printed, that of none too" {
  tree leaves.json root
  [ "$status" -eq 0 ]
  [ "$output" = "$(cat root)" ]
  tree leaves.json root --json
  [ "$output" = "{\"ok\":true,\"size\":7,\"root\":\"$(cat root)\"}" ]
  echo '{"leaf_hashes":[]}' > none.json
  tree none.json root
  [ "$status" -eq 0 ]
  [ "$output" = "$EMPTY" ]
}

@test "the command line itself is checked as usage" {
  tree leaves.json root --subtree
  [ "$status" -eq 2 ]
  tree leaves.json rot
  [ "$status" -eq 2 ]
  [[ "$output" == *"Did you mean root?"* ]]
  tree leaves.json
  [ "$status" -eq 2 ]
}
