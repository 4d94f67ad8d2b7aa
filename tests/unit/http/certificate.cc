#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace pgtally::http::test {
namespace fs = std::filesystem;

CertificateFiles::CertificateFiles(const std::string& common_name) {
  std::string pattern = fs::temp_directory_path() / "pgtally-tls-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  renew(common_name);
}

CertificateFiles::~CertificateFiles() {
  fs::remove_all(folder_);
}

void CertificateFiles::renew(const std::string& common_name) const {
  EVP_PKEY* const pair = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, pair);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, pair, EVP_sha256());

  std::FILE* const certificate_file = std::fopen(this->certificate().c_str(), "w");
  PEM_write_X509(certificate_file, certificate);
  std::fclose(certificate_file);
  std::FILE* const key_file = std::fopen(key().c_str(), "w");
  PEM_write_PrivateKey(key_file, pair, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(key_file);
  X509_free(certificate);
  EVP_PKEY_free(pair);
}

}  // namespace pgtally::http::test
