#include "hw/irq/local-apic.h"

#include <bit>

#include "emu/cpu/vcpu.h"

namespace rhea::hw {

namespace {

constexpr std::uint32_t kMasked = 0x10000;
constexpr std::uint32_t kLevel = 0x8000;
constexpr std::uint32_t kErrorSendVector = 0x20;
constexpr std::uint32_t kErrorReceiveVector = 0x40;
constexpr std::uint8_t kFirstVector = 16;  // those below are the CPU's own

DeliveryMode modeOf(std::uint32_t low) { return static_cast<DeliveryMode>(low >> 8 & 7); }

// In x2APIC mode the logical id follows from the id: cluster and bit.
std::uint32_t x2LogicalId(std::uint32_t id) { return (id >> 4 << 16) | (1U << (id & 0xf)); }

}  // namespace

LocalApic::LocalApic(const object::Class& type, ApicBus& bus, object::VirtualClock& clock, std::uint32_t id,
                     bool bootstrap)
    : Device(type),
      bus_(bus),
      id_(id),
      bootstrap_(bootstrap),
      base_(ApicBus::kBase | kBaseEnable | (bootstrap ? kBaseBootstrap : 0)),
      timer_(clock, [this] { timerExpired(); }) {
  clearState();
}

int LocalApic::highest(const Bits& bits) {
  for (int word = 7; word >= 0; --word) {
    const std::uint32_t value = bits[static_cast<std::size_t>(word)].load(std::memory_order_acquire);
    if (value != 0) return word * 32 + 31 - std::countl_zero(value);
  }
  return -1;
}

bool LocalApic::matches(const ApicMessage& message) const {
  const std::uint32_t to = message.destination;
  if (to == ApicMessage::kEverybody || (!message.wide && (to & 0xff) == 0xff)) return true;
  if (!message.logical) return to == id_;
  if (x2()) {
    const std::uint32_t own = x2LogicalId(id_);
    return own >> 16 == to >> 16 && (own & to & 0xffff) != 0;
  }
  const std::uint32_t own = logicalDestination_.load(std::memory_order_relaxed) >> 24;
  if (destinationFormat_.load(std::memory_order_relaxed) >> 28 == 0xf) return (own & to & 0xff) != 0;
  return own >> 4 == (to >> 4 & 0xf) && (own & to & 0xf) != 0;
}

void LocalApic::take(const ApicMessage& message) {
  if (vcpu_ == nullptr) return;
  switch (message.mode) {
    case DeliveryMode::kFixed:
    case DeliveryMode::kLowestPriority:
      accept(message.vector, message.level);
      break;
    case DeliveryMode::kSmi:
      vcpu_->post(cpu::kSmi);
      break;
    case DeliveryMode::kNmi:
      vcpu_->post(cpu::kNmi);
      break;
    case DeliveryMode::kInit:
      vcpu_->post(cpu::kInit);
      break;
    case DeliveryMode::kStartup:
      vcpu_->startUp(message.vector);
      break;
    case DeliveryMode::kExternal:
      externalMessage_ = true;
      vcpu_->post(cpu::kInterrupt);
      break;
  }
}

void LocalApic::accept(std::uint8_t vector, bool level) {
  if (!enabled() || !softwareEnabled()) return;
  if (vector < kFirstVector) {
    report(kErrorReceiveVector);
    return;
  }
  const std::size_t word = vector / 32;
  const std::uint32_t bit = 1U << (vector % 32);
  if (level) {
    trigger_[word].fetch_or(bit);
  } else {
    trigger_[word].fetch_and(~bit);
  }
  request_[word].fetch_or(bit);
  if (vcpu_ != nullptr) vcpu_->post(cpu::kInterrupt);
}

void LocalApic::report(std::uint32_t error) {
  errors_.fetch_or(error);
  raiseLvt(kError);
}

void LocalApic::raiseLvt(Lvt which) {
  const std::uint32_t entry = lvt_[which];
  if ((entry & kMasked) != 0 || vcpu_ == nullptr) return;
  const DeliveryMode mode = which == kTimer || which == kError ? DeliveryMode::kFixed : modeOf(entry);
  const auto vector = static_cast<std::uint8_t>(entry);
  if (mode == DeliveryMode::kFixed) {
    // A bad vector of the error entry itself must not come back here.
    if (vector >= kFirstVector) accept(vector, which == kLint0 && (entry & kLevel) != 0);
  } else if (mode == DeliveryMode::kNmi) {
    vcpu_->post(cpu::kNmi);
  } else if (mode == DeliveryMode::kExternal) {
    vcpu_->post(cpu::kInterrupt);
  }
}

void LocalApic::timerExpired() { raiseLvt(kTimer); }

void LocalApic::setLint0(bool high) {
  if (lint0_.exchange(high) == high || !high) return;
  if (enabled()) {
    raiseLvt(kLint0);
  } else if (vcpu_ != nullptr) {
    vcpu_->post(cpu::kInterrupt);  // the pin is INTR
  }
}

void LocalApic::pulseLint1() {
  if (enabled()) {
    raiseLvt(kLint1);
  } else if (vcpu_ != nullptr) {
    vcpu_->post(cpu::kNmi);
  }
}

bool LocalApic::acceptsExternal() const {
  if (!enabled()) return true;
  const std::uint32_t entry = lvt_[kLint0];
  return (entry & kMasked) == 0 && modeOf(entry) == DeliveryMode::kExternal;
}

bool LocalApic::externalPending() const {
  return external_ != nullptr && ((lint0_ && acceptsExternal()) || externalMessage_);
}

std::uint8_t LocalApic::processorPriority() const {
  const int inService = highest(service_);
  const unsigned service = inService < 0 ? 0 : static_cast<unsigned>(inService) & 0xf0;
  const unsigned task = tpr_.load(std::memory_order_relaxed);
  return static_cast<std::uint8_t>((task & 0xf0) >= service ? task : service);
}

int LocalApic::deliverable() const {
  if (!enabled() || !softwareEnabled()) return -1;
  const int vector = highest(request_);
  return vector >= 0 && (vector & 0xf0) > (processorPriority() & 0xf0) ? vector : -1;
}

void LocalApic::announce() {
  if (vcpu_ != nullptr && deliverable() >= 0) vcpu_->post(cpu::kInterrupt);
}

std::optional<std::uint8_t> LocalApic::acknowledge() {
  const int vector = deliverable();
  if (vector >= 0) {
    const auto word = static_cast<std::size_t>(vector) / 32;
    const std::uint32_t bit = 1U << (vector % 32);
    request_[word].fetch_and(~bit);
    service_[word].fetch_or(bit);
    return static_cast<std::uint8_t>(vector);
  }
  if (!externalPending()) return std::nullopt;
  externalMessage_ = false;
  return external_->acknowledgeExternal();
}

bool LocalApic::pending() const { return deliverable() >= 0 || externalPending(); }

void LocalApic::setPriority(std::uint8_t value) {
  tpr_.store(value, std::memory_order_relaxed);
  announce();
}

void LocalApic::endOfInterrupt() {
  const int vector = highest(service_);
  if (vector < 0) return;
  const auto word = static_cast<std::size_t>(vector) / 32;
  const std::uint32_t bit = 1U << (vector % 32);
  service_[word].fetch_and(~bit);
  constexpr std::uint32_t kSuppressBroadcast = 0x1000;
  if ((trigger_[word] & bit) != 0 && (spurious_ & kSuppressBroadcast) == 0) {
    bus_.endOfInterrupt(static_cast<std::uint8_t>(vector));
  }
  announce();
}

void LocalApic::sendIpi(std::uint64_t command) {
  command_ = command & ~std::uint64_t{0x1000};  // delivery status: idle
  const auto low = static_cast<std::uint32_t>(command);
  ApicMessage message;
  message.mode = modeOf(low);
  message.vector = static_cast<std::uint8_t>(low);
  message.logical = (low & 0x800) != 0;
  message.wide = x2();
  message.destination = static_cast<std::uint32_t>(command >> 32);
  constexpr std::uint32_t kAssert = 0x4000;
  if (message.mode == DeliveryMode::kInit && (low & kAssert) == 0) return;  // de-assert: synchronizes old APICs only
  if (message.mode == DeliveryMode::kFixed && message.vector < kFirstVector) report(kErrorSendVector);
  switch (low >> 18 & 3) {
    case 0:
      bus_.deliver(message);
      break;
    case 1:  // itself
      if (message.mode == DeliveryMode::kFixed) accept(message.vector, false);
      break;
    case 2:  // all
      message.destination = ApicMessage::kEverybody;
      bus_.deliver(message);
      break;
    default:  // all others
      for (LocalApic* apic : bus_.apics()) {
        if (apic != this) apic->take(message);
      }
  }
}

void LocalApic::clearState() {
  tpr_ = 0;
  logicalDestination_ = 0;
  destinationFormat_ = ~0U;
  spurious_ = 0xff;
  errors_ = errorsShown_ = 0;
  command_ = 0;
  for (auto& entry : lvt_) entry = kMasked;
  for (std::size_t word = 0; word < request_.size(); ++word) request_[word] = service_[word] = trigger_[word] = 0;
  externalMessage_ = false;
  timer_.reset();
}

void LocalApic::reset(bool init) {
  clearState();
  if (init) return;  // which leaves the mode as it is
  base_ = ApicBus::kBase | kBaseEnable | (bootstrap_ ? kBaseBootstrap : 0);
  // As firmware leaves it: the 8259's interrupts reach the first CPU.
  if (bootstrap_) lvt_[kLint0] = static_cast<std::uint32_t>(DeliveryMode::kExternal) << 8;
}

Task<void> LocalApic::reset() {
  reset(false);
  lint0_ = false;
  co_return;
}

std::string LocalApic::describe() const {
  const auto list = [](const Bits& bits) {
    std::string text;
    for (unsigned vector = 0; vector < 256; ++vector) {
      if ((bits[vector / 32] >> (vector % 32) & 1) != 0) text += fmt::format(" {:#04x}", vector);
    }
    return text.empty() ? std::string(" none") : text;
  };
  static constexpr const char* kNames[] = {"CMCI", "timer", "thermal", "performance", "LINT0", "LINT1", "error"};
  std::string text = fmt::format("local APIC {} ({}): task priority {:#04x}, processor priority {:#04x}\n", id_,
                                 !enabled() ? "off"
                                 : x2()     ? "x2APIC"
                                            : "xAPIC",
                                 tpr_.load(), processorPriority());
  text += fmt::format("  spurious {:#x}, logical destination {:#x}, format {:#x}, command {:#x}\n", spurious_.load(),
                      x2() ? x2LogicalId(id_) : logicalDestination_.load(), destinationFormat_.load(), command_.load());
  for (std::size_t i = 0; i < lvt_.size(); ++i) {
    text += fmt::format("  LVT {:<11} vector {:#04x}{}\n", kNames[i], lvt_[i] & 0xff,
                        (lvt_[i] & kMasked) != 0 ? ", masked" : "");
  }
  text += fmt::format("  timer: divide {:#x}, initial count {}, current count {}, deadline {}\n", timer_.divide(),
                      timer_.initialCount(), timer_.currentCount(), timer_.deadline());
  return text + fmt::format("  requested:{}\n  in service:{}\n", list(request_), list(service_));
}

void LocalApic::save(migrate::StateWriter& to) const {
  to.put("base", base_);
  to.put("tpr", tpr_);
  to.put("ldr", logicalDestination_);
  to.put("dfr", destinationFormat_);
  to.put("svr", spurious_);
  to.put("errors", errors_);
  to.put("esr", errorsShown_);
  to.put("icr", command_);
  to.put("lint0", lint0_.load());
  to.put("extint", externalMessage_.load());
  const auto words = [&to]<std::size_t n>(std::string_view name,
                                          const std::array<std::atomic<std::uint32_t>, n>& from) {
    std::array<std::uint32_t, n> plain;
    std::ranges::transform(from, plain.begin(), [](const auto& word) { return word.load(); });
    to.putArray(name, plain);
  };
  words("lvt", lvt_);
  words("irr", request_);
  words("isr", service_);
  words("tmr", trigger_);
  migrate::StateWriter timer;
  timer_.save(timer);
  to.putSection("timer", timer);
}

Result<void> LocalApic::load(migrate::StateReader& from) {
  std::uint64_t base = 0;
  RHEA_CHECK(from.get("base", base));
  if (base >> 12 != ApicBus::kBase >> 12) return Error("the base of a local APIC is not where this machine has it");
  base_ = base;
  RHEA_CHECK(from.get("tpr", tpr_));
  RHEA_CHECK(from.get("ldr", logicalDestination_));
  RHEA_CHECK(from.get("dfr", destinationFormat_));
  RHEA_CHECK(from.get("svr", spurious_));
  RHEA_CHECK(from.get("errors", errors_));
  RHEA_CHECK(from.get("esr", errorsShown_));
  RHEA_CHECK(from.get("icr", command_));
  RHEA_CHECK(from.get("lint0", lint0_));
  RHEA_CHECK(from.get("extint", externalMessage_));
  const auto words = [&from]<std::size_t n>(std::string_view name,
                                            std::array<std::atomic<std::uint32_t>, n>& to) -> Result<void> {
    std::array<std::uint32_t, n> plain;
    RHEA_CHECK(from.getArray(name, plain));
    for (std::size_t i = 0; i < n; ++i) to[i] = plain[i];
    return success();
  };
  RHEA_CHECK(words("lvt", lvt_));
  RHEA_CHECK(words("irr", request_));
  RHEA_CHECK(words("isr", service_));
  RHEA_CHECK(words("tmr", trigger_));
  RHEA_TRY(migrate::StateReader timer, from.section("timer"));
  RHEA_CHECK(timer_.load(timer));
  RHEA_CHECK(timer.finish());
  announce();
  return from.finish();
}

}  // namespace rhea::hw
