#include "capture/logical_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "capture/remote_table.h"
#include "ledger/registry.h"
#include "ledger/stager.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;

// Rows in one transaction of the ledger.
constexpr std::size_t kMostRows = 10'000;
// A ledger in the database that it reads would otherwise feed itself for ever.
constexpr std::chrono::seconds kIdleInterval{10};
// While a reader has to wait for somebody else.
constexpr milliseconds kShortRest{50};
// The server sends what it was kept from sending by a full socket; no longer than it takes to fill one.
constexpr milliseconds kMoreComes{2};

milliseconds rest(milliseconds wait) {
  const milliseconds time = std::min(wait, kShortRest);
  std::this_thread::sleep_for(time);
  return time;
}

}  // namespace

LogicalReader::LogicalReader(const Stream& stream)
    : stream_id_(stream.id),
      name_(fmt::format("logical stream {} ({})", stream.id, stream.slot)),
      conninfo_(stream.conninfo) {}

Result<ReaderStep> LogicalReader::step(const Ledger& ledger, milliseconds wait) {
  auto report = try_step(ledger, wait);
  if (!report.ok()) {
    // Of a transaction that alters a table and goes on writing to it, PostgreSQL 15.18 for one fails to
    // decode the pieces, each time, and decodes the whole once it has committed.
    if (report.error().message.find("could not map filenode") != std::string::npos) {
      takes_transactions_in_progress_ = false;
    }
    disconnect();
  }
  return report;
}

void LogicalReader::disconnect() {
  loading_.reset();
  snapshot_.reset();
  lock_.reset();
  changes_.reset();
  replication_.reset();
  database_.reset();
  encoder_ = {};
  expected_.reset();
  message_in_work_ = false;
  change_waits_ = false;
}

Result<void> LogicalReader::read_registry(const Ledger& ledger) {
  TRY(sources_, read_stream_sources(ledger, stream_id_));
  source_ids_.clear();
  for (const StreamSource& source : sources_) {
    if (source.state == "active" && !source.broken) source_ids_.push_back(source.id);
  }
  nobodys_.clear();
  return {};
}

Result<ReaderStep> LogicalReader::try_step(const Ledger& ledger, milliseconds wait) {
  ReaderStep report;
  waits_for_others_ = false;
  waited_ = {};
  const auto deadline = Clock::now() + wait;
  TRY(auto stream, find_stream(ledger, stream_id_));
  if (!stream) return report;
  stream_ = std::move(*stream);
  TRY_VOID(read_registry(ledger));
  if (sources_.empty()) {
    TRY_VOID(retire(ledger));
    return report;
  }
  if (!replication_) {
    TRY(const bool connected, connect(ledger, report));
    if (!connected) {
      report.waited = rest(wait);
      return report;
    }
  }
  TRY_VOID(replication_->keep_alive());
  TRY_VOID(mend(ledger));
  TRY_VOID(look_around(ledger, report));
  TRY(const bool loaded, load(ledger, report));
  if (loaded) {
    report.may_have_more = true;
    return report;
  }
  ChangeBatch batch;
  TRY_VOID(read_changes(ledger, deadline, batch));
  report.staged = batch.rows.size();
  const bool full =
      batch.rows.size() >= kMostRows || (!batch.empty() && !server_is_done_ && !waits_for_others_);
  if (!batch.empty()) {
    TRY_VOID(store(ledger, batch));
  } else {
    TRY_VOID(store_idle(ledger));
  }
  TRY_VOID(note_lag(ledger, full));
  const bool has_suspects = expected_ && !expected_->suspects.empty();
  if (waits_for_others_) waited_ += rest(wait);
  report.waited = waited_;
  report.may_have_more = full || ((staged_ < target_ || has_suspects) && !waits_for_others_) ||
                         (lock_.has_value() && snapshot_.has_value());
  return report;
}

// How many rows wait at the server, nobody can tell. While batches are full there is at least one, and
// it is no older than the transaction that is being read. While the server is silent there may be one.
Result<void> LogicalReader::note_lag(const Ledger& ledger, bool full) {
  const bool is_behind = full || is_silent();
  if (!is_behind && !was_behind_) return {};
  std::optional<Time> since;
  if (full) {
    since = changes_->transaction().commit_time;
  } else if (is_behind) {
    if (was_behind_) return {};
    const auto silence = std::chrono::duration_cast<milliseconds>(Clock::now() - heard_at_);
    TRY(const auto rows,  // by the ledger's clock
        ledger.query("SELECT clock_timestamp() - $1::int8 * interval '1 ms'",
                     pg::Params().int8(silence.count())));
    TRY(since, rows.get<Time>(0, 0));
  }
  was_behind_ = is_behind;
  for (const std::int32_t source : source_ids_) {
    TRY_VOID(note_reading(ledger, source, is_behind ? 1 : 0, since));
  }
  return {};
}

std::optional<pg::Lsn> LogicalReader::barrier() const {
  std::optional<pg::Lsn> first;
  for (const StreamSource& source : sources_) {
    if (!source.has_load() || !source.barrier) continue;
    if (!first || *source.barrier < *first) first = source.barrier;
  }
  return first;
}

