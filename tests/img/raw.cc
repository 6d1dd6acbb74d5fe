// rhea-img on raw images: what each subcommand does, prints and ends with.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/img/img.h"

namespace rhea::test {

namespace {

std::uint64_t blocksOf(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? static_cast<std::uint64_t>(facts.st_blocks) * 512 : 0;
}

}  // namespace

TEST(ImgRaw, CreateMakesASparseFileOfWholeSectors) {
  const ImgFolder here;
  const CommandResult made = here.img("create -f raw a.raw 10M");
  EXPECT_EQ(made.status, 0) << made.output;
  EXPECT_EQ(made.output, "Formatting 'a.raw', fmt=raw size=10485760\n");
  EXPECT_EQ(here.sizeOf("a.raw"), 10U << 20);
  EXPECT_EQ(blocksOf(here.file("a.raw")), 0U);
  EXPECT_EQ(here.img("create -q b.raw 1000").output, "");
  EXPECT_EQ(here.sizeOf("b.raw"), 1024U);
}

TEST(ImgRaw, CreateLaysSpaceOutAsAsked) {
  const ImgFolder here;
  EXPECT_EQ(here.img("create -q -o preallocation=full a.raw 1M").status, 0);
  EXPECT_GE(blocksOf(here.file("a.raw")), 1U << 20);
  const CommandResult wrong = here.img("create -q -o preallocation=ful a.raw 1M");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_TRUE(contains(wrong.output, "full")) << wrong.output;
}

TEST(ImgRaw, InfoTellsSizes) {
  const ImgFolder here;
  here.makeRaw("a.raw", 3 << 20, {{65536, 4096}});
  EXPECT_EQ(here.img("info -f raw a.raw").output,
            "image: a.raw\nfile format: raw\nvirtual size: 3 MiB (3145728 bytes)\ndisk size: 4 KiB\n");
  const Result<json::Value> told = json::parse(here.img("info --output=json a.raw").output);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->find("virtual-size")->asInt64(), 3 << 20);
  EXPECT_EQ(told->find("actual-size")->asInt64(), 4096);
  EXPECT_EQ(told->find("format")->asString(), "raw");
  EXPECT_FALSE(told->find("dirty-flag")->asBool());
}

TEST(ImgRaw, MapShowsHolesAndData) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20, {{65536, 131072}});
  EXPECT_EQ(here.img("map a.raw").output,
            "Offset          Length          Mapped to       File\n"
            "0x10000         0x20000         0x10000         a.raw\n");
  EXPECT_EQ(here.img("map --output=json a.raw").output,
            "[{ \"start\": 0, \"length\": 65536, \"depth\": 0, \"present\": true, \"zero\": true, \"data\": false, "
            "\"offset\": 0},\n"
            "{ \"start\": 65536, \"length\": 131072, \"depth\": 0, \"present\": true, \"zero\": false, \"data\": true, "
            "\"offset\": 65536},\n"
            "{ \"start\": 196608, \"length\": 851968, \"depth\": 0, \"present\": true, \"zero\": true, \"data\": "
            "false, \"offset\": 196608}]\n");
  const std::string part = here.img("map --output=json --start-offset=128k --max-length=64k a.raw").output;
  EXPECT_TRUE(contains(part, "\"start\": 131072, \"length\": 65536")) << part;
}

TEST(ImgRaw, ConvertCopiesOnlyWhatIsThere) {
  const ImgFolder here;
  here.makeRaw("a.raw", 64 << 20, {{0, 4096}, {5 << 20, 3 << 20}, {(64 << 20) - 512, 512}});
  const CommandResult copied = here.img("convert -O raw a.raw b.raw");
  EXPECT_EQ(copied.status, 0) << copied.output;
  EXPECT_EQ(copied.output, "");
  EXPECT_EQ(here.bytes("a.raw"), here.bytes("b.raw"));
  EXPECT_LE(blocksOf(here.file("b.raw")), 4U << 20);
  EXPECT_EQ(here.img("compare a.raw b.raw").output, "Images are identical.\n");
}

