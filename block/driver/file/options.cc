// From the schema's words to this driver's own: the one place of the folder that reads generated types.
#include "block/driver/file/host-file.h"
#include "block/driver/file/temporary-file.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

Locking lockingOf(qapi::OnOffAuto value) {
  switch (value) {
    case qapi::OnOffAuto::on:
      return Locking::kOn;
    case qapi::OnOffAuto::off:
      return Locking::kOff;
    case qapi::OnOffAuto::auto_:
      break;
  }
  return Locking::kAuto;
}

}  // namespace

FileEngineKind fileEngineOf(qapi::BlockdevAioOptions value) {
  switch (value) {
    case qapi::BlockdevAioOptions::native:
      return FileEngineKind::kNative;
    case qapi::BlockdevAioOptions::ioUring:
      return FileEngineKind::kUring;
    case qapi::BlockdevAioOptions::threads:
      break;
  }
  return FileEngineKind::kThreads;
}

Result<HostFileOptions> hostFileOptions(const DriverOptions& options) {
  if (const auto* nameless = options.find<HostFileOptions>()) return *nameless;
  const auto& given = options.as<qapi::BlockdevOptionsFile>();
  if (given.filename.empty()) return Error("the file name is empty").where("filename");
  HostFileOptions own;
  own.filename = given.filename;
  if (given.locking) own.locking = lockingOf(*given.locking);
  if (given.aio) own.aio = fileEngineOf(*given.aio);
  own.dropCache = given.dropCache.value_or(true);
  return own;
}

}  // namespace rhea::block
