#include "crypto/ed25519.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

namespace pgtally {
namespace {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

Error failed(const char* what) {
  return operator_error(std::string("OpenSSL could not ") + what,
                        "Check that the installed libssl3 provides Ed25519.");
}

Result<Key> private_key(const Ed25519Seed& seed) {
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  if (!key) return failed("load an Ed25519 private key");
  return key;
}

}  // namespace

Result<Ed25519PublicKey> ed25519_public_key(const Ed25519Seed& seed) {
  TRY(const Key key, private_key(seed));
  Ed25519PublicKey out{};
  std::size_t length = out.size();
  if (EVP_PKEY_get_raw_public_key(key.get(), out.data(), &length) != 1 || length != out.size()) {
    return failed("derive an Ed25519 public key");
  }
  return out;
}

Result<Ed25519Signature> ed25519_sign(const Ed25519Seed& seed, ByteView message) {
  TRY(const Key key, private_key(seed));
  const Context context(EVP_MD_CTX_new());
  Ed25519Signature out{};
  std::size_t length = out.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), out.data(), &length, message.data(), message.size()) != 1 ||
      length != out.size()) {
    return failed("sign");
  }
  return out;
}

bool ed25519_verify(const Ed25519PublicKey& key, ByteView message, ByteView signature) {
  const Key loaded(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const Context context(EVP_MD_CTX_new());
  if (!loaded || !context || signature.size() != Ed25519Signature{}.size()) return false;
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, loaded.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

Result<Bytes> random_bytes(std::size_t count) {
  Bytes out(count);
  if (RAND_bytes(out.data(), static_cast<int>(count)) != 1) return failed("draw random bytes");
  return out;
}

}  // namespace pgtally
