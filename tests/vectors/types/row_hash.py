#!/usr/bin/env python3
"""The row hash of each value in values.txt, made by docs/formats.md and none of pgtally's code.

    row_hash.py            puts the hashes into the file; its other lines stay as they are
    row_hash.py --check    exit 1 and a list where the file has another hash, or none

The row has one column, named as its type. What the formats are built of comes from ../format.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "format"))
sys.dont_write_bytecode = True
from generate import row_preimage, sha256  # noqa: E402

FILE = os.path.join(HERE, "values.txt")


def bytes_of(notation):
    """Hexadecimal pieces, joined by +; a piece may be followed by *count."""
    out = b""
    for piece in notation.split("+"):
        unit, _, count = piece.partition("*")
        out += bytes.fromhex(unit) * int(count or 1)
    return out


def with_hash(record):
    fields = dict(line.partition(" ")[::2] for line in record)
    text = bytes_of(fields["text"]).decode() if "text" in fields else None
    digest = sha256(row_preimage({fields["type"]: text})).hex()
    return [line for line in record if not line.startswith("hash ")] + ["hash " + digest]


def main():
    with open(FILE, encoding="utf-8") as file:
        records = [block.split("\n") for block in file.read().rstrip("\n").split("\n\n")]
    made = [with_hash(record) for record in records]
    if sys.argv[1:] == ["--check"]:
        wrong = [record for record, right in zip(records, made) if record != right]
        for record in wrong:
            print("another hash:", *record, sep="\n  ")
        return 1 if wrong else 0
    with open(FILE, "w", encoding="utf-8") as file:
        file.write("\n\n".join("\n".join(record) for record in made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
