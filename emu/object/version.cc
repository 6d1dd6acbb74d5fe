#include "emu/object/version.h"

#include "config.h"
#include "qapi/commands-control.h"

namespace rhea::object {

qapi::VersionInfo versionInfo() {
  qapi::VersionInfo info;
  info.qemu.major = 7;
  info.qemu.minor = 2;
  info.qemu.micro = 0;
  info.package = "rhea " RHEA_VERSION;
  return info;
}

std::string versionLine() {
  const qapi::VersionInfo info = versionInfo();
  return fmt::format("QEMU emulator version {}.{}.{} ({})", info.qemu.major, info.qemu.minor, info.qemu.micro,
                     info.package);
}

}  // namespace rhea::object

namespace rhea {

Task<Result<qapi::VersionInfo>> Command<qapi::QueryVersion>::run(CommandContext, qapi::QueryVersion) {
  co_return object::versionInfo();
}

}  // namespace rhea
