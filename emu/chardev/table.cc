#include "emu/chardev/table.h"

#include <fcntl.h>

#include <charconv>

#include "emu/base/names.h"
#include "emu/chardev/file.h"
#include "emu/chardev/log.h"
#include "emu/chardev/memory.h"
#include "emu/chardev/mux.h"
#include "emu/chardev/outlet.h"
#include "emu/chardev/socket.h"
#include "emu/chardev/terminal.h"
#include "emu/chardev/udp.h"

namespace rhea::chardev {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // Clang 16 does not deduce it

using Opened = Result<std::unique_ptr<Backend>>;

Task<Opened> ready(Opened opened) { co_return opened; }

}  // namespace

std::string_view kindOf(const BackendOptions& options) {
  return std::visit(Overloaded{
                        [](const SocketOptions&) { return std::string_view("socket"); },
                        [](const UdpOptions&) { return std::string_view("udp"); },
                        [](const StdioOptions&) { return std::string_view("stdio"); },
                        [](const PtyOptions&) { return std::string_view("pty"); },
                        [](const NullOptions&) { return std::string_view("null"); },
                        [](const FileOptions&) { return std::string_view("file"); },
                        [](const PipeOptions&) { return std::string_view("pipe"); },
                        [](const RingbufOptions&) { return std::string_view("ringbuf"); },
                        [](const MuxOptions&) { return std::string_view("mux"); },
                    },
                    options);
}

ChardevTable::ChardevTable(Loop& loop, FdSets& fdSets) : outlet_(std::make_unique<Outlet>(loop)), fdSets_(fdSets) {}

ChardevTable::~ChardevTable() {
  // A mux goes before the chardev below it.
  std::erase_if(chardevs_, [](const auto& entry) { return entry.second->backend().mostFrontEnds() > 1; });
}

Result<void> ChardevTable::checkFree(const std::string& id) const {
  RHEA_CHECK(checkId(id));
  if (chardevs_.contains(id)) {
    return Error(fmt::format("there is a chardev '{}' already", id)).hint("chardev-change gives it another back end");
  }
  return success();
}

// A descriptor by number (inherited) or by a name that offerFd() told.
Result<Fd> ChardevTable::takeFd(const std::string& name) {
  if (const auto offered = offered_.find(name); offered != offered_.end()) {
    Fd fd = std::move(offered->second);
    offered_.erase(offered);
    return fd;
  }
  int number = -1;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size() || number < 0) {
    std::vector<std::string> names;
    for (const auto& [known, fd] : offered_) names.push_back(known);
    return Error(fmt::format("no descriptor is called '{}'", name)).where("fd").candidates(std::move(names));
  }
  if (fcntl(number, F_GETFD) < 0) {
    return Error(fmt::format("descriptor {} is not open", number))
        .where("fd")
        .hint("the program that starts this one has to leave it open (without close-on-exec)");
  }
  if (!adopted_.insert(number).second) {
    return Error(fmt::format("descriptor {} belongs to another chardev", number)).where("fd");
  }
  return Fd(number);
}

Task<Opened> ChardevTable::open(BackendOptions options) {
  return std::visit(
      Overloaded{
          [this](SocketOptions& socket) -> Task<Opened> {
            if (auto* given = std::get_if<FdAddress>(&socket.address); given != nullptr && !given->fd.valid()) {
              Result<Fd> fd = takeFd(given->name);
              if (!fd.ok()) return ready(fd.takeError());
              given->fd = *std::move(fd);
            }
            return openSocket(*outlet_, std::move(socket));
          },
          [this](UdpOptions& udp) { return openUdp(*outlet_, std::move(udp)); },
          [this](StdioOptions& stdio) -> Task<Opened> {
            const auto owner = std::ranges::find_if(
                chardevs_, [](const auto& entry) { return entry.second->backend().filename() == "stdio"; });
            if (owner == chardevs_.end()) return ready(openStdio(*outlet_, stdio));
            return ready(Error(fmt::format("standard input and output belong to chardev '{}'", owner->first))
                             .hint("with mux=on a chardev serves several: -chardev stdio,id=NAME,mux=on"));
          },
          [this](PtyOptions&) { return ready(openPty(*outlet_)); },
          [](NullOptions&) { return ready(makeNull()); },
          [this](FileOptions& file) { return openFile(*outlet_, fdSets_, std::move(file)); },
          [this](PipeOptions& pipe) { return openPipe(*outlet_, std::move(pipe)); },
          [](RingbufOptions& ring) { return ready(makeRingbuf(ring)); },
          [this](MuxOptions& mux) -> Task<Opened> {
            Result<Chardev*> base = find(mux.chardev);
            if (!base.ok()) return ready(base.takeError());
            return ready(makeMux(**base, muxActions_));
          },
      },
      options);
}