TEST(ImgRaw, ConvertFindsZeroesThatWereWritten) {
  const ImgFolder here;
  here.makeRaw("a.raw", 8 << 20, {{0, 8 << 20}}, '\0');
  here.makeRaw("b.raw", 8 << 20, {{0, 8 << 20}}, '\0');
  EXPECT_EQ(here.img("convert a.raw sparse.raw").status, 0);
  EXPECT_EQ(blocksOf(here.file("sparse.raw")), 0U);
  EXPECT_EQ(here.img("convert -S 0 a.raw full.raw").status, 0);
  EXPECT_EQ(blocksOf(here.file("full.raw")), 8U << 20);
}

TEST(ImgRaw, ConvertWritesIntoWhatExists) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20, {{4096, 4096}}, 'a');
  here.makeRaw("old.raw", 2 << 20, {{0, 2 << 20}}, 'o');
  EXPECT_EQ(here.img("convert -n -O raw a.raw old.raw").status, 0);
  EXPECT_EQ(here.bytes("old.raw"), here.bytes("a.raw") + std::string(1 << 20, 'o'));
  here.makeRaw("small.raw", 4096);
  const CommandResult small = here.img("convert -n -O raw a.raw small.raw");
  EXPECT_EQ(small.status, 1);
  EXPECT_TRUE(contains(small.output, "1048576")) << small.output;
}

TEST(ImgRaw, ConvertJoinsSources) {
  const ImgFolder here;
  here.makeRaw("a.raw", 65536, {{0, 65536}}, 'a');
  here.makeRaw("b.raw", 131072, {{512, 1024}}, 'b');
  EXPECT_EQ(here.img("convert a.raw b.raw c.raw").status, 0);
  EXPECT_EQ(here.bytes("c.raw"), here.bytes("a.raw") + here.bytes("b.raw"));
}

TEST(ImgRaw, ConvertKeepsEveryCombinationOfSwitchesRight) {
  const ImgFolder here;
  here.makeRaw("a.raw", 20 << 20, {{1000, 3000}, {3 << 20, 5 << 20}, {17 << 20, 100}});
  for (const char* how : {"-C", "-W -m 16", "-m 1", "-t none", "-t writethrough", "-t directsync -T none", "-S 64k",
                          "-r 1G", "-p", "--progress=json", "--salvage"}) {
    const CommandResult copied = here.img(std::string("convert ") + how + " a.raw b.raw");
    EXPECT_EQ(copied.status, 0) << how << ": " << copied.output;
    EXPECT_EQ(here.bytes("a.raw"), here.bytes("b.raw")) << how;
    std::filesystem::remove(here.file("b.raw"));
  }
}

TEST(ImgRaw, ProgressIsALineOrJson) {
  const ImgFolder here;
  here.makeRaw("a.raw", 4 << 20, {{0, 4 << 20}});
  EXPECT_TRUE(contains(here.img("convert -p a.raw b.raw").output, "    (100.00/100%)\r\n"));
  const std::string lines = here.img("convert --progress=json a.raw c.raw").output;
  const Result<json::Value> last = json::parse(lines.substr(lines.rfind("\n{", lines.size() - 2) + 1));
  ASSERT_TRUE(last.ok()) << lines;
  EXPECT_EQ(last->find("done")->asInt64(), 4 << 20);
  EXPECT_EQ(last->find("percent")->asDouble(), 100);
}

TEST(ImgRaw, CompareTellsWhereImagesDiffer) {
  const ImgFolder here;
  here.makeRaw("a.raw", 8 << 20, {{5 << 20, 10}});
  here.makeRaw("b.raw", 8 << 20, {{5 << 20, 9}});
  const CommandResult differ = here.img("compare a.raw b.raw");
  EXPECT_EQ(differ.status, 1);
  EXPECT_EQ(differ.output, "Content mismatch at offset 5242889!\n");
  here.makeRaw("longer.raw", 9 << 20, {{5 << 20, 10}});
  EXPECT_EQ(here.img("compare a.raw longer.raw").status, 0);
  const CommandResult strict = here.img("compare -s a.raw longer.raw");
  EXPECT_EQ(strict.status, 1);
  EXPECT_EQ(strict.output, "Strict mode: Image size mismatch!\n");
  EXPECT_EQ(here.img("compare a.raw nothere.raw").status, 2);
}

