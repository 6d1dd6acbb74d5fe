// rhea-img on qcow2 images: options, chains, what is copied and what is kept; both ways with qemu-img where it is
// installed.
#include <gtest/gtest.h>

#include "tests/img/img.h"

namespace rhea::test {

namespace {

// A disk with data, holes and written zeroes.
void makeMixed(const ImgFolder& here, const std::string& name, char fill = 'x') {
  here.makeRaw(name, 12 << 20, {{0, 512}, {100000, 70000}, {3 << 20, 2 << 20}, {(12 << 20) - 1024, 1024}}, fill);
  std::fstream out(here.file(name), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(7 << 20);
  out << std::string(1 << 20, '\0');
}

void expectSame(const ImgFolder& here, const std::string& one, const std::string& two, const std::string& what = "") {
  const CommandResult same = here.img("compare " + one + " " + two);
  EXPECT_EQ(same.status, 0) << what << ": " << one << " " << two << ": " << same.output;
}

void expectClean(const ImgFolder& here, const std::string& name, const std::string& what = "") {
  const CommandResult checked = here.img("check " + name);
  EXPECT_EQ(checked.status, 0) << what << ": " << checked.output;
  if (!ImgFolder::havePeer()) return;
  const CommandResult theirs = here.peer("check " + name);
  EXPECT_EQ(theirs.status, 0) << what << ": " << theirs.output;
}

}  // namespace

TEST(ImgQcow2, CreateTellsWhatItMade) {
  const ImgFolder here;
  const CommandResult made = here.img("create -f qcow2 a.qcow2 10M");
  EXPECT_EQ(made.status, 0) << made.output;
  EXPECT_EQ(made.output,
            "Formatting 'a.qcow2', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib size=10485760 "
            "lazy_refcounts=off refcount_bits=16\n");
  const CommandResult told = here.img("info a.qcow2");
  EXPECT_TRUE(contains(told.output, "file format: qcow2\nvirtual size: 10 MiB (10485760 bytes)\n")) << told.output;
  EXPECT_TRUE(contains(told.output, "cluster_size: 65536\n")) << told.output;
  EXPECT_TRUE(contains(told.output, "    compat: 1.1\n")) << told.output;
  expectClean(here, "a.qcow2");
}

TEST(ImgQcow2, EveryOptionMakesAnImageThatHoldsADisk) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  for (const char* options :
       {"compat=0.10", "compat=v3", "cluster_size=512", "cluster_size=2M", "extended_l2=on", "refcount_bits=1",
        "refcount_bits=64", "lazy_refcounts=on", "preallocation=metadata", "preallocation=falloc",
        "cluster_size=4k,refcount_bits=8", "data_file=data.raw", "data_file=data.raw,data_file_raw=on"}) {
    const CommandResult copied = here.img(std::string("convert -O qcow2 -o ") + options + " a.raw b.qcow2");
    EXPECT_EQ(copied.status, 0) << options << ": " << copied.output;
    expectSame(here, "a.raw", "b.qcow2", options);
    expectClean(here, "b.qcow2", options);
    EXPECT_EQ(here.img("convert -O raw b.qcow2 c.raw").status, 0) << options;
    EXPECT_EQ(here.bytes("a.raw"), here.bytes("c.raw")) << options;
    std::filesystem::remove(here.file("b.qcow2"));
  }
}

TEST(ImgQcow2, OptionsThatCannotBeAreRefusedAndNothingIsLeft) {
  const ImgFolder here;
  for (const char* options : {"cluster_size=1000", "cluster_size=4M", "refcount_bits=3", "compression_type=lzma",
                              "clustersize=64k", "compat=2.0", "data_file_raw=on"}) {
    const CommandResult refused = here.img(std::string("create -q -f qcow2 -o ") + options + " a.qcow2 1M");
    EXPECT_EQ(refused.status, 1) << options << ": " << refused.output;
    EXPECT_FALSE(here.exists("a.qcow2")) << options;
  }
  EXPECT_TRUE(contains(here.img("create -f qcow2 -o help").output, "cluster_size=<size>"));
}

TEST(ImgQcow2, ConvertCompressesClusters) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  for (const char* options : {"compression_type=zlib", "cluster_size=4k"}) {
    const CommandResult copied = here.img(std::string("convert -c -O qcow2 -o ") + options + " a.raw b.qcow2");
    EXPECT_EQ(copied.status, 0) << options << ": " << copied.output;
    EXPECT_LT(here.sizeOf("b.qcow2"), 1U << 20) << options;
    expectSame(here, "a.raw", "b.qcow2", options);
    expectClean(here, "b.qcow2", options);
  }
  const CommandResult raw = here.img("convert -c -O raw a.raw c.raw");
  EXPECT_EQ(raw.status, 1);
  EXPECT_TRUE(contains(raw.output, "compressed")) << raw.output;
}

