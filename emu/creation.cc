#include "emu/creation.h"

#include <fcntl.h>

#include "block/options/open-drive.h"
#include "emu/base/json-writer.h"
#include "emu/chardev/listen-fds.h"
#include "emu/chardev/parse.h"
#include "emu/net/parse.h"

namespace rhea {

namespace {

using object::Given;

// The option as it was written, before the error: "-chardev socket,id=c0: ...".
Error told(Error error, const Given& given) {
  return std::move(error).context(given.written.empty() ? given.origin
                                                        : fmt::format("{} {}", given.origin, given.written));
}

struct MonitorPlan {
  std::string id;
  bool control = false;
  bool pretty = false;
  std::optional<chardev::Role> role;
};

// -mon's keys.
Result<MonitorPlan> planOf(const Given& given) {
  MonitorPlan plan;
  const auto value = [&given](std::string_view key) -> std::string {
    const Keyval::Entry* entry = given.pairs.find(key);
    return entry == nullptr ? std::string() : entry->value;
  };
  const std::string mode = value("mode");
  if (!mode.empty() && mode != "control" && mode != "readline") {
    return Error(fmt::format("a monitor has no mode '{}'", mode)).expected("control or readline").withExitCode(2);
  }
  plan.id = value("id");
  plan.control = mode == "control";
  plan.pretty = value("pretty") == "on";
  if (const std::string role = value("role"); !role.empty()) {
    plan.role = chardev::roleFromString(role);
    if (!plan.role) {
      return Error(fmt::format("there is no role '{}'", role)).expected("full or read-only").withExitCode(2);
    }
  }
  return plan;
}

class MonitorMaker {
 public:
  MonitorMaker(Creation::Monitors& to, monitor::QmpEnvironment& qmp, monitor::HumanEnvironment& human)
      : to_(to), qmp_(qmp), human_(human) {}

  Result<void> make(MonitorPlan plan, chardev::Chardev& chardev) {
    if (plan.id.empty()) plan.id = fmt::format("{}{}", plan.control ? "qmp" : "hmp", plan.control ? qmps_++ : hmps_++);
    const chardev::Role role = plan.role.value_or(chardev.role());
    if (!plan.control) {
      monitor::HumanMonitor::Settings settings;
      settings.id = std::move(plan.id);
      settings.role = role;
      RHEA_TRY(auto made, monitor::HumanMonitor::create(human_, chardev, std::move(settings)));
      to_.push_back(std::move(made));
      return success();
    }
    monitor::QmpServer::Settings settings;
    settings.id = std::move(plan.id);
    settings.pretty = plan.pretty;
    settings.role = role;
    RHEA_TRY(auto made, monitor::QmpServer::create(qmp_, chardev, std::move(settings)));
    to_.push_back(std::move(made));
    return success();
  }

