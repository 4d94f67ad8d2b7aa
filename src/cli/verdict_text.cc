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

std::string text_of(const OrderVerdict& verdict, const Stream& stream) {
  std::string text =
      headline(stream.styled("verified", Emphasis::kGood),
               entry_name(verdict.first) + " was recorded before " + entry_name(verdict.second) +
                   " in " + printable(verdict.first.origin)) +
      "\n";
  for (const Verdict* one : {&verdict.first, &verdict.second}) {
    text += headline(one == &verdict.first ? "first   " : "second  ",
                     entry_name(*one) + " is " + place(*one)) +
            facts(*one, stream.width()) + checks(*one, stream.width()) + "\n";
  }
  text +=
      headline("proves  ", "the order in which the ledger recorded them, not when they happened");
  if (verdict.same_batch) {
    text += "          (both came in one batch, which was sorted by the sources' own times)\n";
  }
  return text;
}

}  // namespace pgtally::cli