TEST(ImgQcow2, OverlaysShowWhatIsBehindThem) {
  const ImgFolder here;
  makeMixed(here, "base.raw");
  EXPECT_EQ(here.img("create -q -f qcow2 -b base.raw -F raw top.qcow2").status, 0);
  expectSame(here, "base.raw", "top.qcow2");
  const CommandResult chain = here.img("info --backing-chain --output=json top.qcow2");
  const Result<json::Value> told = json::parse(chain.output);
  ASSERT_TRUE(told.ok()) << chain.output;
  ASSERT_EQ(told->size(), 2U);
  const json::View top = *told->items().begin();
  EXPECT_EQ(top.find("backing-filename")->asString(), "base.raw");
  EXPECT_EQ(top.find("backing-filename-format")->asString(), "raw");
  EXPECT_EQ(top.find("full-backing-filename")->asString(), "base.raw");

  EXPECT_EQ(here.img("create -q -f qcow2 -b base.raw no.qcow2").status, 1);
  EXPECT_EQ(here.img("create -q -f qcow2 -b nothere.raw -F raw no.qcow2").status, 1);
  EXPECT_EQ(here.img("create -q -f qcow2 -u -b nothere.raw -F raw no.qcow2").status, 1);
  EXPECT_FALSE(here.exists("no.qcow2"));
  EXPECT_EQ(here.img("create -q -f qcow2 -u -b nothere.raw -F raw lone.qcow2 1M").status, 0);
  EXPECT_EQ(here.img("info lone.qcow2").status, 0);
  EXPECT_TRUE(contains(here.img("info --backing-chain lone.qcow2").output, "nothere.raw"));
}

TEST(ImgQcow2, AChainThatIsALoopIsToldAsOne) {
  const ImgFolder here;
  EXPECT_EQ(here.img("create -q -f qcow2 -u -b b.qcow2 -F qcow2 a.qcow2 1M").status, 0);
  EXPECT_EQ(here.img("create -q -f qcow2 -u -b a.qcow2 -F qcow2 b.qcow2 1M").status, 0);
  for (const char* what : {"info --backing-chain a.qcow2", "convert a.qcow2 c.raw", "map a.qcow2", "commit a.qcow2"}) {
    const CommandResult refused = here.img(what);
    EXPECT_EQ(refused.status, 1) << what;
    EXPECT_TRUE(contains(refused.output, "loop") || contains(refused.output, "itself")) << what << refused.output;
  }
  EXPECT_EQ(here.img("info a.qcow2").status, 0);
  EXPECT_EQ(here.img("rebase -u -b '' a.qcow2").status, 0);
  EXPECT_EQ(here.img("info --backing-chain b.qcow2").status, 0);
}

TEST(ImgQcow2, ConvertOntoABackingFileCopiesOnlyWhatTheImageAdds) {
  const ImgFolder here;
  makeMixed(here, "base.raw");
  EXPECT_EQ(here.img("create -q -f qcow2 -b base.raw -F raw top.qcow2").status, 0);
  here.makeRaw("piece.raw", 65536, {{0, 65536}}, 'p');
  EXPECT_EQ(here.img("convert -n -O qcow2 piece.raw top.qcow2").status, 0);
  EXPECT_EQ(here.img("convert -O qcow2 -B base.raw -F raw top.qcow2 copy.qcow2").status, 0);
  expectSame(here, "top.qcow2", "copy.qcow2");
  EXPECT_LT(here.sizeOf("copy.qcow2"), 1U << 20);
  expectClean(here, "copy.qcow2");
}