Result<void> LogicalReader::read_changes(const Ledger& ledger, Clock::time_point deadline,
                                         ChangeBatch& batch) {
  const auto stop_at = barrier();
  has_napped_ = false;
  came_since_nap_ = true;
  while (batch.rows.size() < kMostRows) {
    if (change_waits_) {
      TRY(const bool taken, take_change(ledger, batch));
      if (!taken) return {};
      change_waits_ = false;
      continue;
    }
    if (message_in_work_) {
      TRY(const ChangeStream::Event event, changes_->next());
      if (event == ChangeStream::Event::kNone) message_in_work_ = false;
      if (event == ChangeStream::Event::kChange) change_waits_ = true;
      if (event == ChangeStream::Event::kCommit && changes_->transaction().end_lsn > staged_) {
        staged_ = changes_->transaction().end_lsn;
        staged_changes_ = 0;
      }
      continue;
    }
    if (stop_at && staged_ >= *stop_at) {
      waits_for_others_ = !lock_;
      return {};
    }
    TRY(const bool received, receive(deadline, batch));
    if (!received) return {};
  }
  return {};
}

// While this reader rests, the socket takes some hundred transactions, and the server waits with the
// others. So that it is empty says nothing until the server had time to fill it again; that it has no
// more, the server says itself.
Result<bool> LogicalReader::receive(Clock::time_point deadline, const ChangeBatch& batch) {
  const auto asked = Clock::now();
  const auto left = std::chrono::ceil<milliseconds>(deadline - asked);
  const bool may_wait = batch.empty() && left > milliseconds(0);
  TRY(const pg::Received received, replication_->receive(may_wait ? left : milliseconds(0)));
  if (may_wait) waited_ += Clock::now() - asked;
  if (!std::holds_alternative<std::monostate>(received)) heard_at_ = Clock::now();
  if (const auto* data = std::get_if<pg::XLogData>(&received)) {
    server_is_done_ = false;
    came_since_nap_ = true;
    message_in_work_ = true;
    TRY_VOID(changes_->put(data->payload));
    return true;
  }
  if (const auto* alive = std::get_if<pg::Keepalive>(&received)) {
    server_is_done_ = true;
    if (!changes_->in_transaction() && alive->end > staged_) {
      staged_ = alive->end;
      staged_changes_ = 0;
    }
    // `run --once` is done here, and need not wait for something to come.
    return !batch.empty() || may_wait || staged_ < target_;
  }
  if (batch.empty() || !came_since_nap_ || (has_napped_ && server_is_done_)) return false;
  // Not by waiting for the next message: each would be a switch from the server to here and back.
  std::this_thread::sleep_for(kMoreComes);
  has_napped_ = true;
  came_since_nap_ = false;
  return true;
}

Result<bool> LogicalReader::take_change(const Ledger& ledger, ChangeBatch& batch) {
  const CommittedTransaction& transaction = changes_->transaction();
  const Change& change = changes_->change();
  const pg::Lsn commit = transaction.commit_lsn;
  if (commit < staged_ || (commit == staged_ && change.number < staged_changes_)) return true;
  if (const auto stop_at = barrier(); stop_at && commit >= *stop_at) {
    if (staged_ < *stop_at) {
      staged_ = *stop_at;
      staged_changes_ = 0;
    }
    waits_for_others_ = !lock_;
    return false;
  }
  const std::uint32_t table = change.table->oid;
  const auto is_its = [&](const StreamSource& source) { return source.relation == table; };
  if (std::none_of(sources_.begin(), sources_.end(), is_its) && !nobodys_.contains(table)) {
    // Perhaps it is just becoming a source: then whoever adds it holds the lock until the registry
    // says from which place on its changes count.
    if (!lock_) {
      TRY(const bool is_being_added, LoadLock::is_taken(ledger, stream_id_));
      if (is_being_added) {
        waits_for_others_ = true;
        return false;
      }
    }
    if (!batch.empty()) return false;  // what is in it refers to sources_; store it first
    TRY_VOID(read_registry(ledger));
    if (std::none_of(sources_.begin(), sources_.end(), is_its)) nobodys_.insert(table);
    return take_change(ledger, batch);
  }
  TRY_VOID(encoder_.put(ledger, *database_, sources_, transaction, change, batch));
  staged_ = commit;
  staged_changes_ = change.number + 1;
  return true;
}

Result<void> LogicalReader::store(const Ledger& ledger, ChangeBatch& batch) {
  const auto work = [&]() -> Result<void> {
    if (!batch.definitions.empty()) TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
    for (const ChangeBatch::NewDefinition& change : batch.definitions) {
      if (!change.document.empty()) {
        TRY([[maybe_unused]] const auto defined,
            ledger.query("SELECT pgtally.define($1::int4, $2::int4, $3::bytea)",
                         pg::Params()
                             .int4(change.source.id)
                             .int4(static_cast<std::int32_t>(change.source.definition))
                             .bytea(as_bytes(change.document))));
      }
      TRY_VOID(write_known_columns(ledger, change.source));
    }
    TRY_VOID(stage(ledger, batch.rows));
    for (const ChangeBatch::Breakdown& breakdown : batch.breakdowns) {
      TRY_VOID(write_stream_source(ledger, stream_id_, breakdown.source));
      TRY_VOID(note_breakdown(ledger, breakdown.source, breakdown.error));
    }
    TRY(progress_, advance(ledger, stream_id_, *progress_, staged_, staged_changes_));
    return {};
  };
  TRY_VOID(in_transaction(ledger, work));
  return confirm();
}

