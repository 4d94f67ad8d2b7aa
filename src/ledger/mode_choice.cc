#include "ledger/mode_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string identifier(const std::string& name) {
  auto quote = pg::quote_identifier(name);
  return quote.ok() ? *quote : name;
}

bool is_changed(const TableShape& table) {
  return table.updates > 0 || table.deletes > 0;
}

bool has_integer_key(const ModeQuestion& question) {
  if (question.key.size() != 1) return false;
  const TableColumn* column = question.table.column(question.key[0]);
  return column != nullptr && column->is_integer();
}

const CaptureMode* find_mode(CaptureModes modes, std::string_view name) {
  const auto it = std::find_if(modes.begin(), modes.end(),
                               [&](const CaptureMode* mode) { return mode->name() == name; });
  return it == modes.end() ? nullptr : *it;
}

// Triggers and publications are made by whoever owns the table.
void require_ownership(const ModeQuestion& question, std::vector<Obstacle>& out) {
  if (question.table.may_alter) return;
  out.push_back({fmt::format("user {} does not own {}", identifier(question.server.user),
                             question.table.qualified),
                 fmt::format("GRANT {} TO {};", identifier(question.table.owner),
                             identifier(question.server.user))});
}

void add_logical(const ModeQuestion& question, std::vector<Obstacle>& out) {
  const ServerFacts& server = question.server;
  if (server.wal_level != "logical") {
    out.push_back({"wal_level is " + server.wal_level,
                   "ALTER SYSTEM SET wal_level = 'logical';  -- then restart the server"});
  }
  if (!server.may_replicate) {
    out.push_back({"user " + identifier(server.user) + " may not replicate",
                   "ALTER ROLE " + identifier(server.user) + " REPLICATION;"});
  }
  if (server.used_slots >= server.slots) {
    out.push_back(
        {fmt::format("all {} replication slots are taken", server.slots),
         fmt::format("ALTER SYSTEM SET max_replication_slots = {};  -- then restart the server",
                     server.slots + 10)});
  }
  if (!server.may_create) {
    out.push_back({fmt::format("user {} may not create a publication in database {}",
                               identifier(server.user), quoted(server.database)),
                   fmt::format("GRANT CREATE ON DATABASE {} TO {};", identifier(server.database),
                               identifier(server.user))});
  }
  require_ownership(question, out);
}

std::string full_identity(const TableShape& table) {
  std::string sql;
  if (table.partitions.empty()) return "ALTER TABLE " + table.qualified + " REPLICA IDENTITY FULL;";
  for (const std::string& part : table.partitions) {
    sql += (sql.empty() ? "" : "\n") + ("ALTER TABLE " + part + " REPLICA IDENTITY FULL;");
  }
  return sql;
}

bool identifies(const ModeQuestion& question) {
  const TableShape& table = question.table;
  return table.full_identity ||
         (!question.key.empty() && std::ranges::all_of(question.key, [&](const std::string& name) {
           return std::ranges::find(table.identity, name) != table.identity.end();
         }));
}

// Updates and deletes have to name their row.
void require_identity(const ModeQuestion& question, std::vector<Obstacle>& out) {
  if (identifies(question)) return;
  out.push_back({"the replica identity of " + question.table.qualified +
                     " does not name the rows that change",
                 full_identity(question.table)});
}

// Mode logical does not record an update whose row it does not know whole.
void require_values(const ModeQuestion& question, std::vector<Obstacle>& out) {
  if (question.table.full_identity || !identifies(question)) return;
  std::vector<std::string> missing;
  for (const std::string& name : question.table.left_out) {
    if (std::ranges::find(question.covered, name) != question.covered.end())
      missing.push_back(name);
  }
  if (missing.empty()) return;
  out.push_back(
      {"its replica identity leaves long values of " + joined(missing) + " out of updates",
       full_identity(question.table)});
}

// "wal_level is replica; user app does not own public.payment"
std::string summary(const std::vector<Obstacle>& obstacles) {
  std::string text;
  for (const Obstacle& obstacle : obstacles) text += (text.empty() ? "" : "; ") + obstacle.what;
  return text;
}

std::string remedies(const std::vector<Obstacle>& obstacles) {
  std::string text;
  for (const Obstacle& obstacle : obstacles) {
    if (!obstacle.remedy.empty()) text += (text.empty() ? "" : "\n") + obstacle.remedy;
  }
  return text;
}

