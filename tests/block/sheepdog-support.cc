#include "tests/block/sheepdog-support.h"

#include <stdexcept>

#include "block/driver/sheepdog/create.h"

namespace rhea::block::test {

SheepdogTest::SheepdogTest() : drivers_(allDrivers()) {
  const GraphContext context(*loop_, drivers_, services_, observer_);
  graph_ = std::make_unique<BlockGraph>(context);
}

SheepdogTest::~SheepdogTest() {
  EXPECT_TRUE(run(graph_->shutdown({})).ok());
  graph_.reset();
  checkDouble();
}

void SheepdogTest::checkDouble() {
  if (sheep_ == nullptr) return;
  for (const std::string& violation : sheep_->violations()) ADD_FAILURE() << violation;
}

void SheepdogTest::begin(SheepSetting setting, SheepdogDouble::Options options) {
  checkDouble();
  cluster_ = std::make_shared<SheepCluster>(setting);
  sheep_ = std::make_unique<SheepdogDouble>(cluster_, std::move(options));
}

void SheepdogTest::begin(SheepSetting setting, bool cache, bool reorder) {
  SheepdogDouble::Options options;
  options.cache = cache;
  options.reorder = reorder;
  begin(setting, options);
}

void SheepdogTest::beginWith(std::uint64_t bytes, SheepSetting setting, bool cache, bool reorder) {
  begin(setting, cache, reorder);
  makeVdi("vm", bytes);
}

void SheepdogTest::makeVdi(const std::string& name, std::uint64_t bytes) {
  const std::lock_guard lock(cluster_->guard);
  ASSERT_NE(cluster_->makeVdi(name, bytes), 0U);
}

Result<DiskPtr> SheepdogTest::tryOpen(const std::string& more, const std::string& name, const std::string& id) {
  const std::string text =
      fmt::format("if=none,id={},format=raw,file={}{}{}", id, sheep_->uri(name), more.empty() ? "" : ",", more);
  RHEA_TRY(DriveOptions options, parseDrive(text, 0));
  return run(openDrive(*graph_, std::move(options), {}, {}));
}

DiskPtr SheepdogTest::open(const std::string& more, const std::string& name) {
  Result<DiskPtr> disk = tryOpen(more, name);
  if (!disk.ok()) throw std::runtime_error(disk.error().describe());
  return *disk;
}

qapi::SocketAddress SheepdogTest::address() {
  qapi::SocketAddress address;
  address.type = qapi::SocketAddressType::inet;
  qapi::SocketAddressInet inet;
  inet.host = "127.0.0.1";
  inet.port = std::to_string(sheep_->port());
  address.u = inet;
  return address;
}

void SheepdogTest::addNode() {
  qapi::BlockdevOptionsSheepdog own;
  own.vdi = "vm";
  own.server = address();
  NodeOptions node("sheepdog", DriverOptions::of(own));
  node.nodeName = "n0";
  node.readOnly = false;
  node.autoReadOnly = true;
  const Result<NodePtr> added = run(graph_->addNode(node, {}));
  if (!added.ok()) throw std::runtime_error(added.error().describe());
}

namespace {

class Mute final : public sheepdog::Greeter {
 public:
  Task<Result<void>> greet() override { co_return success(); }
};

Task<Result<sheepdog::Reply>> speak(sheepdog::Link& link, sheepdog::Request request, IoVector payload) {
  RHEA_CO_CHECK(co_await link.open(CancelToken()));
  sheepdog::Desk desk(link);
  Result<sheepdog::Reply> reply = co_await desk.ask(request, payload, IoVector());
  co_await link.close();
  co_return reply;
}

}  // namespace

std::uint32_t SheepdogTest::sayAsAnother(sheepdog::Request request, std::span<const std::byte> payload) {
  sheepdog::LinkSettings settings;
  sheepdog::Address server;
  server.host = "127.0.0.1";
  server.port = std::to_string(sheep_->port());
  settings.servers.push_back(server);
  Mute nothing;
  sheepdog::Link link(settings, nothing);
  const Result<sheepdog::Reply> reply = run(speak(link, std::move(request), IoVector(payload)));
  if (!reply.ok()) throw std::runtime_error(reply.error().describe());
  return reply->result;
}

qapi::BlockdevCreateOptionsSheepdog SheepdogTest::creation(const std::string& name, std::uint64_t bytes) {
  qapi::BlockdevCreateOptionsSheepdog made;
  made.location.vdi = name;
  made.location.server = address();
  made.size = bytes;
  return made;
}

Result<void> SheepdogTest::create(qapi::BlockdevCreateOptionsSheepdog options) {
  Progress progress;
  CreateContext context(*loop_, services_, progress);
  return run(sheepdogDriver().create(context, DriverOptions::of(std::move(options))));
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

testing::AssertionResult SheepdogTest::tells(const std::string& error, const std::string& what) {
  for (const std::string& part : {what, fmt::format("127.0.0.1:{}", sheep_->port()), std::string("'vm'")}) {
    if (error.find(part) != std::string::npos) continue;
    return testing::AssertionFailure() << fmt::format("\"{}\" does not say \"{}\"", error, part);
  }
  return testing::AssertionSuccess();
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