TEST(ImgRaw, ResizeGrowsAndShrinksWhenThatIsMeant) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20);
  EXPECT_EQ(here.img("resize -f raw a.raw +1M").output, "Image resized.\n");
  EXPECT_EQ(here.sizeOf("a.raw"), 2U << 20);
  const CommandResult refused = here.img("resize -f raw a.raw -1M");
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.output, "--shrink")) << refused.output;
  EXPECT_EQ(here.sizeOf("a.raw"), 2U << 20);
  EXPECT_EQ(here.img("resize -q -f raw --shrink a.raw -1M").output, "");
  EXPECT_EQ(here.sizeOf("a.raw"), 1U << 20);
  EXPECT_EQ(here.img("resize -f raw --preallocation=falloc a.raw 3M").status, 0);
  EXPECT_GE(blocksOf(here.file("a.raw")), 2U << 20);
}

TEST(ImgRaw, DdCopiesBlocks) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20, {{0, 4096}, {8192, 65536}});
  EXPECT_EQ(here.img("dd if=a.raw of=b.raw bs=4096 skip=2 count=3").status, 0);
  EXPECT_EQ(here.bytes("b.raw"), here.bytes("a.raw").substr(8192, 12288));
  const CommandResult unknown = here.img("dd if=a.raw of=b.raw cnt=3");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_TRUE(contains(unknown.output, "count")) << unknown.output;
}

TEST(ImgRaw, MeasureTellsTheSizeOfAFile) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20);
  EXPECT_EQ(here.img("measure --size 1G").output, "required size: 1073741824\nfully allocated size: 1073741824\n");
  const Result<json::Value> told = json::parse(here.img("measure --output=json a.raw").output);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->find("required")->asInt64(), 1 << 20);
}

TEST(ImgRaw, BenchRunsReadsAndWrites) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20);
  const CommandResult reads = here.img("bench -f raw -c 100 -d 4 a.raw");
  EXPECT_EQ(reads.status, 0) << reads.output;
  EXPECT_TRUE(contains(reads.output,
                       "Sending 100 read requests, 4096 bytes each, 4 in parallel (starting at offset 0, step size "
                       "4096)\nRun completed in "));
  const CommandResult writes = here.img("bench -f raw -w --pattern=65 -c 64 -d 4 --flush-interval=16 -s 16k a.raw");
  EXPECT_EQ(writes.status, 0) << writes.output;
  EXPECT_EQ(here.bytes("a.raw"), std::string(1 << 20, 'A'));
  EXPECT_EQ(here.img("bench -f raw -w -c 64 -d 4 --no-drain --flush-interval=16 a.raw").status, 0);
}

TEST(ImgRaw, LayoutsAreThePeers) {
  if (!ImgFolder::havePeer()) GTEST_SKIP() << "qemu-img is not installed";
  const ImgFolder here;
  here.makeRaw("a.raw", 8 << 20, {{65536, 131072}, {4 << 20, 4096}});
  for (const char* what :
       {"info -f raw a.raw", "info -f raw --output=json a.raw", "info -f raw --output=json --backing-chain a.raw",
        "map -f raw a.raw", "map -f raw --output=json a.raw", "map -f raw --output=json -s 1M -l 1M a.raw",
        "measure --size 123456", "measure --output=json --size 1M", "compare -f raw -F raw a.raw a.raw"}) {
    const CommandResult ours = here.img(what);
    const CommandResult theirs = here.peer(what);
    EXPECT_EQ(ours.output, theirs.output) << what;
    EXPECT_EQ(ours.status, theirs.status) << what;
  }
}

}  // namespace rhea::test
