#include "torture/change_truth.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <stdexcept>

#include "crypto/sha256.h"
#include "pgtally/content.h"
#include "postgres/connection.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

Hash content_of(const SourceTable& table, std::int64_t id, std::int64_t version,
                const std::string& body) {
  if (table.is_staging()) return sha256(as_bytes(body));
  const std::string id_text = std::to_string(id);
  const std::string version_text = std::to_string(version);
  const std::vector<RowColumnView> columns{
      {"id", id_text}, {"version", version_text}, {"body", body}};
  return sha256(must(encode_row(columns)));
}

// The names of the transactions that were committed, among those whose end nobody heard of.
std::set<std::string> receipts(const Databases& databases,
                               const std::vector<ChangeRecord>& records) {
  std::set<std::string> found;
  for (const Place place : {Place::kHome, Place::kElsewhere}) {
    std::vector<std::string> names;
    for (const ChangeRecord& record : records) {
      for (const WrittenTransaction& transaction : record.transactions) {
        if (transaction.place == place && transaction.outcome == Outcome::kInDoubt) {
          names.push_back(transaction.name);
        }
      }
    }
    auto connection = must(pg::Connection::open(databases.of(place)));
    const auto rows =
        must(connection.query("SELECT transaction FROM public.receipt WHERE transaction = ANY($1)",
                              pg::Params().text_array(names)));
    for (std::size_t r = 0; r < rows.size(); ++r) found.insert(must(rows.get<std::string>(r, 0)));
  }
  return found;
}

// What went is what the version before had.
void find_deleted_contents(Truth& truth) {
  for (auto it = truth.changes.begin(); it != truth.changes.end(); ++it) {
    if (it->second.operation != Operation::kDelete) continue;
    const auto& [id, change] = *it;
    const auto before = it == truth.changes.begin() ? truth.changes.end() : std::prev(it);
    if (before == truth.changes.end() || before->first.source != id.source ||
        before->first.key != id.key || before->first.version + 1 != id.version) {
      throw std::runtime_error(fmt::format("{} {} was deleted as version {} that nobody wrote",
                                           id.source, id.key, id.version - 1));
    }
    it->second.content = before->second.content;
  }
}

}  // namespace

Truth find_truth(const Databases& databases, const std::vector<SourceTable>& tables,
                 const std::vector<ChangeRecord>& records) {
  std::map<std::string, const SourceTable*> by_name;
  Truth truth;
  for (const SourceTable& table : tables) {
    by_name[table.name] = &table;
    if (table.is_staging()) continue;
    for (std::int64_t id = 1; id <= kRowsBefore; ++id) {
      truth.add({table.name, id, 1},
                {Operation::kInsert, content_of(table, id, 1, body_before(table.name, id))});
    }
  }
  const std::set<std::string> committed = receipts(databases, records);
  for (const ChangeRecord& record : records) {
    auto& in_order = truth.in_order.emplace_back();
    for (const WrittenTransaction& transaction : record.transactions) {
      const bool in_doubt = transaction.outcome == Outcome::kInDoubt;
      if (in_doubt) truth.in_doubt += transaction.changes.size();
      if (in_doubt && !committed.contains(transaction.name)) continue;
      for (const WrittenChange& change : transaction.changes) {
        const ChangeId& id = change.id;
        Hash content;
        if (change.operation != Operation::kDelete) {
          content = content_of(*by_name.at(id.source), id.key, id.version, change.body);
        }
        truth.add(id, {change.operation, content});
        if (change.in_order && !in_doubt) in_order.push_back(id);
      }
    }
  }
  find_deleted_contents(truth);
  return truth;
}

std::uint64_t check_tables(const Databases& databases, const std::vector<SourceTable>& tables,
                           const Truth& truth) {
  std::map<std::pair<std::string, std::int64_t>, Hash> left;
  for (const auto& [id, change] : truth.changes) {
    if (change.operation == Operation::kDelete) {
      left.erase({id.source, id.key});
    } else {
      left[{id.source, id.key}] = change.content;
    }
  }
  const std::uint64_t count = left.size();
  for (const SourceTable& table : tables) {
    auto connection = must(pg::Connection::open(databases.of(table.place)));
    const auto rows = must(connection.query(
        table.is_staging() ? "SELECT id, 1::bigint, convert_from(data, 'UTF8') FROM "
                             "pgtally.append_only_log WHERE data IS NOT NULL"
                           : "SELECT id, version, body FROM public." + table.name));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto id = must(rows.get<std::int64_t>(r, 0));
      const Hash content = content_of(table, id, must(rows.get<std::int64_t>(r, 1)),
                                      must(rows.get<std::string>(r, 2)));
      const auto it = left.find({table.name, id});
      if (it == left.end() || it->second != content) {
        throw std::runtime_error(
            fmt::format("row {} of {} is not what its writers say", id, table.name));
      }
      left.erase(it);
    }
  }
  if (!left.empty()) {
    const auto& [source, id] = left.begin()->first;
    throw std::runtime_error(fmt::format(
        "{} rows that were committed are not there, the first is {} {}", left.size(), source, id));
  }
  return count;
}

}  // namespace pgtally::torture
