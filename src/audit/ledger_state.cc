#include "audit/ledger_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/blinding.h"
#include "pgtally/definition.h"

namespace pgtally {
namespace {

class RegistryCheck {
 public:
  RegistryCheck(const Ledger& ledger, const std::string& origin, const LedgerAuditLog& names,
                LogOutcome& log)
      : ledger_(ledger), origin_(origin), names_(names), log_(log) {}

  [[nodiscard]] Result<void> run() {
    TRY_VOID(check_origin());
    TRY_VOID(check_sources());
    TRY_VOID(check_secrets());
    TRY_VOID(check_definitions());
    TRY_VOID(check_data());
    TRY_VOID(check_guards());
    TRY_VOID(check_heads());
    return check_ids();
  }

 private:
  void accuse(const std::string& source, std::string recorded, std::string actual) {
    log_.of_entries.push_back(
        {.source = source, .recorded = std::move(recorded), .actual = std::move(actual)});
  }

  [[nodiscard]] const SourceDefinition* newest_of(const std::string& source) const {
    const auto found = log_.sources.find(source);
    if (found == log_.sources.end() || found->second.definitions.empty()) return nullptr;
    return &found->second.definitions.rbegin()->second;
  }

  [[nodiscard]] Result<void> check_sources() {
    TRY(const auto rows,
        ledger_.query(
            "SELECT source_id, name, mode, definition, blind, state = 'removed' AND EXISTS ("
            "SELECT FROM pg_proc WHERE pronamespace = 'pgtally'::regnamespace AND proname "
            "= ANY (ARRAY['feed_' || source_id, 'sweep_' || source_id, 'trigger_' || "
            "source_id])) "
            "FROM pgtally.source WHERE source_id > 0 ORDER BY source_id"));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const auto id, rows.get<std::int32_t>(r, 0));
      TRY(const auto registered, rows.get<std::string>(r, 1));
      TRY(const auto mode, rows.get<std::string>(r, 2));
      TRY(const auto number, rows.get<std::int32_t>(r, 3));
      TRY(const bool blind, rows.get<bool>(r, 4));
      TRY(const bool is_half_removed, rows.get<bool>(r, 5));
      const auto known = names_.names().find(id);
      const std::string& name = known == names_.names().end() ? registered : known->second;
      if (name != registered) {
        accuse(name, fmt::format("the log defines source {} as {}", id, name),
               "the registry calls it " + registered);
      }
      if (!log_.sources.contains(name)) {
        accuse(name, "every source is defined in the log", "the registry has one that is not");
        continue;
      }
      // Removing a source drops them.
      if (is_half_removed) {
        accuse(name, "the functions that read the source are there",
               "the registry says that it was removed");
      }
      const SourceDefinition* newest = newest_of(name);
      if (newest == nullptr) continue;  // its define entry was told of
      const auto compare = [&](const char* what, const std::string& defined,
                               const std::string& said) {
        if (defined == said) return;
        accuse(name, fmt::format("the log defines {} as {}", what, defined),
               "the registry says " + said);
      };
      compare("the mode", newest->mode, mode);
      compare("the number of its newest definition", std::to_string(newest->number),
              std::to_string(number));
      compare("whether its hashes are blinded", newest->blind ? "yes" : "no", blind ? "yes" : "no");
    }
    return {};
  }

