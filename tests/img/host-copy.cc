// What the host copies by itself: blocks that are shared (reflink) where a file system can, and copy_file_range.
#include "block/tool/img/host-copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "emu/base/files.h"
#include "emu/io/fd.h"
#include "tests/img/img.h"

namespace rhea::test {
namespace {

// A file system that shares blocks, in a file; there is one for root where mkfs.xfs is installed.
class SharingFs {
 public:
  SharingFs() {
    if (geteuid() != 0) {
      why_ = "only root can mount a file system";
    } else if (run("command -v mkfs.xfs > /dev/null") != 0) {
      why_ = "mkfs.xfs is not installed";
    } else if (run("truncate -s 512M {0}/disk && mkfs.xfs -q -m reflink=1 {0}/disk && mkdir {0}/m") != 0 ||
               run("mount -o loop {0}/disk {0}/m 2> /dev/null") != 0) {
      why_ = "no XFS can be mounted from a file here";
    }
    mounted_ = why_.empty();
  }
  ~SharingFs() {
    if (mounted_) run("umount -l {0}/m");
  }
  const std::string& why() const { return why_; }  // empty: it is there
  std::string file(const std::string& name) const { return dir_.file("m/" + name); }

 private:
  int run(const std::string& line) const { return std::system(fmt::format(fmt::runtime(line), dir_.path()).c_str()); }

  TempDir dir_;
  std::string why_;
  bool mounted_ = false;
};

Fd opened(const std::string& path, int flags) { return Fd(open(path.c_str(), flags | O_CLOEXEC, 0600)); }

// Bytes of a file that lie in blocks which other files use as well.
std::uint64_t sharedBytes(const std::string& path) {
  const Fd file = opened(path, O_RDONLY);
  constexpr std::size_t kMost = 64;
  alignas(fiemap) std::array<std::byte, sizeof(fiemap) + kMost * sizeof(fiemap_extent)> memory{};
  auto* const map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kMost;
  if (ioctl(file.get(), FS_IOC_FIEMAP, map) != 0) return 0;
  const auto* const extents = reinterpret_cast<const fiemap_extent*>(memory.data() + sizeof(fiemap));
  std::uint64_t shared = 0;
  for (const fiemap_extent& extent : std::span(extents, map->fm_mapped_extents)) {
    if ((extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0) shared += extent.fe_length;
  }
  return shared;
}

constexpr std::uint64_t kStored = 4 << 20;

// Text at 0 and at 12 MiB, each 2 MiB long, of 16 MiB.
void writeSource(const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  std::string text;
  for (int line = 0; text.size() < kStored / 2; ++line) text += fmt::format("line {} of a file that is copied\n", line);
  text.resize(kStored / 2);
  out << text;
  out.seekp(12 << 20);
  out << text;
  out.close();
  std::filesystem::resize_file(path, 16 << 20);
}

TEST(ImgHostCopy, ConvertSharesBlocksWhereTheFileSystemCan) {
  const SharingFs fs;
  if (!fs.why().empty()) GTEST_SKIP() << fs.why();
  const ImgFolder here;
  writeSource(fs.file("a.raw"));
  ASSERT_EQ(here.img("convert -O raw " + fs.file("a.raw") + " " + fs.file("b.raw")).status, 0);
  EXPECT_EQ(sharedBytes(fs.file("b.raw")), kStored);
  EXPECT_EQ(*readFile(fs.file("b.raw")), *readFile(fs.file("a.raw")));
  ASSERT_EQ(here.img("convert -n -O raw " + fs.file("a.raw") + " " + fs.file("b.raw")).status, 0);
  EXPECT_EQ(*readFile(fs.file("b.raw")), *readFile(fs.file("a.raw")));
  // To a file system that shares nothing with it, the usual way.
  ASSERT_EQ(here.img("convert -O raw " + fs.file("a.raw") + " c.raw").status, 0);
  EXPECT_EQ(here.bytes("c.raw"), *readFile(fs.file("a.raw")));
}

TEST(ImgHostCopy, ACloneIsOfTheRangeAlone) {
  const SharingFs fs;
  if (!fs.why().empty()) GTEST_SKIP() << fs.why();
  writeSource(fs.file("a"));
  const Fd from = opened(fs.file("a"), O_RDONLY);
  const Fd to = opened(fs.file("b"), O_RDWR | O_CREAT);
  block::HostCopy work(from.get(), to.get(), 1 << 20);
  work.to = 64 << 10;
  work.length = 128 << 10;
  ASSERT_TRUE(block::cloneRange(work).ok());
  EXPECT_EQ(sharedBytes(fs.file("b")), work.length);
  const std::string copy = *readFile(fs.file("b"));
  EXPECT_EQ(copy.substr(0, work.to), std::string(work.to, '\0'));
  EXPECT_EQ(copy.substr(work.to), readFile(fs.file("a"))->substr(work.from, work.length));
}

TEST(ImgHostCopy, TheHostCopiesARangeAndSaysWhereItCannot) {
  const TempDir dir;
  writeSource(dir.file("a"));
  const Fd from = opened(dir.file("a"), O_RDONLY);
  const Fd to = opened(dir.file("b"), O_RDWR | O_CREAT);
  block::HostCopy work(from.get(), to.get(), 4096);
  work.to = 8192;
  work.length = 1 << 20;
  const Result<void> copied = block::copyRange(work);
  if (!copied.ok() && block::refusesRange(copied.error())) GTEST_SKIP() << copied.error().describe();
  ASSERT_TRUE(copied.ok()) << copied.error().describe();
  EXPECT_EQ(readFile(dir.file("b"))->substr(work.to), readFile(dir.file("a"))->substr(work.from, work.length));
  // Behind the source's end there is nothing for the host to copy.
  block::HostCopy behind(from.get(), to.get(), 20 << 20);
  behind.length = 4096;
  const Result<void> refused = block::copyRange(behind);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(block::refusesRange(refused.error()));
  const Fd pipe = opened("/dev/null", O_WRONLY);
  const Result<void> foreign = block::cloneRange(block::HostCopy(from.get(), pipe.get(), 0));
  ASSERT_FALSE(foreign.ok());
}

TEST(ImgHostCopy, ConvertAsksTheHostToCopyWhereThatIsWanted) {
  const ImgFolder here;
  writeSource(here.file("a.raw"));
  ASSERT_EQ(here.img("convert -C -O raw a.raw b.raw").status, 0);
  EXPECT_EQ(here.bytes("b.raw"), here.bytes("a.raw"));
}

}  // namespace
}  // namespace rhea::test
