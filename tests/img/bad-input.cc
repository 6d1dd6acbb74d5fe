// rhea-img and what cannot work: every error names what was found and what to do, and the exit status tells scripts.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "tests/img/img.h"

namespace rhea::test {

TEST(ImgBadInput, UnknownWordsGetTheNearestNames) {
  const ImgFolder here;
  here.makeRaw("a.raw", 65536);
  const std::pair<const char*, const char*> cases[] = {
      {"cnvert a b", "convert"},
      {"info --outptu=json a.raw", "--output"},
      {"info --output=jsn a.raw", "json"},
      {"create -f rww a 1M", "raw"},
      {"create -o sze=1M a", "size"},
      {"convert -t writebck a b", "writeback"},
      {"info -Z a.raw", "usage: rhea-img info"},
      {"info", "FILENAME missing"},
      {"info a b", "'b' is one word too many"},
      {"info --f", "--f"},
      {"resize a.raw", "missing"},
      {"info -f rww a.raw", "raw"},
      {"bench --flush-interval=8 -c 9 a.raw", "-w"},
  };
  for (const auto& [words, expected] : cases) {
    const CommandResult refused = here.img(words);
    EXPECT_EQ(refused.status, 1) << words;
    EXPECT_TRUE(contains(refused.output, expected)) << words << ": " << refused.output;
    EXPECT_TRUE(refused.output.starts_with("rhea-img: ")) << words << ": " << refused.output;
  }
}

TEST(ImgBadInput, FilesThatAreNoImages) {
  const ImgFolder here;
  std::filesystem::create_directory(here.file("folder"));
  here.makeRaw("empty.raw", 0);
  EXPECT_TRUE(contains(here.img("info folder").output, "is a directory"));
  EXPECT_TRUE(contains(here.img("info nothere.raw").output, "No such file"));
  EXPECT_TRUE(contains(here.img("info nothere:x").output, "no driver opens 'nothere:'"));
  EXPECT_EQ(here.img("info empty.raw").status, 0);
  EXPECT_EQ(here.img("create folder 1M").status, 1);
  EXPECT_EQ(here.img("create nofolder/a.raw 1M").status, 1);
  EXPECT_EQ(here.img("convert empty.raw b.raw").status, 0);
  EXPECT_EQ(here.img("create a.raw 9E").status, 1);
  EXPECT_EQ(here.img("create a.raw").status, 1);
  EXPECT_FALSE(here.exists("a.raw"));
}

TEST(ImgBadInput, AFileInUseIsRefusedAndItsHolderNamed) {
  const ImgFolder here;
  here.makeRaw("a.raw", 1 << 20);
  // A bench that writes for as long as this takes, and says so once it has the image.
  const std::string folder = std::filesystem::path(here.file("a.raw")).parent_path().string();
  const Background holder("cd " + folder + " && exec " + ImgFolder::program() +
                          " bench -f raw -w -c 2000000000 -d 1 a.raw >begun");
  for (int turn = 0; turn < 400 && here.bytes("begun").empty(); ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  const CommandResult refused = here.img("resize -f raw a.raw 2M");
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(contains(refused.output, std::to_string(holder.pid()))) << refused.output;
  EXPECT_EQ(here.img("convert -f raw a.raw b.raw").status, 1);
  EXPECT_EQ(here.img("info -f raw -U a.raw").status, 0);
  EXPECT_EQ(here.img("create -f raw a.raw 1M").status, 1);
}

TEST(ImgBadInput, AFullDiskIsToldAndNothingIsLeft) {
  const ImgFolder here;
  here.makeRaw("a.raw", 8 << 20, {{0, 8 << 20}});
  // A limit on the size of files stands for a full disk.
  const CommandResult full =
      here.inside("sh -c 'ulimit -f 4096; exec " + ImgFolder::program() + " convert a.raw b.raw'");
  EXPECT_EQ(full.status, 1) << full.output;
  EXPECT_TRUE(contains(full.output, "b.raw")) << full.output;
}

TEST(ImgBadInput, StandardOutputThatIsFullIsAnError) {
  const ImgFolder here;
  here.makeRaw("a.raw", 65536);
  EXPECT_EQ(here.inside("sh -c '" + ImgFolder::program() + " info a.raw >/dev/full'").status, 1);
}

TEST(ImgBadInput, ASignalEndsAConversionCleanly) {
  const ImgFolder here;
  here.makeRaw("a.raw", 64 << 20, {{0, 64 << 20}});
  // Signalled only once it is known to copy: how long a start takes is nobody's to promise. The shell waits for what it
  // signals and tells its status.
  const CommandResult ended = here.inside("sh -c '" + ImgFolder::program() +
                                          " convert -r 1M a.raw b.raw 2>error & worker=$!; "
                                          "until [ -s b.raw ] && [ \"$(du -k b.raw | cut -f1)\" != 0 ]; do "
                                          "kill -0 $worker || break; sleep 0.02; done; "
                                          "kill -TERM $worker; wait $worker; echo status $?; cat error'");
  EXPECT_TRUE(contains(ended.output, "signal 15")) << ended.output;
  EXPECT_FALSE(contains(ended.output, "status 0")) << ended.output;
}

}  // namespace rhea::test
