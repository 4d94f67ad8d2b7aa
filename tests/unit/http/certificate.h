// A self-signed certificate and its key, as files.
#pragma once

#include <filesystem>
#include <string>

namespace pgtally::http::test {

class CertificateFiles {
 public:
  explicit CertificateFiles(const std::string& common_name);  // in a folder of their own
  ~CertificateFiles();
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;

  void renew(const std::string& common_name) const;

  [[nodiscard]] std::string certificate() const { return folder_ / "certificate.pem"; }
  [[nodiscard]] std::string key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace pgtally::http::test
