#!/usr/bin/env python3
"""Writes proofs.txt: roots and proofs of Merkle trees, computed from the definitions alone.

    python3 generate.py > proofs.txt

Written from RFC 6962 section 2.1 and draft-ietf-plants-merkle-tree-certs, section "Subtrees", with
nothing but Python's standard library. Before it writes, it checks itself against what others have
published: the roots of the Certificate Transparency reference data and the accumulated hashes of
the draft's appendix "Subtree Test Vectors".

Entry i of the log is the decimal text of i, or, in the huge trees, nothing at all unless i is one
of SPECIAL, which is how a tree of 2^64-1 entries can be computed.

One vector a line, fields separated by a space, hashes in hexadecimal, a proof as the last fields:

    root SIZE ROOT
    inclusion INDEX SIZE LEAF ROOT PATH...
    consistency FROM TO ROOT_FROM ROOT_TO PATH...
    subtree-inclusion INDEX START END LEAF SUBTREE_ROOT PATH...
    subtree-consistency START END SIZE SUBTREE_ROOT ROOT PATH...
"""
import hashlib
import random

BIGGEST = 2**64 - 1
SPECIAL = [0, 1, 255, 256, 2**32 - 1, 2**32, 2**63 - 1, 2**63, BIGGEST - 256, BIGGEST - 1]


def sha256(data):
    return hashlib.sha256(data).digest()


class Log:
    """MTH, PATH and SUBTREE_PROOF over D[0], D[1], ...; D is a function."""

    def __init__(self, entry, special=None):
        self.entry, self.special, self.known = entry, special, {}

    def leaf(self, i):
        return sha256(b"\x00" + self.entry(i))

    def mth(self, start, end):
        n = end - start
        if n == 0:
            return sha256(b"")
        if n == 1:
            return self.leaf(start)
        place = (start, end)
        # Without a special entry inside, only the size of a range matters.
        if self.special is not None and not any(start <= s < end for s in self.special):
            place = n
        if place not in self.known:
            k = split(n)
            if place == n:
                # Some place without a special entry, whichever: entries are all alike there.
                plain = Log(lambda i: b"", [])
                plain.known = self.known
                left, right = plain.mth(0, k), plain.mth(0, n - k)
            else:
                left, right = self.mth(start, start + k), self.mth(start + k, end)
            self.known[place] = sha256(b"\x01" + left + right)
        return self.known[place]

    def path(self, m, start, end):
        n = end - start
        if n == 1:
            return []
        k = split(n)
        if m < k:
            return self.path(m, start, start + k) + [self.mth(start + k, end)]
        return self.path(m - k, start + k, end) + [self.mth(start, start + k)]

    def subtree_proof(self, start, end, n):
        return [] if start == end else self.subtree_subproof(start, end, 0, n, True)

    def subtree_subproof(self, start, end, at, n, b):
        if start == 0 and end == n:
            return [] if b else [self.mth(at, at + n)]
        k = split(n)
        left, right = self.mth(at, at + k), self.mth(at + k, at + n)
        if end <= k:
            return self.subtree_subproof(start, end, at, k, b) + [right]
        if k <= start:
            return self.subtree_subproof(start - k, end - k, at + k, n - k, b) + [left]
        return self.subtree_subproof(0, end - k, at + k, n - k, False) + [left]


def split(n):
    """The largest power of two smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


def is_subtree(start, end):
    size = end - start
    return start <= end and start % (1 << (size - 1).bit_length() if size > 0 else 1) == 0


def check_against_published():
    reference = [bytes.fromhex(entry) for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f")]
    log = Log(lambda i: reference[i])
    assert log.mth(0, 7).hex() == "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
    assert log.mth(0, 8).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

    log = Log(lambda i: bytes([i]))
    subtrees = [(start, end) for end in range(131) for start in range(end + 1)
                if is_subtree(start, end)]
    roots, inclusion, consistency = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for start, end in subtrees:
        roots.update(f"[{start}, {end}) {log.mth(start, end).hex()}\n".encode())
        for index in range(start, end):
            proof = "".join(" " + p.hex() for p in log.path(index - start, start, end))
            inclusion.update(f"{index} [{start}, {end}){proof}\n".encode())
    for n in range(131):
        for start, end in subtrees:
            if end <= n:
                proof = "".join(" " + p.hex() for p in log.subtree_proof(start, end, n))
                consistency.update(f"[{start}, {end}) {n}{proof}\n".encode())
    assert roots.hexdigest() == "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81"
    assert inclusion.hexdigest() == (
        "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f")
    assert consistency.hexdigest() == (
        "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74")


def write(*fields):
    print(*(f.hex() if isinstance(f, bytes) else f for f in fields))


def write_proofs(log, sizes, choose_index, choose_subtree):
    for size in sizes:
        root = log.mth(0, size)
        write("root", size, root)
        for index in choose_index(size):
            write("inclusion", index, size, log.leaf(index), root, *log.path(index, 0, size))
        for smaller in sizes:
            if smaller <= size:
                write("consistency", smaller, size, log.mth(0, smaller), root,
                      *log.subtree_proof(0, smaller, size))
        for start, end in choose_subtree(size):
            subtree_root = log.mth(start, end)
            write("subtree-consistency", start, end, size, subtree_root, root,
                  *log.subtree_proof(start, end, size))
            for index in {(start + end) // 2, end - 1}:
                if start <= index < end:
                    write("subtree-inclusion", index, start, end, log.leaf(index), subtree_root,
                          *log.path(index - start, start, end))


def main():
    check_against_published()
    chance = random.Random(9162)

    def some_subtrees(size):
        for _ in range(3):
            start, width = chance.randrange(size + 1), 1 << chance.randrange(size.bit_length() + 1)
            start -= start % width
            yield start, chance.randint(start, min(start + width, size))

    print("# Written by generate.py. Entry i is the decimal text of i.")
    write_proofs(Log(lambda i: str(i).encode()),
                 [1, 2, 3, 7, 8, 100, 255, 256, 257, 511, 513, 600, 65535, 65536, 65793],
                 lambda size: sorted({0, size // 3, size // 2, size - 1}), some_subtrees)

    print("# Entry i is empty, but for these, which are the decimal text of i:")
    print("special", *SPECIAL)
    write_proofs(Log(lambda i: str(i).encode() if i in SPECIAL else b"", SPECIAL),
                 [2**32 + 1, 2**63 - 1, 2**63, BIGGEST - 255, BIGGEST],
                 lambda size: sorted({0, 2**32 - 1, size // 3, 2**63 % size, size - 1}),
                 some_subtrees)


if __name__ == "__main__":
    main()
