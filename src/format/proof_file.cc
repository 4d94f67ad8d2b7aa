#include "pgtally/proof_file.h"

#include <algorithm>

#include "base/encoding.h"
#include "pgtally/checkpoint.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtraStart = "extra ";
constexpr std::string_view kIndexStart = "index ";
// Two texts, each after its length.
constexpr std::size_t kMaxOrderProofSize = 2 * (kMaxProofFileSize + 32);

Result<void> check_size(std::size_t size, std::size_t most) {
  if (size <= most) return {};
  return reject("a proof file of " + std::to_string(size) + " bytes is longer than " +
                std::to_string(most));
}

// Hands out the lines of a text and remembers the number of the last one.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool next_starts_with(std::string_view start) const {
    return rest_.starts_with(start);
  }
  Result<std::string_view> next(std::string_view what) {
    ++number_;
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) {
      return wrong("the file ends where " + std::string(what) + " should stand");
    }
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  [[nodiscard]] std::string where() const { return "line " + std::to_string(number_); }
  [[nodiscard]] Error wrong(const std::string& what) const { return reject(where() + ": " + what); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

Result<std::vector<Hash>> parse_path(Lines& lines) {
  std::vector<Hash> path;
  for (;;) {
    TRY(const std::string_view line, lines.next("a hash or an empty line"));
    if (line.empty()) return path;
    if (path.size() == kMaxPathLength) {
      return lines.wrong("a path has at most " + std::to_string(kMaxPathLength) + " hashes");
    }
    auto hash = hash_from_base64(line);
    if (!hash.ok()) return std::move(hash).error().within(lines.where());
    path.push_back(*hash);
  }
}

Result<void> check_checkpoint(std::string_view note) {
  auto parsed = parse_note(note);
  if (!parsed.ok()) return std::move(parsed).error().within("the checkpoint in the proof file");
  auto checkpoint = parse_checkpoint(parsed->text);
  if (!checkpoint.ok()) return std::move(checkpoint).error().within("in the proof file");
  return {};
}

Result<std::string> take_counted(std::string_view& text, std::string_view what) {
  const std::size_t end = text.substr(0, 21).find('\n');
  if (end == std::string_view::npos) {
    return reject("an order proof does not say how long the " + std::string(what) + " proof is");
  }
  auto length = parse_decimal(text.substr(0, end));
  if (!length.ok()) {
    return std::move(length).error().within("the length of the " + std::string(what) + " proof");
  }
  text.remove_prefix(end + 1);
  if (*length > text.size()) {
    return reject("the " + std::string(what) + " proof should have " + std::to_string(*length) +
                  " bytes, " + std::to_string(text.size()) + " are there");
  }
  TRY_VOID(check_size(*length, kMaxProofFileSize));
  std::string counted(text.substr(0, *length));
  text.remove_prefix(*length);
  return counted;
}

}  // namespace

Result<ProofFile> parse_proof_file(std::string_view text) {
  TRY_VOID(check_size(text.size(), kMaxProofFileSize));
  Lines lines(text);
  TRY(const std::string_view first, lines.next("the name of the format"));
  if (first != kFirstLine) {
    return lines.wrong("a proof file begins with " + std::string(kFirstLine) + ", this one with " +
                       quoted(first));
  }
  ProofFile proof;
  if (lines.next_starts_with(kExtraStart)) {
    TRY(std::string_view line, lines.next("extra"));
    line.remove_prefix(kExtraStart.size());
    auto extra = from_base64(line);
    if (!extra.ok()) return std::move(extra).error().within(lines.where());
    proof.extra = std::move(*extra);
  }
  TRY(std::string_view line, lines.next("index"));
  if (!line.starts_with(kIndexStart)) return lines.wrong("\"index\" expected, not " + quoted(line));
  line.remove_prefix(kIndexStart.size());
  auto index = parse_decimal(line);
  if (!index.ok()) return std::move(index).error().within(lines.where());
  proof.index = LeafIndex{*index};
  TRY(proof.path, parse_path(lines));
  TRY_VOID(check_checkpoint(lines.rest()));
  proof.checkpoint = lines.rest();
  return proof;
}

Result<std::string> serialize(const ProofFile& proof) {
  std::string text(kFirstLine);
  text += '\n';
  if (proof.extra) text += std::string(kExtraStart) + to_base64(*proof.extra) + "\n";
  text += std::string(kIndexStart) + std::to_string(proof.index.value) + "\n";
  if (proof.path.size() > kMaxPathLength) return reject("a path has too many hashes");
  for (const Hash& hash : proof.path) text += to_base64(hash.view()) + "\n";
  TRY_VOID(check_checkpoint(proof.checkpoint));
  text += "\n" + proof.checkpoint;
  TRY_VOID(check_size(text.size(), kMaxProofFileSize));
  return text;
}

Result<OrderProofFile> parse_order_proof_file(std::string_view text) {
  TRY_VOID(check_size(text.size(), kMaxOrderProofSize));
  OrderProofFile proof;
  TRY(proof.first, take_counted(text, "first"));
  TRY(proof.second, take_counted(text, "second"));
  if (!text.empty()) {
    return reject("an order proof has " + std::to_string(text.size()) +
                  " bytes after its second proof");
  }
  return proof;
}

Result<std::string> serialize(const OrderProofFile& proof) {
  std::string text;
  for (const std::string* part : {&proof.first, &proof.second}) {
    TRY_VOID(parse_proof_file(*part));
    text += std::to_string(part->size()) + "\n" + *part;
  }
  return text;
}

bool looks_like_order_proof(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

}  // namespace pgtally
