#include "tests/block/qcow2-support.h"

#include "block/driver/file/create.h"

namespace rhea::block::test {

ImageGraph::ImageGraph() {
  const GraphContext context(*loop_, drivers_, services_, observer_);
  graph_ = std::make_unique<BlockGraph>(context);
}

ImageGraph::~ImageGraph() { close(); }

void ImageGraph::close() {
  if (graph_ == nullptr) return;
  const Result<void> ended = run(graph_->shutdown({}));
  EXPECT_TRUE(ended.ok());
  graph_.reset();
}

Result<DiskPtr> ImageGraph::open(const std::string& options, bool writeback) {
  const std::string name = fmt::format("image{}", names_++);
  RHEA_TRY(NodeOptions node, parseBlockdev(options + ",node-name=" + name));
  RHEA_TRY(NodePtr opened, run(graph_->addNode(std::move(node), {})));
  DiskOptions disk;
  disk.id = "disk-" + name;
  disk.writeback = writeback;
  disk.readOnly = options.find("read-only=on") != std::string::npos;
  return run(graph_->addDisk(std::move(disk), name, {}));
}

DiskPtr ImageGraph::opened(const std::string& options, bool writeback) {
  Result<DiskPtr> disk = open(options, writeback);
  if (disk.ok()) return *disk;
  ADD_FAILURE() << disk.error().describe();
  std::abort();
}

Result<void> ImageGraph::write(const DiskPtr& disk, std::uint64_t offset, std::size_t length, char fill) {
  const std::string data(length, fill);
  return run(disk->write({offset, length}, IoVector(data.data(), data.size())));
}

Result<std::string> ImageGraph::read(const DiskPtr& disk, std::uint64_t offset, std::size_t length) {
  std::string data(length, '?');
  RHEA_CHECK(run(disk->read({offset, length}, IoVector(data.data(), data.size()))));
  return data;
}

Result<void> ImageGraph::zero(const DiskPtr& disk, std::uint64_t offset, std::uint64_t length, bool unmap) {
  return run(disk->writeZeroes({offset, length}, unmap ? WriteFlags::mayUnmap() : WriteFlags()));
}

Result<void> ImageGraph::discard(const DiskPtr& disk, std::uint64_t offset, std::uint64_t length) {
  return run(disk->discard({offset, length}));
}

namespace {

Task<Result<void>> createOn(ImageGraph& graph, std::vector<std::pair<std::string, DiskPtr>> children,
                            qapi::BlockdevCreateOptionsQcow2 options) {
  Progress progress;
  const Services services;
  CreateContext context(graph.loop(), services, progress);
  for (const auto& [name, disk] : children) context.children.add(name, &disk->rootEdge());
  co_return co_await qcow2::createImage(context, DriverOptions::of(options));
}

}  // namespace

Result<void> Qcow2Test::create(const std::string& path, Create options) {
  ImageGraph graph;
  std::vector<std::pair<std::string, DiskPtr>> children;
  const Permissions all = Permissions::consistentRead() | Permissions::write() | Permissions::resize();
  std::vector<std::pair<std::string, std::string>> files = {{"file", path}};
  if (options.dataFile) files.emplace_back("data-file", std::get<std::string>(options.dataFile->u));
  for (const auto& [child, name] : files) {
    EXPECT_EQ(shell("touch " + name), 0);
    RHEA_TRY(NodeOptions node, parseBlockdev("driver=file,filename=" + name + ",node-name=" + child));
    RHEA_CHECK(graph.run(graph.graph().addNode(std::move(node), {})));
    RHEA_TRY(DiskPtr disk, graph.run(graph.graph().attachMonitor(child, all, {})));
    children.emplace_back(child, disk);
  }
  return graph.run(createOn(graph, std::move(children), std::move(options)));
}

void Qcow2Test::created(const std::string& path, Create options) {
  const Result<void> made = create(path, std::move(options));
  ASSERT_TRUE(made.ok()) << made.error().describe();
}

std::string Qcow2Test::qcow2(const std::string& path, const std::string& more) {
  return "driver=qcow2,file.driver=file,file.filename=" + path + (more.empty() ? "" : "," + more);
}

int Qcow2Test::shell(const std::string& command) {
  const int status = std::system((command + " > /dev/null 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string Qcow2Test::output(const std::string& command) {
  std::string text;
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (pipe != nullptr && std::fgets(part.data(), part.size(), pipe) != nullptr) text += part.data();
  if (pipe != nullptr) pclose(pipe);
  return text;
}

bool Qcow2Test::hasPeer() {
  static const bool kHas = shell("qemu-img --version") == 0 && shell("qemu-io --version") == 0;
  return kHas;
}

void Qcow2Test::expectClean(const std::string& path) {
  if (!hasPeer()) return;
  const std::string told = output("qemu-img check " + path);
  EXPECT_NE(told.find("No errors were found"), std::string::npos) << told;
}

}  // namespace rhea::block::test
