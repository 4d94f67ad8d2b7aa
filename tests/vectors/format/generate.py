#!/usr/bin/env python3
"""Test vectors for the formats of docs/formats.md, made without any of pgtally's code.

    generate.py            writes the files beside it
    generate.py --check    compares with what is there; exit 1 and a list where it differs

Written from the specifications alone (docs/formats.md, RFC 6962, RFC 8032, C2SP), with nothing but
Python's standard library, so that an error in the C++ code cannot hide in both. Output is text:
records of `field value` lines, separated by empty lines; bytes are hexadecimal.
"""

import base64
import hashlib
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def sha256(data):
    return hashlib.sha256(data).digest()


# --- Ed25519, RFC 8032 section 5.1: signing only, nothing is secret here -------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def recover_even_x(y):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return x if x % 2 == 0 else P - x


def add(a, b):
    """The complete addition law of twisted Edwards curves, in affine coordinates."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return x, y


def multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


BASE = (recover_even_x(BASE_Y), BASE_Y)


def compress(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def expand(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little")
    return a & ((1 << 254) - 8) | 1 << 254, h[32:]


def public_key(seed):
    return compress(multiply(expand(seed)[0], BASE))


def ed25519_sign(seed, message):
    a, prefix = expand(seed)
    a_point = public_key(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    r_point = compress(multiply(r, BASE))
    k = int.from_bytes(hashlib.sha512(r_point + a_point + message).digest(), "little") % L
    return r_point + ((r + k * a) % L).to_bytes(32, "little")


# --- pgtally's own formats ------------------------------------------------------------------------

INSERT, UPDATE, DELETE, TRUNCATE, DEFINE, NOTICE = range(1, 7)
NO_TIME, MINUS_INFINITY, INFINITY = -(2**63), -(2**63) + 1, 2**63 - 1


def opaque(data, width):
    return len(data).to_bytes(width, "big") + data


def encode_key(columns):
    columns = [column.encode() for column in columns]
    whole = b"".join(
        b"\xff\xff" + sha256(c) if len(c) >= 65535 else opaque(c, 2) for c in columns
    )
    if len(whole) > 1024 or any(len(c) > 1022 for c in columns):
        return b"\xff\xff" + sha256(whole)
    return whole


def encode_entry(operation, definition, ordinal, sequenced_at, source_time, source, key, position,
                 content_hash):
    return (
        struct.pack(">BBIQQq", 1, operation, definition, ordinal, sequenced_at, source_time)
        + opaque(source.encode(), 1)
        + opaque(key, 2)
        + opaque(position.encode(), 1)
        + content_hash
    )


def row_preimage(columns):
    out = b"pgtally/row/v1\0"
    for name, value in sorted((n.encode(), v) for n, v in columns.items()):
        if value is not None:
            out += opaque(name, 1) + opaque(value.encode(), 4)
    return out


def salt_of(secret, index):
    return sha256(secret + struct.pack(">Q", index))


def blinded(salt, h):
    return sha256(b"pgtally/blind/v1\0" + salt + h)


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
           "\t": "\\t"}


def document(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        def escape(c):
            return ESCAPES.get(c) or ("\\u%04x" % ord(c) if ord(c) < 0x20 else c)
        return '"' + "".join(map(escape, value)) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(document, value)) + "]"
    return "{" + ",".join(document(k) + ":" + document(value[k]) for k in sorted(value)) + "}"


def column(name, type_name, typmod=-1):
    return {"name": name, "type": type_name, "typmod": str(typmod)}


def source_definition(source, number, **members):
    definition = {
        "v": "1", "source": source, "number": str(number), "relation": "public." + source,
        "mode": "poll", "key": ["id"], "columns": [column("id", "bigint")], "excluded": [],
        "content": "row/v1", "hash_column": None, "blind": True, "time": None, "renamed": [],
        "server_version": "15.20", "types": [],
    }
    assert members.keys() <= definition.keys()
    return document({**definition, **members})


# --- RFC 6962 -------------------------------------------------------------------------------------


def leaf_hash(entry):
    return sha256(b"\0" + entry)


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_of(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:]))


def path_of(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return path_of(index, leaves[:k]) + [root_of(leaves[k:])]
    return path_of(index - k, leaves[k:]) + [root_of(leaves[:k])]


# --- C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof ------------------------------


def b64(data):
    return base64.b64encode(data).decode()


class Key:
    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.seed = sha256(b"pgtally test vector: " + name.encode())
        self.public = public_key(self.seed)
        self.id = sha256(name.encode() + b"\n" + bytes([kind]) + self.public)[:4]

    def vkey(self):
        return "%s+%s+%s" % (self.name, self.id.hex(), b64(bytes([self.kind]) + self.public))

    def private(self):
        return "PRIVATE+KEY+%s+%s+%s" % (self.name, self.id.hex(),
                                         b64(bytes([self.kind]) + self.seed))

    def line(self, signature):
        return "\u2014 %s %s\n" % (self.name, b64(self.id + signature))

    def sign(self, text):
        return self.line(ed25519_sign(self.seed, text.encode()))

    def cosign(self, text, time):
        message = "cosignature/v1\ntime %d\n%s" % (time, text)
        return self.line(struct.pack(">Q", time) + ed25519_sign(self.seed, message.encode()))


def checkpoint_text(origin, size, root):
    return "%s\n%d\n%s\n" % (origin, size, b64(root))


def record(kind, value):
    return struct.pack(">H", kind) + opaque(value, 3)


def proof_text(extra, index, path, note):
    lines = ["c2sp.org/tlog-proof@v1", "extra " + b64(extra), "index %d" % index]
    return "\n".join(lines + [b64(h) for h in path]) + "\n\n" + note


# --- A small ledger with every kind of entry ------------------------------------------------------

LOG = Key("ledger.example/payments", 1)
OTHER_LOG = Key("ledger.example/other", 1)
WITNESS_1 = Key("w1.example/witness", 4)
WITNESS_2 = Key("w2.example/witness", 4)
WITNESS_3 = Key("w3.example/witness", 4)

START = 1795000000000000


class Ledger:
    def __init__(self):
        self.entries, self.meta = [], []
        self.ordinals, self.defined = {}, {}
        self.now = START

    def add(self, operation, source, definition=0, key=(), position="", source_time=NO_TIME,
            h=bytes(32), secret=None, text=None, row=None, columns=None, name=None):
        index = len(self.entries)
        salt = salt_of(secret, index) if secret else None
        content_hash = blinded(salt, h) if salt else h
        ordinal = self.ordinals.get(source, 0)
        self.ordinals[source] = ordinal + 1
        entry = encode_entry(operation, definition, ordinal, self.now, source_time, source,
                             encode_key(key) if key else b"", position, content_hash)
        self.entries.append(entry)
        self.meta.append(dict(
            name=name, index=index, operation=operation, definition=definition, ordinal=ordinal,
            sequenced_at=self.now, source_time=source_time, source=source, key=list(key),
            position=position, content_hash=content_hash, h=h, salt=salt, text=text, row=row,
            columns=dict(columns) if columns else None))
        if operation == DEFINE:
            self.defined[source, definition] = (index, text)
        return index

    def define(self, source, text, number=0):
        return self.add(DEFINE, source, number, h=sha256(text.encode()), text=text,
                        name="define_%s_%d" % (source, number))


def small_ledger():
    log = Ledger()
    payment_secret = sha256(b"secret of payment")
    invoice_secret = sha256(b"secret of invoice")
    lines_secret = sha256(b"secret of order_lines")

    log.define("pgtally", document({"v": "1", "origin": LOG.name, "vkey": LOG.vkey(),
                                    "nonce": sha256(b"nonce").hex()}))
    payment_columns = [column("id", "bigint"), column("payer", "text"),
                       column("amount", "numeric", 786438), column("created_at",
                       "timestamp with time zone"), column("note", "text")]
    log.define("payment", source_definition("payment", 0, columns=payment_columns,
                                            time="created_at"))
    log.define("debian_package", source_definition(
        "debian_package", 0, key=["name", "version", "architecture"], blind=False,
        columns=[column(n, "text") for n in ("name", "version", "architecture", "sha")],
        excluded=["maintainer"]))

    log.now += 250000
    payment = {"id": "42", "payer": "ACME", "amount": "1200.00",
               "created_at": "2026-11-18 11:06:39.972+00", "note": None}
    row = row_preimage(payment)
    log.add(INSERT, "payment", key=["42"], position="42", source_time=START - 28000, h=sha256(row),
            secret=payment_secret, row=row, columns=payment, name="payment_42")
    package = {"name": "bash", "version": "5.2.15-2+b7", "architecture": "amd64", "sha": "0" * 64}
    row = row_preimage(package)
    log.add(INSERT, "debian_package", key=["bash", "5.2.15-2+b7", "amd64"], position="7",
            h=sha256(row), row=row, columns=package, name="package_bash")
    log.define("upload", source_definition("upload", 0, content="data", blind=False, mode="xid",
                                           relation="pgtally.append_only_log", columns=[]))
    data = b"any bytes: \x00\xff"
    log.add(INSERT, "upload", key=["1"], position="1", source_time=INFINITY, h=sha256(data),
            row=data, name="upload_1")

    log.now += 1
    payment["note"] = 'paid "late"\n\u00fcber'
    row = row_preimage(payment)
    log.add(UPDATE, "payment", key=["42"], position="0/16B3748", source_time=MINUS_INFINITY,
            h=sha256(row), secret=payment_secret, row=row, columns=payment, name="payment_42_update")
    log.define("invoice", source_definition("invoice", 0, content="column", hash_column="digest",
                                            key=["number"],
                                            columns=[column("number", "text"),
                                                     column("digest", "bytea")]))
    log.add(INSERT, "invoice", key=["R-1"], position="1", h=sha256(b"an invoice"),
            secret=invoice_secret, name="invoice_hash")
    log.add(DELETE, "payment", key=["42"], name="payment_42_delete")
    log.add(TRUNCATE, "debian_package", name="package_truncate")
    log.add(NOTICE, "pgtally", h=sha256(b'{"event":"recovery"}'), text='{"event":"recovery"}',
            name="notice")

    log.now += 3600 * 10**6
    mood = {"columns": [], "kind": "enum", "labels": ["sad", "ok"], "name": "public.mood"}
    percent = {"columns": [column("value", "numeric")], "kind": "domain", "labels": [],
               "name": "public.percent"}
    address = {"columns": [column("street", "text"), column("zip", "character varying", 14)],
               "kind": "composite", "labels": [], "name": "public.address"}
    log.define("order_lines", source_definition(
        "order_lines", 0, relation='public."Order Lines"', key=["Gr\u00f6\u00dfe", "select"],
        columns=[column("Gr\u00f6\u00dfe", "text"), column("select", "text"), column("mood", "public.mood")],
        types=[mood, percent, address]))
    line = {"Gr\u00f6\u00dfe": "\u00fc" * 600, "select": "x" * 1100, "mood": "ok"}
    row = row_preimage(line)
    log.add(INSERT, "order_lines", key=[line["Gr\u00f6\u00dfe"], line["select"]], h=sha256(row),
            secret=lines_secret, row=row, columns=line, name="order_line_hashed_key")
    log.entries.append(b"\x09 whatever version 9 may be")
    log.meta.append(dict(name="version_9", index=len(log.entries) - 1))
    payment = {"id": "43", "payer": "", "amount": "-0.50",
               "created_at": "infinity", "note": ""}
    row = row_preimage(payment)
    log.add(INSERT, "payment", key=["43"], h=sha256(row), secret=payment_secret, row=row,
            columns=payment, name="payment_43")
    log.define("payment", source_definition(
        "payment", 1, columns=[column("id", "bigint"), column("paid_by", "text")],
        excluded=["amount", "created_at", "note"],
        renamed=[{"from": "payer", "to": "paid_by"}]), number=1)
    payment = {"id": "44", "paid_by": "ACME"}
    row = row_preimage(payment)
    log.add(INSERT, "payment", 1, key=["44"], h=sha256(row), secret=payment_secret, row=row,
            columns=payment, name="payment_44")
    return log


# --- What is written ------------------------------------------------------------------------------


def hex_of(value):
    """A long run of one character is written once, with how often it stands there."""
    if isinstance(value, str) and len(value) > 64 and len(set(value)) == 1:
        return "%s*%d" % (value[0].encode().hex(), len(value))
    return (value.encode() if isinstance(value, str) else value).hex()


def records(items):
    out = []
    for item in items:
        out.append("".join(("%s %s" % (name, value)).rstrip() + "\n" for name, value in item))
    return "\n".join(out)


def keys_file():
    cases = [["1"], [""], ["bash", "5.2.15-2+b7", "amd64"], ["", ""], ["a" * 1022], ["a" * 1023],
             ["a" * 1000, "b" * 20], ["a" * 1000, "b" * 21], ["a" * 65534], ["a" * 65535],
             ["a" * 70000, "\u00fc"], ["\U0001f600", "select", "\u00e9"]]
    return records([("column", hex_of(c)) for c in case] + [("key", hex_of(encode_key(case)))]
                   for case in cases)


def rows_file():
    cases = [{}, {"id": "1"}, {"b": "2", "a": "1", "B": "3", "\u00e9": "4", "aa": ""},
             {"a": None, "b": "x"}, {"a": None}, {"n" * 255: "v" * 300},
             {"Order Lines": "\u00fc\n\"'\\", "select": "t"},
             # By bytes, not by a language's rules, nor by UTF-16, where U+1F600 comes before U+E000.
             {"_": "1", "Z": "2", "z": "3", "10": "4", "9": "5", "zz": None, "Za": "6", "\u00c9": "7",
              "e\u0301": "8", "\U0001f600": "9", "\ue000": "10", "\u00df": "11", "ss": "12"},
             # As long as PostgreSQL lets them be, and what a generated statement has names for itself.
             {"n" * 63: "long", "\u00e9" * 31 + "x": "of two bytes each", "t": "1", "w": "2", "v1": "3",
              "k1": "4", "tm": "5", "NEW": "6", "old": "7", "$1": "8", "%s": "9", "{0}": "10",
              '"': "11", "'": "12", "a b": "13", "$$": "14", "\\": "15"}]
    out = []
    for case in cases:
        item = [("column" if v is not None else "null", hex_of(n) + (" " + hex_of(v) if v else ""))
                for n, v in case.items()]
        preimage = row_preimage(case)
        out.append(item + [("preimage", preimage.hex()), ("hash", sha256(preimage).hex())])
    return records(out)


def blinding_file():
    out = []
    for index in (0, 1, 255, 2**32, 2**64 - 1):
        secret, h = sha256(b"secret %d" % index), sha256(b"content %d" % index)
        salt = salt_of(secret, index)
        out.append([("secret", secret.hex()), ("id", index), ("salt", salt.hex()),
                    ("h", h.hex()), ("blinded", blinded(salt, h).hex())])
    return records(out)


def entries_file(log):
    out = []
    for entry, meta in zip(log.entries, log.meta):
        if meta["name"] == "version_9":
            continue
        fields = ("operation", "definition", "ordinal", "sequenced_at", "source_time", "source")
        out.append([(f, meta[f]) for f in fields]
                   + [("key", (encode_key(meta["key"]) if meta["key"] else b"").hex()),
                      ("source_position", meta["position"]),
                      ("content_hash", meta["content_hash"].hex()), ("entry", entry.hex()),
                      ("leaf_hash", leaf_hash(entry).hex())])
    return records(out)


def documents_file(log):
    every_escape = "".join(map(chr, range(0x20))) + "\"\\/\x7f\u00e9\U0001f600"
    texts = ["null", "true", "false", document(every_escape), "[]", "{}",
             document({"a": [None, True, {"b_c": "x"}], "_": "y", "ab": ["1", "-2"]})]
    out = [[("document", hex_of(t)), ("hash", sha256(t.encode()).hex())] for t in texts]
    for meta in log.meta:
        if meta.get("text"):
            kind = {"pgtally": "ledger"}.get(meta["source"], "source")
            if meta["operation"] == NOTICE:
                kind = "notice"
            out.append([("kind", kind), ("document", hex_of(meta["text"])),
                        ("hash", sha256(meta["text"].encode()).hex())])
    return records(out)


def notes_file(note):
    out = []
    for key in (LOG, OTHER_LOG):
        text = checkpoint_text(key.name, 1, sha256(b"root"))
        out.append([("name", key.name), ("seed", key.seed.hex()), ("vkey", key.vkey()),
                    ("private", key.private()), ("size", 1), ("root", sha256(b"root").hex()),
                    ("note", hex_of(text + "\n" + key.sign(text)))])
    for key, time in ((WITNESS_1, 0), (WITNESS_2, 1795003600), (WITNESS_3, 2**63 - 1)):
        text = checkpoint_text(LOG.name, 1, sha256(b"root"))
        out.append([("name", key.name), ("seed", key.seed.hex()), ("vkey", key.vkey()),
                    ("text", hex_of(text)), ("time", time), ("line", hex_of(key.cosign(text, time)))])
    out.append([("note", hex_of(note))])
    return records(out)


def policy_file():
    return ("# Two of three witnesses, or the one that we run ourselves.\n"
            "log %s\nlog %s https://other.example\n\n"
            "\twitness W1 %s\nwitness W2 %s  https://w2.example\nwitness W3 %s\n"
            "group others 1 W2 W3\ngroup quorum-group all W1 others\n  quorum quorum-group\n"
            % (LOG.vkey(), OTHER_LOG.vkey(), WITNESS_1.vkey(), WITNESS_2.vkey(), WITNESS_3.vkey()))


class Prover:
    def __init__(self, log):
        self.log = log
        self.leaves = [leaf_hash(e) for e in log.entries]
        text = checkpoint_text(LOG.name, len(self.leaves), root_of(self.leaves))
        stranger = Key("stranger.example/unknown", 1)
        self.note = (text + "\n" + LOG.sign(text) + WITNESS_1.cosign(text, 1795003601)
                     + stranger.line(b"of a type that nobody knows" * 99)
                     + WITNESS_2.cosign(text, 1795003602))

    def path(self, index):
        return path_of(index, self.leaves)

    def extra(self, meta, disclose):
        out = b"\1" + opaque(self.log.entries[meta["index"]], 2)
        if not disclose or "operation" not in meta:
            return out
        if meta["salt"]:
            out += record(1, meta["salt"])
        if meta["operation"] in (DEFINE, NOTICE):
            return out + record(2, meta["text"].encode())
        if disclose == "salt":
            return out
        define, text = self.log.defined[meta["source"], meta["definition"]]
        out += record(2, text.encode())
        if meta["row"] is not None:
            out += record(3, meta["row"])
        return out + record(4, struct.pack(">Q", define) + opaque(self.log.entries[define], 2)
                            + b"".join(self.path(define)))

    def earlier(self, index, size, witnesses, log=LOG):
        leaves = self.leaves[:size]
        text = checkpoint_text(log.name, size, root_of(leaves))
        note = text + "\n" + log.sign(text) + "".join(w.cosign(text, at) for w, at in witnesses)
        return opaque(note.encode(), 3) + opaque(b"".join(path_of(index, leaves)), 2)

    def proof(self, meta, disclose="all", earlier=()):
        extra = self.extra(meta, disclose)
        if earlier:
            extra += record(5, b"".join(self.earlier(meta["index"], *one) for one in earlier))
        return proof_text(extra, meta["index"], self.path(meta["index"]), self.note)


def proofs(prover):
    out, files = [], {}
    variants = [(meta, "all", meta["name"]) for meta in prover.log.meta]
    payment = prover.log.meta[3]
    variants += [(payment, None, "payment_42_bare"), (payment, "salt", "payment_42_salt")]
    for meta, disclose, name in variants:
        files["proofs/%s.tlog-proof" % name] = prover.proof(meta, disclose)
        item = [("file", name), ("id", meta["index"]), ("size", len(prover.leaves)),
                ("root", root_of(prover.leaves).hex())]
        if "operation" in meta:
            item += [(f, meta[f]) for f in ("operation", "ordinal", "source", "sequenced_at",
                                            "source_time")]
            item += [("key_column", hex_of(k)) for k in meta["key"]]
            item += [("content_hash", meta["content_hash"].hex())]
            if meta["row"] is not None and disclose == "all":
                item += [("h", meta["h"].hex())]
            if meta["columns"] and disclose == "all":
                item += [("row", hex_of(n) + (" " + hex_of(v) if v else ""))
                         for n, v in sorted(meta["columns"].items(), key=lambda c: c[0].encode())
                         if v is not None]
        out.append(item)
    return records(out), files


def blocks(number, parts):
    return bytes([number]) + b"".join(opaque(part, 4) for part in parts) + bytes(4)


def bundle(about, sources, checkpoints, entries, documents, salts):
    """`checkpoints`: (microseconds, note); `salts`: (id, salt)."""
    bundled = [b"".join(opaque(e, 2) for e in entries[i:i + 256])
               for i in range(0, len(entries), 256)]
    salts = [struct.pack(">Q", i) + salt for i, salt in sorted(salts)]
    packed = [b"".join(salts[i:i + 4096]) for i in range(0, len(salts), 4096)]
    out = (b"pgtally/bundle/v1\0"
           + blocks(1, [document(d).encode() for d in [about] + sources])
           + blocks(2, [struct.pack(">q", at) + note.encode() for at, note in checkpoints])
           + blocks(3, bundled)
           + blocks(4, sorted((d.encode() for d in documents), key=sha256))
           + blocks(5, packed))
    return out + sha256(out)


def bundled_source(name, **members):
    said = dict(name=name, salts=False, place=None, loaded_at=None, server=None,
                complete_below=None, tracks_changes=False, skips_existing=False)
    said.update(members)
    return said


def bundle_file(prover):
    first = checkpoint_text(LOG.name, 1, root_of(prover.leaves[:1]))
    metas = [m for m in prover.log.meta if "operation" in m]
    return bundle(
        {"v": "1", "made_at": "2026-11-18T12:40:00.000001Z"},
        [bundled_source("debian_package", place="packages.example:5432/debian"),
         bundled_source("payment", salts=True, loaded_at="2026-11-18T11:06:40.250000Z",
                        server="7301234567890123456/00000001", complete_below="4294967301",
                        tracks_changes=True)],
        [(START, first + "\n" + LOG.sign(first)), (START + 3600 * 10**6, prover.note)],
        prover.log.entries,
        {m["text"] for m in metas if m["text"] is not None},
        [(m["index"], m["salt"]) for m in metas if m["salt"] and m["source"] == "payment"])


def order_proof(prover, first, second, earlier=((), ())):
    texts = [prover.proof(prover.log.meta[i], None, before)
             for i, before in zip((first, second), earlier)]
    return "".join("%d\n%s" % (len(t.encode()), t) for t in texts)


def generate():
    log = small_ledger()
    prover = Prover(log)
    proof_records, files = proofs(prover)
    files.update({
        "keys.txt": keys_file(), "rows.txt": rows_file(), "blinding.txt": blinding_file(),
        "entries.txt": entries_file(log), "documents.txt": documents_file(log),
        "notes.txt": notes_file(prover.note), "proofs.txt": proof_records,
        "policy.txt": policy_file(), "log.vkey": LOG.vkey() + "\n",
        "ledger.bundle": bundle_file(prover),
        "proofs/package_before_update.order-proof": order_proof(prover, 4, 7),
        "proofs/with_earlier_checkpoints.order-proof": order_proof(
            prover, 4, 7, ([(5, []), (6, [(WITNESS_1, 1795003200)])],
                           [(8, [(WITNESS_2, 1795003300)])])),
        "proofs/with_a_checkpoint_of_another_log.order-proof": order_proof(
            prover, 4, 7, ([(5, [], OTHER_LOG)], ())),
        "proofs/same_batch.order-proof": order_proof(prover, 3, 4),
        "proofs/wrong_way_round.order-proof": order_proof(prover, 7, 4),
    })
    return files


def main():
    files = {os.path.join(HERE, name): out if isinstance(out, bytes) else out.encode()
             for name, out in generate().items()}
    if sys.argv[1:] == ["--check"]:
        def differs(path):
            return not os.path.exists(path) or open(path, "rb").read() != files[path]
        wrong = [path for path in sorted(files) if differs(path)]
        for path in wrong:
            print("differs from what generate.py gives:", path)
        return 1 if wrong else 0
    for path, content in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