  // Without its secret, a source's contents can neither be compared nor proved.
  [[nodiscard]] Result<void> check_secrets() {
    TRY(const auto may, ledger_.query("SELECT has_table_privilege('pgtally.secret', 'SELECT')"));
    TRY(const bool may_read, may.get<bool>(0, 0));
    if (!may_read) return {};
    TRY(const auto rows,
        ledger_.query("SELECT s.source_id, s.name FROM pgtally.source AS s WHERE s.source_id > 0 "
                      "AND s.blind AND s.state <> 'removed' AND NOT EXISTS (SELECT FROM "
                      "pgtally.secret AS x WHERE x.source_id = s.source_id AND "
                      "octet_length(x.secret) = $1) ORDER BY 1",
                      pg::Params().int4(std::tuple_size_v<BlindingSecret>)));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const auto id, rows.get<std::int32_t>(r, 0));
      TRY(const auto registered, rows.get<std::string>(r, 1));
      const auto known = names_.names().find(id);
      accuse(known == names_.names().end() ? registered : known->second,
             "its contents are blinded with a secret",
             "table secret has none for it, so they cannot be compared");
    }
    return {};
  }

  [[nodiscard]] Result<void> check_origin() {
    TRY(const auto rows, ledger_.query("SELECT origin FROM pgtally.ledger"));
    TRY(const auto said, rows.get<std::string>(0, 0));
    if (said != origin_) {
      accuse("", "the log is of " + origin_, "table ledger calls it " + said);
    }
    return {};
  }

  [[nodiscard]] Result<void> check_definitions() {
    TRY(const auto rows,
        ledger_.query("SELECT d.source_id, d.number, d.entry_id, d.document, p.id IS NOT NULL "
                      "FROM pgtally.definition AS d LEFT JOIN pgtally.processed_log AS p "
                      "ON p.id = d.entry_id AND p.operation = 5 AND p.source_id = d.source_id "
                      "AND p.definition = d.number WHERE d.source_id > 0 ORDER BY 1, 2"));
    std::map<std::string, std::size_t> found;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const auto id, rows.get<std::int32_t>(r, 0));
      TRY(const auto number, rows.get<std::int32_t>(r, 1));
      TRY(const auto entry, rows.get<std::int64_t>(r, 2));
      TRY(const auto document, rows.get<ByteView>(r, 3));
      TRY(const bool is_there, rows.get<bool>(r, 4));
      const auto known = names_.names().find(id);
      if (known == names_.names().end()) continue;
      const std::string& name = known->second;
      ++found[name];
      const LeafIndex entry_id{static_cast<std::uint64_t>(entry)};
      const bool is_told = entry >= 0 && log_.suspects.doubt(entry_id) != Doubt::kNone;
      if (!is_there && !is_told) {
        accuse(name, fmt::format("definition {} is recorded as a define entry", number),
               fmt::format("table definition says entry {}, which is none of it", entry));
      }
      const auto source = log_.sources.find(name);
      if (source == log_.sources.end()) continue;
      const auto defined = source->second.definitions.find(static_cast<std::uint32_t>(number));
      if (defined == source->second.definitions.end()) continue;
      const auto text = encode(defined->second);
      if (text.ok() && *text != as_text(document)) {
        accuse(name,
               fmt::format("definition {}: a document with SHA-256 {}", number,
                           to_hex(sha256(*text).view())),
               "the one in table definition has " + to_hex(sha256(document).view()));
      }
    }
    for (const auto& [name, source] : log_.sources) {
      if (found[name] >= source.definitions.size()) continue;
      accuse(name, fmt::format("{} definitions are recorded", source.definitions.size()),
             fmt::format("table definition has {}", found[name]));
    }
    return {};
  }

  // The log has each document beside the hash of it, where not everybody may read it.
  [[nodiscard]] Result<void> check_data() {
    TRY(const auto may,
        ledger_.query("SELECT has_column_privilege('pgtally.processed_log', 'data', "
                      "'SELECT')"));
    TRY(const bool may_read, may.get<bool>(0, 0));
    if (!may_read) return {};
    TRY(const auto rows,
        ledger_.query("SELECT p.id, p.source_id, p.definition FROM pgtally.source AS s "
                      "JOIN pgtally.processed_log AS p ON p.source_id = s.source_id AND p.key = '' "
                      "AND p.operation IN (5, 6) WHERE sha256(p.data) IS DISTINCT FROM "
                      "p.content_hash ORDER BY p.id LIMIT 1000"));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const LeafIndex id, rows.get<LeafIndex>(r, 0));
      TRY(const auto source, rows.get<std::int32_t>(r, 1));
      TRY(const auto number, rows.get<std::int32_t>(r, 2));
      if (log_.suspects.doubt(id) != Doubt::kNone) continue;
      const auto name = names_.names().find(source);
      accuse(source == 0 || name == names_.names().end() ? "" : name->second,
             fmt::format("the document of definition {}", number),
             "what the log keeps as its text is another one");
      log_.of_entries.back().id = id;
    }
    return {};
  }

  [[nodiscard]] Result<void> check_heads() {
    for (const char* head : {"tree_head", "log_head"}) {
      TRY(const auto rows,
          ledger_.query(fmt::format("SELECT EXISTS (SELECT FROM pgtally.{})", head)));
      TRY(const bool is_there, rows.get<bool>(0, 0));
      if (!is_there) accuse("", "where the log ends", fmt::format("table {} is empty", head));
    }
    return {};
  }

  // They keep honest software from mistakes; that one is off accuses nobody, but should be known.
  [[nodiscard]] Result<void> check_guards() {
    TRY(const auto rows, ledger_.query(R"sql(
      SELECT string_agg(w.name || ' of ' || w.relation, ', ' ORDER BY w.relation, w.name)
        FROM (VALUES ('processed_log', 'continue_log'), ('processed_log', 'refuse_change'),
                     ('tile', 'refuse_change'), ('tile', 'only_grow'),
                     ('checkpoint', 'refuse_change'), ('checkpoint', 'only_thin')) AS w(relation, name)
       WHERE NOT EXISTS (SELECT FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
                          WHERE c.relnamespace = 'pgtally'::regnamespace AND c.relname = w.relation
                            AND t.tgname = w.name AND t.tgenabled = 'A'))sql"));
    TRY(const auto off, rows.get<std::optional<std::string>>(0, 0));
    if (off) {
      log_.remarks.push_back("Guards that keep the log from being changed are off: " + *off + ".");
    }
    return {};
  }

  // Rows that no reading by id comes across.
  [[nodiscard]] Result<void> check_ids() {
    TRY(const auto rows, ledger_.query(R"sql(
      SELECT (SELECT count(*) FROM pgtally.processed_log WHERE id < 0),
             (SELECT min(id) FROM pgtally.processed_log WHERE id >= $1),
             (SELECT count(*) FROM pgtally.processed_log WHERE id >= $1),
             EXISTS (SELECT FROM pg_index WHERE indrelid = 'pgtally.processed_log'::regclass
                        AND indisprimary AND indisvalid))sql",
                                       pg::Params().tree_size(log_.size)));
    TRY(const auto negative, rows.get<std::int64_t>(0, 0));
    TRY(const auto beyond, rows.get<std::optional<LeafIndex>>(0, 1));
    TRY(const auto surplus, rows.get<std::int64_t>(0, 2));
    TRY(const bool has_key, rows.get<bool>(0, 3));
    if (beyond) {
      accuse("", fmt::format("the log ends before entry {}", log_.size.value),
             fmt::format("processed_log has {} rows beyond", surplus));
      log_.of_entries.back().id = *beyond;
    }
    if (negative > 0) {
      accuse("", "ids count from 0",
             fmt::format("{} rows of processed_log have ids below", negative));
    }
    if (has_key) return {};
    log_.remarks.emplace_back("processed_log has no primary key any more.");
    TRY(const auto doubled,
        ledger_.query("SELECT id FROM pgtally.processed_log WHERE id >= 0 GROUP BY id "
                      "HAVING count(*) > 1 ORDER BY id LIMIT 1000"));
    for (std::size_t r = 0; r < doubled.size(); ++r) {
      TRY(const LeafIndex id, doubled.get<LeafIndex>(r, 0));
      accuse("", fmt::format("one entry {}", id.value), "processed_log has more than one");
      log_.of_entries.back().id = id;
    }
    return {};
  }

  const Ledger& ledger_;
  const std::string& origin_;
  const LedgerAuditLog& names_;
  LogOutcome& log_;
};

}  // namespace

