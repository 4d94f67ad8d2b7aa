#include "crypto/sha256.h"

// Deprecated in favour of EVP, which takes twice as long for a leaf or a node: it looks the method up
// for each call and wipes what is no secret here.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <cstdlib>

#include "crypto/sha256_x86.h"

namespace pgtally {
namespace {

// A hash that silently stayed zero would be worse than stopping: every caller relies on it.
void require(int worked) {
  if (worked != 1) std::abort();
}

Hash finish_of(SHA256_CTX& context) {
  Hash hash;
  require(SHA256_Final(hash.bytes.data(), &context));
  return hash;
}

}  // namespace

struct Sha256Stream::State {
  State() { require(SHA256_Init(&context)); }
  SHA256_CTX context;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteView bytes) {
  require(SHA256_Update(&state_->context, bytes.data(), bytes.size()));
}

Hash Sha256Stream::finish() {
  const Hash hash = finish_of(state_->context);
  require(SHA256_Init(&state_->context));
  return hash;
}

Hash sha256(std::initializer_list<ByteView> parts) {
  SHA256_CTX context;
  require(SHA256_Init(&context));
  for (const ByteView part : parts) require(SHA256_Update(&context, part.data(), part.size()));
  return finish_of(context);
}

void sha256_many(std::span<const ByteView> messages, std::span<Hash> hashes) {
  if (x86::has_sha256()) return x86::sha256_many(messages, hashes);
  for (std::size_t i = 0; i < messages.size(); ++i) hashes[i] = sha256(messages[i]);
}

}  // namespace pgtally
