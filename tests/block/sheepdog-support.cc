#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {

SheepdogTest::SheepdogTest() : drivers_(allDrivers()) {
  const GraphContext context(*loop_, drivers_, services_, observer_);
  graph_ = std::make_unique<BlockGraph>(context);
}

SheepdogTest::~SheepdogTest() {
  EXPECT_TRUE(run(graph_->shutdown({})).ok());
  graph_.reset();
  if (sheep_ == nullptr || expectViolations_) return;
  for (const std::string& violation : sheep_->violations()) ADD_FAILURE() << violation;
}

void SheepdogTest::begin(SheepSetting setting, bool cache, bool reorder) {
  cluster_ = std::make_shared<SheepCluster>(setting);
  SheepdogDouble::Options options;
  options.cache = cache;
  options.reorder = reorder;
  sheep_ = std::make_unique<SheepdogDouble>(cluster_, options);
}

void SheepdogTest::makeVdi(const std::string& name, std::uint64_t bytes) {
  const std::lock_guard lock(cluster_->guard);
  ASSERT_NE(cluster_->makeVdi(name, bytes), 0U);
}

Result<DiskPtr> SheepdogTest::tryOpen(const std::string& more, const std::string& uri, const std::string& id) {
  const std::string text = fmt::format("if=none,id={},format=raw,file={}{}{}", id, uri, more.empty() ? "" : ",", more);
  RHEA_TRY(DriveOptions options, parseDrive(text, 0));
  return run(openDrive(*graph_, std::move(options), {}, {}));
}

DiskPtr SheepdogTest::open(const std::string& name, const std::string& more) {
  Result<DiskPtr> disk = tryOpen(more, sheep_->uri(name));
  if (!disk.ok()) {
    ADD_FAILURE() << disk.error().describe();
    return nullptr;
  }
  return *disk;
}

void SheepdogTest::close(DiskPtr disk) {
  const Result<void> gone = run(graph_->removeDisk(std::move(disk), {}));
  EXPECT_TRUE(gone.ok()) << gone.error().message();
}

SheepdogDriver& SheepdogTest::driver(const DiskPtr& disk) {
  Node* const file =
      disk->root().passThroughChild() != nullptr ? &disk->root().passThroughChild()->node() : &disk->root();
  return dynamic_cast<SheepdogDriver&>(file->driver());
}

Result<void> SheepdogTest::write(const DiskPtr& disk, std::uint64_t at, std::size_t bytes, int fill) {
  const std::vector<std::byte> memory(bytes, std::byte(fill));
  const IoVector data{std::span<const std::byte>(memory)};
  return run(disk->write(Extent(at, bytes), data));
}

namespace {

testing::AssertionResult isAll(std::span<const std::byte> memory, int fill) {
  for (std::size_t i = 0; i < memory.size(); ++i) {
    if (memory[i] != std::byte(fill)) {
      return testing::AssertionFailure() << fmt::format("byte {} of {} is {:#x}, not {:#x}", i, memory.size(),
                                                        std::to_integer<int>(memory[i]), fill);
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace

testing::AssertionResult SheepdogTest::reads(const DiskPtr& disk, std::uint64_t at, std::size_t bytes, int fill) {
  std::vector<std::byte> memory(bytes, std::byte{0xEE});
  const IoVector room{std::span<std::byte>(memory)};
  const Result<void> done = run(disk->read(Extent(at, bytes), room));
  if (!done.ok()) return testing::AssertionFailure() << done.error().message();
  return isAll(memory, fill);
}

testing::AssertionResult SheepdogTest::stored(const std::string& name, std::uint64_t at, std::size_t bytes, int fill) {
  const std::lock_guard lock(cluster_->guard);
  return isAll(cluster_->stored(cluster_->lookUp(name), at, bytes), fill);
}

std::vector<std::string> wordsOf(const std::vector<SheepSeen>& log) {
  std::vector<std::string> words;
  for (const SheepSeen& seen : log) words.push_back(sheepdog::nameOf(static_cast<Op>(seen.request.op)));
  return words;
}

}  // namespace rhea::block::test
