#include "audit/entry_stream.h"

#include <algorithm>
#include <utility>

#include "base/read_ahead.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

// Of one session among several; a multiple of kBlockEntries.
constexpr std::uint64_t kPiece = 24 * kBlockEntries;
// So that a session can read all of its piece while the others' are taken.
constexpr std::size_t kBlocksAhead = 2 * kPiece / kBlockEntries;

// The blocks of one COPY.
class PieceReader {
 public:
  PieceReader(pg::CopyOut copy, const SourceIdNames& names, EntryStream::Order order,
              LeafIndex from, LeafIndex to)
      : copy_(std::move(copy)), names_(&names), order_(order), next_(from), to_(to) {}

  // What is not in a block yet.
  [[nodiscard]] LeafIndex next() const { return next_; }
  [[nodiscard]] LeafIndex end() const { return to_; }

  // False, and nothing is read any more: as they stand in the file, they are not all there and in order.
  [[nodiscard]] Result<bool> read(EntryBlock& block);
  // The COPY itself, which a session has to be through before the next one.
  [[nodiscard]] Result<void> finish();

 private:
  struct Held {
    std::int64_t id;
    Bytes entry;
  };
  [[nodiscard]] Result<bool> fill(EntryBlock& block, std::int64_t end);
  [[nodiscard]] Result<void> step();
  [[nodiscard]] ByteView encoded();

  pg::CopyOut copy_;
  const SourceIdNames* names_;
  EntryStream::Order order_;
  LeafIndex next_;
  LeafIndex to_;
  std::optional<std::int64_t> row_;  // that the copy stands at, and that is not dealt with
  // Follows a gap. Whether it is in its place is known when the row after it is.
  std::optional<Held> held_;
  bool ended_ = false;
  EntryBuffer buffer_{};
};

Result<bool> PieceReader::read(EntryBlock& block) {
  const std::uint64_t end = std::min((next_.value / kBlockEntries + 1) * kBlockEntries, to_.value);
  block.first = next_;
  block.sizes.assign(end - next_.value, 0);
  block.bytes.clear();
  TRY(const bool as_asked, fill(block, static_cast<std::int64_t>(end)));
  if (!as_asked) return false;
  next_.value = end;
  ByteView rest = block.bytes;
  block.entries.clear();
  for (const std::size_t size : block.sizes) {
    block.entries.push_back(rest.first(size));
    rest = rest.subspan(size);
  }
  return true;
}

Result<bool> PieceReader::fill(EntryBlock& block, std::int64_t end) {
  const auto first = static_cast<std::int64_t>(block.first.value);
  std::int64_t expected = first;
  const auto put = [&](std::int64_t id, ByteView entry) {
    block.sizes[static_cast<std::size_t>(id - first)] = entry.size();
    block.bytes.insert(block.bytes.end(), entry.begin(), entry.end());
    expected = id + 1;
  };
  while (expected < end) {
    TRY_VOID(step());
    if (order_ == EntryStream::Order::kFile && row_ != expected) return false;
    if (held_) {
      const bool in_place = !row_ || *row_ > held_->id;
      if (in_place && held_->id >= end) break;
      if (in_place) put(held_->id, held_->entry);
      held_.reset();
      continue;
    }
    if (!row_) break;
    const std::int64_t id = *std::exchange(row_, std::nullopt);
    if (id == expected) {
      put(id, encoded());
    } else if (id > expected) {
      const ByteView entry = encoded();
      held_ = Held{id, Bytes(entry.begin(), entry.end())};
    }
  }
  return true;
}

Result<void> PieceReader::step() {
  if (row_ || ended_) return {};
  TRY(const bool more, copy_.next());
  ended_ = !more;
  if (more) {
    TRY(row_, copy_.get<std::int64_t>(0));
  }
  return {};
}

Result<void> PieceReader::finish() {
  while (!ended_) {
    row_.reset();
    TRY_VOID(step());
  }
  return {};
}

// Nothing, if it cannot be an entry.
ByteView PieceReader::encoded() {
  const auto entry = entry_of_row(copy_, *names_);
  if (!entry.ok()) return {};
  const auto encoded = encode_into(*entry, buffer_);
  return encoded.ok() ? *encoded : ByteView();
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
    if (!reader_ || reader_->next() == reader_->end()) {
      if (next_ >= to_) return false;
      const std::uint64_t end = next_.value / piece_ * piece_ + piece_;
      TRY_VOID(start(next_, LeafIndex{std::min(end, to_.value)}));
      next_.value = end + (step_ - 1) * piece_;
    }
    TRY(const bool as_asked, reader_->read(block));
    if (as_asked) return true;
    order_ = Order::kId;  // it will be as little in order further on
    TRY_VOID(start(reader_->next(), reader_->end()));
    return reader_->read(block);
  }

  Result<void> start(LeafIndex from, LeafIndex to) {
    if (reader_) TRY_VOID(reader_->finish());
    reader_.reset();
    // Sorted by what they say, two with one id would stand side by side.
    if (order_ == Order::kId) TRY_VOID(session_->execute("SET LOCAL enable_sort = off"));
    TRY(auto copy, pg::CopyOut::start(*session_, "COPY (" + query_(from, to, order_) +
                                                     ") TO STDOUT (FORMAT binary)"));
    reader_.emplace(std::move(copy), *names_, order_, from, to);
    return {};
  }

  pg::Connection* session_;
  Query query_;
  const SourceIdNames* names_;
  LeafIndex next_;  // where the next piece begins
  LeafIndex to_;
  std::uint64_t piece_;
  std::uint64_t step_;
  Order order_ = Order::kFile;
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
