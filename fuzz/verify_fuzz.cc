// Puts the input, read as the extra data of a proof, into a signed tree of two entries: the define
// entry that it brings along, then its entry. So the records are what the verifier has to decide
// on.

#include "crypto/sha256.h"
#include "format/sign_checkpoint.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"
#include "pgtally/verify.h"
#include "require.h"

namespace {

const pgtally::SigningKey& key() {
  static const auto made = pgtally::SigningKey::from_seed("fuzz.example", {});
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto extra = pgtally::decode_extra({data, size});
  if (!extra.ok()) return 0;
  const pgtally::Hash leaf = pgtally::leaf_hash(extra->entry);
  pgtally::Hash before;
  if (extra->define) {
    before = pgtally::leaf_hash(extra->define->entry);
    extra->define->index = pgtally::LeafIndex{0};
    extra->define->path = {leaf};
  }
  pgtally::ProofFile proof;
  proof.extra = *pgtally::encode_extra(*extra);
  proof.index = pgtally::LeafIndex{1};
  proof.path = {before};
  proof.checkpoint =
      *pgtally::sign_checkpoint(key(), pgtally::TreeSize{2}, pgtally::node_hash(before, leaf));
  const auto text = pgtally::serialize(proof);
  if (!text.ok()) return 0;

  const auto policy = pgtally::Policy::trust(key().verifier());
  const auto verdict = pgtally::verify_proof(*text, *policy);
  if (!verdict.ok()) return 0;
  // What was disclosed is in the verdict only if it leads to the entry's content hash.
  if (verdict->entry && (!verdict->row.empty() || verdict->data)) {
    const pgtally::Hash h = pgtally::sha256(*extra->row);
    require(verdict->content == h);
    require(verdict->entry->content_hash == (extra->salt ? pgtally::blinded(*extra->salt, h) : h));
  }
  return 0;
}
