// pgtally tree: RFC 6962 proofs on hashes alone, from JSON on standard input.
//
// What stands in the JSON is what is to be verified, so whatever is wrong with it is exit status 1.

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/context.h"
#include "cli/errors.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/program.h"
#include "merkle/frontier.h"
#include "pgtally/merkle.h"

namespace pgtally::cli {
namespace {

constexpr std::size_t kMaxInputSize = std::size_t{64} << 20;  // about 1.4 million leaf hashes

Result<json::object> read_object() {
  TRY(const std::string text, read_file("-", kMaxInputSize));
  TRY(json::value value, parse_json(text));
  if (!value.is_object()) return reject("not a JSON object");
  return std::move(value.get_object());
}

// What the commands have in common: read, check, say ok or why not.
class TreeCommand : public Command {
 public:
  Result<Exit> run(Context& context) final {
    auto object = read_object();
    if (!object.ok() && object.error().code == ErrorCode::kOperator) {
      return std::move(object).error();
    }
    auto checked = object.ok() ? check(*object) : Result<json::object>(object.error());
    Output& output = context.output();
    if (checked.ok()) {
      context.json() ? print_json(output, *checked) : output.line(text_of(*checked));
      return Exit::kOk;
    }
    if (context.json()) {
      print_json(output, {{"ok", false}, {"reason", checked.error().message}});
    } else {
      print_error(output, checked.error());
    }
    return Exit::kNo;
  }

 private:
  // {"ok":true} and whatever else there is to say.
  virtual Result<json::object> check(const json::object& input) const = 0;

  static std::string text_of(const json::object& checked) {
    const json::value* root = checked.if_contains("root");
    return root == nullptr ? "ok" : std::string(root->get_string());
  }
};

class Inclusion : public TreeCommand {
 public:
  Description describe() const override {
    return {.name = "tree inclusion",
            .summary = "check that a leaf is in a tree",
            .details =
                "Reads {\"leaf_index\",\"tree_size\",\"leaf_hash\",\"root\",\"proof\":[…]} from "
                "standard input, with --subtree {\"leaf_index\",\"start\",\"end\",\"leaf_hash\","
                "\"root\",\"proof\":[…]}, where the index counts from the start of the log and the "
                "root is the subtree's. Numbers are integers up to 2^64-1 (or such in a string), "
                "hashes are base64. Prints ok, or the reason with exit status 1.",
            .examples = {{"pgtally tree inclusion < inclusion.json", "Check one proof"},
                         {"H=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
                          "echo '{\"leaf_index\":0,\"tree_size\":1,\"leaf_hash\":\"'$H'\","
                          "\"root\":\"'$H'\",\"proof\":[]}' | pgtally tree inclusion",
                          "The smallest one, a tree of one leaf"}}};
  }
  void declare(Options& options) override {
    options.flag("--subtree", subtree_, "the proof is of a subtree of the log");
  }

 private:
  Result<json::object> check(const json::object& input) const override {
    TRY(const std::uint64_t index, uint64_member(input, "leaf_index"));
    TRY(const Hash leaf, hash_member(input, "leaf_hash"));
    TRY(const Hash root, hash_member(input, "root"));
    TRY(const std::vector<Hash> proof, hashes_member(input, "proof"));
    if (subtree_) {
      TRY(const std::uint64_t start, uint64_member(input, "start"));
      TRY(const std::uint64_t end, uint64_member(input, "end"));
      TRY_VOID(verify_subtree_inclusion(LeafIndex{index}, Subtree{start, end}, leaf, proof, root));
    } else {
      TRY(const std::uint64_t size, uint64_member(input, "tree_size"));
      TRY_VOID(verify_inclusion(LeafIndex{index}, TreeSize{size}, leaf, proof, root));
    }
    return json::object{{"ok", true}};
  }

  bool subtree_ = false;
};

class Consistency : public TreeCommand {
 public:
  Description describe() const override {
    return {
        .name = "tree consistency",
        .summary = "check that a tree is the beginning of a larger one",
        .details =
            "Reads {\"size1\",\"size2\",\"root1\",\"root2\",\"proof\":[…]} from standard input, "
            "with --subtree {\"start\",\"end\",\"size\",\"root1\",\"root2\",\"proof\":[…]}, "
            "where root1 is the subtree's and root2 the tree's. Numbers are integers up to "
            "2^64-1 (or such in a string), hashes are base64. Prints ok, or the reason with "
            "exit status 1.",
        .examples = {{"pgtally tree consistency < consistency.json", "Check one proof"},
                     {"pgtally tree consistency --subtree --json < subtree.json",
                      "One of a subtree, with the answer as JSON"},
                     {"H=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
                      "echo '{\"size1\":0,\"size2\":0,\"root1\":\"'$H'\",\"root2\":\"'$H'\","
                      "\"proof\":[]}' | pgtally tree consistency",
                      "The smallest one, of the empty tree and itself"}}};
  }
  void declare(Options& options) override {
    options.flag("--subtree", subtree_, "the smaller tree is a subtree of the log");
  }

 private:
  Result<json::object> check(const json::object& input) const override {
    TRY(const Hash root1, hash_member(input, "root1"));
    TRY(const Hash root2, hash_member(input, "root2"));
    TRY(const std::vector<Hash> proof, hashes_member(input, "proof"));
    if (subtree_) {
      TRY(const std::uint64_t start, uint64_member(input, "start"));
      TRY(const std::uint64_t end, uint64_member(input, "end"));
      TRY(const std::uint64_t size, uint64_member(input, "size"));
      TRY_VOID(
          verify_subtree_consistency(Subtree{start, end}, TreeSize{size}, proof, root1, root2));
    } else {
      TRY(const std::uint64_t size1, uint64_member(input, "size1"));
      TRY(const std::uint64_t size2, uint64_member(input, "size2"));
      TRY_VOID(verify_consistency(TreeSize{size1}, TreeSize{size2}, root1, root2, proof));
    }
    return json::object{{"ok", true}};
  }

  bool subtree_ = false;
};

class Root : public TreeCommand {
 public:
  Description describe() const override {
    return {.name = "tree root",
            .summary = "compute the root over leaf hashes",
            .details =
                "Reads {\"leaf_hashes\":[…]} from standard input, base64, 64 MiB at most, and "
                "prints the root. Without leaves that is the SHA-256 of nothing.",
            .examples = {
                {"echo '{\"leaf_hashes\":[]}' | pgtally tree root", "The root of the empty tree"},
                {"pgtally tree root --json < leaves.json", "The root and the size, as JSON"}}};
  }
  void declare(Options&) override {}

 private:
  Result<json::object> check(const json::object& input) const override {
    TRY(const std::vector<Hash> leaves, hashes_member(input, "leaf_hashes"));
    Frontier frontier;
    for (const Hash& leaf : leaves) frontier.append(leaf);
    return json::object{
        {"ok", true}, {"size", leaves.size()}, {"root", to_base64(frontier.root().view())}};
  }
};

}  // namespace

void add_tree(Program& program) {
  program.add_noun("tree", Group::kPlumbing,
                   "check RFC 6962 proofs on hashes alone: inclusion, consistency, root");
  program.add(std::make_unique<Inclusion>());
  program.add(std::make_unique<Consistency>());
  program.add(std::make_unique<Root>());
}

}  // namespace pgtally::cli
