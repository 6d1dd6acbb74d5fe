#include "emu/base/names.h"

#include <gtest/gtest.h>

namespace rhea {
namespace {

std::vector<std::string> nearest(std::string_view typed, std::vector<std::string_view> known) {
  return nearestNames(typed, std::span<const std::string_view>(known));
}
using Names = std::vector<std::string>;

TEST(Names, TypingSlipsFindTheNameThatWasMeant) {
  EXPECT_EQ(nearest("query-stauts", {"quit", "query-status", "query-stuck"}), (Names{"query-status", "query-stuck"}));
  EXPECT_EQ(nearest("disc0", {"cd0", "disk0", "virtio"}), (Names{"disk0"}));
  EXPECT_EQ(nearest("PollMaxNs", {"poll-max-ns"}), (Names{"poll-max-ns"}));
  EXPECT_EQ(nearest("block", {"block_resize", "chardev"}), (Names{"block_resize"}));
}

TEST(Names, NothingNearIsNothing) {
  EXPECT_TRUE(nearest("xyzzy", {"quit", "cont"}).empty());
  EXPECT_TRUE(nearest("", {"quit"}).empty());
  EXPECT_TRUE(nearest(std::string(100000, 'a'), {"quit"}).empty());
}

TEST(Names, IdsBeginWithALetter) {
  EXPECT_TRUE(isWellFormedId("disk0"));
  EXPECT_TRUE(isWellFormedId("a-b_c.D9"));
  EXPECT_FALSE(isWellFormedId("#block1"));
  EXPECT_FALSE(isWellFormedId("0a"));
  EXPECT_FALSE(isWellFormedId(""));
  EXPECT_EQ(checkId("a/b").error().message(), "'a/b' is no id: '/' is not allowed in it");
  EXPECT_EQ(checkId("9p").error().message(), "'9p' is no id: it begins with '9'");
}

}  // namespace
}  // namespace rhea
