#include "capture/change_stream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/encoding.h"

namespace pgtally {
namespace {

using pgoutput::OldRow;
using pgoutput::ValueKind;

// A server has far fewer transactions open, and tables; a stream that has more is none.
constexpr std::size_t kMostOpen = 65'536;
constexpr std::size_t kMostTables = 1'000'000;

using Arrival = std::uint64_t;

Error out_of_place(const std::string& what) {
  return reject("the replication stream is malformed: " + what);
}

std::string name_of(pgoutput::Xid xid) {
  return "transaction " + std::to_string(xid);
}

std::string default_directory() {
  const char* directory = std::getenv("TMPDIR");
  return directory == nullptr || *directory == '\0' ? "/var/tmp" : directory;
}

StreamedTable owned(const pgoutput::RelationView& relation) {
  StreamedTable table{.oid = relation.oid,
                      .schema = std::string(relation.schema),
                      .name = std::string(relation.name),
                      .identity = relation.identity,
                      .columns = {}};
  table.columns.reserve(relation.columns.size());
  for (const auto& column : relation.columns) {
    table.columns.push_back({.key = column.key,
                             .name = std::string(column.name),
                             .type = column.type,
                             .typmod = column.typmod});
  }
  return table;
}

}  // namespace

ChangeStream::ChangeStream(Options options)
    : options_(std::move(options)), block_(open_.end()), replay_(open_.end()) {
  if (options_.directory.empty()) options_.directory = default_directory();
}

std::uint64_t ChangeStream::bytes_in_files() const {
  std::uint64_t sum = 0;
  for (const auto& [xid, collected] : open_) sum += collected.records.in_file();
  return sum;
}

Result<void> ChangeStream::put(ByteView message) {
  if (has_change_ || has_commit_ || !truncated_.empty() || state_ == State::kReplay) {
    return operator_error("a message was put before the changes of the last one were taken");
  }
  const bool in_block = block_ != open_.end();
  if (in_block && !message.empty() && message[0] != 'E') return collect(message);
  TRY(const auto decoded, decoder_.decode(message, in_block));
  return take(decoded);
}

// Between Stream Start and Stream Stop.
Result<void> ChangeStream::collect(ByteView message) {
  constexpr std::string_view kChanges = "RIUDT";
  constexpr std::string_view kIgnored = "YMO";
  const char kind = static_cast<char>(message[0]);
  const bool is_change = kChanges.find(kind) != std::string_view::npos;
  if (!is_change && kIgnored.find(kind) == std::string_view::npos) {
    return out_of_place("a message of kind " + std::to_string(message[0]) + " inside a block of " +
                        name_of(block_->first));
  }
  TRY_VOID(pgoutput::streamed_xid(message));
  if (!is_change) return {};

  Spool& records = block_->second.records;
  in_memory_ -= records.in_memory();
  Result<void> appended;
  if (kind == 'R') {
    const Arrival arrival = ++arrivals_;
    Bytes record(message.begin(), message.end());
    record.resize(record.size() + sizeof arrival);
    std::memcpy(record.data() + message.size(), &arrival, sizeof arrival);
    appended = records.append(record);
  } else {
    appended = records.append(message);
  }
  in_memory_ += records.in_memory();
  TRY_VOID(std::move(appended));
  return make_room();
}

// The largest goes first, so that small ones need no file.
Result<void> ChangeStream::make_room() {
  while (in_memory_ > options_.memory) {
    const auto largest = std::ranges::max_element(
        open_, {}, [](const auto& entry) { return entry.second.records.in_memory(); });
    in_memory_ -= largest->second.records.in_memory();
    TRY_VOID(largest->second.records.flush());
  }
  return {};
}

Result<void> ChangeStream::take(const pgoutput::Message& message) {
  if (const auto* start = std::get_if<pgoutput::Begin>(&message)) return begin(*start);
  if (const auto* end = std::get_if<pgoutput::Commit>(&message)) return commit(*end);
  if (state_ == State::kDirect) return apply(message, ++arrivals_);

  if (const auto* start = std::get_if<pgoutput::StreamStart>(&message)) return begin_block(*start);
  if (std::holds_alternative<pgoutput::StreamStop>(message)) {
    if (block_ == open_.end()) return out_of_place("a Stream Stop outside of a block");
    block_ = open_.end();
    return {};
  }
  if (const auto* end = std::get_if<pgoutput::StreamCommit>(&message)) return begin_replay(*end);
  if (const auto* undone = std::get_if<pgoutput::StreamAbort>(&message)) {
    abort(*undone);
    return {};
  }
  // A logical message may stand on its own, with what describes it.
  if (std::holds_alternative<pgoutput::LogicalMessage>(message) ||
      std::holds_alternative<pgoutput::Origin>(message) ||
      std::holds_alternative<pgoutput::TypeName>(message)) {
    return {};
  }
  return out_of_place("a change outside of a transaction");
}

Result<void> ChangeStream::begin(const pgoutput::Begin& begin) {
  if (state_ != State::kBetween) {
    return out_of_place(name_of(begin.xid) + " begins inside of " + name_of(transaction_.xid));
  }
  transaction_ = {.xid = begin.xid,
                  .commit_lsn = begin.commit_lsn,
                  .commit_time = begin.commit_time,
                  .end_lsn = {},
                  .changes = 0};
  state_ = State::kDirect;
  return {};
}

Result<void> ChangeStream::commit(const pgoutput::Commit& commit) {
  if (state_ != State::kDirect) return out_of_place("a Commit without a Begin");
  if (commit.commit_lsn != transaction_.commit_lsn) {
    return out_of_place(name_of(transaction_.xid) + " was to commit at " +
                        to_string(transaction_.commit_lsn) + ", but committed at " +
                        to_string(commit.commit_lsn));
  }
  transaction_.end_lsn = commit.end_lsn;
  has_commit_ = true;
  return {};
}

Result<void> ChangeStream::begin_block(const pgoutput::StreamStart& start) {
  if (block_ != open_.end()) return out_of_place("a Stream Start inside of a block");
  block_ = open_.find(start.xid);
  const bool known = block_ != open_.end();
  if (known == start.first) {
    block_ = open_.end();
    return out_of_place(name_of(start.xid) +
                        (known ? " begins twice" : " goes on, but its beginning is missing"));
  }
  if (known) return {};
  if (open_.size() >= kMostOpen) {
    return out_of_place("more than " + std::to_string(kMostOpen) + " transactions are open");
  }
  block_ = open_.emplace(start.xid, Collected{Spool(options_.directory), {}}).first;
  return {};
}

void ChangeStream::abort(const pgoutput::StreamAbort& abort) {
  // One that is not known has nothing here that could be undone.
  const auto found = open_.find(abort.xid);
  if (found == open_.end()) return;
  if (abort.subxid != abort.xid) {
    found->second.aborted.insert(abort.subxid);
    return;
  }
  in_memory_ -= found->second.records.in_memory();
  open_.erase(found);
}

Result<void> ChangeStream::begin_replay(const pgoutput::StreamCommit& commit) {
  replay_ = open_.find(commit.xid);
  if (replay_ == open_.end()) {
    return out_of_place(name_of(commit.xid) + " ends, but its beginning is missing");
  }
  in_memory_ -= replay_->second.records.in_memory();
  transaction_ = {.xid = commit.xid,
                  .commit_lsn = commit.commit_lsn,
                  .commit_time = commit.commit_time,
                  .end_lsn = commit.end_lsn,
                  .changes = 0};
  state_ = State::kReplay;
  return {};
}

Result<ChangeStream::Event> ChangeStream::next() {
  if (state_ == State::kReplay) return next_of_replay();
  TRY(const Event event, give_change());
  if (event != Event::kNone || !has_commit_) return event;
  has_commit_ = false;
  state_ = State::kBetween;
  return Event::kCommit;
}

Result<ChangeStream::Event> ChangeStream::next_of_replay() {
  while (true) {
    TRY(const Event event, give_change());
    if (event != Event::kNone) return event;
    TRY(const auto record, replay_->second.records.next());
    if (!record) {
      end_replay();
      return Event::kCommit;
    }
    TRY(const auto xid, pgoutput::streamed_xid(*record));
    if (replay_->second.aborted.contains(xid)) continue;
    ByteView message = *record;
    Arrival arrival = 0;
    if (message[0] == 'R') {
      const ByteView tail = message.last(sizeof arrival);
      std::memcpy(&arrival, tail.data(), sizeof arrival);
      message = message.first(message.size() - sizeof arrival);
    }
    TRY(const auto decoded, decoder_.decode(message, true));
    TRY_VOID(apply(decoded, arrival));
  }
}

// The server believes from now on that we know the tables that it described in this transaction.
// It may have described one anew since, for another transaction: what arrived last counts.
void ChangeStream::end_replay() {
  for (auto& [oid, described] : replay_tables_) {
    Table& table = tables_[oid];
    if (described.arrival > table.arrival) table = std::move(described);
  }
  replay_tables_.clear();
  open_.erase(replay_);
  replay_ = open_.end();
  state_ = State::kBetween;
}

Result<void> ChangeStream::apply(const pgoutput::Message& message, std::uint64_t arrival) {
  using Operation = Change::Operation;
  if (const auto* insert = std::get_if<pgoutput::Insert>(&message)) {
    TRY_VOID(set_change(Operation::kInsert, insert->relation));
    return set_rows(insert->row, OldRow::kNone, {});
  }
  if (const auto* update = std::get_if<pgoutput::Update>(&message)) {
    TRY_VOID(set_change(Operation::kUpdate, update->relation));
    return set_rows(update->row, update->old_kind, update->old_row);
  }
  if (const auto* deleted = std::get_if<pgoutput::Delete>(&message)) {
    TRY_VOID(set_change(Operation::kDelete, deleted->relation));
    return set_rows({}, deleted->old_kind, deleted->old_row);
  }
  if (const auto* truncate = std::get_if<pgoutput::Truncate>(&message)) {
    truncated_.assign(truncate->relations.rbegin(), truncate->relations.rend());
    return {};
  }
  if (const auto* relation = std::get_if<pgoutput::RelationView>(&message)) {
    return describe(*relation, arrival);
  }
  if (std::holds_alternative<pgoutput::LogicalMessage>(message) ||
      std::holds_alternative<pgoutput::Origin>(message) ||
      std::holds_alternative<pgoutput::TypeName>(message)) {
    return {};
  }
  return out_of_place("a message of a streamed transaction inside of " + name_of(transaction_.xid));
}

const ChangeStream::Table* ChangeStream::find(pgoutput::Oid relation) const {
  if (state_ == State::kReplay) {
    const auto here = replay_tables_.find(relation);
    if (here != replay_tables_.end()) return &here->second;
  }
  const auto found = tables_.find(relation);
  return found == tables_.end() ? nullptr : &found->second;
}

Result<void> ChangeStream::describe(const pgoutput::RelationView& relation, std::uint64_t arrival) {
  Tables& tables = state_ == State::kReplay ? replay_tables_ : tables_;
  if (tables_.size() + replay_tables_.size() >= kMostTables) {
    return retry("the replication stream has described " + std::to_string(kMostTables) +
                 " tables; it has to be started anew");
  }
  StreamedTable table = owned(relation);
  const Table* known = find(relation.oid);
  const bool same = known != nullptr && *known->table == table;
  auto described = same ? known->table : std::make_shared<const StreamedTable>(std::move(table));
  tables[relation.oid] = Table{std::move(described), arrival};
  return {};
}

Result<void> ChangeStream::set_change(Change::Operation operation, pgoutput::Oid relation) {
  const Table* known = find(relation);
  if (known == nullptr) {
    return out_of_place("a change of the table with OID " + std::to_string(relation) +
                        ", which was not described");
  }
  change_.operation = operation;
  if (change_.table != known->table) change_.table = known->table;
  change_.row = {};
  change_.old_kind = OldRow::kNone;
  change_.old_row = {};
  has_change_ = true;
  return {};
}

Result<void> ChangeStream::set_rows(pgoutput::Values row, OldRow old_kind,
                                    pgoutput::Values old_row) {
  const std::size_t width = change_.table->columns.size();
  const bool wants_row = change_.operation != Change::Operation::kDelete;
  if (row.size() != (wants_row ? width : 0) ||
      old_row.size() != (old_kind == OldRow::kNone ? 0 : width)) {
    return out_of_place("a row of " + quoted(change_.table->schema + "." + change_.table->name) +
                        " has " + std::to_string(wants_row ? row.size() : old_row.size()) +
                        " values for " + std::to_string(width) + " columns");
  }
  change_.row = row;
  change_.old_kind = old_kind;
  change_.old_row = old_row;
  if (old_kind != OldRow::kNone && wants_row) take_unchanged_values();
  return {};
}

void ChangeStream::take_unchanged_values() {
  const auto is_unchanged = [](const auto& value) { return value.kind == ValueKind::kUnchanged; };
  if (std::ranges::none_of(change_.row, is_unchanged)) return;
  row_.assign(change_.row.begin(), change_.row.end());
  for (std::size_t i = 0; i < row_.size(); ++i) {
    const bool old_is_known = change_.old_kind == OldRow::kFull || change_.table->columns[i].key;
    if (is_unchanged(row_[i]) && old_is_known) row_[i] = change_.old_row[i];
  }
  change_.row = row_;
}

Result<ChangeStream::Event> ChangeStream::give_change() {
  if (!truncated_.empty()) {
    TRY_VOID(set_change(Change::Operation::kTruncate, truncated_.back()));
    truncated_.pop_back();
  }
  if (!has_change_) return Event::kNone;
  has_change_ = false;
  change_.number = transaction_.changes++;
  return Event::kChange;
}

}  // namespace pgtally
