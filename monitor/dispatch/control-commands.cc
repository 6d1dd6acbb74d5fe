// The commands of qapi/control.json and qapi/introspect.json that concern the conversation as such.
#include "emu/base/names.h"
#include "emu/io/fd-sets.h"
#include "emu/object/program-end.h"
#include "monitor/dispatch/clients.h"
#include "qapi/commands-control.h"
#include "qapi/commands-introspect.h"
#include "qapi/dispatch.h"
#include "qapi/introspect.h"

namespace rhea {

namespace {

using monitor::Client;
using monitor::Clients;

// Commands about the asking client itself. Error: it is none of a monitor's clients (start-up, a script in process).
Result<Client*> asker(const CommandContext& context) {
  auto* clients = context.find<Clients>();
  Client* client = clients == nullptr ? nullptr : clients->find(context.peer());
  if (client == nullptr) return Error("this command concerns a client of a monitor, and none sent it");
  return client;
}

Result<SessionFds*> fdsOf(const CommandContext& context) {
  if (SessionFds* fds = context.fds()) return fds;
  return Error("descriptors cannot be sent over this monitor").hint("send the command over a QMP UNIX socket");
}

std::vector<std::string_view> eventNames() {
  std::vector<std::string_view> names;
  for (const EventInfo* event : qapi::events()) names.push_back(event->name);
  return names;
}

// "BLOCK_*" and plain names, expanded.
Result<std::vector<std::string>> expand(const std::vector<std::string>& patterns) {
  const std::vector<std::string_view> known = eventNames();
  std::vector<std::string> result;
  for (std::size_t at = 0; at < patterns.size(); ++at) {
    const std::string& pattern = patterns[at];
    const bool star = pattern.ends_with('*');
    const std::string_view stem = std::string_view(pattern).substr(0, pattern.size() - (star ? 1 : 0));
    const std::size_t before = result.size();
    for (const std::string_view name : known) {
      if (star ? name.starts_with(stem) : name == stem) result.emplace_back(name);
    }
    if (result.size() > before) continue;
    return Error(fmt::format("no event is called '{}'", pattern))
        .where(fmt::format("arguments.events[{}]", at))
        .candidates(nearestNames(stem, known))
        .hint("query-qmp-schema lists the events");
  }
  std::ranges::sort(result);
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace

Task<Result<void>> Command<qapi::QmpCapabilities>::run(CommandContext context, qapi::QmpCapabilities arguments) {
  RHEA_CO_TRY(Client * client, asker(context));
  const auto enable = arguments.enable.value_or(std::vector<qapi::QMPCapability>());
  co_return client->negotiate(std::ranges::find(enable, qapi::QMPCapability::oob) != enable.end());
}

Task<Result<std::vector<qapi::NamedItem>>> Command<qapi::QueryCommands>::run(CommandContext, qapi::QueryCommands) {
  std::vector<qapi::NamedItem> list;
  list.reserve(qapi::commands().size());
  for (const CommandEntry& entry : qapi::commands()) list.emplace_back().name = entry.info->name;
  co_return list;
}

Task<Result<RawReply>> Command<qapi::QueryQmpSchema>::run(CommandContext, qapi::QueryQmpSchema) {
  co_return RawReply(json::Text(qapi::introspection()));
}

Task<Result<void>> Command<qapi::Quit>::run(CommandContext context, qapi::Quit) {
  context.get<object::ProgramEnd>().request(qapi::ShutdownCause::hostQmpQuit);
  co_return success();
}

Task<Result<void>> Command<qapi::Getfd>::run(CommandContext context, qapi::Getfd arguments) {
  RHEA_CO_TRY(SessionFds * fds, fdsOf(context));
  RHEA_CO_TRY(Fd fd, fds->takeReceived());
  if (arguments.fdname.empty() || (arguments.fdname[0] >= '0' && arguments.fdname[0] <= '9')) {
    co_return Error(fmt::format("a descriptor cannot be called '{}'", arguments.fdname))
        .where("arguments.fdname")
        .expected("a name that does not begin with a digit: numbers stand for inherited descriptors");
  }
  fds->store(arguments.fdname, std::move(fd));
  co_return success();
}

Task<Result<void>> Command<qapi::Closefd>::run(CommandContext context, qapi::Closefd arguments) {
  RHEA_CO_TRY(SessionFds * fds, fdsOf(context));
  RHEA_CO_CHECK(fds->takeNamed(arguments.fdname));
  co_return success();
}

Task<Result<qapi::AddfdInfo>> Command<qapi::AddFd>::run(CommandContext context, qapi::AddFd arguments) {
  RHEA_CO_TRY(SessionFds * fds, fdsOf(context));
  RHEA_CO_TRY(Fd fd, fds->takeReceived());
  RHEA_CO_TRY(const FdSets::Added added,
              context.get<FdSets>().add(arguments.fdsetId, std::move(fd), std::move(arguments.opaque)));
  qapi::AddfdInfo info;
  info.fdsetId = added.set;
  info.fd = added.fd;
  co_return info;
}

Task<Result<void>> Command<qapi::RemoveFd>::run(CommandContext context, qapi::RemoveFd arguments) {
  std::optional<int> fd;
  if (arguments.fd) fd = *arguments.fd == static_cast<int>(*arguments.fd) ? static_cast<int>(*arguments.fd) : -1;
  co_return context.get<FdSets>().remove(arguments.fdsetId, fd);
}

Task<Result<std::vector<qapi::FdsetInfo>>> Command<qapi::QueryFdsets>::run(CommandContext context, qapi::QueryFdsets) {
  std::vector<qapi::FdsetInfo> list;
  for (const FdSets::Set& set : context.get<FdSets>().list()) {
    qapi::FdsetInfo& info = list.emplace_back();
    info.fdsetId = set.id;
    for (const FdSets::Member& member : set.members) {
      qapi::FdsetFdInfo& fd = info.fds.emplace_back();
      fd.fd = member.fd;
      fd.opaque = member.opaque;
    }
  }
  co_return list;
}

Task<Result<qapi::EventSubscription>> Command<qapi::QmpSubscribeEvents>::run(CommandContext context,
                                                                             qapi::QmpSubscribeEvents arguments) {
  RHEA_CO_TRY(Client * client, asker(context));
  qapi::EventSubscription subscription;
  if (arguments.events) {
    RHEA_CO_TRY(subscription.events, expand(*arguments.events));
    RHEA_CO_CHECK(client->subscribe(subscription.events));
  } else {
    RHEA_CO_CHECK(client->subscribe(std::nullopt));
    for (const std::string_view name : eventNames()) subscription.events.emplace_back(name);
    std::ranges::sort(subscription.events);
  }
  co_return subscription;
}

Task<Result<std::vector<qapi::MonitorInfo>>> Command<qapi::QueryMonitors>::run(CommandContext context,
                                                                               qapi::QueryMonitors) {
  std::vector<qapi::MonitorInfo> list;
  for (const Client* client : context.get<Clients>().all()) {
    Client::Info known = client->info();
    qapi::MonitorInfo& info = list.emplace_back();
    info.self = known.id == context.peer().session;
    info.id = std::move(known.id);
    info.mode = known.human ? qapi::MonitorMode::readline : qapi::MonitorMode::control;
    info.role = known.mayChange ? qapi::MonitorRole::full : qapi::MonitorRole::readOnly;
    info.address = std::move(known.address);
    if (!known.who.empty()) info.peer = std::move(known.who);
    info.commands = known.commands;
    info.eventsQueued = known.eventsQueued;
    info.eventsDropped = known.eventsDropped;
    info.oob = known.oob;
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - known.since);
    info.connectedSeconds = static_cast<std::uint64_t>(since.count());
  }
  co_return list;
}

}  // namespace rhea
