// Messages of pgoutput, each behind a length of two bytes, put into the assembly of changes. Whatever
// they are: what comes out is numbered, fits its table, and memory stays within its bound.
#include "base/byte_io.h"
#include "capture/change_stream.h"
#include "require.h"

namespace {

using namespace pgtally;

constexpr std::size_t kMemory = 200;

void require_sound(const ChangeStream& stream) {
  const Change& change = stream.change();
  require(change.table != nullptr);
  require(change.number + 1 == stream.transaction().changes);
  const std::size_t width = change.table->columns.size();
  require(change.row.empty() || change.row.size() == width);
  require(change.old_row.empty() || change.old_row.size() == width);
  std::size_t sum = 0;
  for (const auto& value : change.row) {
    for (const char c : value.text) sum += static_cast<unsigned char>(c);
  }
  for (const auto& value : change.old_row) {
    for (const char c : value.text) sum += static_cast<unsigned char>(c);
  }
  require(sum < SIZE_MAX);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ChangeStream stream(ChangeStream::Options{.memory = kMemory, .directory = "/dev/shm"});
  ByteReader in(ByteView{data, size});
  while (!in.at_end()) {
    const auto view = in.opaque(2, 0, 65'535, "message");
    if (!view.ok()) return 0;
    // A copy of its own size, so that reading past the end is seen.
    const Bytes message(view->begin(), view->end());
    if (!stream.put(message).ok()) return 0;
    require(stream.bytes_in_memory() <= kMemory);
    while (true) {
      const auto event = stream.next();
      if (!event.ok()) return 0;
      if (*event == ChangeStream::Event::kNone) break;
      if (*event == ChangeStream::Event::kChange) require_sound(stream);
    }
  }
  return 0;
}
