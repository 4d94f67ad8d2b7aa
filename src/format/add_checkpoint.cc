#include "format/add_checkpoint.h"

#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::string_view kOld = "old ";

// The next line without its newline, which is cut from `rest`.
Result<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return reject("the request ends before its empty line");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace

Result<AddCheckpoint> parse_add_checkpoint(std::string_view body) {
  TRY(const std::string_view first, take_line(body));
  if (!first.starts_with(kOld)) return reject("the first line is not \"old SIZE\"");
  auto old_size = parse_decimal(first.substr(kOld.size()));
  if (!old_size.ok()) return std::move(old_size).error().within("the old size");
  AddCheckpoint request;
  request.old_size = TreeSize{*old_size};
  while (true) {
    TRY(const std::string_view line, take_line(body));
    if (line.empty()) break;
    if (request.proof.size() == kMaxConsistencyLines) {
      return reject("more than " + std::to_string(kMaxConsistencyLines) + " lines of proof");
    }
    auto hash = hash_from_base64(line);
    if (!hash.ok()) {
      return std::move(hash).error().within("line " + std::to_string(request.proof.size() + 1) +
                                            " of the proof");
    }
    request.proof.push_back(*hash);
  }
  request.checkpoint = body;
  return request;
}

std::string serialize(const AddCheckpoint& request) {
  std::string body(kOld);
  body += std::to_string(request.old_size.value) + "\n";
  for (const Hash& hash : request.proof) body += to_base64(hash.view()) + "\n";
  return body + "\n" + request.checkpoint;
}

}  // namespace pgtally
