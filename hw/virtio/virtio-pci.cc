// VirtioPci: its life: made, plugged, reset, stopped, saved.
#include "hw/virtio/virtio-pci.h"

#include "emu/base/log.h"
#include "hw/core/board.h"
#include "hw/core/built-in.h"
#include "hw/virtio/virtio-pci-layout.h"

namespace rhea::virtio {

const object::Property VirtioPci::kProperties[] = {
    object::field<&VirtioPci::pciOptions_, &PciOptions::vectors>(
        "vectors", "4294967295", "MSI-X vectors; 0 for none; when left out one for each queue and one besides"),
    object::field<&VirtioPci::pciOptions_, &PciOptions::indirect>("indirect_desc", "true",
                                                                  "whether indirect descriptors are offered"),
    object::field<&VirtioPci::pciOptions_, &PciOptions::eventIndex>("event_idx", "true",
                                                                    "whether the event index is offered"),
    object::field<&VirtioPci::pciOptions_, &PciOptions::disableLegacy>(
        "disable-legacy", "\"auto\"", "whether the registers of before virtio 1.0 are left out; auto: behind a port"),
    object::field<&VirtioPci::pciOptions_, &PciOptions::disableModern>(
        "disable-modern", "false", "whether nothing but the registers of before virtio 1.0 is there"),
};

void VirtioPci::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "virtio-pci";
  type.parent = "pci-device";
  type.doc = "a virtio device as a PCI function";
  type.isAbstract = true;
  type.properties = kProperties;
  classes.add(std::move(type));
}

VirtioPci::~VirtioPci() = default;

Task<Result<void>> VirtioPci::complete() {
  if (pciOptions_.disableModern && !isTransitional()) {
    co_return Error("the device has neither modern nor legacy registers")
        .where("disable-modern")
        .hint("disable-legacy=off");
  }
  main_ = Loop::current();
  std::unique_ptr<VirtioDevice> made = makeDevice();
  device_ = made.get();
  device_->setTransport(this);
  // The child's path: clients find a disk's device by it.
  device_->setName("virtio-backend");
  device_->setPlace(nullptr, id(), devicePath() + "/virtio-backend");
  Result<void> completed = co_await device_->complete();
  if (!completed.ok()) {
    device_ = nullptr;
    co_return completed;
  }
  adopt("virtio-backend", std::move(made));
  shapes_ = device_->queues();
  for (unsigned i = 0; i < shapes_.size(); ++i) {
    queues_.push_back(std::make_unique<Queue>(*this, *device_, i, *shapes_[i].loop));
  }
  registers_.resize(shapes_.size());
  vectors_ = std::vector<std::atomic<std::uint16_t>>(shapes_.size());
  clearRegisters();

  const auto modernId = static_cast<std::uint16_t>(kModernDevice + device_->deviceType());
  pci::PciIdentity identity(kVendor, isTransitional() ? transitionalId(device_->deviceType()) : modernId, classCode());
  identity.revision = isTransitional() ? 0 : 1;
  identity.subsystemVendor = kVendor;
  identity.subsystem = isTransitional() ? device_->deviceType() : kSubsystem;
  identify(identity);
  if (isTransitional()) addLegacyWindow();
  addIntx();
  if (pciBus().above() != nullptr) {
    addExpress(pci::ExpressType::kEndpoint);
    addPowerManagement();
  }
  const unsigned vectors = pciOptions_.vectors == UINT32_MAX ? static_cast<unsigned>(shapes_.size()) + 1
                                                             : std::min(pciOptions_.vectors, pci::Msix::kMostVectors);
  if (vectors > 0) addMsix(vectors, kMsixBar);
  if (!pciOptions_.disableModern) addVirtioCapabilities();
  setUp();
  if (auto* runState = services().find<object::RunState>(); runState != nullptr) {
    runState->observe(*this, object::RunState::Layer::kDevices);
    observing_ = true;
  }
  co_return success();
}

void VirtioPci::addVirtioCapabilities() {
  addBar(kWindowBar, pci::BarKind::kPrefetch64, kWindowBarSize);
  const std::string name(type().name);
  addBarPart(kWindowBar, name + " common", kCommonOffset, kCommonSize, mem::Target::io(common_));
  addBarPart(kWindowBar, name + " isr", kIsrOffset, kWindowSize, mem::Target::io(isrWindow_));
  addBarPart(kWindowBar, name + " device", kDeviceOffset, kWindowSize, mem::Target::io(deviceWindow_));
  addBarPart(kWindowBar, name + " notify", kNotifyOffset, kWindowSize, mem::Target::io(notify_));
  addWindowCapability(kCommonWindow, kCommonOffset, kCommonSize, 16);
  addWindowCapability(kIsrWindow, kIsrOffset, kWindowSize, 16);
  if (device_->configSize() > 0) addWindowCapability(kDeviceWindow, kDeviceOffset, kWindowSize, 16);
  addWindowCapability(kNotifyWindow, kNotifyOffset, kWindowSize, 20);
  addWindowCapability(kAccessWindow, 0, 0, 20);
}

