#include "audit/bundle_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/entry_bundle.h"
#include "pgtally/entry.h"

namespace pgtally {
namespace {

class FileSource : public ByteSource {
 public:
  static Result<std::unique_ptr<ByteSource>> open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return operator_error("cannot open " + path + ": " + std::strerror(errno),
                            "Is the name right? It is looked for from the current directory.");
    }
    std::unique_ptr<ByteSource> source(new FileSource(fd));
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
      return operator_error(path + " is no file that can be read at any place");
    }
    return source;
  }
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got =
          ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        return operator_error(std::string("cannot read the bundle: ") + std::strerror(errno));
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  explicit FileSource(int fd) : fd_(fd) {}
  int fd_;
};

// Of an entry of version 1, without looking at the rest of it; empty for what cannot be one.
std::string_view source_of(ByteView entry) {
  constexpr std::size_t kBefore = 1 + 1 + 4 + 8 + 8 + 8;
  if (entry.size() <= kBefore || entry[0] != kEntryVersion) return {};
  const std::size_t size = entry[kBefore];
  if (entry.size() - kBefore - 1 < size) return {};
  return as_text(entry.subspan(kBefore + 1, size));
}

Error has_changed() {
  return operator_error("the bundle was changed while it was read", "Run the audit again.");
}

Error no_salt(std::string_view source, LeafIndex id) {
  return tampered("the bundle says that it has the salts of " + std::string(source) +
                      ", and that of entry " + std::to_string(id.value) + " is missing",
                  "Without it nobody can tell what the entry recorded. Ask for another bundle.");
}

}  // namespace

Result<std::unique_ptr<BundleLog>> BundleLog::open(const std::string& path) {
  TRY(auto file, FileSource::open(path));
  auto log = open(std::move(file));
  if (!log.ok()) return std::move(log).error().within(path);
  return log;
}

Result<std::unique_ptr<BundleLog>> BundleLog::open(std::unique_ptr<ByteSource> file) {
  Counts counts;
  Counts::iterator last = counts.end();
  TRY(auto index, scan_bundle(*file, [&](ByteView entry) -> Result<void> {
        const std::string_view name = source_of(entry);
        if (last == counts.end() || last->first != name) {
          last = counts.try_emplace(std::string(name), 0).first;
          if (counts.size() > kMaxBundleSources) {
            return reject("the entries of the bundle name more than " +
                          std::to_string(kMaxBundleSources) + " sources");
          }
        }
        ++last->second;
        return {};
      }));
  return std::unique_ptr<BundleLog>(
      new BundleLog(std::move(file), std::move(index), std::move(counts)));
}

std::uint64_t BundleLog::entries_of(std::string_view source) const {
  const auto found = counts_.find(source);
  return found == counts_.end() ? 0 : found->second;
}

const BundleSource* BundleLog::source(std::string_view name) const {
  const auto found = std::ranges::lower_bound(index_.sources, name, {}, &BundleSource::name);
  return found == index_.sources.end() || found->name != name ? nullptr : &*found;
}

Result<void> BundleLog::read_entries(LeafIndex from, LeafIndex to, const Take& take) {
  if (from < next_entry_) {
    entries_ = BundleCursor(*file_, index_.entries_at);
    next_entry_ = LeafIndex{0};
  }
  // The block of `to` may be needed again by the next call, and is then read twice.
  while (next_entry_ < to) {
    const BundleCursor before = entries_;
    TRY(const auto block, entries_.block(kMaxBundleSize, "entries"));
    if (!block) return has_changed();
    TRY(const auto entries, parse_bundle(*block));
    if (entries.empty()) return has_changed();
    const std::uint64_t begin = std::max(from.value, next_entry_.value);
    const std::uint64_t end = std::min(to.value, next_entry_.value + entries.size());
    if (begin < end) {
      TRY_VOID(take(LeafIndex{begin},
                    std::span(entries).subspan(begin - next_entry_.value, end - begin)));
    }
    if (next_entry_.value + entries.size() > to.value) {
      entries_ = before;
      return {};
    }
    next_entry_.value += entries.size();
  }
  return {};
}

