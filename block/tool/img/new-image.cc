#include "block/tool/img/new-image.h"

#include <sys/stat.h>
#include <unistd.h>

#include "block/options/file-name.h"
#include "block/tool/img/new-vdi.h"
#include "block/tool/img/open.h"
#include "emu/base/size.h"
#include "emu/io/offload.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kSector = 512;

Result<std::uint64_t> wholeSectors(std::uint64_t bytes) {
  if (bytes > Extent::kMost - kSector) {
    return Error(fmt::format("a disk of {} bytes is too large", bytes)).expected("less than 8 EiB");
  }
  return (bytes + kSector - 1) / kSector * kSector;
}

// Where the image's file lies, "" where it is no regular file (to be).
struct Place {
  std::string path;
  bool exists = false;
  bool isDevice = false;
};

Place placeOf(const std::string& path) {
  Place place;
  place.path = path;
  struct stat facts {};
  place.exists = ::stat(path.c_str(), &facts) == 0;
  place.isDevice = place.exists && S_ISBLK(facts.st_mode);
  return place;
}

Result<std::string> pathOf(const std::string& name) {
  RHEA_TRY(const FileName file, parseFileName(name));
  if (file.driver == "file" || file.driver == "host_device") {
    for (const auto& [key, value] : file.options) {
      if (key == "filename") return value;
    }
  }
  return Error(fmt::format("'{}' is no file: nothing can be made there", name)).expected("a file name");
}

// The size of a new image: as asked, else its backing file's.
Task<Result<std::uint64_t>> sizeOf(ImgSession& session, const NewImage& image, const std::string& path) {
  std::optional<std::uint64_t> size = image.size;
  if (const Keyval::Entry* const given = image.options.find("size"); given != nullptr && !size) {
    RHEA_CO_TRY(size, parseSize(given->value));
  }
  const Keyval::Entry* const backing = image.options.find("backing_file");
  if (backing != nullptr && !backing->value.empty() && !image.trustBacking) {
    const Keyval::Entry* const format = image.options.find("backing_fmt");
    if (format == nullptr) {
      Error error("the backing file's format is not given, and must not be guessed each time it is opened");
      co_return std::move(error).hint("-F raw or -F qcow2 says it");
    }
    std::string file = backing->value;
    const std::size_t slash = path.rfind('/');
    const bool relative = !file.starts_with('/') && !file.starts_with("json:") && slash != std::string::npos;
    if (relative) file = path.substr(0, slash + 1) + file;
    OpenWish wish;
    wish.forceShare = true;
    Result<std::vector<ImageFacts>> chain = co_await examineChain(session, ImageName(file, format->value, false), wish);
    if (!chain.ok()) {
      co_return chain.takeError()
          .context(fmt::format("backing file '{}'", file))
          .hint("-u makes the image without opening its backing file; the size must be given then");
    }
    if (!size) size = chain->front().info.virtualSize;
  }
  if (!size) co_return Error(fmt::format("'{}': the size is missing", image.name)).expected("a size, as 10G");
  co_return wholeSectors(*size);
}

Task<Result<void>> makeFile(ImgSession& session, std::string path, std::uint64_t size, const Keyval& options,
                            Progress& progress) {
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find("file"));
  qapi::BlockdevCreateOptionsFile file;
  file.filename = std::move(path);
  file.size = size;
  if (const Keyval::Entry* const mode = options.find("preallocation"); mode != nullptr && size != 0) {
    file.preallocation = qapi::fromString<qapi::PreallocMode>(mode->value);
    if (!file.preallocation) {
      co_return Error(fmt::format("preallocation={} is not known", mode->value)).candidates({"off", "falloc", "full"});
    }
  }
  CreateContext context(session.loop(), session.services(), progress);
  context.cancel = session.cancel();
  DriverOptions own = DriverOptions::of(std::move(file));
  co_return co_await driver->create(context, own);
}

Task<Result<DiskPtr>> attachFile(ImgSession& session, std::string driver, std::string path) {
  Keyval options;
  options.set("driver", std::move(driver));
  options.set("filename", std::move(path));
  options.set("aio", "threads");
  options.set("cache.no-flush", "on");  // making an image anew after a crash is no loss
  RHEA_CO_TRY(NodeOptions node, nodeOptionsFrom(std::move(options)));
  RHEA_CO_TRY(const NodePtr opened, co_await session.graph().addNode(std::move(node), session.change()));
  const Permissions making = Permissions::consistentRead() | Permissions::write() | Permissions::resize();
  co_return co_await session.graph().attachMonitor(opened->name(), making, session.change());
}