TEST(ImgQcow2, ConvertAndMeasureTakeASnapshotInstead) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  EXPECT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  const std::string sizes = here.img("measure -O qcow2 a.qcow2").output;
  EXPECT_EQ(here.img("snapshot -c then a.qcow2").status, 0);
  here.makeRaw("b.raw", here.sizeOf("a.raw"), {{0, 1 << 20}}, 'q');
  EXPECT_EQ(here.img("convert -n -O qcow2 b.raw a.qcow2").status, 0);
  expectSame(here, "a.qcow2", "b.raw");
  for (const char* which : {"then", "1", "snapshot.name=then", "snapshot.id=1"}) {
    EXPECT_EQ(here.img(std::string("convert -l ") + which + " -O raw a.qcow2 c.raw").status, 0) << which;
    EXPECT_TRUE(here.bytes("c.raw") == here.bytes("a.raw")) << which;
  }
  EXPECT_EQ(here.img("measure -O qcow2 -l then a.qcow2").output, sizes);
  EXPECT_NE(here.img("measure -O qcow2 a.qcow2").output, sizes);
  const CommandResult wrong = here.img("convert -l than -O raw a.qcow2 d.raw");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_TRUE(contains(wrong.output, "then")) << wrong.output;
  EXPECT_FALSE(here.exists("d.raw"));
  EXPECT_EQ(here.img("convert -l then -O qcow2 a.raw d.qcow2").status, 1);
}

TEST(ImgQcow2, CommitWritesIntoTheBackingFile) {
  const ImgFolder here;
  makeMixed(here, "base.raw");
  EXPECT_EQ(here.img("convert -O qcow2 base.raw base.qcow2").status, 0);
  EXPECT_EQ(here.img("create -q -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2").status, 0);
  EXPECT_EQ(here.img("create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2 16M").status, 0);
  here.makeRaw("piece.raw", 70000 / 512 * 512, {{0, 70000 / 512 * 512}}, 'p');
  EXPECT_EQ(here.img("convert -n -O qcow2 piece.raw top.qcow2").status, 0);
  EXPECT_EQ(here.img("convert -O raw top.qcow2 before.raw").status, 0);
  EXPECT_EQ(here.img("commit -q -d top.qcow2").status, 0);
  const auto holdsNothing = [&here] { return !contains(here.img("check top.qcow2").output, "allocated"); };
  EXPECT_FALSE(holdsNothing());
  const CommandResult done = here.img("commit top.qcow2");
  EXPECT_EQ(done.output, "Image committed.\n");
  EXPECT_TRUE(holdsNothing());
  expectSame(here, "mid.qcow2", "before.raw");
  expectSame(here, "top.qcow2", "before.raw");
  EXPECT_EQ(here.img("commit -q mid.qcow2").status, 0);
  expectClean(here, "top.qcow2");
  EXPECT_EQ(here.img("commit -q -b base.qcow2 top.qcow2").status, 0);
  expectSame(here, "base.qcow2", "before.raw");
  expectClean(here, "base.qcow2");
  expectClean(here, "mid.qcow2");
  EXPECT_TRUE(contains(here.img("commit -b bass.qcow2 top.qcow2").output, "base.qcow2"));
  EXPECT_EQ(here.img("commit base.qcow2").status, 1);
}

TEST(ImgQcow2, RebaseKeepsTheDisk) {
  const ImgFolder here;
  makeMixed(here, "old.raw", 'o');
  here.makeRaw("new.raw", 8 << 20, {{0, 8 << 20}}, 'n');
  EXPECT_EQ(here.img("create -q -f qcow2 -b old.raw -F raw top.qcow2").status, 0);
  here.makeRaw("piece.raw", 65536, {{0, 65536}}, 'p');
  EXPECT_EQ(here.img("convert -n -O qcow2 piece.raw top.qcow2").status, 0);
  EXPECT_EQ(here.img("convert -O raw top.qcow2 before.raw").status, 0);
  const CommandResult moved = here.img("rebase -b new.raw -F raw top.qcow2");
  EXPECT_EQ(moved.status, 0) << moved.output;
  EXPECT_TRUE(contains(here.img("info top.qcow2").output, "backing file: new.raw"));
  expectSame(here, "top.qcow2", "before.raw", "onto another file");
  EXPECT_EQ(here.img("rebase -b '' top.qcow2").status, 0);
  EXPECT_FALSE(contains(here.img("info top.qcow2").output, "backing file"));
  expectSame(here, "top.qcow2", "before.raw", "onto none");
  expectClean(here, "top.qcow2");
  EXPECT_EQ(here.img("rebase -b top.qcow2 -F qcow2 top.qcow2").status, 1);
  EXPECT_EQ(here.img("rebase -b old.raw top.qcow2").status, 1);
  EXPECT_EQ(here.img("rebase -u -b nothere.raw -F raw top.qcow2").status, 0);
  EXPECT_TRUE(contains(here.img("info top.qcow2").output, "backing file: nothere.raw"));
}

