#include "http/tls.h"

#include <openssl/ssl.h>

namespace pgtally::http {
namespace ssl = boost::asio::ssl;

namespace {

constexpr const char* kCiphersOfTls12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

// Clients that offer only something else go on without; they will see that it is HTTP/1.1.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  const int result =
      SSL_select_next_proto(&found, size, kHttp11, sizeof(kHttp11) - 1, offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

Error unusable(const std::string& what, const std::string& file,
               const boost::system::error_code& code) {
  return operator_error(
      "the " + what + " " + file + " cannot be used: " + code.message(),
      "It has to be a PEM file that this user can read, and the key has to belong "
      "to the certificate and have no password.");
}

Result<std::shared_ptr<ssl::context>> read_files(const std::string& certificate,
                                                 const std::string& key) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(native, kCiphersOfTls12);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);

  boost::system::error_code code;
  // Without this, OpenSSL would ask for a password at the terminal.
  context->set_password_callback([](std::size_t, auto) { return std::string(); }, code);
  if (!code) context->use_certificate_chain_file(certificate, code);
  if (code) return unusable("certificate", certificate, code);
  context->use_private_key_file(key, ssl::context::pem, code);
  if (code) return unusable("key", key, code);
  return context;
}

}  // namespace

TlsContext::TlsContext(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

Result<std::shared_ptr<TlsContext>> TlsContext::load(std::string certificate_file,
                                                     std::string key_file) {
  std::shared_ptr<TlsContext> tls(new TlsContext(std::move(certificate_file), std::move(key_file)));
  TRY_VOID(tls->reload());
  return tls;
}

Result<void> TlsContext::reload() {
  TRY(auto context, read_files(certificate_file_, key_file_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return {};
}

std::shared_ptr<ssl::context> TlsContext::get() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace pgtally::http
