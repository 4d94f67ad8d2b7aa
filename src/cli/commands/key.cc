// pgtally key: the keys that sign a ledger.

#include <algorithm>

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "crypto/ed25519.h"
#include "format/key_file.h"
#include "format/signing_key.h"

namespace pgtally::cli {
namespace {

constexpr const char* kWitnessHelp =
    "print the verifier key of a witness (type 4), which cosigns, and not that of a ledger";

Result<std::string> vkey_of(const SigningKey& key, bool witness) {
  if (!witness) return key.verifier().text();
  TRY(const VerifierKey verifier, key.witness_verifier());
  return verifier.text();
}

class KeyGenerate : public Command {
 public:
  Description describe() const override {
    return {
        .name = "key generate",
        .summary = "make a signing key",
        .usage = "--name NAME [-o FILE] [--witness]",
        .details =
            "Writes the private key to a file that only you may read, and prints its verifier "
            "key, which is what auditors need. An existing file is never overwritten. The name "
            "is the origin of the ledger that the key will sign, or says who the witness is. The "
            "same file holds either; what differs is the verifier key.",
        .examples = {{"pgtally key generate --name bank.example/payments",
                      "Write bank.example-payments.key"},
                     {"VKEY=\"$(pgtally key generate --name bank.example/payments -o p.key)\"",
                      "Choose the file, and keep the verifier key"},
                     {"pgtally key generate --witness --name w.example/witness -o w.key",
                      "A key to cosign with, for pgtally witness"}}};
  }

  void declare(Options& options) override {
    options.flag("--witness", witness_, kWitnessHelp);
    options.option("--name", "NAME", name_, "the key's name: the ledger's origin");
    options.require("--name");
    options.option("-o,--output", "FILE", file_, "where to; else NAME.key with - for each /");
  }

  Result<Exit> run(Context& context) override {
    if (!is_key_name(name_)) {
      return reject("not a name for a key: \"" + name_ + "\"",
                    "A name is UTF-8 without blanks, plus signs and control characters, such as "
                    "bank.example/payments.");
    }
    TRY(const Bytes random, random_bytes(std::tuple_size_v<Ed25519Seed>));
    Ed25519Seed seed{};
    std::ranges::copy(random, seed.begin());
    TRY(const SigningKey key, SigningKey::from_seed(name_, seed));
    const std::string file = file_.value_or(default_file());
    TRY(const std::string vkey, vkey_of(key, witness_));
    TRY_VOID(create_key_file(file, key));

    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"name", name_}, {"vkey", vkey}, {"file", file}});
      return Exit::kOk;
    }
    context.output().remark("The private key is in " + file + ". Keep a copy where nobody else " +
                            "can read it; the verifier key below is for everybody.");
    context.output().line(vkey);
    return Exit::kOk;
  }

 private:
  std::string default_file() const {
    std::string file = name_ + ".key";
    std::ranges::replace(file, '/', '-');
    return file;
  }

  std::string name_;
  std::optional<std::string> file_;
  bool witness_ = false;
};

class KeyShow : public Command {
 public:
  Description describe() const override {
    return {
        .name = "key show",
        .summary = "print the verifier key of a signing key",
        .details = "Of the ledger's own key, or of the one in a file. Never shows the private key.",
        .examples = {{"pgtally key show", "What auditors of the ledger need"},
                     {"pgtally key show --signing-key p.key", "The same of a key in a file"},
                     {"pgtally key show --witness --signing-key w.key",
                      "What those who trust a witness need"},
                     {"pgtally verify 42.tlog-proof --vkey \"$(pgtally key show)\"",
                      "Check a proof against the ledger's key"}}};
  }

  void declare(Options& options) override {
    options.option("--signing-key", "FILE", file_, "of the key in this file; no database is asked");
    options.flag("--witness", witness_, kWitnessHelp);
  }

  Result<Exit> run(Context& context) override {
    TRY(const std::string vkey, vkey_to_show(context));
    TRY(const VerifierKey key, VerifierKey::parse(vkey));
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"name", key.name()}, {"vkey", vkey}});
    } else {
      context.output().line(vkey);
    }
    return Exit::kOk;
  }

 private:
  Result<std::string> vkey_to_show(Context& context) const {
    if (!file_) {
      if (witness_) {
        return reject("the key of a ledger is not one to cosign with",
                      "Name the witness's key: --signing-key FILE.");
      }
      TRY(const Ledger ledger, open_ledger(context));
      return ledger.vkey();
    }
    TRY(const SigningKey key, read_key_file(*file_));
    return vkey_of(key, witness_);
  }

  std::optional<std::string> file_;
  bool witness_ = false;
};

}  // namespace

void add_key(Program& program) {
  program.add_noun("key", Group::kPlumbing,
                   "make a signing key, show its verifier key: generate, show");
  program.add(std::make_unique<KeyGenerate>());
  program.add(std::make_unique<KeyShow>());
}

}  // namespace pgtally::cli