 private:
  Creation::Monitors& to_;
  monitor::QmpEnvironment& qmp_;
  monitor::HumanEnvironment& human_;
  unsigned qmps_ = 0;
  unsigned hmps_ = 0;
};

std::optional<std::int64_t> numberOf(const Keyval& pairs, std::string_view key) {
  const Keyval::Entry* entry = pairs.find(key);
  if (entry == nullptr) return std::nullopt;
  return std::strtoll(entry->value.c_str(), nullptr, 0);
}

}  // namespace

Result<void> Creation::descriptors(FdSets& sets) {
  for (const Given* given : line_.all("add-fd")) {
    const std::optional<std::int64_t> fd = numberOf(given->pairs, "fd");
    const std::optional<std::int64_t> set = numberOf(given->pairs, "set");
    if (!fd || !set) return told(Error("'fd' and 'set' are needed").withExitCode(2), *given);
    constexpr std::int64_t kFirst = 3;  // the standard streams are not for sets
    if (*fd < kFirst || *fd > INT32_MAX || ::fcntl(static_cast<int>(*fd), F_GETFD) < 0) {
      return told(Error(fmt::format("descriptor {} was not inherited", *fd)).expected("an open descriptor above 2"),
                  *given);
    }
    ::fcntl(static_cast<int>(*fd), F_SETFD, FD_CLOEXEC);
    std::optional<std::string> opaque;
    if (const Keyval::Entry* entry = given->pairs.find("opaque"); entry != nullptr) opaque = entry->value;
    Result<FdSets::Added> added = sets.add(set, Fd(static_cast<int>(*fd)), std::move(opaque));
    if (!added.ok()) return told(added.takeError(), *given);
  }
  return success();
}

Task<Result<chardev::Chardev*>> Creation::add(chardev::Options options) {
  if (!terminal_ && std::holds_alternative<chardev::StdioOptions>(options.backend)) {
    co_return Error("a daemon has no standard streams to talk over").hint("leave out -daemonize, or use a socket");
  }
  if (auto* socket = std::get_if<chardev::SocketOptions>(&options.backend); socket != nullptr) {
    if (auto* address = std::get_if<chardev::FdAddress>(&socket->address); address != nullptr) {
      if (const auto found = inherited_.find(address->name); found != inherited_.end()) {
        address->fd = std::move(found->second);
        inherited_.erase(found);
      }
    }
  }
  co_return co_await chardevs_.add(std::move(options));
}

Task<Result<void>> Creation::chardevs(bool terminal) {
  terminal_ = terminal;
  for (chardev::ListenFd& offered : chardev::takeListenFds()) inherited_.emplace(offered.name, std::move(offered.fd));
  for (const Given* given : line_.all("chardev")) {
    Result<chardev::Options> options = chardev::parseChardev(given->text);
    if (!options.ok()) co_return told(options.takeError().withExitCode(2), *given);
    Result<chardev::Chardev*> made = co_await add(*std::move(options));
    if (!made.ok()) co_return told(made.takeError(), *given);
  }
  co_return success();
}

std::vector<std::string> Creation::unusedSockets() const {
  std::vector<std::string> names;
  for (const auto& [name, fd] : inherited_) names.push_back(name);
  return names;
}

Task<Result<void>> Creation::objects(object::ObjectTree& tree) {
  for (const Given* given : line_.all("object")) {
    Result<void> made = co_await tree.create(given->value, given->spelling);
    if (!made.ok()) co_return told(made.takeError(), *given);
  }
  co_return success();
}

Task<Result<void>> Creation::networks(net::NetTable& networks, hw::DeviceTree& devices) {
  for (const Given* given : line_.all("netdev")) {
    Result<qapi::Netdev> options = net::parseNetdev(given->text);
    if (!options.ok()) co_return told(options.takeError(), *given);
    Result<void> added = networks.add(*options);
    if (!added.ok()) co_return told(added.takeError(), *given);
  }
  unsigned number = 0;
  for (const Given* given : line_.all("nic")) {
    Result<net::Nic> nic = net::parseNic(given->text, number++);
    if (!nic.ok()) co_return told(nic.takeError(), *given);
    if (!nic->netdev) continue;
    Result<void> added = networks.add(*nic->netdev);
    if (!added.ok()) co_return told(added.takeError(), *given);
    Result<void> made = co_await makeCard(devices, nic->model, nic->netdev->id, nic->mac);
    if (!made.ok()) co_return told(made.takeError(), *given);
  }
  co_return co_await oldNetworks(networks, devices);
}

// -net user and -net nic meet when all have been read, in whatever order they came.
Task<Result<void>> Creation::oldNetworks(net::NetTable& networks, hw::DeviceTree& devices) {
  net::OldNet old;
  const Given* last = nullptr;
  for (const Given* given : line_.all("net")) {
    Result<void> read = net::addOldNet(given->text, old);
    if (!read.ok()) co_return told(read.takeError().withExitCode(2), *given);
    last = given;
  }
  if (old.netdev) {
    Result<void> added = networks.add(*old.netdev);
    if (!added.ok()) co_return told(added.takeError(), *last);
    if (old.cards.empty()) old.cards = old.netdev->id;
  }
  if (!old.hasCard) co_return success();
  Result<void> made = co_await makeCard(devices, old.model, old.cards, old.mac);
  if (!made.ok()) co_return told(made.takeError(), *last);
  co_return success();
}

Task<Result<void>> Creation::makeCard(hw::DeviceTree& devices, std::string model, std::string netdev, std::string mac) {
  json::Writer card;
  card.beginObject();
  card.member("driver", model);
  if (!netdev.empty()) card.member("netdev", netdev);
  if (!mac.empty()) card.member("mac", mac);
  card.endObject();
  RHEA_CO_TRY(json::Value options, json::parse(card.take()));
  RHEA_CO_CHECK(co_await devices.add(std::move(options), json::Spelling::kJson));
  co_return success();
}

Task<Result<void>> Creation::devices(hw::DeviceTree& tree) {
  for (const Given& given : line_.all()) {
    if (given.option->name != "device") continue;
    Result<hw::Device*> made = co_await tree.add(given.value, json::Spelling::kKeyval);
    if (!made.ok()) co_return told(made.takeError(), given);
  }
  if (debugConsole_ != nullptr) {
    json::Writer port;
    port.beginObject();
    port.member("driver", std::string_view("isa-debugcon"));
    port.member("chardev", debugConsole_->id());
    port.endObject();
    RHEA_CO_TRY(json::Value options, json::parse(port.take()));
    Result<hw::Device*> made = co_await tree.add(std::move(options), json::Spelling::kJson);
    if (!made.ok()) co_return told(made.takeError(), *line_.last("debugcon"));
  }
  // -drive if=virtio is a drive and a device in one, where there is a place for it.
  for (const auto& [given, drive] : virtioDrives_) {
    if (tree.buses().empty()) break;
    json::Writer disk;
    disk.beginObject();
    disk.member("driver", std::string_view("virtio-blk-pci"));
    disk.member("drive", drive);
    disk.endObject();
    RHEA_CO_TRY(json::Value options, json::parse(disk.take()));
    Result<hw::Device*> made = co_await tree.add(std::move(options), json::Spelling::kJson);
    if (!made.ok()) co_return told(made.takeError(), *given);
  }
  co_return success();
}

Task<Result<void>> Creation::disks(block::BlockGraph& graph, Log& log) {
  const block::ChangeContext context("start-up", CancelToken());
  for (const Given* given : line_.all("blockdev")) {
    Result<block::NodeOptions> options =
        block::parseBlockdev(given->text.empty() ? std::string_view(given->value.text()) : given->text);
    if (!options.ok()) co_return told(options.takeError().withExitCode(2), *given);
    Result<block::NodePtr> made = co_await graph.addNode(*std::move(options), context);
    if (!made.ok()) co_return told(made.takeError(), *given);
  }
  unsigned index = 0;
  for (const Given* given : line_.all("drive")) {
    Result<block::DriveOptions> options = block::parseDrive(given->text, index++);
    if (!options.ok()) co_return told(options.takeError().withExitCode(2), *given);
    block::NoteSink note = [&log, given](const std::string& text) {
      log.warning("{} {}: {}", given->origin, given->written, text);
    };
    if (line_.has("snapshot") && !options->snapshot) options->snapshot = true;
    const bool isVirtio = options->place.interface == "virtio";
    Result<block::DiskPtr> made = co_await block::openDrive(graph, *std::move(options), context, std::move(note));
    if (!made.ok()) co_return told(made.takeError(), *given);
    if (isVirtio) virtioDrives_.emplace_back(given, (*made)->id());
  }
  co_return success();
}

// Null: no chardev is wanted.
Task<Result<chardev::Chardev*>> Creation::shortForm(std::string text) {
  Result<chardev::ShortForm> parsed = chardev::parseShortForm(text, chardevs_.freeId("compat_monitor"));
  if (!parsed.ok()) co_return parsed.takeError().withExitCode(2);
  if (parsed->none) co_return static_cast<chardev::Chardev*>(nullptr);
  if (!parsed->existing.empty()) co_return chardevs_.find(parsed->existing);
  co_return co_await add(std::move(parsed->options));
}

Task<Result<machine::Pc::Serials>> Creation::serials() {
  machine::Pc::Serials serials;
  for (const Given* given : line_.all("serial")) {
    if (serials.size() == machine::Pc::kSerialPorts) {
      co_return told(Error("there are no more serial ports").expected("at most 4").withExitCode(2), *given);
    }
    Result<chardev::Chardev*> chardev = co_await shortForm(given->text);
    if (!chardev.ok()) co_return told(chardev.takeError(), *given);
    serials.push_back(*chardev);
    if (given->text.starts_with("mon:")) serialMonitors_.push_back(*chardev);
  }
  if (const Given* given = line_.last("debugcon"); given != nullptr) {
    Result<chardev::Chardev*> chardev = co_await shortForm(given->text);
    if (!chardev.ok()) co_return told(chardev.takeError(), *given);
    debugConsole_ = *chardev;
  }
  if (defaultSerial_) {
    RHEA_CO_TRY(terminalMux_, co_await shortForm("mon:stdio"));
    serials.push_back(terminalMux_);
  }
  co_return serials;
}

Task<Result<void>> Creation::monitors(Monitors& to, monitor::QmpEnvironment& qmp, monitor::HumanEnvironment& human) {
  MonitorMaker maker(to, qmp, human);
  for (const Given& given : line_.all()) {
    const std::string_view option = given.option->name;
    if (option == "mon") {
      const Keyval::Entry* id = given.pairs.find("chardev");
      if (id == nullptr) co_return told(Error("'chardev' is missing").withExitCode(2), given);
      Result<MonitorPlan> plan = planOf(given);
      if (!plan.ok()) co_return told(plan.takeError(), given);
      Result<chardev::Chardev*> chardev = chardevs_.find(id->value);
      if (!chardev.ok()) co_return told(chardev.takeError(), given);
      Result<void> made = maker.make(*std::move(plan), **chardev);
      if (!made.ok()) co_return told(made.takeError(), given);
    } else if (option == "qmp" || option == "qmp-pretty" || option == "monitor") {
      Result<chardev::Chardev*> chardev = co_await shortForm(given.text);
      if (!chardev.ok()) co_return told(chardev.takeError(), given);
      if (*chardev == nullptr) continue;
      MonitorPlan plan;
      plan.control = option != "monitor";
      plan.pretty = option == "qmp-pretty";
      Result<void> made = maker.make(std::move(plan), **chardev);
      if (!made.ok()) co_return told(made.takeError(), given);
    }
  }
  if (defaultMonitor_) {
    if (terminalMux_ == nullptr) {
      RHEA_CO_TRY(terminalMux_, co_await shortForm("mon:stdio"));
    }
    serialMonitors_.push_back(terminalMux_);
  }
  for (chardev::Chardev* chardev : serialMonitors_) {
    MonitorPlan plan;
    RHEA_CO_CHECK(maker.make(std::move(plan), *chardev));
  }
  co_return success();
}

}  // namespace rhea