Result<void> require_rights(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT string_agg('pgtally.' || w.relation, ', ' ORDER BY w.place), quote_ident(current_user)
      FROM (VALUES (1, 'processed_log'), (2, 'tile'), (3, 'checkpoint'), (4, 'cosignature'),
                   (5, 'tree_head'), (6, 'log_head'), (7, 'source'), (8, 'definition'),
                   (9, 'sweep')) AS w(place, relation)
     WHERE NOT has_any_column_privilege('pgtally.' || w.relation, 'SELECT'))sql"));
  TRY(const auto missing, rows.get<std::optional<std::string>>(0, 0));
  if (!missing) return {};
  TRY(const auto user, rows.get<std::string>(0, 1));
  return operator_error(fmt::format("{} may not read {}", user, *missing),
                        fmt::format("Audit as the ledger's owner, or have it granted:\n"
                                    "  GRANT SELECT ON {} TO {};",
                                    *missing, user));
}

Result<void> require_sources(const Ledger& ledger, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  TRY(const auto rows,
      ledger.query("SELECT name FROM pgtally.source WHERE source_id > 0 ORDER BY 1"));
  std::vector<std::string> known;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(known.emplace_back(), rows.get<std::string>(r, 0));
  }
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return reject("there is no source " + quoted(name),
                  fmt::format("There are: {}.", fmt::join(known, ", ")));
  }
  return {};
}

Result<void> check_registry(const Ledger& ledger, const std::string& origin,
                            const LedgerAuditLog& names, LogOutcome& log) {
  return RegistryCheck(ledger, origin, names, log).run();
}

}  // namespace pgtally
