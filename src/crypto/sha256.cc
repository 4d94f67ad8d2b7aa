#include "crypto/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace pgtally {
namespace {

// Owned by the process for its whole life: fetched once, shared by all threads, read only.
const EVP_MD* digest() {
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

// A hash that silently stayed zero would be worse than stopping: every caller relies on it.
void require(bool worked) {
  if (!worked) std::abort();
}

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

Context new_context() {
  Context context(EVP_MD_CTX_new());
  require(context != nullptr && digest() != nullptr);
  require(EVP_DigestInit_ex2(context.get(), digest(), nullptr) == 1);
  return context;
}

Hash finish_and_restart(EVP_MD_CTX* context) {
  Hash hash;
  unsigned length = 0;
  require(EVP_DigestFinal_ex(context, hash.bytes.data(), &length) == 1 && length == Hash::kSize);
  require(EVP_DigestInit_ex2(context, nullptr, nullptr) == 1);
  return hash;
}

}  // namespace

struct Sha256Stream::State {
  Context context = new_context();
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteView bytes) {
  require(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Hash Sha256Stream::finish() {
  return finish_and_restart(state_->context.get());
}

Hash sha256(std::initializer_list<ByteView> parts) {
  thread_local const Context context = new_context();
  for (const ByteView part : parts) {
    require(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  return finish_and_restart(context.get());
}

}  // namespace pgtally
