#include "http/log_appender.h"

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "http/api_json.h"
#include "http/api_lookup.h"
#include "http/api_proof.h"
#include "http/log_context.h"
#include "pgtally/key.h"
#include "postgres/transaction.h"

namespace pgtally::http {
namespace {

constexpr std::size_t kMostWriters = 2;  // so that the other sessions are left for readers

struct Row {
  std::string source = "append_only_log";
  std::string data;
};

// {"source": "…", "data": "…"} or with "data_base64".
Result<Row> row_of_json(const std::string& body) {
  boost::system::error_code failed;
  const json::value value = json::parse(body, failed);
  const json::object* object = value.if_object();
  if (failed || object == nullptr) return reject("the body is not a JSON object");
  Row row;
  bool has_data = false;
  for (const auto& [name, member] : *object) {
    const json::string* text = member.if_string();
    if (text == nullptr) return reject("member " + quoted(name) + " is not a string");
    if (name == "source") {
      row.source = *text;
    } else if ((name == "data" || name == "data_base64") && !has_data) {
      has_data = true;
      row.data = *text;
      if (name == "data_base64") {
        TRY(const Bytes bytes, from_base64(row.data));
        row.data = as_text(bytes);
      }
    } else {
      return reject("member " + quoted(name) + " is unknown, or one too many");
    }
  }
  if (!has_data) return reject("the body has neither a member data nor data_base64");
  return row;
}

Result<Row> row_of(const Request& request, const std::string* source) {
  if (request.header("content-type").starts_with("application/json")) {
    if (source != nullptr) return reject("the source of a JSON body stands in it");
    return row_of_json(request.body);
  }
  Row row;
  if (source != nullptr) row.source = *source;
  row.data = request.body;
  return row;
}

Response accepted(std::int64_t staged_id, const std::string& source) {
  const json::object object{{"source", source},
                            {"key", json::array{json::string(std::to_string(staged_id))}},
                            {"state", "staged"}};
  Response response = respond(202, "application/json", json::serialize(object));
  response.headers.emplace_back("Cache-Control", kNotKept);
  return response;
}

Result<std::vector<std::int64_t>> append_all(const Ledger& ledger, const std::vector<Bytes>& data,
                                             const std::vector<std::string>& sources) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY(const auto rows,
      ledger.query("SELECT pgtally.append(t.data, t.source) FROM unnest($1::bytea[], $2::text[]) "
                   "WITH ORDINALITY AS t(data, source, place) ORDER BY place",
                   pg::Params().bytea_array(data).text_array(sources)));
  std::vector<std::int64_t> ids;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int64_t>(r, 0));
    ids.push_back(id);
  }
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return ids;
  return retry("whether the row was recorded is not known; look before it is sent again");
}

Bytes key_of(std::int64_t staged_id) {
  const std::string text = std::to_string(staged_id);
  // A number is always a key.
  return encode_key(std::span(&text, 1)).value();
}

}  // namespace

void LogAppender::take(Form form, Request request, const Parameters& parameters, Answer answer) {
  const std::string token = shown_token(request);
  if (token.empty()) {
    return answer(refused(401, "this needs a token: Authorization: Bearer TOKEN"));
  }
  const Call call{request, parameters, nullptr};
  const auto known = form == Form::kAdd ? call.allow({}) : call.allow({"wait", "source"});
  if (!known.ok()) return answer(response_to(known.error()));
  const std::string* wait = call.parameter("wait");
  if (wait != nullptr && *wait != "0" && *wait != "1") {
    return answer(response_to(reject("wait is 0 or 1")));
  }
  auto row = row_of(request, call.parameter("source"));
  if (!row.ok()) return answer(response_to(row.error()));
  if (row->data.empty()) return answer(response_to(reject("there is no data to append")));

  Append append{.form = form,
                .wait = form == Form::kAdd || (wait != nullptr && *wait == "1"),
                .json = form == Form::kAdd || !request.header("accept").starts_with("text/plain"),
                .token = token,
                .source = std::move(row->source),
                .data = std::move(row->data),
                .answer = std::move(answer),
                .since = std::chrono::steady_clock::now()};
  std::unique_lock lock(mutex_);
  if (queue_.size() >= kMostQueued || queued_bytes_ + append.data.size() > kMostQueuedBytes ||
      followed_.size() >= kMostFollowed) {
    lock.unlock();
    return append.answer(busy("too many rows wait to be written", 1));
  }
  queued_bytes_ += append.data.size();
  queue_.push_back(std::move(append));
  if (writers_ == kMostWriters || queue_.size() < writers_ * kMostTogether) return;
  ++writers_;
  lock.unlock();
  if (context_.workers.post([this](std::size_t worker) { write_some(worker); })) return;
  // Whoever else writes takes it along; if nobody does, nobody will.
  std::deque<Append> stranded;
  lock.lock();
  if (--writers_ == 0) {
    stranded.swap(queue_);
    queued_bytes_ = 0;
  }
  lock.unlock();
  for (const Append& each : stranded) each.answer(busy("too many requests wait", 1));
}

void LogAppender::write_some(std::size_t worker) {
  while (true) {
    std::vector<Append> taken;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        --writers_;
        return;
      }
      while (!queue_.empty() && taken.size() < kMostTogether) {
        queued_bytes_ -= queue_.front().data.size();
        taken.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    const auto ledger = context_.sessions.of(worker);
    if (!ledger.ok()) {
      for (const Append& append : taken) append.answer(response_to(ledger.error()));
      continue;
    }
    auto may = allowed(**ledger, std::move(taken));
    if (!may.empty()) write(**ledger, std::move(may));
  }
}

