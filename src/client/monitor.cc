#include "client/monitor.h"

#include <fmt/format.h>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "client/entry_check.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

using MonitorProgress = std::function<void(std::uint64_t entries)>;

Result<Checkpoint> checkpoint_in(const std::string& note) {
  TRY(const SignedNote parsed, parse_note(note));
  return parse_checkpoint(parsed.text);
}

// Keeps a checkpoint for good: the name says what it is, so that none replaces another.
Result<std::string> keep(const std::string& stem, const Checkpoint& checkpoint,
                         const std::string& note) {
  constexpr std::size_t kShort = 8;
  std::string path = fmt::format("{}.{}.{}.checkpoint", stem, checkpoint.size.value,
                                 to_hex(checkpoint.root.view().first(kShort)));
  TRY_VOID(replace_file(path, note));
  return path;
}

// Remembers how far the entries were checked, and tells.
class Progress : public CheckedSink {
 public:
  Progress(std::string path, const MonitorState& state, const MonitorProgress& tell)
      : path_(std::move(path)), note_(state.note), tell_(tell) {}

  Result<void> tile(const TileRequest&, const std::vector<Hash>&) override { return {}; }
  Result<void> bundle(const TileRequest& request, const std::string&) override {
    if (tell_) tell_(request.tile.index * kTileWidth + request.width);
    return {};
  }
  Result<void> verified(const Frontier& entries) override {
    return write_monitor_state(path_, {note_, entries});
  }

 private:
  std::string path_;
  const std::string& note_;
  const MonitorProgress& tell_;
};

}  // namespace

std::string Monitor::state_file(const std::string& origin) const {
  return options_.directory + "/" + file_name_of(origin) + ".monitor";
}

Result<VerifiedCheckpoint> Monitor::fetch(std::string& note) {
  TRY(note, log_.checkpoint());
  auto verified = verify_checkpoint(note, options_.policy);
  if (verified.ok()) return verified;
  return tampered(place_ + "/checkpoint: " + verified.error().message, verified.error().hint);
}

Result<void> Monitor::check_root(const Checkpoint& checkpoint) {
  LogTiles tiles(log_, checkpoint.size);
  TRY(const Hash root, root_at(tiles, checkpoint.size));
  if (root == checkpoint.root) return {};
  return tampered(fmt::format("the tiles that {} serves do not have the root of its checkpoint of "
                              "size {}",
                              place_, checkpoint.size.value),
                  fmt::format("  signed:  {}\n  tiles:   {}\nA tile was changed, or the checkpoint "
                              "belongs to another tree.",
                              to_base64(checkpoint.root.view()), to_base64(root.view())));
}

// That `now` and what is remembered lie in one history.
Result<void> Monitor::compare(const MonitorState& state, const Checkpoint& now,
                              const std::string& note) {
  if (state.note.empty()) return check_root(now);
  TRY(const Checkpoint before, checkpoint_in(state.note));
  if (before.size == now.size && before.root == now.root) return {};

  const bool grew = before.size < now.size;
  const Checkpoint& small = grew ? before : now;
  const Checkpoint& large = grew ? now : before;
  std::string what;
  if (small.size == large.size) {
    what = fmt::format("the log forked: it has signed two trees of {} entries", now.size.value);
  } else {
    LogTiles tiles(log_, large.size);
    const auto proof = prove_consistency(tiles, small.size, large.size);
    // The larger tree was served once; a log that has grown since then still has it.
    const bool withdrawn = !proof.ok() && !grew && proof.error().code == ErrorCode::kReject;
    if (!proof.ok() && !withdrawn) return proof.error();
    const bool shown =
        proof.ok() &&
        verify_consistency(small.size, large.size, small.root, large.root, *proof).ok();
    // An empty tree is part of every other one, whatever the tiles say.
    if (shown) return small.size.value == 0 ? check_root(large) : Result<void>();
    if (withdrawn) {
      what = fmt::format(
          "the log went back from {} entries to {}, and no longer serves what would "
          "show that both are one history",
          large.size.value, small.size.value);
    } else if (check_root(large).ok()) {
      // The tiles are those of the larger tree, so it is the smaller one that has no place in it.
      what = fmt::format("the log forked: its tree of {} entries does not begin with that of {}",
                         large.size.value, small.size.value);
    } else {
      what = fmt::format("the log does not show that its tree of {} entries begins with that of {}",
                         large.size.value, small.size.value);
    }
  }
  const std::string stem = options_.directory + "/" + file_name_of(now.origin);
  TRY(const std::string first, keep(stem, before, state.note));
  TRY(const std::string second, keep(stem, now, note));
  return tampered(what, fmt::format("Both checkpoints are signed. The one that was remembered, in "
                                    "{}:\n\n{}\nand the one that {} serves now, in {}:\n\n{}",
                                    first, state.note, place_, second, note));
}

Result<void> Monitor::check_all_entries(const std::string& path, MonitorState& state) {
  TRY(const Checkpoint newest, checkpoint_in(state.note));
  if (complete_ == newest.size) return {};
  MonitorProgress tell;
  if (options_.progress) {
    tell = [&](std::uint64_t done) { options_.progress(done, newest.size.value); };
  }
  Progress progress(path, state, tell);
  TRY_VOID(check_entries(log_, newest, state.entries, progress));
  complete_ = newest.size;
  return {};
}

Result<Sighting> Monitor::look() {
  auto sighting = look_once();
  if (!sighting.ok() && sighting.error().code == ErrorCode::kReject) {
    return retry(sighting.error().message, sighting.error().hint);
  }
  return sighting;
}

Result<Sighting> Monitor::look_once() {
  Sighting sighting;
  TRY(sighting.seen, fetch(sighting.note));
  const Checkpoint& now = sighting.seen.checkpoint;
  const std::string path = state_file(now.origin);
  TRY(const FileLock lock, FileLock::acquire(path));
  TRY(MonitorState state, read_monitor_state(path));
  TRY_VOID(compare(state, now, sighting.note));

  if (!state.note.empty()) {
    TRY(const Checkpoint before, checkpoint_in(state.note));
    sighting.before = before.size;
  }
  if (sighting.is_news()) {
    state.note = sighting.note;
    TRY_VOID(write_monitor_state(path, state));
  }
  if (options_.check_entries) {
    TRY_VOID(check_all_entries(path, state));
    sighting.entries_checked = complete_;
  }
  return sighting;
}

}  // namespace pgtally
