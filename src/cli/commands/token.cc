// pgtally token: who may write over HTTP, and who is shown what others are not.

#include "ledger/token.h"

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/table.h"
#include "format/times.h"

namespace pgtally::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

class TokenCreate : public Command {
 public:
  Description describe() const override {
    return {.name = "token create",
            .summary = "make a bearer token",
            .usage = "NAME --allow append|salts|rows… [--source S…] [--expires TIME]",
            .details =
                "Prints the token, once: the database keeps only a hash of it. `append` lets its "
                "bearer write to append sources over HTTP; `salts` adds the salt of an entry to "
                "its proof, without which nobody can tell what a blinded hash stands for; `rows` "
                "discloses rows as well.",
            .examples = {{"TOKEN=\"$(pgtally token create shop --allow append --source orders)\"",
                          "Let the shop append orders"},
                         {"pgtally token create auditor --allow rows --expires 720h",
                          "Let an auditor see rows for 30 days"}}};
  }
  void declare(Options& options) override {
    options.argument("NAME", request_.name, "what it is called; never given out again");
    options.options("--allow", "RIGHT", request_.rights, "append, salts or rows");
    options.require("--allow");
    options.options("--source", "NAME", request_.sources, "for these sources only");
    options.option("--expires", "TIME", lifetime_, "it ends by itself after this time");
  }
  Result<Exit> run(Context& context) override {
    if (lifetime_.count() != 0) {
      request_.lifetime_seconds = std::chrono::ceil<std::chrono::seconds>(lifetime_).count();
    }
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const std::string token, create_token(ledger, request_));
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"name", request_.name}, {"token", token}});
      return Exit::kOk;
    }
    context.output().remark("Keep it as you keep a password; it is not shown again.");
    context.output().line(token);
    return Exit::kOk;
  }

 private:
  TokenRequest request_;
  std::chrono::microseconds lifetime_{0};
};

class TokenList : public Command {
 public:
  Description describe() const override {
    return {.name = "token list",
            .summary = "show all tokens, and what they allow",
            .examples = {{"pgtally token list", "For people"},
                         {"pgtally token list --json", "For programs"}}};
  }
  void declare(Options&) override {}
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto tokens, list_tokens(ledger));
    if (context.json()) {
      json::array array;
      for (const Token& token : tokens) array.push_back(json_of(token));
      print_json(context.output(), {{"ok", true}, {"tokens", std::move(array)}});
      return Exit::kOk;
    }
    if (tokens.empty()) {
      context.output().line("no tokens");
      return Exit::kOk;
    }
    Table table({{"token"}, {"allows"}, {"sources"}, {"made"}, {"ends"}});
    for (const Token& token : tokens) {
      table.add({token.name, joined(token.rights), token.sources ? joined(*token.sources) : "all",
                 time_for_people(token.created_at), end_of(token)});
    }
    context.output().write(table.text());
    return Exit::kOk;
  }

 private:
  static json::value json_of(const Token& token) {
    json::value sources = nullptr;
    if (token.sources) sources = json_strings(*token.sources);
    return {{"name", token.name},
            {"rights", json_strings(token.rights)},
            {"sources", std::move(sources)},
            {"created_at", json_time(token.created_at)},
            {"expires_at", json_time(token.expires_at.value_or(Time{}))},
            {"revoked_at", json_time(token.revoked_at.value_or(Time{}))}};
  }
  static std::string end_of(const Token& token) {
    if (token.revoked_at) return "revoked " + time_for_people(*token.revoked_at);
    return token.expires_at ? time_for_people(*token.expires_at) : "when it is revoked";
  }
};

class TokenRevoke : public Command {
 public:
  Description describe() const override {
    return {.name = "token revoke",
            .summary = "end a token, from the next request on",
            .usage = "NAME",
            .examples = {{"pgtally token revoke shop", "The shop can append no more"}}};
  }
  void declare(Options& options) override { options.argument("NAME", name_, "what it is called"); }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY_VOID(revoke_token(ledger, name_));
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"name", name_}});
    } else {
      context.output().line("revoked  " + name_);
    }
    return Exit::kOk;
  }

 private:
  std::string name_;
};

}  // namespace

void add_token(Program& program) {
  program.add_noun("token", Group::kRecord, "tokens for writing over HTTP: create, list, revoke");
  program.add(std::make_unique<TokenCreate>());
  program.add(std::make_unique<TokenList>());
  program.add(std::make_unique<TokenRevoke>());
}

}  // namespace pgtally::cli
