#include "block/tool/prove/subjects.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "block/driver/qcow2/qcow2.h"
#include "emu/io/offload.h"
#include "qapi/types-block-options.h"

namespace rhea::block::prove {

namespace {

Task<Result<void>> writeImage(std::string path, MemoryImagePtr image) {
  std::function<Result<void>()> write = [path, image]() -> Result<void> {
    std::ofstream made(path, std::ios::binary | std::ios::trunc);
    made.write(reinterpret_cast<const char*>(image->bytes.data()), static_cast<std::streamsize>(image->bytes.size()));
    made.close();
    return made ? success() : Error::fromErrno(errno, fmt::format("cannot make '{}'", path));
  };
  co_return co_await offload(std::move(write));
}

Task<Result<void>> createRaw(std::string path, std::uint64_t bytes) {
  std::function<Result<void>()> make = [path, bytes]() -> Result<void> {
    std::ofstream made(path, std::ios::binary | std::ios::trunc);
    made.close();
    if (!made || truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) {
      return Error::fromErrno(errno, fmt::format("cannot make '{}'", path));
    }
    return success();
  };
  co_return co_await offload(std::move(make));
}

// Laid out in memory, then written to the file at once.
Task<Result<void>> createByDriver(BlockGraph& graph, const DriverInfo& driver, DriverOptions options,
                                  std::string path) {
  const auto image = std::make_shared<MemoryImage>();
  NodeOptions below = memoryImageNode(image);
  below.nodeName = "new-image";
  RHEA_CO_TRY(NodePtr node, co_await graph.addNode(std::move(below), ChangeContext()));
  const Permissions making = Permissions::consistentRead() | Permissions::write() | Permissions::resize();
  RHEA_CO_TRY(DiskPtr disk, co_await graph.attachMonitor(node->name(), making, ChangeContext()));
  Progress progress;
  CreateContext context(graph.loop(), graph.services(), progress);
  context.children.add("file", &disk->rootEdge());
  Result<void> made = co_await driver.create(context, std::move(options));
  static_cast<void>(co_await graph.removeDisk(std::move(disk), ChangeContext()));
  node.reset();
  static_cast<void>(co_await graph.removeNode("new-image", ChangeContext()));
  RHEA_CO_CHECK(std::move(made));
  co_return co_await writeImage(std::move(path), image);
}

}  // namespace

Subject rawSubject(std::uint64_t diskBytes) {
  Subject subject;
  subject.format = "raw";
  subject.over = [](NodeOptions file) {
    NodeOptions node("raw", DriverOptions::of(qapi::BlockdevOptionsRaw()));
    node.children.push_back(ChildOptions::inlineNode("file", std::move(file)));
    return node;
  };
  subject.create = [diskBytes](BlockGraph&, std::string path) { return createRaw(std::move(path), diskBytes); };
  return subject;
}

Subject formatSubject(const DriverInfo& driver, DriverOptions create, DriverOptions open) {
  Subject subject;
  subject.format = driver.name;
  subject.keepsMetadata = !driver.passThrough;
  subject.over = [&driver, open](NodeOptions file) {
    NodeOptions node(std::string(driver.name), open);
    node.children.push_back(ChildOptions::inlineNode("file", std::move(file)));
    return node;
  };
  subject.create = [&driver, create](BlockGraph& graph, std::string path) {
    return createByDriver(graph, driver, create, std::move(path));
  };
  return subject;
}

Subject qcow2Subject(std::uint64_t diskBytes, Qcow2Traits traits) {
  qapi::BlockdevCreateOptionsQcow2 create;
  create.file.u = "#image";
  create.size = diskBytes;
  create.clusterSize = traits.clusterBytes;
  create.lazyRefcounts = traits.lazyRefcounts;
  create.extendedL2 = traits.extendedL2;
  if (traits.version2) create.version = qapi::BlockdevQcow2Version::v2;
  Subject subject = formatSubject(qcow2Driver(), DriverOptions::of(std::move(create)),
                                  DriverOptions::of(qapi::BlockdevOptionsQcow2()));
  subject.options = fmt::format("cluster_size={}", traits.clusterBytes);
  if (traits.lazyRefcounts) subject.options += ",lazy_refcounts=on";
  if (traits.extendedL2) subject.options += ",extended_l2=on";
  if (traits.version2) subject.options += ",compat=0.10";
  return subject;
}

}  // namespace rhea::block::prove
