// PciRig: a board with RAM, q35's PCI host and a block graph, but no CPU: the test's thread plays the vCPU. The main
// loop runs on a thread of its own, as devices must expect it.
#pragma once

#include <condition_variable>
#include <deque>
#include <thread>

#include "block/core/graph.h"
#include "block/driver/table.h"
#include "block/options/open-drive.h"
#include "emu/base/log.h"
#include "emu/io/file-engine.h"
#include "emu/io/offload.h"
#include "emu/net/net-table.h"
#include "emu/object/iothread.h"
#include "emu/object/rng.h"
#include "emu/object/tree.h"
#include "hw/core/built-in.h"
#include "hw/core/device-tree.h"
#include "hw/devices.h"
#include "hw/pci/pci-host.h"

namespace rhea::test {

class PciRig final : public hw::Board,
                     public hw::MsiSink,
                     public hw::IrqSink,
                     public EventSink,
                     public block::RunStateHook {
 public:
  static constexpr std::uint64_t kRamSize = std::uint64_t{64} << 20;

  PciRig() : main_("main", workers_) {
    ram_ = mem::RamBlock::anonymous("ram", kRamSize).value();
    ramMapping_ = memory_.map(mem::AddressSpace::Region("ram", 0, kRamSize, mem::Target::ram(ram_)));
    onMain([this] { compose(); });
    auto make = [](PciRig& rig) -> Task<Result<hw::Device*>> {
      hw::Board& board = rig;
      pci::Fabric::Lines lines;
      for (unsigned i = 0; i < lines.size(); ++i) lines[i] = hw::IrqLine(rig, i);
      auto host = std::make_unique<pci::PciHost>(*rig.classes_.find("q35-pcihost"), rig.services_, board, lines);
      co_return co_await hw::addBuiltIn(*rig.tree_->root().child("machine"), "q35", std::move(host), nullptr);
    };
    host_ = static_cast<pci::PciHost*>(run(make(*this)).value());
    onMain([this] { clock_->start(); });
  }
  ~PciRig() override {
    auto end = [](PciRig& rig) -> Task<Result<void>> {
      (void)co_await rig.devices_->removeAll(CancelToken());
      (void)co_await rig.graph_->shutdown(CancelToken());
      co_await rig.tree_->removeAll();
      co_return success();
    };
    (void)run(end(*this));
    onMain([this] {
      devices_.reset();
      tree_.reset();
      graph_.reset();
      clock_.reset();
      runState_.reset();
    });
  }

  // --- the program's side
  // Runs a task on the main loop and waits for it.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    onMainAsync([&](std::function<void()> done) { collect(std::move(task), value, std::move(done)); });
    return std::move(*value);
  }
  void onMain(const std::function<void()>& work) {
    onMainAsync([&work](const std::function<void()>& done) {
      work();
      done();
    });
  }
  // -device: JSON or key=value.
  Result<hw::Device*> device(const std::string& options) {
    Result<json::Value> parsed = parseOption(options, "driver");
    if (!parsed.ok()) return parsed.takeError();
    return run(devices_->add(*std::move(parsed), json::Spelling::kKeyval));
  }
  // -blockdev.
  Result<void> blockdev(const std::string& options) {
    Result<block::NodeOptions> parsed = block::parseBlockdev(options);
    if (!parsed.ok()) return parsed.takeError();
    Result<block::NodePtr> node = run(graph_->addNode(*std::move(parsed), block::ChangeContext()));
    return node.ok() ? success() : node.takeError();
  }
  // -object.
  Result<void> object(const std::string& options) {
    Result<json::Value> parsed = parseOption(options, "qom-type");
    if (!parsed.ok()) return parsed.takeError();
    return run(tree_->create(*std::move(parsed), json::Spelling::kKeyval));
  }
  Result<void> unplug(const std::string& id) {
    std::optional<Result<void>> outcome;
    onMain([&] { outcome.emplace(devices_->requestRemoval(id)); });
    return *std::move(outcome);
  }
  void machineStarts() {
    onMain([this] { devices_->machineStarts(); });
  }
  void reset() {
    auto work = [](PciRig& rig) -> Task<Result<void>> {
      co_await hw::resetDevices(*rig.tree_->root().child("machine"));
      co_return success();
    };
    (void)run(work(*this));
  }
  block::BlockGraph& graph() { return *graph_; }
  object::RunState& runState() { return *runState_; }
  object::ObjectTree& tree() { return *tree_; }
  hw::DeviceTree& devices() { return *devices_; }
  net::NetTable& networks() { return networks_; }
  pci::PciHost& host() { return *host_; }
  const Services& services() const { return services_; }
  int ioErrorStops() const { return stops_.load(); }
  // Until that event was sent so often.
  bool waitForEvent(std::string_view name, int times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      return std::ranges::count_if(events_, [name](const std::string& e) { return e.starts_with(name); }) >= times;
    });
  }
  std::string events() {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& event : events_) all += event + "\n";
    return all;
  }

  // --- the guest's side
  mem::AddressSpace& memory() override { return memory_; }
  mem::AddressSpace& ports() override { return ports_; }
  std::span<std::byte> ram() { return ram_->bytes(); }
  template <class T>
  T& at(std::uint64_t address) {
    return *reinterpret_cast<T*>(ram_->host() + address);
  }
  static std::uint64_t ecam(unsigned bus, unsigned device, unsigned function, unsigned offset) {
    return pci::PciHost::kEcamBase + (bus << 20) + (device << 15) + (function << 12) + offset;
  }
  std::uint32_t readConfig(unsigned device, unsigned offset, unsigned size = 4, unsigned bus = 0) {
    return static_cast<std::uint32_t>(memory_.readValue(ecam(bus, device, 0, offset), size));
  }
  void writeConfig(unsigned device, unsigned offset, std::uint32_t value, unsigned size = 4, unsigned bus = 0) {
    memory_.writeValue(ecam(bus, device, 0, offset), value, size);
  }
  // Waits until a message with this data was sent; takes it.
  bool waitForMessage(std::uint32_t data, std::chrono::milliseconds most = std::chrono::seconds(10)) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, most, [&] { return messages_[data] > 0; });
    if (came) --messages_[data];
    return came;
  }
  int messages(std::uint32_t data) {
    const std::lock_guard lock(mutex_);
    return messages_[data];
  }
  bool waitForLine(unsigned line, bool high, std::chrono::milliseconds most = std::chrono::seconds(10)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return lines_[line] == high; });
  }
  int wishes(Wish what) {
    const std::lock_guard lock(mutex_);
    return wishes_[what];
  }

  // --- Board and the rest
  Loop& mainLoop() override { return main_.loop(); }
  object::VirtualClock& clock() override { return *clock_; }
  hw::MsiSink& msi() override { return *this; }
  void wish(Wish what, std::string_view) override {
    const std::lock_guard lock(mutex_);
    ++wishes_[what];
  }
  Task<void> forgetLookups() override { co_return; }
  void deliverMsi(std::uint64_t address, std::uint32_t data) override {
    (void)address;
    {
      const std::lock_guard lock(mutex_);
      ++messages_[data];
    }
    changed_.notify_all();  // not under the lock: the bench would count a second wake-up that no vCPU needs
  }
  void setIrq(unsigned line, bool high) override {
    const std::lock_guard lock(mutex_);
    lines_[line] = high;
    changed_.notify_all();
  }
  void emit(const EventInfo& event, std::string data, std::string_view) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(fmt::format("{} {}", event.name, data));
    changed_.notify_all();
  }
  void stopForIoError() override {
    stops_.fetch_add(1);
    runState_->stopSoon(object::RunState::State::ioError);
  }

 private:
  // A loop on a thread of its own.
  class MainThread {
   public:
    MainThread(std::string name, WorkerPool& workers) : loop_(Loop::create(std::move(name), workers).value()) {
      thread_ = std::thread([this] { loop_->run(); });
    }
    ~MainThread() {
      loop_->stop();
      thread_.join();
    }
    Loop& loop() { return *loop_; }

   private:
    std::unique_ptr<Loop> loop_;
    std::thread thread_;
  };

  template <class T>
  static Detached collect(Task<T> task, std::optional<T>& value, std::function<void()> done) {
    value.emplace(co_await std::move(task));
    done();
  }
  void onMainAsync(const std::function<void(std::function<void()>)>& work) {
    // Shared, because the waiter may be gone while the notifier still notifies.
    auto done = std::make_shared<std::atomic<bool>>(false);
    main_.loop().post([&work, done] {
      work([done] {
        done->store(true);
        done->notify_all();
      });
    });
    done->wait(false);
  }

  void compose() {
    object::IoThread::addClass(classes_);
    object::RngSource::addClasses(classes_);
    object::Class machine;
    machine.name = "test-machine";
    machine.parent = "object";
    machine.doc = "the rig";
    classes_.add(std::move(machine));
    hw::addDeviceClasses(classes_);
    tree_ = std::make_unique<object::ObjectTree>(classes_, services_);
    object::Object& top =
        tree_->root().adopt("machine", std::make_unique<object::Object>(*classes_.find("test-machine")));
    for (const char* name : {"peripheral", "peripheral-anon", "unattached"}) {
      top.adopt(name, std::make_unique<object::Object>(*classes_.find("container")));
    }
    runState_ = std::make_unique<object::RunState>(main_.loop(), *this, false);
    clock_ = std::make_unique<object::VirtualClock>();
    devices_ = std::make_unique<hw::DeviceTree>(*tree_, services_, main_.loop(), *this);
    services_.provide(fileEngine_);
    services_.provide(*tree_);
    services_.provide(*runState_);
    services_.provide(*devices_);
    services_.provide(networks_);
    services_.provide<hw::Board>(*this);
    block::GraphContext context(main_.loop(), drivers_, services_, observer_);
    context.runState = this;
    graph_ = std::make_unique<block::BlockGraph>(context);
    services_.provide(*graph_);
  }

  WorkerPool workers_;
  Log log_;
  DefaultFileEngine fileEngine_{log_};
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"io", 0x10000};
  mem::RamBlockPtr ram_;
  mem::AddressSpace::Mapping ramMapping_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, int> messages_;
  std::map<unsigned, bool> lines_;
  std::map<Wish, int> wishes_;
  std::vector<std::string> events_;
  std::atomic<int> stops_{0};
  object::ClassTable classes_;
  Services services_;
  net::NetTable networks_;
  block::GraphObserver observer_;
  block::DriverRegistry drivers_{block::allDrivers()};
  MainThread main_;
  std::unique_ptr<object::ObjectTree> tree_;
  std::unique_ptr<object::RunState> runState_;
  std::unique_ptr<object::VirtualClock> clock_;
  std::unique_ptr<hw::DeviceTree> devices_;
  std::unique_ptr<block::BlockGraph> graph_;
  pci::PciHost* host_ = nullptr;
};

}  // namespace rhea::test