Result<std::string> BundleLog::problem_of(LeafIndex) {
  return std::string("it is not in the bundle");
}

Result<void> BundleLog::read_checkpoints(const TakeCheckpoint& take) {
  BundleCursor cursor(*file_, index_.checkpoints_at);
  for (std::uint64_t i = 0; i < index_.checkpoints; ++i) {
    TRY(const auto block, cursor.block(kMaxBundledCheckpoint, "checkpoints"));
    if (!block) return has_changed();
    TRY(auto checkpoint, decode_bundle_checkpoint(*block));
    AuditedCheckpoint audited;
    audited.note = std::move(checkpoint.note);
    audited.signed_at = checkpoint.signed_at;
    TRY_VOID(take(audited));
  }
  return {};
}

Result<std::vector<std::vector<Hash>>> BundleLog::tiles(std::span<const TileId> ids) {
  return std::vector<std::vector<Hash>>(ids.size());
}

Result<std::string> BundleLog::document(const Hash& hash) {
  const auto found = std::ranges::lower_bound(index_.documents, hash, {}, &BundledDocument::hash);
  if (found == index_.documents.end() || found->hash != hash) {
    return reject("the bundle has no document " + to_hex(hash.view()));
  }
  std::string text(found->size, '\0');
  std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size());
  TRY(const std::size_t got, file_->read_at(found->offset, bytes));
  if (got != text.size() || sha256(text) != hash) return has_changed();
  return text;
}

bool BundleLog::has_salts(std::string_view name) {
  const BundleSource* found = source(name);
  return found != nullptr && found->salts;
}

Result<std::optional<Time>> BundleLog::first_load_ended(std::string_view name) {
  const BundleSource* found = source(name);
  return found == nullptr ? std::optional<Time>{} : found->loaded_at;
}

Result<void> BundleLog::load_salts(std::uint64_t block) {
  if (salts_block_ == block) return {};
  const std::uint64_t first = block * kSaltsInBlock;
  const std::uint64_t count = std::min<std::uint64_t>(kSaltsInBlock, index_.salts - first);
  const std::uint64_t offset = index_.salts_at + block * (4 + kSaltsInBlock * kSaltRecord) + 4;
  salts_block_ = UINT64_MAX;
  salts_.resize(count * kSaltRecord);
  TRY(const std::size_t got, file_->read_at(offset, salts_));
  if (got != salts_.size()) return has_changed();
  salts_block_ = block;
  return {};
}

Result<ByteView> BundleLog::salt_record(std::uint64_t number) {
  TRY_VOID(load_salts(number / kSaltsInBlock));
  return ByteView(salts_).subspan(number % kSaltsInBlock * kSaltRecord, kSaltRecord);
}

Result<void> BundleLog::salts(std::string_view source, std::span<const LeafIndex> ids,
                              std::span<Hash> salts) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    TRY(salts[i], salt(source, ids[i]));
  }
  return {};
}

Result<Hash> BundleLog::salt(std::string_view source, LeafIndex id) {
  // The one that is asked for is nearly always the next.
  std::uint64_t low = next_salt_;
  std::uint64_t high = std::min(low + 1, index_.salts);
  bool widened = false;
  while (true) {
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      TRY(const ByteView record, salt_record(middle));
      ByteReader reader(record);
      TRY(const std::uint64_t found, reader.u64("salt"));
      if (found == id.value) {
        next_salt_ = middle + 1;
        Hash salt;
        std::ranges::copy(record.last(Hash::kSize), salt.bytes.begin());
        return salt;
      }
      (found < id.value ? low : high) = found < id.value ? middle + 1 : middle;
    }
    if (widened) return no_salt(source, id);
    widened = true;
    low = 0;
    high = index_.salts;
  }
}

}  // namespace pgtally
