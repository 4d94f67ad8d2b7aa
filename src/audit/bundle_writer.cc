#include "audit/bundle_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "audit/bundle_log.h"
#include "base/durable_file.h"
#include "base/encoding.h"
#include "merkle/frontier.h"
#include "pgtally/checkpoint.h"
#include "pgtally/entry.h"
#include "pgtally/merkle.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

constexpr std::uint64_t kTellEvery = 10'000;

Error cannot(const std::string& what, const std::string& path) {
  return operator_error("cannot " + what + " " + path + ": " + std::strerror(errno),
                        "Check that the directory exists, has room and may be written to.");
}

// A new file that goes again unless it was renamed.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& path) {
    // Salts are in it: for nobody else to read.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return cannot("create", path);
    return NewFile(fd, path);
  }
  NewFile(NewFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  Result<void> write(ByteView bytes) {
    pending_ += as_text(bytes);
    return pending_.size() < kFlushAt ? Result<void>() : flush();
  }
  Result<void> sync() {
    TRY_VOID(flush());
    if (::fsync(fd_) != 0) return cannot("write", path_);
    return {};
  }
  Result<void> rename_to(const std::string& path) {
    if (::rename(path_.c_str(), path.c_str()) != 0) return cannot("replace", path);
    ::close(std::exchange(fd_, -1));
    return sync_directory(std::filesystem::path(path).parent_path());
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return written_; }

 private:
  static constexpr std::size_t kFlushAt = std::size_t{1} << 18;

  NewFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<void> flush() {
    for (std::size_t done = 0; done < pending_.size();) {
      const ssize_t n = ::write(fd_, pending_.data() + done, pending_.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return cannot("write", path_);
      done += static_cast<std::size_t>(n);
    }
    written_ += pending_.size();
    pending_.clear();
    return {};
  }

  int fd_;
  std::string path_;
  std::string pending_;
  std::uint64_t written_ = 0;
};

// A note has room for so many signatures; a ledger may have more witnesses.
std::string with_at_most(std::size_t signatures, const std::string& note) {
  std::size_t end = note.find("\n\n");
  if (end == std::string::npos) return note;
  ++end;
  for (std::size_t line = 0; line < signatures && end + 1 < note.size(); ++line) {
    end = note.find('\n', end + 1);
    if (end == std::string::npos) return note;
  }
  return note.substr(0, end + 1);
}

// Whether its content hash may be blinded.
bool may_be_blinded(const Entry& entry) {
  return has_key(entry.operation) && entry.content_hash != Hash{};
}

class BundleWriter {
 public:
  BundleWriter(AuditedLog& log, const BundleRequest& request, NewFile& file)
      : log_(log),
        request_(request),
        encoder_([&file](ByteView bytes) { return file.write(bytes); }) {
    for (const BundleSource& source : request.sources) {
      if (source.salts) salted_.insert(source.name);
    }
  }

  Result<BundleReport> run() {
    TRY_VOID(encoder_.about(request_.about));
    for (const BundleSource& source : request_.sources) TRY_VOID(encoder_.source(source));
    TRY_VOID(write_checkpoints());
    TRY_VOID(write_entries());
    TRY_VOID(write_documents());
    if (!salted_.empty()) TRY_VOID(write_salts());
    TRY_VOID(encoder_.finish());
    return report_;
  }

 private:
  Result<void> write_checkpoints() {
    TRY_VOID(log_.read_checkpoints([&](const AuditedCheckpoint& kept) -> Result<void> {
      const std::string note = with_at_most(kMaxNoteSignatures, kept.note);
      const auto parsed = parse_note(note);
      const auto checkpoint =
          parsed.ok() ? parse_checkpoint(parsed->text) : Result<Checkpoint>(parsed.error());
      if (!checkpoint.ok() || checkpoint->size <= report_.size || checkpoint->size > log_.size()) {
        return wrong("a stored checkpoint behind that of size " +
                     std::to_string(report_.size.value) + " is none, or not of this log");
      }
      report_.size = checkpoint->size;
      report_.root = checkpoint->root;
      ++report_.checkpoints;
      return encoder_.checkpoint(kept.signed_at, note);
    }));
    if (report_.checkpoints > 0) return {};
    return retry("nothing was signed yet", "Let the service run, or run: pgtally run --once");
  }

  Result<void> write_entries() {
    Frontier tree;
    TRY_VOID(each_entry([&](LeafIndex, ByteView bytes) -> Result<void> {
      tree.append(leaf_hash(bytes));
      const auto entry = decode_entry(bytes);
      if (entry.ok() && !has_key(entry->operation) && entry->operation != Operation::kTruncate) {
        documents_.insert(entry->content_hash);
      }
      return encoder_.entry(bytes);
    }));
    if (tree.root() == report_.root) return {};
    return wrong("its first " + std::to_string(report_.size.value) +
                 " entries are not those that the newest checkpoint was signed over");
  }

  Result<void> write_documents() {
    for (const Hash& hash : documents_) {
      const auto text = log_.document(hash);
      if (!text.ok()) return wrong("the document " + to_hex(hash.view()) + " is missing");
      TRY_VOID(encoder_.document(*text));
      ++report_.documents;
    }
    return {};
  }

  Result<void> write_salts() {
    return each_entry([&](LeafIndex id, ByteView bytes) -> Result<void> {
      const auto entry = decode_entry(bytes);
      if (!entry.ok() || !may_be_blinded(*entry) || !salted_.contains(entry->source)) return {};
      Hash salt;
      TRY_VOID(log_.salts(entry->source, std::span(&id, 1), std::span(&salt, 1)));
      ++report_.salts;
      return encoder_.salt(id, salt);
    });
  }

  template <typename Take>
  Result<void> each_entry(Take take) {
    const std::uint64_t passes = salted_.empty() ? 1 : 2;
    return log_.read_each(
        LeafIndex{0}, LeafIndex{report_.size.value},
        [&](LeafIndex id, ByteView bytes) -> Result<void> {
          if (bytes.empty()) {
            return wrong("entry " + std::to_string(id.value) + " is missing or no entry");
          }
          if (request_.progress && ++read_ % kTellEvery == 0) {
            request_.progress(read_, passes * report_.size.value);
          }
          return take(id, bytes);
        });
  }

  static Error wrong(const std::string& what) {
    return tampered("the log is not what was signed: " + what,
                    "No bundle was made. Look at `pgtally audit`, which says more.");
  }

  AuditedLog& log_;
  const BundleRequest& request_;
  BundleEncoder encoder_;
  BundleReport report_;
  std::set<std::string, std::less<>> salted_;
  std::set<Hash> documents_;
  std::uint64_t read_ = 0;
};

}  // namespace

Result<BundleReport> write_bundle(AuditedLog& log, const BundleRequest& request,
                                  const std::string& path) {
  TRY(NewFile file, NewFile::create(path + ".new"));
  TRY(BundleReport report, BundleWriter(log, request, file).run());
  TRY_VOID(file.sync());
  report.bytes = file.size();
  TRY(const auto back, BundleLog::open(file.path()));
  if (back->size() != report.size) {
    return operator_error("the bundle that was written reads back as another one");
  }
  TRY_VOID(file.rename_to(path));
  return report;
}

}  // namespace pgtally
