#include "block/driver/file/file.h"

#include "block/driver/file/create.h"

namespace rhea::block {

namespace {

Task<Result<std::unique_ptr<Driver>>> openFile(OpenContext context, DriverOptions options, Children) {
  RHEA_CO_TRY(HostFileOptions own, hostFileOptions(options));
  RHEA_CO_TRY(HostFileStart start, co_await startHostFile(std::move(context), std::move(own), HostFileKind::kRegular));
  co_return std::make_unique<FileDriver>(std::move(start));
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "file";
  info.kind = DriverKind::kProtocol;
  info.threads = DriverThreads::kAny;
  info.growable = true;
  info.flushesGroups = true;
  info.open = openFile;
  info.create = createFile;
  return info;
}

}  // namespace

const DriverInfo& fileDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
