#include "http/api_json.h"

#include "base/encoding.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"

namespace pgtally::http {

json::array json_hashes(std::span<const Hash> hashes) {
  json::array array;
  for (const Hash& hash : hashes) array.emplace_back(to_base64(hash.view()));
  return array;
}

json::object json_entry(LeafIndex id, ByteView bytes) {
  json::object object{{"id", id.value}};
  if (const auto entry = decode_entry(bytes); entry.ok()) {
    const auto key = decode_key(entry->key);
    object["source"] = entry->source;
    object["ordinal"] = entry->ordinal;
    object["definition"] = entry->definition;
    object["operation"] = name_of(entry->operation);
    object["key"] = key.ok() ? json_strings(key->columns) : json::array{};
    object["key_is_hashed"] = key.ok() && key->hashed;
    object["sequenced_at"] = json_time(entry->sequenced_at);
    object["source_time"] = json_time(entry->source_time);
    object["source_position"] = entry->source_position;
    object["content_hash"] = to_hex(entry->content_hash.view());
  }
  object["entry"] = to_base64(bytes);
  object["leaf_hash"] = to_base64(leaf_hash(bytes).view());
  return object;
}

json::object json_checkpoint(const LogHead& head) {
  return {{"origin", head.origin},
          {"size", head.size.value},
          {"root", to_base64(head.root.view())},
          {"signed_at", json_time(head.signed_at)},
          {"note", *head.note}};
}

}  // namespace pgtally::http