Result<void> LogicalReader::store_idle(const Ledger& ledger) {
  if (staged_ <= progress_->commit) return {};
  const auto now = Clock::now();
  if (now - idle_stored_at_ < kIdleInterval) return {};
  if (staged_ < target_) return {};
  idle_stored_at_ = now;
  const auto work = [&]() -> Result<void> {
    TRY(progress_, advance(ledger, stream_id_, *progress_, staged_, staged_changes_));
    return {};
  };
  TRY_VOID(in_transaction(ledger, work));
  return confirm();
}

Result<void> LogicalReader::confirm() {
  const pg::Lsn place = progress_->commit;
  return replication_->send_status({place, place, place});
}

Result<bool> LogicalReader::load(const Ledger& ledger, ReaderStep& report) {
  const auto has_load = [](const StreamSource& source) { return source.has_load(); };
  if (std::none_of(sources_.begin(), sources_.end(), has_load)) {
    loading_.reset();
    snapshot_.reset();
    lock_.reset();
    return false;
  }
  if (!snapshot_ && Clock::now() < next_snapshot_) return false;
  if (!lock_) {
    TRY(lock_, LoadLock::try_take(ledger, stream_id_));
    if (!lock_) return false;
    TRY_VOID(read_registry(ledger));  // whoever had the lock may just have finished
    TRY_VOID(take_over_loads(ledger));
    return true;
  }
  if (!snapshot_) {
    const Result<void> taken = take_snapshot(ledger);
    if (taken.ok()) return true;
    // The stream goes on meanwhile, and these sources' changes with it where they are certain.
    next_snapshot_ = Clock::now() + std::chrono::seconds(30);
    lock_.reset();
    for (const StreamSource& source : sources_) {
      if (has_load(source)) TRY_VOID(note_breakdown(ledger, source, taken.error()));
    }
    return false;
  }
  const auto by_this_snapshot = [&](const StreamSource& source) {
    return has_load(source) && source.barrier == snapshot_->point();
  };
  const auto source = std::find_if(sources_.begin(), sources_.end(), by_this_snapshot);
  if (source == sources_.end()) {
    loading_.reset();
    snapshot_.reset();
    return true;
  }
  if (source->start < snapshot_->point() && staged_ < snapshot_->point()) return false;
  const auto work = [&]() -> Result<void> {
    if (!loading_) {
      TRY(TableLoad begun, TableLoad::begin(ledger, stream_, *snapshot_, *source));
      loading_ = std::make_unique<TableLoad>(std::move(begun));
    }
    TRY(const TableLoad::Step step,
        loading_->next(ledger, [&] { return replication_->keep_alive(); }));
    report.staged += step.staged;
    if (step.done) {
      said_to_be_mended_.erase(source->id);
      loading_.reset();
    }
    return {};
  };
  const Result<void> worked = work();
  if (worked.ok()) return true;
  loading_.reset();
  snapshot_.reset();
  if (worked.error().code == ErrorCode::kRetry) return worked.error();
  StreamSource broken = *source;
  break_down(broken);
  const auto write = [&]() -> Result<void> {
    TRY_VOID(write_stream_source(ledger, stream_id_, broken));
    return note_breakdown(ledger, broken, worked.error());
  };
  TRY_VOID(in_transaction(ledger, write));
  return true;
}

Result<void> LogicalReader::take_over_loads(const Ledger& ledger) {
  for (StreamSource& source : sources_) {
    if (!source.has_load() || !source.barrier) continue;
    TRY(const SourceDefinition definition, read_definition(ledger, source.id));
    interrupt_load(source, has_position_key(definition));
    TRY_VOID(
        in_transaction(ledger, [&] { return write_stream_source(ledger, stream_id_, source); }));
  }
  return {};
}

Result<void> LogicalReader::take_snapshot(const Ledger& ledger) {
  TRY(snapshot_, LoadSnapshot::take(stream_, std::chrono::seconds(15)));
  const Result<void> written = in_transaction(ledger, [&]() -> Result<void> {
    for (StreamSource& source : sources_) {
      if (!source.has_load()) continue;
      begin_load(source, snapshot_->point());
      TRY_VOID(write_stream_source(ledger, stream_id_, source));
      TRY([[maybe_unused]] const auto cleared,
          ledger.query("DELETE FROM pgtally.stream_seen WHERE source_id = $1",
                       pg::Params().int4(source.id)));
    }
    return {};
  });
  if (!written.ok()) snapshot_.reset();
  return written;
}

}  // namespace pgtally