void VirtioPci::addWindowCapability(std::uint8_t type, std::uint32_t offset, std::uint32_t length, std::size_t size) {
  const std::size_t at = addCapability(pci::kCapVendor, size);
  pci::ConfigSpace& config = configSpace();
  config.set<std::uint8_t>(at + 2, static_cast<std::uint8_t>(size));
  config.set<std::uint8_t>(at + 3, type);
  if (type == kAccessWindow) {
    accessCapability_ = at;
    config.writable<std::uint8_t>(at + 4, 0xff);
    config.writable<std::uint64_t>(at + 8, ~std::uint64_t{0});
    config.writable<std::uint32_t>(at + kAccessData, 0xffffffff);
    return;
  }
  config.set<std::uint8_t>(at + 4, kWindowBar);
  config.set<std::uint32_t>(at + 8, offset);
  config.set<std::uint32_t>(at + 12, length);
  if (type == kNotifyWindow) config.set<std::uint32_t>(at + 16, kNotifyStep);
}

Task<void> VirtioPci::retire() {
  if (auto* runState = services().find<object::RunState>(); observing_ && runState != nullptr) {
    runState->forget(*this);
  }
  {
    const std::lock_guard lock(guard_);
    resetting_ = true;  // nothing that a vCPU writes now starts anything
  }
  co_await resets_.join();
  co_await stopQueues();
  co_await device_->retire();
}

Task<void> VirtioPci::stopQueues() {
  device_->abandonHeld();
  for (const auto& queue : queues_) co_await queue->stop();
}

Task<void> VirtioPci::driverReset() {
  co_await stopQueues();
  device_->negotiated(0);
  co_await device_->deviceReset();
  const std::lock_guard lock(guard_);
  clearRegisters();
  resetting_ = false;
  resetDone_.notify_all();
}

Task<void> VirtioPci::reset() {
  {
    const std::lock_guard lock(guard_);
    resetting_ = true;
  }
  co_await resets_.join();
  co_await driverReset();
  co_await PciDevice::reset();
}

Task<void> VirtioPci::finishAsked() {
  co_await resets_.join();
  for (const auto& queue : queues_) co_await queue->finish();
}

void VirtioPci::beginReset() {
  if (std::exchange(resetting_, true)) return;
  resets_.spawnOn(*main_, driverReset());
}

void VirtioPci::clearRegisters() {
  status_ = 0;
  needsReset_ = false;
  deviceFeatureSelect_ = 0;
  driverFeatureSelect_ = 0;
  driverFeatures_ = 0;
  queueSelect_ = 0;
  configVector_ = kNoVector;
  sharedConfigVector_.store(kNoVector, std::memory_order_relaxed);
  for (std::size_t i = 0; i < registers_.size(); ++i) {
    registers_[i] = QueueRegisters();
    registers_[i].size = static_cast<std::uint16_t>(shapes_[i].size);
    vectors_[i].store(kNoVector, std::memory_order_relaxed);
  }
  const std::lock_guard lock(isrGuard_);
  isr_ = 0;
  setIntx(false);
}

// --- the machine stops and runs

Task<Result<void>> VirtioPci::machineStopped() {
  stopped_ = true;
  for (const auto& queue : queues_) co_await queue->pause(true);
  co_await device_->settle();
  // What is done has been handed back too once the loops have had another turn. On slow storage the machine may have
  // been resumed meanwhile.
  for (const auto& queue : queues_) co_await queue->pause(stopped_);
  co_return success();
}

void VirtioPci::machineResumed() {
  stopped_ = false;
  auto resume = [](VirtioPci& self) -> Task<void> {
    for (const auto& queue : self.queues_) co_await queue->pause(false);
  };
  resets_.spawn(resume(*this));
}

// --- interrupts

void VirtioPci::raiseIsr(std::uint8_t bit) {
  const std::lock_guard lock(isrGuard_);
  isr_ |= bit;
  setIntx(true);
}

void VirtioPci::interrupt(const Queue& queue) {
  if (!usesMsix()) return raiseIsr(kIsrQueue);
  const std::uint16_t vector = vectors_[queue.index()].load(std::memory_order_acquire);
  if (vector != kNoVector) notifyMsix(vector);
}

void VirtioPci::configChanged() {
  {
    const std::lock_guard lock(guard_);
    ++generation_;
    if ((status_ & kDriverOk) == 0) return;
  }
  if (!usesMsix()) return raiseIsr(kIsrConfig);
  const std::uint16_t vector = sharedConfigVector_.load(std::memory_order_acquire);
  if (vector != kNoVector) notifyMsix(vector);
}

void VirtioPci::kickAll() {
  for (const auto& queue : queues_) queue->kick();
}

void VirtioPci::broken(const Error& why) {
  {
    const std::lock_guard lock(guard_);
    if (std::exchange(needsReset_, true)) return;
  }
  if (auto* log = services().find<Log>(); log != nullptr) {
    log->warning("{} ({}): the guest's driver broke the rules, and the device waits for a reset: {}", label(),
                 type().name, why.message());
  }
  configChanged();
}

// --- saved state

