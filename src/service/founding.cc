#include "service/founding.h"

#include <algorithm>
#include <filesystem>

#include "base/encoding.h"
#include "crypto/ed25519.h"
#include "format/key_file.h"
#include "pgtally/merkle.h"
#include "postgres/transaction.h"
#include "service/guard.h"
#include "service/state_files.h"

namespace pgtally {
namespace {

Result<SigningKey> new_key(const std::string& origin) {
  Ed25519Seed seed{};
  TRY(const Bytes random, random_bytes(seed.size()));
  std::copy(random.begin(), random.end(), seed.begin());
  return SigningKey::from_seed(origin, seed);
}

// The key to sign with: the one that was named, one that an earlier `key generate` put in its
// place, or a new one.
Result<SigningKey> choose_key(const FoundingRequest& request, const StateFiles& files,
                              bool* is_new) {
  *is_new = false;
  if (request.signing_key.empty() && !files.has_key()) {
    *is_new = true;
    return new_key(request.origin);
  }
  TRY(SigningKey key, read_key_file(request.signing_key.empty() ? files.key : request.signing_key));
  if (key.name() != request.origin) {
    return reject("the signing key is for " + pgtally::quoted(key.name()) + ", not for " +
                      pgtally::quoted(request.origin),
                  "A ledger's key carries the name of its origin: pgtally key generate --name " +
                      request.origin);
  }
  return key;
}

Result<InitRequest> init_request(const FoundingRequest& request, const SigningKey& key) {
  InitRequest init;
  init.definition.origin = request.origin;
  init.definition.vkey = key.verifier().text();
  init.roles = request.roles;
  init.schema = request.schema;
  init.notice = request.notice;
  TRY(const Bytes random, random_bytes(Hash::kSize + init.guard_id.size()));
  std::copy_n(random.begin(), Hash::kSize, init.definition.nonce.bytes.begin());
  std::copy_n(random.begin() + Hash::kSize, init.guard_id.size(), init.guard_id.begin());
  return init;
}

// Files that go away again unless everything worked.
class Undo {
 public:
  Undo() = default;
  ~Undo() {
    std::error_code ignored;
    for (const std::string& path : paths_) std::filesystem::remove(path, ignored);
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void add(std::string path) { paths_.push_back(std::move(path)); }
  void keep_all() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

Result<void> put_key(const FoundingRequest& request, const StateFiles& files, const SigningKey& key,
                     bool is_new, Undo& undo) {
  if (is_new) {
    TRY_VOID(create_key_file(files.key, key));
    undo.add(files.key);
    return {};
  }
  if (request.signing_key.empty()) return {};
  std::error_code error;
  const auto target = std::filesystem::absolute(request.signing_key, error);
  if (!error && std::filesystem::equivalent(target, files.key, error)) return {};
  error.clear();
  std::filesystem::create_symlink(target, files.key, error);
  if (error) {
    return operator_error("cannot link " + files.key + " to the signing key: " + error.message());
  }
  undo.add(files.key);
  return {};
}

Result<void> check_origin(const std::string& origin) {
  if (is_key_name(origin)) return {};
  return reject(pgtally::quoted(origin) + " cannot be an origin",
                "Use a name that belongs to you, without blanks and plus signs, such as "
                "bank.example/payments.");
}

}  // namespace

Result<std::string> founding_script(pg::Connection& connection, const FoundingRequest& request) {
  TRY_VOID(check_origin(request.origin));
  const StateFiles files = StateFiles::of(request.state_directory, request.origin);
  bool is_new = false;
  TRY(const SigningKey key, choose_key(request, files, &is_new));
  TRY(const InitRequest init, init_request(request, key));
  return init_script(connection, init);
}

Result<Founding> found_ledger(pg::Connection& connection, const FoundingRequest& request) {
  TRY_VOID(check_origin(request.origin));
  TRY_VOID(create_state_directory(request.state_directory));
  const StateFiles files = StateFiles::of(request.state_directory, request.origin);
  const Guard guard(files.guard);
  bool is_new = false;
  TRY(const SigningKey key, choose_key(request, files, &is_new));
  TRY(const InitRequest init, init_request(request, key));
  TRY(const std::string script, init_script(connection, init));

  // The transaction is open while the files are made, and is committed last: without it they are
  // removed again, and with it they are all there.
  Undo undo;
  TRY(auto transaction, pg::Transaction::begin(connection));
  TRY_VOID(connection.execute(script));
  TRY_VOID(guard.create({request.origin, init.guard_id, TreeSize{0}, empty_root()}));
  undo.add(guard.path());
  TRY_VOID(put_key(request, files, key, is_new, undo));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kRolledBack) {
    return operator_error("the ledger was not made: " + result.reason);
  }
  undo.keep_all();
  if (result.outcome == pg::CommitOutcome::kUnknown) {
    return retry("whether the ledger was made is not known: " + result.reason,
                 "Look with: pgtally status\nIf there is none, remove " + files.guard + " and " +
                     files.key + " before you try again.");
  }
  return Founding{key.verifier().text(), files.key, files.guard};
}

}  // namespace pgtally
