#include "tamper/kind.h"

namespace pgtally::tamper {
namespace {

// `payment` and `package` refuse edits by a trigger of the application's.
Kind payment(std::string name, const std::string& change, const std::string& id) {
  return {std::move(name),
          Way::kReplica,
          "",
          "UPDATE payment SET " + change + " WHERE id = " + id,
          {changed("payment", {id})}};
}

Key package_key(int n) {
  return key_of("package", n);
}
Kind package(std::string name, const std::string& change, int n) {
  return {std::move(name),
          Way::kReplica,
          "",
          "UPDATE package SET " + change + " WHERE name = 'package-" + std::to_string(n) + "'",
          {changed("package", package_key(n))}};
}

Kind event(std::string name, const std::string& change, const std::string& id) {
  return {std::move(name),
          Way::kChecksOff,
          "event",
          "UPDATE event SET " + change + " WHERE id = " + id,
          {changed("event", {id})}};
}

// What pgtally's triggers do not see.
Kind account(std::string name, const std::string& change, const std::string& id) {
  return {std::move(name),
          Way::kTriggersOff,
          "account",
          "UPDATE account SET " + change + " WHERE id = " + id,
          {changed("account", {id})}};
}

std::vector<Kind> texts() {
  return {
      payment("one character of a text", "payer = 'Qayer 1000'", "1000"),
      payment("NULL for an empty text", "payer = NULL", "1001"),
      payment("an empty text for NULL", "payer = ''", "1002"),
      payment("unicode taken apart", "payer = normalize(payer, NFD)", "1003"),
      payment("upper case", "payer = upper(payer)", "1004"),
      payment("a trailing blank", "payer = payer || ' '", "1005"),
      payment("a trailing blank in varchar", "remark = remark || ' '", "1006"),
      payment("a leading blank", "payer = ' ' || payer", "1007"),
      payment("a letter that looks the same", "payer = replace(payer, 'a', U&'\\0430')", "1008"),
      payment("a space without width", "payer = payer || U&'\\200B'", "1009"),
      payment("a newline for a blank", "payer = replace(payer, ' ', E'\\n')", "1010"),
      payment("the text NULL for NULL", "payer = 'NULL'", "1012"),
      payment("the case of a letter in char(3)", "currency = 'EUr'", "1014"),
      payment("a no-break space for a blank", "payer = replace(payer, ' ', U&'\\00A0')", "1015"),
      payment("a text of 100 kB", "payer = repeat('x', 100000)", "1016"),
      account("one character of varchar", "email = replace(email, 'example', 'examp1e')", "1000"),
  };
}

std::vector<Kind> numbers() {
  return {
      payment("one cent", "amount = amount + 0.01", "1020"),
      payment("a sign", "amount = -amount", "1021"),
      payment("scale: 1.50 for 1.5", "fee = fee + 0.000", "1022"),
      payment("NULL for a number", "fee = NULL", "1024"),
      payment("0 for NULL", "fee = 0", "1026"),
      payment("the last bit of a float", "ratio = ratio * (1 + 2.3e-16)", "1025"),
      payment("minus zero for zero", "ratio = '-0'", "1028"),
      payment("NaN", "ratio = 'NaN'", "1029"),
      payment("two columns of a row swapped", "amount = fee, fee = amount", "1027"),
      package("one bit of a big number", "size = size + 1", 1000),
      event("a real", "weight = weight + 0.125", "1000"),
      account("a balance", "balance = balance + 1000000", "1001"),
      account("zeros at the end of a number", "balance = trim_scale(balance)", "1002"),
      account("a bound of a range", "limits = int4range(lower(limits), upper(limits) + 1)", "1003"),
  };
}

std::vector<Kind> times() {
  return {
      payment("a time of another zone", "at = at + interval '5:30'", "1030"),
      payment("a microsecond", "at = at + interval '1 us'", "1031"),
      payment("a time to come", "at = 'infinity'", "1032"),
      payment("a day", "day = day - 1", "1033"),
      payment("a century", "day = day - interval '100 years'", "1034"),
      package("an hour without zone", "installed = installed + interval '1 hour'", 1001),
      event("a back-dated row", "at = at - interval '1 day'", "1001"),
      account("a back-dated row of a tracked table", "created = created - interval '1 day'",
              "1004"),
  };
}

std::vector<Kind> others() {
  return {
      payment("a flag", "settled = NOT settled", "1040"),
      payment("elements of an array swapped", "tags = ARRAY['b', 'a', NULL, 'n1041']", "1041"),
      payment("NULL in an array for the text NULL", "tags[3] = 'NULL'", "1042"),
      payment("an array of other bounds", "tags = ('[0:3]=' || tags::text)::text[]", "1043"),
      package("one byte of bytea", "sha256 = set_byte(sha256, 0, get_byte(sha256, 0) # 1)", 1002),
      package("one bit of a bit string", "flags = set_bit(flags, 7, 1 - get_bit(flags, 7))", 1004),
      package("another label of an enum", "priority = 'happy'", 1003),
      package("an array without its last element", "depends = depends[1:1]", 1005),
      event("another label in mode xid", "kind = 'happy'", "1002"),
      event("one digit of a uuid",
            "actor = (translate(left(actor::text, 1), '0123456789abcdef', '123456789abcdef0') || "
            "substr(actor::text, 2))::uuid",
            "1003"),
      event("another netmask", "origin = set_masklen(origin, 25)", "1004"),
      event("scale within jsonb", "body = jsonb_set(body, '{price}', '1.00')", "1005"),
      event("null for a member that is missing", "body = body || '{\"more\": null}'", "1006"),
      event("JSON's null for SQL's NULL", "body = 'null'", "1007"),
      event("empty bytea for NULL", "raw = NULL", "1009"),
      event("one bit of bytea", "raw = set_bit(raw, 9, 1 - get_bit(raw, 9))", "1010"),
      account("a part of a composite", "home.zip = (home).zip || '0'", "1005"),
      account("NULL within a composite", "home.zip = NULL", "1006"),
      account("a flag of a tracked table", "active = false", "1007"),
      {"a recorded change undone",
       Way::kTriggersOff,
       "account",
       "UPDATE account SET balance = balance - 1, owner = substr(owner, 5) WHERE id = 500",
       {changed("account", {"500"})}},
      {"values of two rows swapped",
       Way::kReplica,
       "",
       "UPDATE payment AS a SET amount = b.amount FROM payment AS b "
       "WHERE (a.id, b.id) IN ((1050, 1051), (1051, 1050))",
       {changed("payment", {"1050"}), changed("payment", {"1051"})}},
      {"a column that nothing covers",
       Way::kReplica,
       "",
       "UPDATE payment SET internal = 'other' WHERE id = 1052",
       {}},
      {"a row rewritten as it was",
       Way::kReplica,
       "",
       "UPDATE payment SET payer = payer WHERE id = 1053",
       {}},
  };
}

std::vector<Kind> rows() {
  return {
      {"a row deleted",
       Way::kReplica,
       "",
       "DELETE FROM payment WHERE id = 1100",
       {missing("payment", {"1100"})}},
      {"a row deleted in mode xid",
       Way::kSql,
       "",
       "DELETE FROM event WHERE id = 1100",
       {missing("event", {"1100"})}},
      {"a row of three key columns deleted",
       Way::kReplica,
       "",
       "DELETE FROM package WHERE name = 'package-1100'",
       {missing("package", package_key(1100))}},
      {"a row of a tracked table deleted",
       Way::kTriggersOff,
       "account",
       "DELETE FROM account WHERE id = 1100",
       {missing("account", {"1100"})}},
      {"a row slipped into a hole",
       Way::kSql,
       "",
       "INSERT INTO payment (id, payer, amount, currency, at, day, tags, settled, ratio) "
       "SELECT 155, payer, amount, currency, at, day, tags, settled, ratio FROM payment "
       "WHERE id = 1101",
       {unrecorded("payment", {"155"})}},
      {"a row slipped in with an old xid",
       Way::kChecksOff,
       "event",
       "INSERT INTO event SELECT 90000, at, kind, actor, origin, body, raw, weight, note, '3' "
       "FROM event WHERE id = 1101",
       {unrecorded("event", {"90000"})}},
      {"a row slipped into a tracked table",
       Way::kTriggersOff,
       "account",
       "SELECT write_accounts(90001, 90001, now())",
       {unrecorded("account", {"90001"})}},
      {"a row that is recorded as deleted put back",
       Way::kTriggersOff,
       "account",
       "SELECT write_accounts(600, 600, now())",
       {unrecorded("account", {"600"})}},
      {"a back-dated row slipped in where only sweeps look",
       Way::kSql,
       "",
       "SELECT write_packages(90000, 90000, now() - interval '20 days')",
       {unrecorded("package", package_key(90000))}},
      {"a key changed",
       Way::kReplica,
       "",
       "UPDATE payment SET id = 156 WHERE id = 1102",
       {missing("payment", {"1102"}), unrecorded("payment", {"156"})}},
      {"a key changed in mode xid",
       Way::kChecksOff,
       "event",
       "UPDATE event SET id = 90002 WHERE id = 1102",
       {missing("event", {"1102"}), unrecorded("event", {"90002"})}},
      {"a key changed in a tracked table",
       Way::kTriggersOff,
       "account",
       "UPDATE account SET id = 90003 WHERE id = 1102",
       {missing("account", {"1102"}), unrecorded("account", {"90003"})}},
      {"one column of a key changed",
       Way::kReplica,
       "",
       "UPDATE package SET version = '9' WHERE name = 'package-1102'",
       {missing("package", package_key(1102)),
        unrecorded("package", {"package-1102", "9", "amd64"})}},
      {"keys of two rows swapped",
       Way::kReplica,
       "",
       "UPDATE payment SET id = -1 WHERE id = 1103; UPDATE payment SET id = 1103 WHERE id = 1104; "
       "UPDATE payment SET id = 1104 WHERE id = -1",
       {changed("payment", {"1103"}), changed("payment", {"1104"})}},
      {"a row put back under its key with another content",
       Way::kReplica,
       "",
       "DELETE FROM payment WHERE id = 1105; SELECT write_payments(1105, 1105, now())",
       {changed("payment", {"1105"})}},
      {"a row of a tracked table put back with another content",
       Way::kTriggersOff,
       "account",
       "DELETE FROM account WHERE id = 1105; SELECT write_accounts(1105, 1105, now())",
       {changed("account", {"1105"})}},
      // ENABLE ALWAYS: what is done here is recorded as a change, for everybody to see.
      {"a tracked row changed under session_replication_role",
       Way::kReplica,
       "",
       "UPDATE account SET owner = 'Somebody' WHERE id = 1106",
       {}},
  };
}

}  // namespace

std::vector<Kind> row_kinds() {
  std::vector<Kind> all;
  for (auto part : {texts(), numbers(), times(), others(), rows()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace pgtally::tamper
