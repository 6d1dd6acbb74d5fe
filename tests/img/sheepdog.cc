// rhea-img on disks of a Sheepdog cluster: the double of the daemons.
#include <gtest/gtest.h>

#include "tests/img/img.h"
#include "tests/lib/sheepdog-double.h"

namespace rhea::test {

namespace {

class ImgSheepdog : public testing::Test {
 protected:
  ~ImgSheepdog() override {
    for (const std::string& violation : sheep_.violations()) ADD_FAILURE() << violation;
  }
  std::string uri(const std::string& name) const { return sheep_.uri(name); }
  // Quoted for the shell, which would take # for a comment.
  std::string word(const std::string& name) const { return "'" + sheep_.uri(name) + "'"; }

  ImgFolder here_;
  std::shared_ptr<SheepCluster> cluster_ = std::make_shared<SheepCluster>();
  SheepdogDouble sheep_{cluster_};
};

TEST_F(ImgSheepdog, CreateMakesADisk) {
  const CommandResult made = here_.img("create " + word("vm") + " 100M");
  EXPECT_EQ(made.status, 0) << made.output;
  EXPECT_EQ(made.output, "Formatting '" + uri("vm") + "', fmt=raw size=104857600\n");
  const CommandResult told = here_.img("info --output=json " + word("vm"));
  ASSERT_EQ(told.status, 0) << told.output;
  const Result<json::Value> info = json::parse(told.output);
  ASSERT_TRUE(info.ok()) << told.output;
  EXPECT_EQ(info->find("virtual-size")->asInt64(), 100 << 20);
  EXPECT_EQ(info->find("format")->asString(), "raw");
  EXPECT_EQ(info->find("cluster-size")->asInt64(), 4 << 20);
  const json::View own = *info->find("format-specific");
  EXPECT_EQ(own.find("type")->asString(), "sheepdog");
  EXPECT_EQ(own.find("data")->find("vdi")->asString(), "vm");
  EXPECT_EQ(own.find("data")->find("daemon")->asString(), "Sheepdog 1.0 or later");
}

TEST_F(ImgSheepdog, CreateTakesTheClassicOptions) {
  const CommandResult made =
      here_.img("create -q -o redundancy=4:2,object_size=8M,preallocation=full " + word("vm") + " 24M");
  ASSERT_EQ(made.status, 0) << made.output;
  const std::lock_guard lock(cluster_->guard);
  SheepObject& inode = cluster_->inode(cluster_->lookUp("vm"));
  EXPECT_EQ(inode.get<std::uint8_t>(552), 0x22);
  EXPECT_EQ(inode.get<std::uint8_t>(555), 23);
  EXPECT_EQ(cluster_->dataObjects(), 3U);
}

TEST_F(ImgSheepdog, CreateHelpsWithItsOptions) {
  const CommandResult help = here_.img("create -o help " + word("vm"));
  EXPECT_TRUE(contains(help.output, "redundancy=")) << help.output;
  EXPECT_TRUE(contains(help.output, "object_size=")) << help.output;
  const CommandResult wrong = here_.img("create -o redundancy=many " + word("vm") + " 1M");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_TRUE(contains(wrong.output, "DATA:PARITY")) << wrong.output;
  const CommandResult format = here_.img("create -f qcow2 " + word("vm") + " 1M");
  EXPECT_EQ(format.status, 1) << format.output;
}

TEST_F(ImgSheepdog, ConvertCopiesThereAndBack) {
  here_.makeRaw("a.raw", 13 << 20, {{65536, 4096}, {5 << 20, 8192}, {(13 << 20) - 512, 512}});
  ASSERT_EQ(here_.img("convert a.raw " + word("vm")).status, 0);
  const CommandResult back = here_.img("convert " + word("vm") + " b.raw");
  ASSERT_EQ(back.status, 0) << back.output;
  EXPECT_EQ(here_.bytes("a.raw"), here_.bytes("b.raw"));
  EXPECT_EQ(here_.img("compare a.raw " + word("vm")).status, 0);
  const CommandResult qcow2 = here_.img("convert -O qcow2 " + word("vm") + " c.qcow2");
  ASSERT_EQ(qcow2.status, 0) << qcow2.output;
  EXPECT_EQ(here_.img("compare c.qcow2 " + word("vm")).status, 0);
  const std::lock_guard lock(cluster_->guard);
  EXPECT_EQ(cluster_->dataObjects(), 3U) << "what is zero takes no space";
}

TEST_F(ImgSheepdog, SnapshotsAreTakenListedAppliedAndDeleted) {
  here_.makeRaw("a.raw", 8 << 20, {{0, 4096}}, 'a');
  here_.makeRaw("b.raw", 8 << 20, {{0, 4096}}, 'b');
  ASSERT_EQ(here_.img("convert a.raw " + word("vm")).status, 0);
  const CommandResult taken = here_.img("snapshot -c first " + word("vm"));
  ASSERT_EQ(taken.status, 0) << taken.output;
  ASSERT_EQ(here_.img("convert -n b.raw " + word("vm")).status, 0);
  const CommandResult list = here_.img("snapshot -l " + word("vm"));
  EXPECT_TRUE(contains(list.output, "first")) << list.output;
  EXPECT_TRUE(contains(here_.img("info " + word("vm")).output, "first"));
  EXPECT_EQ(here_.img("compare a.raw " + word("vm#first")).status, 0);
  EXPECT_EQ(here_.img("compare b.raw " + word("vm")).status, 0);
  const CommandResult applied = here_.img("snapshot -a first " + word("vm"));
  ASSERT_EQ(applied.status, 0) << applied.output;
  EXPECT_EQ(here_.img("compare a.raw " + word("vm")).status, 0);
  const CommandResult gone = here_.img("snapshot -d first " + word("vm"));
  ASSERT_EQ(gone.status, 0) << gone.output;
  EXPECT_EQ(here_.img("snapshot -l " + word("vm")).output, "");
  EXPECT_EQ(here_.img("compare a.raw " + word("vm")).status, 0);
  const CommandResult missing = here_.img("snapshot -d first " + word("vm"));
  EXPECT_EQ(missing.status, 1);
  EXPECT_TRUE(contains(missing.output, "no snapshot 'first'")) << missing.output;
}

TEST_F(ImgSheepdog, ACloneIsMadeOfASnapshot) {
  here_.makeRaw("a.raw", 8 << 20, {{0, 4096}});
  ASSERT_EQ(here_.img("convert a.raw " + word("base")).status, 0);
  ASSERT_EQ(here_.img("snapshot -c gold " + word("base")).status, 0);
  const CommandResult made = here_.img("create -b " + word("base#gold") + " -F raw " + word("clone"));
  ASSERT_EQ(made.status, 0) << made.output;
  EXPECT_EQ(here_.img("compare a.raw " + word("clone")).status, 0);
}

TEST_F(ImgSheepdog, ResizeGrows) {
  ASSERT_EQ(here_.img("create -q " + word("vm") + " 8M").status, 0);
  const CommandResult grown = here_.img("resize " + word("vm") + " +8M");
  ASSERT_EQ(grown.status, 0) << grown.output;
  EXPECT_TRUE(contains(here_.img("info " + word("vm")).output, "16777216 bytes"));
  const CommandResult shrunk = here_.img("resize --shrink " + word("vm") + " 4M");
  EXPECT_EQ(shrunk.status, 1);
  EXPECT_TRUE(contains(shrunk.output, "can only grow")) << shrunk.output;
}

TEST_F(ImgSheepdog, CheckFindsWhatIsMissing) {
  here_.makeRaw("a.raw", 16 << 20, {{0, 4096}, {8 << 20, 4096}});
  ASSERT_EQ(here_.img("convert a.raw " + word("vm")).status, 0);
  const CommandResult sound = here_.img("check " + word("vm"));
  EXPECT_EQ(sound.status, 0) << sound.output;
  EXPECT_TRUE(contains(sound.output, "No errors were found")) << sound.output;
  {
    const std::lock_guard lock(cluster_->guard);
    cluster_->store.erase(block::sheepdog::dataObject(cluster_->lookUp("vm"), 2));
  }
  const CommandResult broken = here_.img("check " + word("vm"));
  EXPECT_EQ(broken.status, 2) << broken.output;
  EXPECT_TRUE(contains(broken.output, "NO_OBJ")) << broken.output;
}

TEST_F(ImgSheepdog, CheckFindsAndTakesAwayWhatNoIndexNames) {
  ASSERT_EQ(here_.img("create -q " + word("vm") + " 16M").status, 0);
  {
    const std::lock_guard lock(cluster_->guard);
    cluster_->store[block::sheepdog::dataObject(cluster_->lookUp("vm"), 2)] = SheepObject(4 << 20);
  }
  const CommandResult found = here_.img("check " + word("vm"));
  EXPECT_EQ(found.status, 3) << found.output;
  EXPECT_TRUE(contains(found.output, "is in no index")) << found.output;
  const CommandResult mended = here_.img("check -r leaks " + word("vm"));
  EXPECT_EQ(mended.status, 0) << mended.output;
  const CommandResult sound = here_.img("check " + word("vm"));
  EXPECT_EQ(sound.status, 0) << sound.output;
  const std::lock_guard lock(cluster_->guard);
  EXPECT_EQ(cluster_->dataObjects(), 0U);
}

TEST_F(ImgSheepdog, AFullClusterIsToldWithServerAndDisk) {
  here_.makeRaw("a.raw", 8 << 20, {{0, 4096}});
  SheepRule rule(block::sheepdog::Op::kCreate, SheepRule::Action::kResult, 0x15);
  rule.count = -1;
  sheep_.add(rule);
  const CommandResult refused = here_.img("convert a.raw " + word("vm"));
  EXPECT_EQ(refused.status, 1) << refused.output;
  EXPECT_TRUE(contains(refused.output, "NO_SPACE")) << refused.output;
  EXPECT_TRUE(contains(refused.output, "'vm'")) << refused.output;
  EXPECT_TRUE(contains(refused.output, std::to_string(sheep_.port()))) << refused.output;
}

TEST_F(ImgSheepdog, ErrorsNameServerAndDisk) {
  const CommandResult missing = here_.img("info " + word("nothing"));
  EXPECT_EQ(missing.status, 1);
  EXPECT_TRUE(contains(missing.output, "'nothing'")) << missing.output;
  EXPECT_TRUE(contains(missing.output, "NO_VDI")) << missing.output;
  EXPECT_TRUE(contains(missing.output, std::to_string(sheep_.port()))) << missing.output;
  const CommandResult name = here_.img("info sheepdog:");
  EXPECT_EQ(name.status, 1);
  EXPECT_TRUE(contains(name.output, "sheepdog:[//host[:port]/]vdi")) << name.output;
}

}  // namespace

}  // namespace rhea::test
