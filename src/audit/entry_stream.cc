#include "audit/entry_stream.h"

#include <algorithm>

#include "base/read_ahead.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

// Of one session among several; a multiple of kBlockEntries.
constexpr std::uint64_t kPiece = 24 * kBlockEntries;
// So that a session can read all of its piece while the others' are taken.
constexpr std::size_t kBlocksAhead = 2 * kPiece / kBlockEntries;

// The blocks of one COPY. It gives ids of [from, to) in order; twice only without the primary key, which
// audit/ledger_state.h asks for.
class PieceReader {
 public:
  PieceReader(pg::CopyOut copy, const SourceIdNames& names, LeafIndex from, LeafIndex to)
      : copy_(std::move(copy)), names_(&names), next_(from), to_(to) {}

  [[nodiscard]] bool is_done() const { return next_ == to_; }
  [[nodiscard]] Result<void> read(EntryBlock& block);
  // The COPY itself, which a session has to be through before the next one.
  [[nodiscard]] Result<void> finish();

 private:
  void take(EntryBlock& block);

  pg::CopyOut copy_;
  const SourceIdNames* names_;
  LeafIndex next_;  // the first of the next block
  LeafIndex to_;
  std::optional<LeafIndex> row_;  // that the copy stands at, and no block has yet
  bool ended_ = false;
  EntryBuffer buffer_{};
};

Result<void> PieceReader::read(EntryBlock& block) {
  const std::uint64_t end = std::min((next_.value / kBlockEntries + 1) * kBlockEntries, to_.value);
  block.first = next_;
  block.sizes.assign(end - next_.value, 0);
  block.bytes.clear();
  while (!ended_) {
    if (!row_) {
      TRY(const bool more, copy_.next());
      ended_ = !more;
      if (ended_) break;
      TRY(row_, copy_.get<LeafIndex>(0));
    }
    if (row_->value >= end) break;
    take(block);
    row_.reset();
  }
  next_.value = end;
  ByteView rest = block.bytes;
  block.entries.clear();
  for (const std::size_t size : block.sizes) {
    block.entries.push_back(rest.first(size));
    rest = rest.subspan(size);
  }
  return {};
}

Result<void> PieceReader::finish() {
  while (!ended_) {
    TRY(const bool more, copy_.next());
    ended_ = !more;
  }
  return {};
}

void PieceReader::take(EntryBlock& block) {
  std::size_t& size = block.sizes[row_->value - block.first.value];
  if (size != 0) return;
  const auto entry = entry_of_row(copy_, *names_);
  if (!entry.ok()) return;
  const auto encoded = encode_into(*entry, buffer_);
  if (!encoded.ok()) return;
  size = encoded->size();
  block.bytes.insert(block.bytes.end(), encoded->begin(), encoded->end());
}

}  // namespace

// One session with every `step`th piece. Reading takes as long as what is done with an entry, so a thread
// of its own does it.
class EntryStream::Reader {
 public:
  Reader(pg::Connection& session, const Query& query, const SourceIdNames& names, LeafIndex from,
         LeafIndex to, std::uint64_t piece, std::uint64_t step)
      : session_(&session),
        query_(query),
        names_(&names),
        next_(from),
        to_(to),
        piece_(piece),
        step_(step),
        ahead_(kBlocksAhead, [this](EntryBlock& block) { return produce(block); }) {}

  [[nodiscard]] Result<bool> read(EntryBlock& block) { return ahead_.next(block); }

 private:
  Result<bool> produce(EntryBlock& block) {
    if (reader_ && reader_->is_done()) {
      TRY_VOID(reader_->finish());
      reader_.reset();
    }
    if (!reader_) {
      if (next_ >= to_) return false;
      const std::uint64_t end = next_.value / piece_ * piece_ + piece_;
      const LeafIndex stop{std::min(end, to_.value)};
      TRY(auto copy, pg::CopyOut::start(*session_, "COPY (" + query_(next_, stop) +
                                                       ") TO STDOUT (FORMAT binary)"));
      reader_.emplace(std::move(copy), *names_, next_, stop);
      next_.value = end + (step_ - 1) * piece_;
    }
    TRY_VOID(reader_->read(block));
    return true;
  }

  pg::Connection* session_;
  Query query_;
  const SourceIdNames* names_;
  LeafIndex next_;  // where the next piece begins
  LeafIndex to_;
  std::uint64_t piece_;
  std::uint64_t step_;
  std::optional<PieceReader> reader_;
  ReadAhead<EntryBlock> ahead_;  // the last member: it uses the others
};

EntryStream::EntryStream(const std::vector<pg::Connection*>& sessions, Query query,
                         const SourceIdNames& names, LeafIndex from, LeafIndex to)
    : next_(from) {
  // One alone reads in one piece, which has to be a multiple as well.
  const std::uint64_t whole = (to.value / kBlockEntries + 1) * kBlockEntries;
  piece_ = sessions.size() > 1 ? kPiece : whole;
  first_piece_ = piece_of(from);
  for (std::uint64_t i = 0; i < sessions.size(); ++i) {
    const LeafIndex begin{i == 0 ? from.value : (first_piece_ + i) * piece_};
    readers_.push_back(
        std::make_unique<Reader>(*sessions[i], query, names, begin, to, piece_, sessions.size()));
  }
}

EntryStream::~EntryStream() = default;

Result<void> EntryStream::read(EntryBlock& block) {
  const std::size_t turn = (piece_of(next_) - first_piece_) % readers_.size();
  TRY(const bool more, readers_[turn]->read(block));
  if (!more) return operator_error("the log ended before its end");
  next_.value += block.entries.size();
  return {};
}

}  // namespace pgtally