Result<ModeChoice> take_asked_for(CaptureModes modes, const ModeQuestion& question,
                                  const std::string& name) {
  const CaptureMode* mode = find_mode(modes, name);
  if (mode == nullptr) {
    std::vector<std::string> names;
    for (const CaptureMode* each : modes) names.emplace_back(each->name());
    return reject("there is no capture mode " + quoted(name), "The modes are: " + joined(names));
  }
  if (question.track_changes && name != "trigger" && name != "logical") {
    return reject("mode " + name + " does not see updates and deletes",
                  "Leave out --track-changes, or choose --mode trigger or --mode logical.");
  }
  if (!question.key.empty()) TRY_VOID(mode->accepts(question.table, question.track_changes));
  const std::vector<Obstacle> lacks = obstacles(*mode, question);
  if (!lacks.empty()) {
    return reject("mode " + name + " needs more than there is: " + summary(lacks), remedies(lacks));
  }
  return ModeChoice{mode,
                    "as asked for",
                    question.track_changes || (name == "logical" && identifies(question)),
                    {}};
}

// What an unnamed choice considers, in the order of the rule.
class Chooser {
 public:
  Chooser(CaptureModes modes, const ModeQuestion& question)
      : modes_(modes), question_(question), track_changes_(question.track_changes) {}

  Result<ModeChoice> choose() {
    const bool changed = is_changed(question_.table);
    const bool keyed = !question_.key.empty();
    if (keyed && !track_changes_) {
      if (const CaptureMode* xid = usable("xid"))
        return ModeChoice{xid, own_words(*xid), false, {}};
      if (const CaptureMode* poll = usable("poll");
          poll != nullptr && !changed && has_integer_key(question_)) {
        return ModeChoice{
            poll, "its rows are only inserted, and its key is one integer", false, {}};
      }
    }
    if (const CaptureMode* logical = usable("logical")) {
      return ModeChoice{logical,
                        why_changes() + ", and the server can stream its changes",
                        identifies(question_),
                        {}};
    }
    if (const CaptureMode* trigger = usable("trigger");
        (changed || track_changes_) && keyed && trigger != nullptr) {
      return take_trigger(*trigger);
    }
    if (keyed && !track_changes_) {
      if (const CaptureMode* poll = usable("poll")) return fall_back_to(*poll, changed);
    }
    return refuse(keyed);
  }

 private:
  // Where nobody has said, what can track changes does. Without a key the stream's inserts are better
  // than nothing.
  std::vector<Obstacle> lacks(const CaptureMode& mode) const {
    ModeQuestion question = question_;
    const bool may_do_without =
        mode.name() == "logical" && (question.key.empty() || !is_changed(question.table));
    question.track_changes = track_changes_ || !may_do_without;
    std::vector<Obstacle> lacks = obstacles(mode, question);
    if (mode.name() == "logical" && !question.track_changes) require_values(question, lacks);
    return lacks;
  }

  const CaptureMode* usable(std::string_view name) const {
    const CaptureMode* mode = find_mode(modes_, name);
    return mode != nullptr && lacks(*mode).empty() ? mode : nullptr;
  }

  static std::string own_words(const CaptureMode& mode) { return std::string(mode.why()); }

  std::string why_changes() const {
    if (question_.key.empty()) return "it has no key that names its rows";
    if (track_changes_) return "changes are to be tracked";
    if (is_changed(question_.table)) return "its rows are also updated or deleted";
    return "its key does not say in which order rows come";
  }

  // "mode logical would: wal_level is replica"
  std::string what_the_others_lack() const {
    std::string text;
    for (const std::string name : {"logical", "trigger"}) {
      const CaptureMode* mode = find_mode(modes_, name);
      if (mode == nullptr || (name == "trigger" && question_.key.empty())) continue;
      const std::vector<Obstacle> obstacles = lacks(*mode);
      text += (text.empty() ? "" : "\n") +
              fmt::format("mode {}: {}", name, obstacles.empty() ? "possible" : summary(obstacles));
      if (const std::string sql = remedies(obstacles); !sql.empty()) text += "\n" + sql;
    }
    return text;
  }

