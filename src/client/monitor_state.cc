#include "client/monitor_state.h"

#include <vector>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "merkle/tile.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

constexpr std::string_view kFirstLine = "pgtally-monitor v1\n";
constexpr std::string_view kEntries = "entries ";
constexpr std::size_t kMaxSize = kMaxNoteSize + 8192;  // 64 hashes and three lines

std::optional<std::string_view> next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return {};
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<MonitorState> parse(std::string_view text) {
  if (!text.starts_with(kFirstLine)) return reject("it does not begin with pgtally-monitor v1");
  text.remove_prefix(kFirstLine.size());
  const auto entries = next_line(text);
  if (!entries || !entries->starts_with(kEntries))
    return reject("it does not say how many entries");
  TRY(const auto size, parse_decimal(entries->substr(kEntries.size())));
  if (size % kTileWidth != 0) return reject("the entries are not a multiple of 256");
  std::vector<Hash> nodes;
  while (true) {
    const auto line = next_line(text);
    if (!line) return reject("it is cut off");
    if (line->empty()) break;
    TRY(const Hash hash, hash_from_base64(*line));
    nodes.push_back(hash);
  }
  MonitorState state;
  TRY(state.entries, Frontier::restore(TreeSize{size}, nodes));
  TRY([[maybe_unused]] const SignedNote note, parse_note(text));
  state.note = text;
  return state;
}

}  // namespace

Result<MonitorState> read_monitor_state(const std::string& path) {
  TRY(const auto text, read_small_file(path, kMaxSize));
  if (!text) return MonitorState{};
  auto state = parse(*text);
  if (state.ok()) return state;
  return operator_error(path + " is not what a monitor wrote: " + state.error().message,
                        "Bring it back from a backup. Without it the monitor begins anew, and does "
                        "not notice that the log was rewritten before.");
}

Result<void> write_monitor_state(const std::string& path, const MonitorState& state) {
  std::string text(kFirstLine);
  text += kEntries;
  text += std::to_string(state.entries.size().value) + "\n";
  for (const Hash& node : state.entries.nodes()) text += to_base64(node.view()) + "\n";
  return replace_file(path, text + "\n" + state.note);
}

}  // namespace pgtally