TEST(ImgQcow2, ResizeKeepsWhatStays) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  EXPECT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  EXPECT_EQ(here.img("resize a.qcow2 +20M").status, 0);
  EXPECT_EQ(here.img("compare a.raw a.qcow2").status, 0);
  EXPECT_EQ(here.img("resize a.qcow2 4M").status, 1);
  EXPECT_EQ(here.img("resize --shrink a.qcow2 4M").status, 0);
  EXPECT_EQ(here.img("resize -f raw --shrink a.raw 4M").status, 0);
  expectSame(here, "a.raw", "a.qcow2");
  expectClean(here, "a.qcow2");
}

TEST(ImgQcow2, CheckTellsDamageByItsExitStatus) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  EXPECT_EQ(here.img("check -f raw a.raw").status, 63);
  EXPECT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  // The count of a cluster that nobody uses: a leak.
  std::fstream out(here.file("a.qcow2"), std::ios::binary | std::ios::in | std::ios::out);
  // One more at the file's end.
  const std::uint64_t cluster = here.sizeOf("a.qcow2") / 65536;
  std::filesystem::resize_file(here.file("a.qcow2"), (cluster + 1) * 65536);
  // The refcount table's place stands at byte 48 of the header, its first block's place at its beginning.
  const auto numberAt = [&out](std::uint64_t offset) {
    out.seekg(static_cast<std::streamoff>(offset));
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<std::uint8_t>(out.get());
    return number;
  };
  out.seekp(static_cast<std::streamoff>(numberAt(numberAt(48)) + 2 * cluster));
  out.write("\0\1", 2);
  out.close();
  EXPECT_EQ(here.img("check a.qcow2").status, 3);
  const Result<json::Value> told = json::parse(here.img("check --output=json a.qcow2").output);
  ASSERT_TRUE(told.ok() && told->find("leaks"));
  EXPECT_EQ(told->find("leaks")->asInt64(), 1);
  const CommandResult mended = here.img("check -r leaks a.qcow2");
  EXPECT_EQ(mended.status, 0) << mended.output;
  expectClean(here, "a.qcow2");
  expectSame(here, "a.raw", "a.qcow2");
}

TEST(ImgQcow2, DamagedHeadersAreToldByName) {
  const ImgFolder here;
  EXPECT_EQ(here.img("create -q -f qcow2 a.qcow2 1M").status, 0);
  const std::string whole = here.bytes("a.qcow2");
  const std::pair<std::size_t, std::string> damages[] = {
      {4, std::string("\0\0\0\11", 4)}, {20, std::string("\0\0\0\77", 4)}, {32, std::string("\0\0\0\2", 4)},
      {72, std::string("\200", 1)},     {40, std::string(8, '\377')},
  };
  for (const auto& [at, bytes] : damages) {
    std::string damaged = whole;
    damaged.replace(at, bytes.size(), bytes);
    std::ofstream(here.file("bad.qcow2"), std::ios::binary) << damaged;
    for (const char* what : {"info", "check", "map", "convert -O raw -f qcow2"}) {
      const CommandResult refused =
          here.img(std::string(what) + " bad.qcow2" + (std::string(what).starts_with("conv") ? " c.raw" : ""));
      EXPECT_GE(refused.status, 0) << what << " at " << at;
      EXPECT_TRUE(refused.status != 0 || at == 40) << what << " at " << at << ": " << refused.output;
    }
  }
  std::ofstream(here.file("short.qcow2"), std::ios::binary) << whole.substr(0, 60);
  EXPECT_EQ(here.img("info -f qcow2 short.qcow2").status, 1);
  std::ofstream(here.file("foreign.qcow2"), std::ios::binary) << std::string(4096, 'z');
  EXPECT_EQ(here.img("info -f qcow2 foreign.qcow2").status, 1);
  std::ofstream(here.file("empty.qcow2"), std::ios::binary).close();
  EXPECT_EQ(here.img("info -f qcow2 empty.qcow2").status, 1);
}

