#include "cli/recovery_text.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"
#include "postgres/conninfo.h"

namespace pgtally::cli {
namespace {

std::string head_line(const char* label, TreeSize size, const Hash& root, const std::string& note) {
  return fmt::format("  {:<10} size {:>13}  root {}{}\n", label, with_thousands(size.value),
                     to_base64(root.view()), note.empty() ? "" : "   (" + printable(note) + ")");
}

std::string what_happened(const Diagnosis& found) {
  if (found.two_histories) {
    return "Two histories: a head that was signed here and the published log cannot both be this "
           "log.\nTwo instances have signed with one key, or the database was exchanged under it. "
           "Whoever compares\ntheir checkpoints can see it, and nothing makes that undone.\n";
  }
  switch (found.ground) {
    case Ground::kWhole:
      return "The database extends everything that is known to have been signed.\n";
    case Ground::kBehind:
    case Ground::kShort:
      return "The database is behind what was signed: a beginning of it, as it was. It was "
             "probably "
             "restored\nfrom a backup, or a standby took over that had not received everything.\n";
    case Ground::kParted:
      return "The database holds something else than what was signed. It was restored and went on "
             "by "
             "itself,\nor it is another instance, or somebody has rewritten the log.\n";
    case Ground::kUnknown:
      break;
  }
  return "Nothing here says what was signed: this host has no guard of this log, and no published "
         "copy was\nnamed.\n";
}

std::string parting_text(const Parting& parting) {
  return fmt::format("  They part at entry {}:\n    published  {}\n    database   {}\n",
                     with_thousands(parting.id.value), printable(parting.published),
                     printable(parting.in_database));
}

json::value json_of(const std::optional<SignedSize>& head) {
  if (!head) return nullptr;
  return json::object{{"size", head->size.value}, {"root", to_base64(head->root.view())}};
}

std::string word(const std::string& text) {
  const bool plain = text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:/=-"
                         "@") == std::string::npos;
  if (plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

// The command that made a source, as far as the registry remembers it.
std::string add_command(const RegisteredSource& source, const std::string& schema) {
  const SourceDefinition& definition = source.definition;
  std::string command =
      fmt::format("pgtally --schema {} source add {}", word(schema), word(source.name));
  if (definition.mode == "append") {
    command += " --append";
  } else {
    command += " --table " + word(definition.relation) + " --mode " + word(source.mode);
    const bool by_position = definition.key == std::vector<std::string>{"source_position"};
    if (!by_position) command += " --key " + word(joined(definition.key));
  }
  if (definition.time) command += " --time " + word(*definition.time);
  if (definition.hash_column) command += " --hash-column " + word(*definition.hash_column);
  if (!definition.excluded.empty()) command += " --exclude " + word(joined(definition.excluded));
  if (!definition.blind) command += " --no-blind";
  if (source.track_changes) command += " --track-changes";
  if (source.keep_data) command += " --keep-data";
  if (!source.writer.empty()) command += " --writer " + word(source.writer);
  if (!source.database.empty()) {
    command += " --database " + word(pg::without_password(source.database));
  }
  return command;
}

}  // namespace

std::string text_of_state(const Diagnosis& found, const RecoveryView& view) {
  std::string text = printable(view.origin) + "\n";
  if (found.guard) {
    text += head_line("guard", found.guard->size, found.guard->root, view.guard_file);
  } else {
    text += "  guard      none: " + printable(found.guard_problem) + "\n";
  }
  if (found.published) {
    text += head_line("published", found.published->size, found.published->root, view.published);
  }
  text += head_line("database", found.size, found.root, "computed from its entries");
  if (found.kept) {
    text += head_line("kept", found.kept->size, found.kept->root, "its newest checkpoint");
  }
  text += "\n" + what_happened(found);
  for (const std::string& reason : found.reasons) text += "  " + printable(reason) + "\n";
  if (found.parting) text += parting_text(*found.parting);
  return text;
}

std::string way_on(const Diagnosis& found, const RecoveryView& view) {
  if (found.guard && found.guard->ended) {
    return "Nothing has to be recovered: the log has ended, and its statement names the one that "
           "goes "
           "on. It can still be\nread, proved and audited.";
  }
  switch (found.ground) {
    case Ground::kWhole:
      if (found.guard_problem.empty())
        return "Nothing has to be recovered. Go on with: pgtally run";
      return fmt::format(
          "Nothing has to be recovered, but this host does not sign: {}.\nIf no other host does, "
          "and "
          "nothing was signed beyond it, take over with: pgtally run --accept-head {}:{}",
          found.guard_problem, found.last_signed->size.value,
          to_base64(found.last_signed->root.view()));
    case Ground::kBehind:
      return fmt::format(
          "Stop everything that writes to this ledger. Then pgtally recover {} "
          "--execute\nrecords entries {} to {} again, byte for byte, so that the tree is what was "
          "signed; has every\nsource compared with the log, so that no row is recorded twice and "
          "none is missed; and signs nothing.",
          view.copy_option, with_thousands(found.size.value),
          with_thousands(found.published->size.value - 1));
    case Ground::kShort:
      return "Bring back a database that has all of these entries, or a copy of the log that was "
             "published: pgtally\nrecover --published DIR|URL. Where neither can be had, this log "
             "has to end: with --execute\n--new-origin NAME its key signs that it has ended, and a "
             "new log begins whose first entry names this head.";
    case Ground::kParted:
      return "Nothing that is signed from here could be a continuation of what was published. If "
             "there is a database\nthat holds what was published, go on with that. Otherwise this "
             "log has to end: with --execute\n--new-origin NAME its key signs that it has ended, "
             "and a new log begins whose first entry names the\nlast head that was signed.";
    case Ground::kUnknown:
      break;
  }
  return "Name a copy with --published DIR|URL, or run this where the guard is.";
}

std::string text_of_way_on(const Diagnosis& found, const RecoveryView& view) {
  return way_on(found, view) + "\n";
}

std::string text_of(const Diagnosis& found, const RecoveryView& view) {
  return text_of_state(found, view) + "\n" + text_of_way_on(found, view);
}

json::object json_of(const Diagnosis& found, const RecoveryView& view) {
  json::object object{{"ok", found.ground == Ground::kWhole && found.guard_problem.empty()},
                      {"origin", view.origin},
                      {"state", name_of(found.ground)},
                      {"two_histories", found.two_histories}};
  object["database"] = json_of(std::optional<SignedSize>(SignedSize{found.size, found.root}));
  object["guard"] =
      found.guard
          ? json_of(std::optional<SignedSize>(SignedSize{found.guard->size, found.guard->root}))
          : json::value(nullptr);
  object["guard_problem"] =
      found.guard_problem.empty() ? json::value(nullptr) : json::value(found.guard_problem);
  object["published"] = json_of(found.published);
  object["kept"] = json_of(found.kept);
  object["last_signed"] = json_of(found.last_signed);
  object["reasons"] = json_strings(found.reasons);
  if (found.parting) {
    object["parting"] = {{"id", found.parting->id.value},
                         {"published", found.parting->published},
                         {"database", found.parting->in_database}};
  }
  object["way_on"] = way_on(found, view);
  return object;
}

std::string text_of(const Ending& done, const EndingRequest& request, const RecoveryView& view,
                    const std::vector<RegisteredSource>& sources) {
  std::string text = fmt::format(
      "ended    {} at size {}; its key signs nothing more\n"
      "  {:<10} {}   (publish it beside the last checkpoint)\n"
      "made     {} in schema {}; its entry 1 names the old head and the statement\n"
      "  {:<10} {}\n  {:<10} {}   (secret: keep a copy in a safe place)\n  {:<10} {}\n",
      view.origin, with_thousands(done.head.size.value), "statement", request.statement_file,
      request.new_origin, request.new_schema, "vkey", done.founded.vkey, "key",
      done.founded.key_file, "guard", done.founded.guard_file);
  std::string commands;
  for (const RegisteredSource& source : sources) {
    if (source.state != "removed")
      commands += "  " + add_command(source, request.new_schema) + "\n";
  }
  if (commands.empty()) return text;
  return text + "The sources of the old ledger are paused. To record them in the new one:\n" +
         commands;
}

}  // namespace pgtally::cli
