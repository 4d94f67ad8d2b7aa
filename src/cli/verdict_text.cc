#include "cli/verdict_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"
#include "format/times.h"

namespace pgtally::cli {
namespace {

constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kMostValueWidth = 80;
constexpr std::size_t kMostKeyWidth = 40;

std::string field(const std::string& label, const std::string& text) {
  return pad_right("  " + label, kLabelWidth) + text + "\n";
}

// Items side by side, as many as fit a line.
std::string flowing(const std::string& label, const std::vector<std::string>& items,
                    std::size_t width) {
  std::string lines;
  std::string line = pad_right("  " + label, kLabelWidth);
  bool is_first = true;
  for (const std::string& item : items) {
    if (!is_first && display_width(line) + 2 + display_width(item) > width) {
      lines += line + "\n";
      line = std::string(kLabelWidth, ' ');
      is_first = true;
    }
    line += (is_first ? "" : "  ") + item;
    is_first = false;
  }
  return lines + line + "\n";
}

// A value that could be mistaken for several, or for none, is put in quotes.
std::string value_for_people(const std::string& value, std::size_t most = kMostValueWidth) {
  const std::string shown = cut(printable(value), most);
  const bool plain = !value.empty() && value.find_first_of(" \"'") == std::string::npos;
  return plain ? shown : "'" + shown + "'";
}

std::string headline(const std::string& word, const std::string& text) {
  return word + "  " + text + "\n";
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string key_for_people(const Verdict& verdict) {
  if (verdict.key_is_hashed && verdict.key.empty()) return "(a key known by its hash only)";
  std::vector<std::string> words;
  const bool named = verdict.key.size() > 1 && verdict.definition &&
                     verdict.definition->key.size() == verdict.key.size();
  for (std::size_t i = 0; i < verdict.key.size(); ++i) {
    const std::string name = named ? printable(verdict.definition->key[i]) + "=" : "";
    words.push_back(name + value_for_people(verdict.key[i], kMostKeyWidth));
  }
  return joined(words, " ");
}

// Behind which time the witness's stands: "2 s later". A witness counts in seconds; all of the
// arithmetic wraps if its clock is far out.
std::string compared(std::uint64_t timestamp, Time recorded) {
  const std::int64_t from = recorded.microseconds / 1'000'000;
  const auto later = static_cast<std::int64_t>(timestamp - static_cast<std::uint64_t>(from));
  constexpr std::int64_t kMost = INT64_MAX / 1'000'000;
  const auto seconds = std::chrono::seconds(std::clamp(later, -kMost, kMost));
  const std::string span = later > -10 && later < 10
                               ? fmt::format("{} s", later < 0 ? -later : later)
                               : short_span(seconds);
  return span + (later < 0 ? " earlier" : " later");
}

std::string cosigned(const Verdict& verdict) {
  std::string lines;
  for (const Cosigned& one : verdict.cosigned_by) {
    std::string line =
        time_for_people(time_of_seconds(one.timestamp)) + " by " + printable(one.witness);
    if (verdict.entry) {
      line += "   (" + compared(one.timestamp, verdict.entry->sequenced_at) + ")";
    }
    lines += field("cosigned", line);
  }
  return lines;
}

// The lines below the headline, which are the same for one entry and for each of two.
std::string facts(const Verdict& verdict, std::size_t width) {
  if (!verdict.entry) return cosigned(verdict);
  const Entry& entry = *verdict.entry;
  std::string text =
      field("recorded", time_for_people(entry.sequenced_at) + "   (the operator's clock)") +
      cosigned(verdict);
  if (entry.source_time.microseconds != Time::kNone) {
    text += field("says", time_for_people(entry.source_time) + "   (the source's own time)");
  }
  if (!verdict.row.empty()) {
    std::vector<std::string> columns;
    for (const RowColumn& column : verdict.row) {
      columns.push_back(printable(column.name) + "=" + value_for_people(column.value));
    }
    text += flowing("row", columns, width);
  } else if (verdict.data) {
    const bool readable = verdict.data->size() <= kMostValueWidth && is_utf8(*verdict.data);
    text += field("data", readable ? value_for_people(std::string(as_text(*verdict.data)))
                                   : counted(verdict.data->size(), "byte", "bytes"));
  }
  return text;
}

std::string checks(const Verdict& verdict, std::size_t width) {
  std::string text = field("checked", joined(verdict.checked, ", "));
  std::vector<std::string> open;
  for (const std::string& what : verdict.not_checked) open.push_back(printable(what));
  if (!open.empty()) text += flowing("unchecked", {joined(open, "; ")}, width);
  return text;
}

// `signed_at`: none where only the file is known.
std::string covered(const Verdict& verdict, Time signed_at) {
  const bool is_known = signed_at.microseconds != Time::kNone;
  std::string lines = field(
      "covered",
      (is_known ? "since " + time_for_people(signed_at) + " " : "") + "by the checkpoint of " +
          with_thousands(first_cover(verdict).value) +
          (is_known ? " entries, the first that is kept" : " entries, the first in this file"));
  const auto witnessed = first_witnessed(verdict);
  if (!witnessed) return lines;
  for (const Cosigned& one : witnessed->cosigned_by) {
    lines += field("witnessed", cosigned_when(one) + ", the checkpoint of " +
                                    with_thousands(witnessed->size.value) + " entries");
  }
  return lines;
}

// A sentence to a line, or several where it is too long.
std::string listed(const std::string& label, const std::vector<std::string>& sentences,
                   std::size_t width) {
  std::string lines;
  std::string line = pad_right(label, kLabelWidth);
  for (const std::string& sentence : sentences) {
    std::size_t at = 0;
    bool is_first = true;
    while (at < sentence.size()) {
      const std::size_t end = std::min(sentence.find(' ', at), sentence.size());
      const std::string word = sentence.substr(at, end - at);
      if (!is_first && display_width(line) + 1 + display_width(word) > width) {
        lines += line + "\n";
        line = std::string(kLabelWidth, ' ');
        is_first = true;
      }
      line += (is_first ? "" : " ") + word;
      is_first = false;
      at = end + 1;
    }
    lines += line + "\n";
    line = std::string(kLabelWidth, ' ');
  }
  return lines;
}

std::string place(const Verdict& verdict) {
  return "entry " + with_thousands(verdict.id.value);
}

}  // namespace

std::string entry_name(const Verdict& verdict) {
  if (!verdict.entry) return fmt::format("something of entry version {}", verdict.entry_version);
  const Entry& entry = *verdict.entry;
  switch (entry.operation) {
    case Operation::kDefine:
      return fmt::format("definition {} of {}", entry.definition, entry.source);
    case Operation::kNotice:
      return "a notice of " + entry.source;
    case Operation::kTruncate:
      return "the truncation of " + entry.source;
    case Operation::kUpdate:
      return "the update of " + entry.source + " " + key_for_people(verdict);
    case Operation::kDelete:
      return "the deletion of " + entry.source + " " + key_for_people(verdict);
    case Operation::kInsert:
      break;
  }
  return entry.source + " " + key_for_people(verdict);
}

std::string text_of(const Verdict& verdict, const Stream& stream) {
  return headline(
             stream.styled("verified", Emphasis::kGood),
             entry_name(verdict) + " is " + place(verdict) + " of " + printable(verdict.origin)) +
         facts(verdict, stream.width()) + checks(verdict, stream.width());
}

std::string text_of(const OrderVerdict& verdict, const Stream& stream, const CoverTimes* times) {
  std::string text =
      headline(stream.styled("verified", Emphasis::kGood),
               entry_name(verdict.first) + " was recorded before " + entry_name(verdict.second) +
                   " in " + printable(verdict.first.origin)) +
      "\n";
  const CoverTimes known = times != nullptr ? *times : CoverTimes{};
  for (const Verdict* one : {&verdict.first, &verdict.second}) {
    const bool is_first = one == &verdict.first;
    text += headline(is_first ? "first   " : "second  ", entry_name(*one) + " is " + place(*one)) +
            facts(*one, stream.width()) + covered(*one, is_first ? known.first : known.second) +
            checks(*one, stream.width()) + "\n";
  }
  const OrderStatements statements = statements_of(verdict);
  text += listed("proves", statements.proves, stream.width()) +
          listed("proves not", statements.does_not_prove, stream.width());
  return text;
}

std::string text_of(const LogEnd& end, const Stream& stream) {
  return headline(stream.styled("verified", Emphasis::kGood),
                  printable(end.origin) + " ended with " + with_thousands(end.size.value) +
                      " entries; " + printable(end.successor) + " goes on") +
         field("root", to_base64(end.root.view())) +
         field("stated", time_for_people(end.at) + "   (the operator's clock)") +
         field("reason", printable(end.reason)) +
         listed("proves", {"that the key of the log has said so: it is to sign nothing more."},
                stream.width()) +
         listed(
             "proves not",
             {"that nobody has a checkpoint of more entries, or of others: compare it with those "
              "that you keep."},
             stream.width());
}

}  // namespace pgtally::cli