TEST(ImgQcow2, MeasureCountsWhatIsBehindTheImage) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  ASSERT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  ASSERT_EQ(here.img("create -q -f qcow2 -b a.qcow2 -F qcow2 top.qcow2").status, 0);
  const std::string sizes = here.img("measure -O qcow2 a.qcow2").output;
  EXPECT_EQ(here.img("measure -O qcow2 top.qcow2").output, sizes);
  EXPECT_NE(sizes.find("bitmaps size: 0\n"), std::string::npos) << sizes;
  ASSERT_EQ(here.img("bitmap --add top.qcow2 changes").status, 0);
  EXPECT_NE(here.img("measure -O qcow2 top.qcow2").output.find("bitmaps size: 196608\n"), std::string::npos);
}

TEST(ImgQcow2, LayoutsAreThePeers) {
  if (!ImgFolder::havePeer()) GTEST_SKIP() << "qemu-img is not installed";
  const ImgFolder here;
  makeMixed(here, "a.raw");
  ASSERT_EQ(here.peer("convert -O qcow2 a.raw a.qcow2").status, 0);
  ASSERT_EQ(here.peer("create -q -f qcow2 -b a.qcow2 -F qcow2 top.qcow2").status, 0);
  ASSERT_EQ(here.peer("bitmap --add top.qcow2 changes").status, 0);
  for (const char* what :
       {"map a.qcow2", "map --output=json a.qcow2", "map --output=json top.qcow2", "measure -O qcow2 a.raw",
        "measure -O raw a.qcow2", "measure -O qcow2 --output=json top.qcow2", "measure -O qcow2 --size 1T",
        "measure -O qcow2 -o compat=0.10,cluster_size=4k top.qcow2", "compare a.raw a.qcow2"}) {
    const CommandResult ours = here.img(what);
    const CommandResult theirs = here.peer(what);
    EXPECT_EQ(ours.output, theirs.output) << what;
    EXPECT_EQ(ours.status, theirs.status) << what;
  }
  // The order of what a format has to say is nobody's business.
  for (const char* what : {"info a.qcow2", "info --output=json a.qcow2", "info --backing-chain top.qcow2",
                           "info --output=json --backing-chain top.qcow2"}) {
    const auto sorted = [](const std::string& text) {
      std::vector<std::string> lines;
      std::istringstream in(text);
      for (std::string line; std::getline(in, line);) {
        if (line.ends_with(',')) line.pop_back();
        lines.push_back(line);
      }
      std::sort(lines.begin(), lines.end());
      return lines;
    };
    EXPECT_EQ(sorted(here.img(what).output), sorted(here.peer(what).output)) << what;
  }
}

namespace {

std::string mapLine(const std::string& numbers, const std::string& flags, const std::string& offset = "") {
  return "{ " + numbers + ", " + flags + (offset.empty() ? "" : ", \"offset\": " + offset) + "}";
}

// Images whose map tells more than what is stored: space kept for zeroes, holes below, layers of different lengths.
void makeMapped(const ImgFolder& here) {
  ASSERT_EQ(here.img("create -q -f qcow2 -o preallocation=metadata meta.qcow2 8M").status, 0);
  ASSERT_EQ(here.io("-c 'write -q 1M 8k' -c 'write -q -z 3M 1M' meta.qcow2").status, 0);
  ASSERT_EQ(here.img("create -q -f qcow2 zero.qcow2 8M").status, 0);
  ASSERT_EQ(here.io("-c 'write -q 0 1M' -c 'write -q -z 256k 256k' -c 'write -q -z 4M 1M' zero.qcow2").status, 0);
  ASSERT_EQ(here.img("create -q -f qcow2 -o extended_l2=on,cluster_size=128k parts.qcow2 8M").status, 0);
  ASSERT_EQ(here.io("-c 'write -q 0 4k' -c 'write -q -z 16k 8k' -c 'write -q 3M 8k' parts.qcow2").status, 0);
  ASSERT_EQ(here.img("create -q -f qcow2 -b zero.qcow2 -F qcow2 top.qcow2 12M").status, 0);
  ASSERT_EQ(here.io("-c 'write -q 512k 64k' -c 'write -q -z 0 64k' -c 'write -q 11M 4k' top.qcow2").status, 0);
  here.makeRaw("base.raw", 1 << 20, {{65536, 65536}});
  ASSERT_EQ(here.img("create -q -f qcow2 -b base.raw -F raw onraw.qcow2 2M").status, 0);
  ASSERT_EQ(here.io("-c 'write -q 512k 4k' onraw.qcow2").status, 0);
}

}  // namespace

