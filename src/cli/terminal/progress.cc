#include "cli/terminal/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"

namespace pgtally::cli {
namespace {

using std::chrono::microseconds;

constexpr microseconds kSilentAtFirst = std::chrono::seconds(1);
constexpr microseconds kBetweenDrawings = std::chrono::milliseconds(100);
constexpr std::size_t kBarWidth = 24;

std::string bar(double fraction) {
  static constexpr std::array<const char*, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(fraction * static_cast<double>(kBarWidth * 8));
  std::string bar;
  for (std::size_t i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  return pad_right(bar, kBarWidth);
}

}  // namespace

std::string progress_line(const ProgressState& state, std::size_t width) {
  const double seconds = std::max(static_cast<double>(state.elapsed.count()) / 1e6, 1e-6);
  const double rate = static_cast<double>(state.done) / seconds;
  const std::string speed = with_thousands(static_cast<std::uint64_t>(rate)) + "/s";
  if (!state.total || *state.total == 0 || state.done > *state.total) {
    return cut(fmt::format("{}  {}  {}", state.doing, with_thousands(state.done), speed), width);
  }
  const double fraction = static_cast<double>(state.done) / static_cast<double>(*state.total);
  std::string counts = fmt::format("{:3.0f}%  {} of {}  {}", std::min(fraction * 100, 100.0),
                                   with_thousands(state.done), with_thousands(*state.total), speed);
  if (state.done > 0) {
    const double left = std::min(static_cast<double>(*state.total - state.done) / rate, 1e12);
    counts += "  " + short_span(microseconds(static_cast<std::int64_t>(left * 1e6))) + " left";
  }
  const std::string whole = fmt::format("{}  {}  {}", state.doing, bar(fraction), counts);
  if (display_width(whole) <= width) return whole;
  return cut(fmt::format("{}  {}", state.doing, counts), width);
}

Progress::Progress(Output& output, std::string doing, std::optional<std::uint64_t> total)
    : output_(output),
      enabled_(output.err().is_tty() && !output.quiet()),
      state_{.doing = std::move(doing), .done = 0, .total = total, .elapsed = {}} {}

Progress::~Progress() {
  clear();
}

void Progress::update(std::uint64_t done) {
  state_.done = done;
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now - begin_ < kSilentAtFirst || now - drawn_ < kBetweenDrawings) return;
  drawn_ = now;
  state_.elapsed = std::chrono::duration_cast<microseconds>(now - begin_);
  output_.err().write("\r\033[K" + progress_line(state_, output_.err().width() - 1));
  output_.err().flush();
  visible_ = true;
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  state_.total = total;
  update(done);
}

void Progress::clear() {
  if (!visible_) return;
  output_.err().write("\r\033[K");
  output_.err().flush();
  visible_ = false;
}

}  // namespace pgtally::cli
