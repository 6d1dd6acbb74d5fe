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

Task<Result<void>> Command<qapi::SetLink>::run(CommandContext context, qapi::SetLink arguments) {
  RHEA_CO_TRY(net::Netdev * netdev, context.get<net::NetTable>().findByEither(arguments.name));
  netdev->setLink(arguments.up);
  co_return success();
}

namespace {

// "[ID] PORTS" as two words at most.
Result<std::pair<net::Netdev*, std::string>> forwardOf(CommandContext& context, const std::string& first,
                                                       const std::optional<std::string>& second) {
  RHEA_TRY(net::Netdev * netdev, context.get<net::NetTable>().findOrOnly(second ? first : std::string()));
  return std::pair(netdev, second.value_or(first));
}

}  // namespace

Task<Result<HumanOutput>> HumanCommand<qapi::human::HostfwdAdd>::run(CommandContext context,
                                                                     qapi::human::HostfwdAdd arguments) {
  RHEA_CO_TRY(const auto asked, forwardOf(context, arguments.first, arguments.second));
  RHEA_CO_CHECK(co_await asked.first->addForward(asked.second));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::HostfwdRemove>::run(CommandContext context,
                                                                        qapi::human::HostfwdRemove arguments) {
  RHEA_CO_TRY(const auto asked, forwardOf(context, arguments.first, arguments.second));
  RHEA_CO_CHECK(co_await asked.first->removeForward(asked.second));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoNetwork>::run(CommandContext context,
                                                                      qapi::human::InfoNetwork) {
  std::string text;
  for (const auto& netdev : context.get<net::NetTable>().all()) {
    text += fmt::format("{}: type={},{}\n", netdev->id(), netdev->type(), netdev->describe());
    text += netdev->user().empty() ? "  not used by any card" : fmt::format("  used by {}", netdev->user());
    text += netdev->linkUp() ? "\n" : ", the cable is out\n";
  }
  co_return HumanOutput(text.empty() ? "There are no network back ends.\n" : std::move(text));
}

}  // namespace rhea