void VirtioPci::save(migrate::StateWriter& to) const {
  migrate::StateWriter function;
  PciDevice::save(function);
  to.putSection("pci", function);
  const std::lock_guard lock(guard_);
  to.put("status", status_);
  to.put("needs-reset", needsReset_);
  to.put("generation", generation_);
  to.put("device-feature-select", deviceFeatureSelect_);
  to.put("driver-feature-select", driverFeatureSelect_);
  to.put("driver-features", driverFeatures_);
  to.put("queue-select", queueSelect_);
  to.put("config-vector", configVector_);
  to.put("isr", isr_);
  to.put("queues", registers_.size());
  for (std::size_t i = 0; i < registers_.size(); ++i) {
    const QueueRegisters& registers = registers_[i];
    const Queue::State state = queues_[i]->state();
    migrate::StateWriter queue;
    queue.put("size", registers.size);
    queue.put("vector", registers.vector);
    queue.put("enabled", registers.enabled);
    queue.put("descriptors", registers.descriptors);
    queue.put("available", registers.available);
    queue.put("used", registers.used);
    queue.put("started", state.started);
    queue.put("next-available", state.nextAvailable);
    queue.put("next-used", state.nextUsed);
    queue.putBytes("under-way", std::as_bytes(std::span(state.underWay)));
    to.putSection(fmt::format("queue{}", i), queue);
  }
  migrate::StateWriter own;
  device_->save(own);
  to.putSection("device", own);
}

Result<void> VirtioPci::load(migrate::StateReader& from) {
  RHEA_TRY(migrate::StateReader function, from.section("pci"));
  RHEA_CHECK(loadFunction(function));
  RHEA_CHECK(function.finish());
  std::vector<Queue::State> states(registers_.size());
  {
    const std::lock_guard lock(guard_);
    RHEA_CHECK(from.get("status", status_));
    RHEA_CHECK(from.get("needs-reset", needsReset_));
    RHEA_CHECK(from.get("generation", generation_));
    RHEA_CHECK(from.get("device-feature-select", deviceFeatureSelect_));
    RHEA_CHECK(from.get("driver-feature-select", driverFeatureSelect_));
    RHEA_CHECK(from.get("driver-features", driverFeatures_));
    RHEA_CHECK(from.get("queue-select", queueSelect_));
    RHEA_CHECK(from.get("config-vector", configVector_));
    RHEA_CHECK(from.get("isr", isr_));
    std::size_t count = 0;
    RHEA_CHECK(from.get("queues", count));
    if (count != registers_.size()) {
      return Error(fmt::format("the saved device has {} queues, this one {}", count, registers_.size()));
    }
    const std::uint64_t more = driverFeatures_ & ~(offered() | (isTransitional() ? legacyOffered() : 0));
    if (more != 0) return Error(fmt::format("features {:#x} were negotiated, which this device does not offer", more));
    configVector_ = checkedVector(configVector_);
    sharedConfigVector_.store(configVector_, std::memory_order_release);
    for (std::size_t i = 0; i < count; ++i) {
      RHEA_TRY(migrate::StateReader queue, from.section(fmt::format("queue{}", i)));
      RHEA_CHECK(loadQueue(queue, i, states[i]));
    }
  }
  RHEA_TRY(migrate::StateReader own, from.section("device"));
  RHEA_CHECK(device_->load(own));
  device_->negotiated((status_ & (kFeaturesOk | kDriverOk)) != 0 ? driverFeatures_ : 0);
  for (std::size_t i = 0; i < states.size(); ++i) {
    auto work = [queue = queues_[i].get(), state = std::move(states[i])] { queue->restore(state); };
    queues_[i]->loop().post(work);
  }
  return from.finish();
}

Result<void> VirtioPci::loadQueue(migrate::StateReader& from, std::size_t index, Queue::State& state) {
  QueueRegisters& registers = registers_[index];
  RHEA_CHECK(from.get("size", registers.size));
  RHEA_CHECK(from.get("vector", registers.vector));
  RHEA_CHECK(from.get("enabled", registers.enabled));
  RHEA_CHECK(from.get("descriptors", registers.descriptors));
  RHEA_CHECK(from.get("available", registers.available));
  RHEA_CHECK(from.get("used", registers.used));
  RHEA_CHECK(from.get("started", state.started));
  RHEA_CHECK(from.get("next-available", state.nextAvailable));
  RHEA_CHECK(from.get("next-used", state.nextUsed));
  RHEA_TRY(const std::span<const std::byte> heads, from.bytes("under-way", 2 * kMostQueueSize));
  if (registers.size > shapes_[index].size || (registers.size & (registers.size - 1)) != 0) {
    return Error(fmt::format("queue {} of the saved device has {} entries, this one {} at most", index, registers.size,
                             shapes_[index].size));
  }
  state.underWay.resize(heads.size() / 2);
  if (!heads.empty()) std::memcpy(state.underWay.data(), heads.data(), state.underWay.size() * 2);
  registers.vector = checkedVector(registers.vector);
  vectors_[index].store(registers.vector, std::memory_order_release);
  state.place = placeOf(registers);
  state.features = driverFeatures_;
  return from.finish();
}

}  // namespace rhea::virtio
