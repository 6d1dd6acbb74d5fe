// The check against qemu-img's own, on images that qemu-img made, whole and damaged; skipped where there is none.
#include <gtest/gtest.h>

#include "block/driver/qcow2/checker.h"
#include "emu/base/json.h"
#include "tests/lib/command.h"
#include "tests/lib/memory-file.h"
#include "tests/lib/temp-dir.h"
#include "tests/lib/tiny-qcow2.h"

namespace rhea::block::qcow2 {
namespace {

using rhea::test::MemoryFile;
using rhea::test::TempDir;
using rhea::test::TinyOptions;
using rhea::test::TinyQcow2;

class Qcow2CheckPeer : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"qemu-img", "qemu-io"}) {
      if (!rhea::test::haveProgram(name)) GTEST_SKIP() << "there is no " << name;
    }
  }
  rhea::test::CommandResult command(const std::string& line) const {
    return rhea::test::run(fmt::format("cd '{}' && {}", dir_.path(), line));
  }
  bool shell(const std::string& line) const { return command(line).status == 0; }
  std::vector<std::byte> readFile(const std::string& name) const {
    std::ifstream in(dir_.file(name), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }
  void writeFile(const std::string& name, std::span<const std::byte> bytes) const {
    std::ofstream out(dir_.file(name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  CheckReport ours(std::vector<std::byte> image, CheckWish wish = {}) {
    file_.bytes() = std::move(image);
    const auto header = Header::parse(file_.bytes(), file_.bytes().size(), Header::Use::kCheck);
    EXPECT_TRUE(header.ok()) << header.error().message();
    if (!header.ok()) return {};
    Checker checker(file_.edge(), *header, progress_, {});
    return file_.run(checker.run(wish)).value();
  }
  static std::string told(const CheckReport& report) {
    return fmt::format("corruptions {}, leaks {}, end {}, total {}, allocated {}, fragmented {}, compressed {}",
                       report.corruptions, report.leaks, report.imageEndOffset, report.totalClusters,
                       report.allocatedClusters, report.fragmentedClusters, report.compressedClusters);
  }
  std::string theirs(const std::string& name) {
    const auto said = command(fmt::format("qemu-img check --output=json -f qcow2 {} 2>/dev/null", name));
    const auto json = json::parse(said.output);
    if (!json.ok()) return "no answer";
    const auto number = [&](std::string_view key) {
      const auto value = json->find(key);
      return value ? static_cast<std::uint64_t>(value->asInt64()) : 0;
    };
    CheckReport report;
    report.corruptions = number("corruptions");
    report.leaks = number("leaks");
    report.imageEndOffset = number("image-end-offset");
    report.totalClusters = number("total-clusters");
    report.allocatedClusters = number("allocated-clusters");
    report.fragmentedClusters = number("fragmented-clusters");
    report.compressedClusters = number("compressed-clusters");
    return told(report);
  }

  TempDir dir_;
  MemoryFile file_;
  Progress progress_;
};

TEST_F(Qcow2CheckPeer, CountsTheSameInWholeImages) {
  const std::vector<std::string> recipes = {
      "qemu-img create -q -f qcow2 -o compat=0.10 x 8M && qemu-io -c 'write -P 1 1M 300k' -c 'write -P 2 0 64k' x",
      "qemu-img create -q -f qcow2 x 8M && qemu-io -c 'write -P 1 1M 300k' -c 'write -z 2M 1M' x",
      "qemu-img create -q -f qcow2 -o extended_l2=on x 8M && qemu-io -c 'write -P 1 1M 5k' -c 'write -z 2M 70k' x",
      "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 x 4M && qemu-io -c 'write -P 1 1M 300k' x",
      "qemu-img create -q -f qcow2 -o cluster_size=2M,refcount_bits=1 x 64M && qemu-io -c 'write -P 1 9M 300k' x",
      "qemu-img create -q -f qcow2 -o data_file=d,data_file_raw=on x 4M && qemu-io -c 'write -P 1 1M 300k' x",
      "qemu-img create -q -f qcow2 x 4M && qemu-io -c 'write -P 1 1M 300k' x && qemu-img snapshot -c s x && qemu-io -c "
      "'write -P 3 1M 64k' x && qemu-img snapshot -c t x",
      "qemu-img create -q -f qcow2 x 4M && qemu-img bitmap --add x b && qemu-io -c 'write -P 1 1M 300k' x",
      "qemu-img create -q -f raw r 2M && qemu-io -f raw -c 'write -P 5 0 1M' r && qemu-img convert -c -f raw -O qcow2 "
      "r x",
      "qemu-img create -q -f raw r 2M && qemu-io -f raw -c 'write -P 5 0 1M' r && qemu-img convert -c -f raw -O qcow2 "
      "-o "
      "compression_type=zstd r x",
      "qemu-img create -q -f qcow2 -o preallocation=metadata x 8M",
  };
  for (const std::string& recipe : recipes) {
    ASSERT_TRUE(shell("rm -f x r d; " + recipe)) << recipe;
    const auto image = readFile("x");
    const CheckReport report = ours(image);
    EXPECT_EQ(told(report), theirs("x")) << recipe << (report.findings.empty() ? "" : "\n" + report.findings[0]);
    // Asked to repair what is whole, nothing is written.
    (void)ours(image, CheckWish{true, true});
    EXPECT_EQ(file_.bytes(), image) << recipe;
  }
}

TEST_F(Qcow2CheckPeer, FindsTheSameDamageAndLeavesWhatTheyCallClean) {
  TinyOptions options;
  options.snapshots = 2;
  options.compressed = true;
  const std::vector<std::pair<std::string, std::function<void(TinyQcow2&)>>> damages = {
      {"nothing", [](TinyQcow2&) {}},
      {"a leak",
       [](TinyQcow2& image) {
         image.bytes.resize(image.bytes.size() + 512);
         image.setRefcount(image.clusters() - 1, 1);
       }},
      {"a count too low",
       [](TinyQcow2& image) { image.setRefcount((image.word(image.entryAt(1)) & kOffsetMask) >> 9U, 2); }},
      {"a flag too many",
       [](TinyQcow2& image) { image.setWord(image.entryAt(1), image.word(image.entryAt(1)) | kCopied); }},
      {"a flag missing",
       [](TinyQcow2& image) { image.setWord(image.entryAt(0), image.word(image.entryAt(0)) & ~kCopied); }},
      {"reserved bits",
       [](TinyQcow2& image) { image.setWord(image.entryAt(0), image.word(image.entryAt(0)) | 0x100); }},
  };
  for (const auto& [name, damage] : damages) {
    TinyQcow2 image(options);
    damage(image);
    writeFile("x", image.bytes);
    EXPECT_EQ(told(ours(image.bytes)), theirs("x")) << name;
    const CheckReport repaired = ours(image.bytes, CheckWish{true, true});
    writeFile("x", file_.bytes());
    EXPECT_EQ(told(repaired), theirs("x")) << name;
  }
}

TEST_F(Qcow2CheckPeer, TakesRefcountsMadeAnewForWhole) {
  for (const std::uint32_t order : {2U, 4U, 6U}) {
    TinyOptions options;
    options.snapshots = 2;
    options.bitmap = true;
    options.refcountOrder = order;
    TinyQcow2 image(options);
    image.setWord(image.header.refcountTableOffset, 0);
    const CheckReport repaired = ours(image.bytes, CheckWish{true, true});
    writeFile("x", file_.bytes());
    EXPECT_EQ(repaired.corruptions, 0U);
    EXPECT_EQ(told(repaired), theirs("x"));
    EXPECT_TRUE(shell("qemu-img check x")) << order;
  }
}

}  // namespace
}  // namespace rhea::block::qcow2
