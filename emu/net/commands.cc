// The commands of qapi/net.json.
#include "emu/net/net-table.h"
#include "emu/net/parse.h"
#include "qapi/commands-net.h"
#include "qapi/human-net.h"

namespace rhea {

Task<Result<void>> Command<qapi::NetdevAdd>::run(CommandContext context, qapi::NetdevAdd arguments) {
  co_return context.get<net::NetTable>().add(arguments);
}

Task<Result<void>> Command<qapi::NetdevDel>::run(CommandContext context, qapi::NetdevDel arguments) {
  co_return context.get<net::NetTable>().remove(arguments.id);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::NetdevAdd>::run(CommandContext context,
                                                                    qapi::human::NetdevAdd arguments) {
  RHEA_CO_TRY(const qapi::Netdev options, net::parseNetdev(arguments.options));
  RHEA_CO_CHECK(context.get<net::NetTable>().add(options));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoNetwork>::run(CommandContext context,
                                                                      qapi::human::InfoNetwork) {
  std::string text;
  for (const auto& netdev : context.get<net::NetTable>().all()) {
    text += fmt::format("{}: type={},{}\n", netdev->id(), netdev->type(), netdev->describe());
    text += netdev->user().empty() ? "  not used by any card\n" : fmt::format("  used by {}\n", netdev->user());
  }
  co_return HumanOutput(text.empty() ? "There are no network back ends.\n" : std::move(text));
}

}  // namespace rhea
