// The commands of qapi/migration.json.
#include "emu/migrate/capabilities.h"
#include "qapi/commands-migration.h"

namespace rhea {

Task<Result<std::vector<qapi::MigrationCapabilityStatus>>> Command<qapi::QueryMigrateCapabilities>::run(
    CommandContext context, qapi::QueryMigrateCapabilities) {
  const migrate::MigrationCapabilities& capabilities = context.get<migrate::MigrationCapabilities>();
  std::vector<qapi::MigrationCapabilityStatus> list;
  for (std::size_t i = 0; i < qapi::names<qapi::MigrationCapability>().size(); ++i) {
    qapi::MigrationCapabilityStatus status;
    status.capability = static_cast<qapi::MigrationCapability>(i);
    status.state = capabilities.isOn(status.capability);
    list.push_back(status);
  }
  co_return list;
}

Task<Result<void>> Command<qapi::MigrateSetCapabilities>::run(CommandContext context,
                                                              qapi::MigrateSetCapabilities arguments) {
  migrate::MigrationCapabilities& capabilities = context.get<migrate::MigrationCapabilities>();
  for (const qapi::MigrationCapabilityStatus& status : arguments.capabilities) {
    capabilities.set(status.capability, status.state);
  }
  co_return success();
}

}  // namespace rhea