Task<void> detachFile(ImgSession& session, DiskPtr disk) {
  const std::string nodeName = disk->root().name();
  [[maybe_unused]] const Result<void> gone = co_await session.graph().removeDisk(std::move(disk), ChangeContext());
  [[maybe_unused]] const Result<void> closed = co_await session.graph().removeNode(nodeName, ChangeContext());
}

// Where the options want the disk's data: a file of its own, made like the image's.
Task<Result<DiskPtr>> attachData(ImgSession& session, const Keyval& options, std::uint64_t size, Progress& progress) {
  const Keyval::Entry* const data = options.find("data_file");
  if (data == nullptr || data->value.empty()) co_return DiskPtr();
  RHEA_CO_CHECK(co_await makeFile(session, data->value, size, Keyval(), progress));
  co_return co_await attachFile(session, "file", data->value);
}

// Lays the format out in a file that is there.
Task<Result<void>> layOut(ImgSession& session, const DriverInfo& driver, DriverOptions options, Place place,
                          DiskPtr data, Progress& progress) {
  const std::string protocol = place.isDevice ? "host_device" : "file";
  RHEA_CO_TRY(DiskPtr disk, co_await attachFile(session, protocol, place.path));
  CreateContext context(session.loop(), session.services(), progress);
  context.cancel = session.cancel();
  context.children.add("file", &disk->rootEdge());
  if (data != nullptr) context.children.add("data-file", &data->rootEdge());
  Result<void> made = co_await driver.create(context, std::move(options));
  co_await detachFile(session, std::move(disk));
  if (data != nullptr) co_await detachFile(session, std::move(data));
  co_return made;
}

Task<Result<void>> make(ImgSession& session, const CreateForm& form, const NewImage& image, Place place,
                        std::uint64_t size, Progress& progress) {
  RHEA_CO_TRY(const DriverInfo* driver, session.drivers().find(image.format));
  if (image.format == "raw") {
    if (!place.isDevice) {
      co_return co_await makeFile(session, place.path, size, image.options, progress);
    }
    OpenWish wish;
    RHEA_CO_TRY(ImageFacts facts, co_await examineImage(session, ImageName(place.path, "raw", false), wish));
    if (facts.info.virtualSize >= size) co_return success();
    co_return Error(fmt::format("'{}' has {} bytes, the disk needs {}", place.path, facts.info.virtualSize, size));
  }
  if (driver->create == nullptr) co_return Error(fmt::format("format '{}' cannot make images", image.format));
  RHEA_CO_TRY(DriverOptions options, driverOptionsOf(form, image.options, size));
  if (!place.isDevice) RHEA_CO_CHECK(co_await makeFile(session, place.path, 0, Keyval(), progress));
  RHEA_CO_TRY(DiskPtr data, co_await attachData(session, image.options, size, progress));
  Result<void> made = co_await layOut(session, *driver, std::move(options), place, std::move(data), progress);
  if (!made.ok() && !place.exists) {
    const auto remove = [path = place.path] { ::unlink(path.c_str()); };
    co_await offload(remove);
  }
  co_return made;
}

}  // namespace

bool startsZeroed(const NewImage& image) {
  const Result<std::string> path = pathOf(image.name);
  return !path.ok() || !placeOf(*path).isDevice || image.format != "raw";
}

Task<Result<void>> makeImage(ImgSession& session, NewImage image, Progress& progress) {
  if (targetFormat(image.name, image.format) == "sheepdog") co_return co_await makeVdi(session, image, progress);
  RHEA_CO_TRY(const CreateForm* form, createFormOf(image.format));
  RHEA_CO_TRY(const std::string path, pathOf(image.name));
  RHEA_CO_TRY(const std::uint64_t size, co_await sizeOf(session, image, path));
  const auto look = [path] { return placeOf(path); };
  Place place = co_await offload(look);
  if (!image.quiet) {
    session.print("Formatting '{}', fmt={} {}\n", image.name, image.format, shownOptions(*form, image.options, size));
  }
  co_return co_await make(session, *form, image, std::move(place), size, progress);
}

}  // namespace rhea::block