TEST(ImgQcow2, MapTellsWhereSpaceIsKeptForZeroes) {
  const ImgFolder here;
  ASSERT_NO_FATAL_FAILURE(makeMapped(here));
  const std::string stored = "\"depth\": 0, \"present\": true, \"zero\": false, \"data\": true";
  const std::string zero = "\"depth\": 0, \"present\": true, \"zero\": true, \"data\": false";
  const std::string nowhere = "\"depth\": 0, \"present\": false, \"zero\": true, \"data\": false";
  // The first cluster's space follows header, refcounts and tables: clusters 0 to 4.
  EXPECT_EQ(here.img("map --output=json zero.qcow2").output,
            "[" + mapLine("\"start\": 0, \"length\": 262144", stored, "327680") + ",\n" +
                mapLine("\"start\": 262144, \"length\": 262144", zero, "589824") + ",\n" +
                mapLine("\"start\": 524288, \"length\": 524288", stored, "851968") + ",\n" +
                mapLine("\"start\": 1048576, \"length\": 3145728", nowhere) + ",\n" +
                mapLine("\"start\": 4194304, \"length\": 1048576", zero) + ",\n" +
                mapLine("\"start\": 5242880, \"length\": 3145728", nowhere) + "]\n");
}

TEST(ImgQcow2, MapTellsHolesInWhatIsPreallocated) {
  const ImgFolder here;
  ASSERT_NO_FATAL_FAILURE(makeMapped(here));
  EXPECT_EQ(here.img("map meta.qcow2").output,
            "Offset          Length          Mapped to       File\n"
            "0x100000        0x2000          0x150000        meta.qcow2\n");
  const std::string hole = "\"depth\": 0, \"present\": true, \"zero\": true, \"data\": true";
  const std::string head = "[" + mapLine("\"start\": 0, \"length\": 1048576", hole, "327680") + ",\n";
  const std::string all = here.img("map --output=json meta.qcow2").output;
  EXPECT_EQ(all.substr(0, head.size()), head) << all;
}

// What is kept for zeroes has old data in it: a copy that leaves no holes must not fetch them.
TEST(ImgQcow2, FullCopiesDoNotShowWhatLiesBelowZeroes) {
  const ImgFolder here;
  ASSERT_NO_FATAL_FAILURE(makeMapped(here));
  for (const char* name : {"zero.qcow2", "meta.qcow2", "parts.qcow2", "top.qcow2"}) {
    ASSERT_EQ(here.img(std::string("convert -S 0 -O raw ") + name + " full.raw").status, 0);
    expectSame(here, name, "full.raw", name);
    ASSERT_EQ(here.img(std::string("convert -O raw ") + name + " sparse.raw").status, 0);
    EXPECT_EQ(here.bytes("full.raw"), here.bytes("sparse.raw")) << name;
  }
  EXPECT_EQ(here.bytes("full.raw").substr(256 << 10, 256 << 10), std::string(256 << 10, '\0'));
}

TEST(ImgQcow2, MapsAreThePeers) {
  if (!ImgFolder::havePeer()) GTEST_SKIP() << "qemu-img is not installed";
  const ImgFolder here;
  ASSERT_NO_FATAL_FAILURE(makeMapped(here));
  for (const char* name : {"meta.qcow2", "zero.qcow2", "parts.qcow2", "top.qcow2", "base.raw", "onraw.qcow2"}) {
    for (const std::string what : {"map -f ", "map --output=json -f "}) {
      const std::string call = what + (std::string(name).ends_with("raw") ? "raw " : "qcow2 ") + name;
      EXPECT_EQ(here.img(call).output, here.peer(call).output) << call;
    }
  }
}

TEST(ImgQcow2, ImagesGoBothWaysWithThePeer) {
  if (!ImgFolder::havePeer()) GTEST_SKIP() << "qemu-img is not installed";
  const ImgFolder here;
  makeMixed(here, "a.raw");
  for (const char* options : {"-o compat=0.10", "-o cluster_size=512", "-o extended_l2=on", "-c", "-o refcount_bits=1",
                              "-o cluster_size=2M", "-c -o cluster_size=4k"}) {
    EXPECT_EQ(here.peer(std::string("convert -O qcow2 ") + options + " a.raw theirs.qcow2").status, 0);
    expectSame(here, "a.raw", "theirs.qcow2", options);
    expectClean(here, "theirs.qcow2", options);
    EXPECT_EQ(here.img(std::string("convert -O qcow2 ") + options + " a.raw ours.qcow2").status, 0);
    EXPECT_EQ(here.peer("compare a.raw ours.qcow2").output, "Images are identical.\n") << options;
    expectClean(here, "ours.qcow2", options);
  }
}

