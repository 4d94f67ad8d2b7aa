#include "service/ending.h"

#include <fmt/format.h>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/log_end.h"
#include "format/times.h"
#include "ledger/registry.h"
#include "pgtally/document.h"
#include "service/state_files.h"

namespace pgtally {
namespace {

constexpr unsigned kPublic = 0644;

Result<void> check_request(const Ledger& ledger, const EndingRequest& request) {
  if (request.new_origin == ledger.origin() || !is_key_name(request.new_origin)) {
    return reject("the new log needs an origin of its own, not " + quoted(request.new_origin),
                  "Name it with --new-origin, such as " + ledger.origin() + "/2");
  }
  TRY_VOID(check_schema_name(request.new_schema));
  TRY(const auto rows, ledger.query("SELECT to_regnamespace($1) IS NOT NULL",
                                    pg::Params().text(request.new_schema)));
  TRY(const bool taken, rows.get<bool>(0, 0));
  if (taken) {
    return reject("schema " + request.new_schema + " exists already",
                  "Name another one for the new ledger with --new-schema.");
  }
  const StateFiles files = StateFiles::of(request.state_directory, request.new_origin);
  if (!Guard(files.guard).exists()) return {};
  return reject("there is a guard for " + request.new_origin + " already: " + files.guard,
                "It belongs to another ledger. Choose another --new-origin.");
}

Result<Time> database_time(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT clock_timestamp()"));
  return rows.get<Time>(0, 0);
}

// The statement that an interrupted call has left is the statement.
Result<std::string> write_statement(const std::string& path, const SigningKey& key,
                                    const LogEnd& end) {
  TRY(const auto there, read_small_file(path, kMaxNoteSize));
  if (there) {
    const auto before = verify_log_end(*there, key.verifier());
    if (before.ok() && before->size == end.size && before->root == end.root &&
        before->successor == end.successor) {
      return *there;
    }
    return operator_error(path + " is there already, and is another statement or something else",
                          "Move it away, or name another file with --statement.");
  }
  TRY(auto statement, sign_log_end(key, end));
  TRY_VOID(replace_file(path, statement, kPublic));
  return statement;
}

Result<std::string> notice_of(const LogEnd& end, const VerifierKey& key,
                              const std::string& statement) {
  const auto text = [](const std::string& value) { return Document(value); };
  const Document head(Document::Object{{"origin", text(end.origin)},
                                       {"root", text(to_base64(end.root.view()))},
                                       {"size", text(std::to_string(end.size.value))},
                                       {"statement", text(to_hex(sha256(statement).view()))},
                                       {"vkey", text(key.text())}});
  const Document notice(
      Document::Object{{"at", text(time_as_rfc3339(end.at))},
                       {"detail", text("This log goes on where " + end.origin + " ended.")},
                       {"event", text("continues")},
                       {"head", head},
                       {"sources", Document(Document::Array{})},
                       {"v", text("1")}});
  return notice.text();
}

// No notices: the old log takes no entries any more that anybody could check.
Result<std::vector<std::string>> pause_sources(const Ledger& ledger) {
  TRY(const auto sources, list_sources(ledger));
  std::vector<std::string> paused;
  std::string script = "SELECT pgtally.lock_ledger();\nSET LOCAL lock_timeout = '1s';\n";
  for (const SourceInfo& source : sources) {
    if (source.state == "paused") continue;
    if (source.mode == "trigger") {
      script += fmt::format("SELECT pgtally.switch_triggers({}, false);\n", source.id);
    }
    if (source.name != "append_only_log") paused.push_back(source.name);
  }
  script +=
      "UPDATE pgtally.source SET state = 'paused' WHERE source_id > 0 AND state = 'active';\n";
  TRY_VOID(run_script(ledger, ledger.sql(script)));
  return paused;
}

}  // namespace

Result<Ending> end_and_begin(const Ledger& ledger, const Diagnosis& found,
                             const EndingRequest& request) {
  TRY_VOID(check_request(ledger, request));
  if (!found.last_signed || !found.guard) {
    return operator_error("this host cannot end the log: " + found.guard_problem,
                          "Run it where signing key and guard of " + ledger.origin() + " are.");
  }
  const StateFiles files = StateFiles::of(request.state_directory, ledger.origin());
  TRY(const SigningKey key, read_signing_key(files, ledger.origin()));
  LogEnd end;
  end.origin = ledger.origin();
  end.size = found.last_signed->size;
  end.root = found.last_signed->root;
  TRY(end.at, database_time(ledger));
  end.successor = request.new_origin;
  end.reason = request.reason;
  // Refused here, if it is, before anything is done.
  TRY([[maybe_unused]] const auto fits, sign_log_end(key, end));

  TRY([[maybe_unused]] const auto ended, Guard(files.guard).end());
  TRY(const auto statement, write_statement(request.statement_file, key, end));
  TRY(const LogEnd stated, verify_log_end(statement, key.verifier()));
  Ending ending;
  ending.head = *found.last_signed;
  TRY(ending.paused, pause_sources(ledger));
  FoundingRequest founding;
  founding.origin = request.new_origin;
  founding.schema = request.new_schema;
  founding.state_directory = request.state_directory;
  founding.roles = request.roles;
  TRY(founding.notice, notice_of(stated, key.verifier(), statement));
  TRY(ending.founded, found_ledger(ledger.connection(), founding));
  return ending;
}

}  // namespace pgtally