  ModeChoice take_trigger(const CaptureMode& trigger) const {
    ModeChoice choice{
        &trigger, why_changes() + ", which triggers see; changes are tracked", true, {}};
    if (const CaptureMode* logical = find_mode(modes_, "logical"); logical != nullptr) {
      const std::vector<Obstacle> obstacles = lacks(*logical);
      choice.warnings.push_back(
          "the trigger is part of each write; mode logical is not, and needs:\n" +
          summary(obstacles) + "\n" + remedies(obstacles));
    }
    return choice;
  }

  ModeChoice fall_back_to(const CaptureMode& poll, bool changed) const {
    ModeChoice choice{&poll, own_words(poll), false, {}};
    const std::string others = what_the_others_lack();
    if (!others.empty()) {
      choice.warnings.push_back(
          std::string(changed ? "only these modes see updates and deletes:\n"
                              : "these modes find its rows at once, and not by sweeps:\n") +
          others);
    }
    return choice;
  }

  Error refuse(bool keyed) const {
    const std::string others = what_the_others_lack();
    const std::string what = keyed
                                 ? "nothing here can track changes of " + question_.table.qualified
                                 : question_.table.qualified +
                                       " has no key, and without one only mode logical can "
                                       "record its rows";
    const std::string add = "ALTER TABLE " + question_.table.qualified +
                            " ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;";
    if (keyed) return reject(what, others);
    return reject(what, (others.empty() ? "" : others + "\n") + "or give it a key:\n" + add);
  }

  CaptureModes modes_;
  const ModeQuestion& question_;
  bool track_changes_;
};

}  // namespace

std::vector<Obstacle> obstacles(const CaptureMode& mode, const ModeQuestion& question) {
  std::vector<Obstacle> out;
  const std::string_view name = mode.name();
  if (question.key.empty() && name != "logical") {
    out.push_back({question.table.qualified + " has no key that names its rows", ""});
    return out;
  }
  if (name == "logical") {
    add_logical(question, out);
    if (question.track_changes) {
      require_identity(question, out);
      require_values(question, out);
    }
  }
  if (name == "trigger") {
    if (question.remote) {
      out.push_back(
          {"the table is in another database, where triggers cannot reach the ledger", ""});
    }
    require_ownership(question, out);
  }
  if (const auto accepted = mode.accepts(question.table, question.track_changes); !accepted.ok()) {
    out.push_back({accepted.error().message, accepted.error().hint});
  }
  if (const auto missing = mode.missing(question.table, question.key); !missing.empty()) {
    out.push_back({question.table.qualified + " has to be altered for it",
                   fmt::format("{}", fmt::join(missing, "\n"))});
  }
  return out;
}

Result<ModeChoice> choose_mode(CaptureModes modes, const ModeQuestion& question,
                               const std::string& asked_for) {
  if (!asked_for.empty()) return take_asked_for(modes, question, asked_for);
  return Chooser(modes, question).choose();
}

Result<KeyChoice> choose_key(const TableShape& table) {
  std::vector<std::vector<std::string>> usable;
  std::vector<std::string> unfit = table.unfit_keys;
  for (const auto& key : table.unique_keys) {
    std::string wrong;
    for (const std::string& name : key) {
      const TableColumn* column = table.column(name);
      if (column == nullptr || !column->refused.empty()) wrong = name + " cannot be hashed";
      if (column != nullptr && !column->not_null) wrong = name + " may be null";
    }
    const bool is_primary = table.has_primary_key && &key == &table.unique_keys.front();
    if (wrong.empty() && is_primary) return KeyChoice{key, "its primary key"};
    if (wrong.empty()) {
      usable.push_back(key);
    } else {
      unfit.push_back("(" + joined(key) + "): " + wrong);
    }
  }
  if (usable.size() == 1) return KeyChoice{usable.front(), "its only unique key"};
  if (usable.empty()) {
    return KeyChoice{{},
                     unfit.empty() ? "it has no unique index"
                                   : "no unique index of it can be the key: " +
                                         fmt::format("{}", fmt::join(unfit, "; "))};
  }
  std::string names;
  for (const auto& key : usable) names += (names.empty() ? "" : "; ") + joined(key);
  return reject(table.qualified + " has several keys and no primary key",
                "Say which one with --key. They are: " + names);
}

}  // namespace pgtally
