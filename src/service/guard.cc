#include "service/guard.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/durable_file.h"
#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::string_view kMagic = "pgtally-guard v1";
constexpr std::string_view kEndedMagic = "pgtally-guard v1 ended";

std::string text_of(const GuardState& state) {
  return std::string(state.ended ? kEndedMagic : kMagic) + "\n" + state.origin + "\n" +
         to_hex(state.id) + "\n" + std::to_string(state.size.value) + "\n" +
         to_base64(state.root.view()) + "\n";
}

Result<GuardState> parse(const std::string& path, const std::string& text) {
  const Error damaged = operator_error(
      "the guard " + path + " is damaged",
      "Nothing is signed without it. If its last head is known from a published checkpoint, take\n"
      "over with: pgtally run --accept-head SIZE:ROOT");
  std::istringstream in(text);
  std::string magic;
  std::string id;
  std::string size;
  std::string root;
  GuardState state;
  std::getline(in, magic);
  std::getline(in, state.origin);
  std::getline(in, id);
  std::getline(in, size);
  std::getline(in, root);
  const auto id_bytes = from_hex(id);
  const auto size_value = parse_decimal(size);
  const auto root_hash = hash_from_base64(root);
  state.ended = magic == kEndedMagic;
  if ((magic != kMagic && !state.ended) || !id_bytes.ok() || id_bytes->size() != state.id.size() ||
      !size_value.ok() || !root_hash.ok()) {
    return damaged;
  }
  std::copy(id_bytes->begin(), id_bytes->end(), state.id.begin());
  state.size = TreeSize{*size_value};
  state.root = *root_hash;
  if (text_of(state) != text) return damaged;
  return state;
}

}  // namespace

Error log_has_ended(const std::string& origin) {
  return operator_error(
      "the log " + origin + " has ended, and nothing is signed for it any more",
      "Its statement names the log that goes on. This one can still be read, proved and audited.");
}

bool Guard::exists() const {
  std::error_code ignored;
  return std::filesystem::exists(path_, ignored);
}

Result<void> Guard::create(const GuardState& state) const {
  TRY([[maybe_unused]] const auto lock, FileLock::acquire(path_));
  if (exists()) {
    return reject("there is a guard for " + state.origin + " already: " + path_,
                  "It belongs to a ledger that was made before and may have signed checkpoints.\n"
                  "Choose another origin, or remove the file if that ledger never mattered.");
  }
  return replace_file(path_, text_of(state));
}

Result<GuardState> Guard::read() const {
  TRY(const auto text, read_small_file(path_));
  if (!text) {
    return operator_error(
        "there is no guard at " + path_,
        "Nothing is signed without it. Copy it from the host that signed last, or take over with\n"
        "pgtally run --accept-head SIZE:ROOT, as a published checkpoint has them.");
  }
  return parse(path_, *text);
}

Result<GuardState> Guard::advance(const Decide& decide) const {
  TRY([[maybe_unused]] const auto lock, FileLock::acquire(path_));
  TRY(const GuardState now, read());
  if (now.ended) return log_has_ended(now.origin);
  TRY(GuardState next, decide(now));
  if (next.size < now.size || (next.size == now.size && next.root != now.root)) {
    return tampered("the guard at " + path_ + " cannot go back");
  }
  if (next.size != now.size) TRY_VOID(replace_file(path_, text_of(next)));
  return next;
}

Result<GuardState> Guard::end() const {
  TRY([[maybe_unused]] const auto lock, FileLock::acquire(path_));
  TRY(GuardState state, read());
  if (state.ended) return state;
  state.ended = true;
  TRY_VOID(replace_file(path_, text_of(state)));
  return state;
}

Result<void> Guard::replace(const GuardState& state) const {
  TRY([[maybe_unused]] const auto lock, FileLock::acquire(path_));
  if (exists()) {
    const auto now = read();
    if (now.ok() && now->ended) return log_has_ended(now->origin);
  }
  return replace_file(path_, text_of(state));
}

}  // namespace pgtally