Task<Opened> ChardevTable::openLogged(BackendOptions options, std::optional<LogOptions> log) {
  RHEA_CO_TRY(std::unique_ptr<Backend> backend, co_await open(std::move(options)));
  if (!log) co_return backend;
  co_return co_await addLog(*outlet_, fdSets_, *std::move(log), std::move(backend));
}

Task<Result<Chardev*>> ChardevTable::add(Options options) {
  RHEA_CO_CHECK(checkFree(options.id));
  if (options.mux) {
    // The chardev itself gets another name: front ends ask for the mux by the one that the user chose.
    Options below(fmt::format("{}-base", options.id), std::move(options.backend));
    Options mux(options.id, MuxOptions{below.id});
    mux.role = options.role;
    below.log = std::move(options.log);
    RHEA_CO_CHECK(co_await add(std::move(below)));
    co_return co_await add(std::move(mux));
  }
  const auto* socket = std::get_if<SocketOptions>(&options.backend);
  const bool waits = socket != nullptr && socket->server && socket->wait;
  const std::string_view kind = kindOf(options.backend);
  RHEA_CO_TRY(std::unique_ptr<Backend> backend,
              co_await openLogged(std::move(options.backend), std::move(options.log)));
  RHEA_CO_CHECK(checkFree(options.id));  // another add may have come in between
  auto made = std::make_unique<Chardev>(options.id, kind, std::move(backend));
  made->setRole(options.role.value_or(Role::kFull));
  Chardev* result = made.get();
  chardevs_.emplace(options.id, std::move(made));
  if (waits) waiting_.push_back(options.id);
  if (observer_ != nullptr) observer_->chardevAdded(*result);
  co_return result;
}

Result<void> ChardevTable::checkUnused(const Chardev& chardev) const {
  if (chardev.frontEnds().empty()) return success();
  return Error(fmt::format("chardev '{}' is in use by {}", chardev.id(), chardev.frontEnds().front()->description()));
}

Result<void> ChardevTable::remove(std::string id) {
  RHEA_TRY(Chardev * chardev, find(id));
  RHEA_CHECK(checkUnused(*chardev));
  std::erase(waiting_, id);
  if (observer_ != nullptr) observer_->chardevRemoved(*chardev);
  chardevs_.erase(id);
  return success();
}

Task<Result<Chardev*>> ChardevTable::change(Options options) {
  RHEA_CO_TRY(Chardev * chardev, find(options.id));
  if (options.mux || std::holds_alternative<MuxOptions>(options.backend) || chardev->backend().mostFrontEnds() > 1) {
    co_return Error(fmt::format("a mux cannot be changed: '{}'", options.id))
        .hint("change the chardev below it, whose name ends in -base");
  }
  const std::string_view kind = kindOf(options.backend);
  RHEA_CO_TRY(std::unique_ptr<Backend> backend,
              co_await openLogged(std::move(options.backend), std::move(options.log)));
  RHEA_CO_TRY(chardev, find(options.id));
  if (observer_ != nullptr) observer_->chardevRemoved(*chardev);
  chardev->change(kind, std::move(backend));
  if (observer_ != nullptr) observer_->chardevAdded(*chardev);
  co_return chardev;
}

Result<Chardev*> ChardevTable::find(std::string_view id) const {
  const auto found = chardevs_.find(id);
  if (found != chardevs_.end()) return found->second.get();
  std::vector<std::string> known = names();
  std::vector<std::string> near = nearestNames(id, known);
  return Error(fmt::format("there is no chardev '{}'", id)).candidates(near.empty() ? std::move(known) : near);
}

std::vector<ChardevTable::Info> ChardevTable::list() const {
  std::vector<Info> result;
  for (const auto& [id, chardev] : chardevs_) {
    result.push_back({id, chardev->backend().filename(), chardev->frontEndOpen()});
  }
  return result;
}

std::vector<std::string> ChardevTable::names() const {
  std::vector<std::string> result;
  for (const auto& [id, chardev] : chardevs_) result.push_back(id);
  return result;
}

Task<Result<void>> ChardevTable::waitForClients(CancelToken cancel) {
  while (!waiting_.empty()) {
    const std::string id = waiting_.back();
    if (const auto found = chardevs_.find(id); found != chardevs_.end()) {
      RHEA_CO_CHECK(co_await found->second->backend().waitForClient(cancel));
    }
    std::erase(waiting_, id);
  }
  co_return success();
}

std::string ChardevTable::freeId(std::string_view stem) const {
  for (unsigned number = 0;; ++number) {
    std::string id = fmt::format("{}{}", stem, number);
    if (!chardevs_.contains(id)) return id;
  }
}

void ChardevTable::offerFd(std::string name, Fd fd) { offered_.insert_or_assign(std::move(name), std::move(fd)); }

void ChardevTable::drain(Duration limit) {
  const TimePoint until = Clock::now() + limit;
  for (const auto& [id, chardev] : chardevs_) chardev->backend().drain(until);
}

}  // namespace rhea::chardev