std::vector<LogAppender::Append> LogAppender::allowed(const Ledger& ledger,
                                                      std::vector<Append> appends) {
  std::vector<std::string> shown;
  for (const Append& append : appends) shown.push_back(append.token);
  const auto tokens = find_tokens(ledger, shown);
  const auto status = context_.status.read(context_.sessions, &ledger);
  if (!tokens.ok() || !status.ok()) {
    const Error& why = tokens.ok() ? status.error() : tokens.error();
    for (const Append& append : appends) append.answer(response_to(why));
    return {};
  }
  std::uint64_t waiting = 0;
  for (const SourceStatus& source : (*status)->status.sources) waiting += source.lag_rows;

  std::vector<Append> may;
  for (std::size_t i = 0; i < appends.size(); ++i) {
    const auto& token = (*tokens)[i];
    if (!token) {
      appends[i].answer(refused(401, "the token is unknown, was revoked or has expired"));
    } else if (!token->allows("append", appends[i].source)) {
      appends[i].answer(refused(403, "the token does not allow appending to this source"));
    } else if (waiting > kMostWaiting) {
      appends[i].answer(refused(429, "too many rows wait to be sequenced"));
    } else {
      appends[i].may_see_salt = token->allows("salts", appends[i].source);
      may.push_back(std::move(appends[i]));
    }
  }
  return may;
}

void LogAppender::write(const Ledger& ledger, std::vector<Append> appends) {
  std::vector<Bytes> data;
  std::vector<std::string> sources;
  for (const Append& append : appends) {
    const ByteView bytes = as_bytes(append.data);
    data.emplace_back(bytes.begin(), bytes.end());
    sources.push_back(append.source);
  }
  const auto ids = append_all(ledger, data, sources);
  if (!ids.ok() && ids.error().code != ErrorCode::kRetry && appends.size() > 1) {
    // One of them is at fault, and the others shall not suffer for it.
    for (Append& append : appends) {
      std::vector<Append> alone;
      alone.push_back(std::move(append));
      write(ledger, std::move(alone));
    }
    return;
  }
  if (!ids.ok()) {
    for (const Append& append : appends) append.answer(response_to(ids.error()));
    return;
  }
  if (context_.waker != nullptr) context_.waker->wake();
  for (std::size_t i = 0; i < appends.size(); ++i) {
    appends[i].staged_id = (*ids)[i];
    if (appends[i].wait) {
      follow(std::move(appends[i]));
    } else {
      appends[i].answer(accepted(appends[i].staged_id, appends[i].source));
    }
  }
}

void LogAppender::follow(Append append) {
  append.data.clear();
  const std::lock_guard lock(mutex_);
  followed_.push_back(std::move(append));
}

void LogAppender::look() {
  {
    const std::lock_guard lock(mutex_);
    if (followed_.empty() || answering_) return;
    answering_ = true;
  }
  if (context_.workers.post([this](std::size_t worker) { answer_covered(worker); })) return;
  const std::lock_guard lock(mutex_);
  answering_ = false;  // the next look tries again
}

void LogAppender::answer_covered(std::size_t worker) {
  std::vector<Append> followed;
  {
    const std::lock_guard lock(mutex_);
    followed.swap(followed_);
    answering_ = false;
  }
  std::map<std::pair<std::string, Bytes>, LeafIndex> covered;
  const LogHeadPtr head = context_.revealed.head();
  const auto ledger = context_.sessions.of(worker);
  if (ledger.ok() && head) {
    std::vector<std::string> sources;
    std::vector<Bytes> keys;
    for (const Append& append : followed) {
      sources.push_back(append.source);
      keys.push_back(key_of(append.staged_id));
    }
    const auto rows = (*ledger)->query(
        "SELECT s.name, p.key, p.id FROM unnest($1::text[], $2::bytea[]) AS w(name, key) JOIN "
        "pgtally.source AS s ON s.name = w.name JOIN pgtally.processed_log AS p ON p.source_id = "
        "s.source_id AND p.key = w.key WHERE p.id < $3",
        pg::Params().text_array(sources).bytea_array(keys).tree_size(head->size));
    for (std::size_t r = 0; rows.ok() && r < rows->size(); ++r) {
      auto source = rows->get<std::string>(r, 0);
      auto key = rows->get<Bytes>(r, 1);
      const auto id = rows->get<LeafIndex>(r, 2);
      if (source.ok() && key.ok() && id.ok()) {
        covered[{*std::move(source), *std::move(key)}] = *id;
      }
    }
  }
  const auto now = std::chrono::steady_clock::now();
  for (Append& append : followed) {
    const auto found = covered.find({append.source, key_of(append.staged_id)});
    if (found != covered.end()) {
      answer_one(**ledger, *head, append, found->second);
    } else if (now - append.since < kLongestWait) {
      follow(std::move(append));
    } else if (append.form == Form::kAdd) {
      append.answer(busy("the row was recorded and has no place in the log yet", 1));
    } else {
      append.answer(accepted(append.staged_id, append.source));
    }
  }
}

void LogAppender::answer_one(const Ledger& ledger, const LogHead& head, const Append& append,
                             LeafIndex id) {
  if (append.form == Form::kAdd) {
    Response response = respond(200, "text/plain; charset=utf-8", std::to_string(id.value));
    response.headers.emplace_back("Cache-Control", kNotKept);
    return append.answer(std::move(response));
  }
  const ProofRequest request{id, head.size, append.json, append.may_see_salt};
  auto proof = inclusion(context_, head, request, &ledger);
  if (!proof.ok()) return append.answer(response_to(proof.error()));
  proof->status = 201;
  proof->headers.emplace_back("Location", "/api/v1/entries/" + std::to_string(id.value));
  append.answer(*std::move(proof));
}

}  // namespace pgtally::http