TEST(ImgQcow2, BitmapsAreMadeToldAndTakenAway) {
  const ImgFolder here;
  EXPECT_EQ(here.img("create -q -f qcow2 a.qcow2 8M").status, 0);
  const CommandResult added = here.img("bitmap --add -g 32k a.qcow2 changes");
  EXPECT_EQ(added.status, 0) << added.output;
  EXPECT_NE(here.img("bitmap --add a.qcow2 changes").status, 0);
  const CommandResult told = here.img("info a.qcow2");
  EXPECT_TRUE(contains(told.output, "name: changes\n")) << told.output;
  EXPECT_TRUE(contains(told.output, "granularity: 32768\n")) << told.output;
  expectClean(here, "a.qcow2");
  EXPECT_EQ(here.img("bitmap --remove a.qcow2 changes").status, 0);
  EXPECT_FALSE(contains(here.img("info a.qcow2").output, "changes"));
  expectClean(here, "a.qcow2");
}

TEST(ImgQcow2, SnapshotsPutTheContentBack) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  makeMixed(here, "b.raw", 'y');
  EXPECT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  const CommandResult taken = here.img("snapshot -c before a.qcow2");
  EXPECT_EQ(taken.status, 0) << taken.output;
  EXPECT_EQ(here.img("convert -n -O qcow2 b.raw a.qcow2").status, 0);
  expectSame(here, "b.raw", "a.qcow2");
  EXPECT_TRUE(contains(here.img("snapshot -l a.qcow2").output, "before"));
  EXPECT_NE(here.img("snapshot -a after a.qcow2").status, 0);
  const CommandResult back = here.img("snapshot -a before a.qcow2");
  EXPECT_EQ(back.status, 0) << back.output;
  expectSame(here, "a.raw", "a.qcow2");
  EXPECT_EQ(here.img("snapshot -d before a.qcow2").status, 0);
  EXPECT_FALSE(contains(here.img("snapshot -l a.qcow2").output, "before"));
  expectSame(here, "a.raw", "a.qcow2");
  expectClean(here, "a.qcow2");
}

// An image may come from a stranger.
TEST(ImgQcow2, NamesInAnImageDoNotSpeakToTheTerminal) {
  const ImgFolder here;
  EXPECT_EQ(here.img("create -f qcow2 a.qcow2 1M").status, 0);
  EXPECT_EQ(here.img("snapshot -c \"$(printf 'x\\033]0;owned\\007')\" a.qcow2").status, 0);
  EXPECT_EQ(here.img("rebase -u -F raw -b \"$(printf 'b\\033[2J')\" a.qcow2").status, 0);
  for (const char* command : {"info a.qcow2", "snapshot -l a.qcow2", "snapshot -d \"$(printf '\\033[2J')\" a.qcow2"}) {
    const std::string output = here.img(command).output;
    EXPECT_TRUE(contains(output, "\\x1b")) << command << ": " << output;
    EXPECT_FALSE(contains(output, "\x1b")) << command;
  }
  const std::string json = here.img("info --output=json a.qcow2").output;
  EXPECT_TRUE(contains(json, "x\\u001B]0;owned\\u0007") || contains(json, "x\\u001b]0;owned\\u0007")) << json;
}

TEST(ImgQcow2, AmendChangesTheVersionAndKeepsTheDisk) {
  const ImgFolder here;
  makeMixed(here, "a.raw");
  EXPECT_EQ(here.img("convert -O qcow2 a.raw a.qcow2").status, 0);
  const CommandResult amended = here.img("amend -o compat=0.10 a.qcow2");
  EXPECT_EQ(amended.status, 0) << amended.output;
  EXPECT_TRUE(contains(here.img("info a.qcow2").output, "compat: 0.10\n"));
  expectSame(here, "a.raw", "a.qcow2");
  expectClean(here, "a.qcow2");
  EXPECT_NE(here.img("amend -o cluster_size=4k a.qcow2").status, 0);
  expectSame(here, "a.raw", "a.qcow2");
}

}  // namespace rhea::test
