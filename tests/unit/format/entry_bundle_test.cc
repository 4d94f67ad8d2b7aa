#include "format/entry_bundle.h"

#include <gtest/gtest.h>

namespace pgtally {
namespace {

std::string bundle_of(const std::vector<std::string>& entries) {
  std::string bundle;
  for (const std::string& entry : entries) {
    EXPECT_TRUE(append_to_bundle(bundle, as_bytes(entry)).ok());
  }
  return bundle;
}

TEST(EntryBundle, is_each_entry_behind_its_length_in_two_bytes) {
  EXPECT_EQ(bundle_of({"ab", "", "c"}), std::string("\0\2ab\0\0\0\1c", 9));
}

TEST(EntryBundle, gives_back_what_was_put_in) {
  const std::vector<std::string> entries{"first", "", std::string(65'535, 'x')};
  const std::string bundle = bundle_of(entries);
  const auto parsed = parse_bundle(as_bytes(bundle), 3);
  ASSERT_TRUE(parsed.ok());
  for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(as_text((*parsed)[i]), entries[i]);
}

TEST(EntryBundle, of_more_entries_gives_the_first_of_them) {
  const std::string bundle = bundle_of({"a", "b", "c"});
  const auto parsed = parse_bundle(as_bytes(bundle), 2);
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ(as_text((*parsed)[1]), "b");
}

TEST(EntryBundle, is_refused_with_too_few_entries_with_too_many_and_when_cut_off) {
  const std::string bundle = bundle_of({"abc", "def"});
  EXPECT_FALSE(parse_bundle(as_bytes(bundle), 3).ok());
  for (std::size_t size = 1; size < bundle.size(); ++size) {
    if (size == 5) continue;  // the first entry, whole
    EXPECT_FALSE(parse_bundle(as_bytes(bundle).first(size), 1).ok()) << size;
  }
  EXPECT_FALSE(parse_bundle(as_bytes(bundle_of(std::vector<std::string>(257, "x"))), 256).ok());
}

TEST(EntryBundle, takes_no_entry_that_its_length_cannot_say) {
  std::string bundle;
  EXPECT_FALSE(append_to_bundle(bundle, as_bytes(std::string(65'536, 'x'))).ok());
  EXPECT_EQ(bundle, "");
}

TEST(EntryBundle, has_the_path_of_its_tile_with_entries_for_the_level) {
  EXPECT_EQ(bundle_path(1'234'067), "tile/entries/x001/x234/067");
  EXPECT_EQ(bundle_path(0, 17), "tile/entries/000.p/17");
  const auto parsed = parse_bundle_path("tile/entries/x001/x234/067.p/8");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, (TileRequest{{0, 1'234'067}, 8}));
  for (const char* path :
       {"tile/0/000", "tile/entries/", "tile/entries/0", "tile/entries/000.p/256",
        "tile/entries/../000", "tile/entries/x000/000"}) {
    EXPECT_FALSE(parse_bundle_path(path).ok()) << path;
  }
}

}  // namespace
}  // namespace pgtally
