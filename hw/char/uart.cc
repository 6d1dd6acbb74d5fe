#include "hw/char/uart.h"

namespace rhea::hw {

namespace {

enum Register : std::uint8_t {
  kData,
  kInterruptEnable,
  kInterruptId,
  kLineControl,
  kModemControl,
  kLineStatus,
  kModemStatus,
  kScratch
};

constexpr std::uint8_t kDivisorLatch = 0x80;  // line control
constexpr std::uint8_t kLoop = 0x10;          // modem control
constexpr std::uint8_t kReady = 0x01, kOverrun = 0x02, kBreak = 0x10, kHoldingEmpty = 0x20, kEmpty = 0x40,
                       kFifoError = 0x80;
constexpr std::uint8_t kOnData = 1, kOnEmpty = 2, kOnLineStatus = 4;  // interrupt enable
constexpr std::uint8_t kNone = 1, kCauseEmpty = 2, kCauseData = 4, kCauseLineStatus = 6, kCauseTimeout = 0xc;
constexpr std::array<std::uint8_t, 4> kTriggerLevels = {1, 4, 8, 14};

}  // namespace

Uart::Uart(const object::Class& type, Loop& main, IrqLine irq, std::string name)
    : Device(type), main_(main), irq_(irq), name_(std::move(name)) {}

Uart::~Uart() {
  *alive_ = false;
  if (stream_) stream_->receive(nullptr);
  if (chardev_ != nullptr) chardev_->detach(*this);
}

Result<void> Uart::attach(chardev::Chardev& chardev) {
  RHEA_CHECK(chardev.attach(*this));
  chardev_ = &chardev;
  return success();
}

// ---------------------------------------------------------------------------------------------------- main loop

void Uart::opened(std::shared_ptr<chardev::Stream> stream) {
  stream_ = std::move(stream);
  paused_ = false;
  {
    const std::scoped_lock lock(mutex_);
    open_ = true;
  }
  stream_->receive(this);
  send();
}

void Uart::closed() {
  stream_.reset();
  const std::scoped_lock lock(mutex_);
  open_ = false;
  queued_.clear();  // as on a wire that nobody holds
  if (transmitEmptied_) update();
}

void Uart::received(std::string_view bytes, std::vector<Fd>) {
  waiting_.append(bytes);
  takeWaiting();
}

void Uart::breakReceived() {
  const std::scoped_lock lock(mutex_);
  push(0, kBreak);
  update();
}

void Uart::takeWaiting() {
  std::size_t taken = 0;
  {
    const std::scoped_lock lock(mutex_);
    while (taken < waiting_.size() && fifoCount_ < fifoSize()) push(static_cast<std::uint8_t>(waiting_[taken++]), 0);
    if (taken != 0) update();
  }
  waiting_.erase(0, taken);
  const bool pause = !waiting_.empty();
  if (stream_ && pause != paused_) stream_->pause(pause);
  paused_ = pause;
}

void Uart::send() {
  std::string bytes;
  {
    const std::scoped_lock lock(mutex_);
    mainTold_ = false;
    // One portion waits with the host, one here: more would be kept from a guest that could wait.
    if (stream_ && stream_->pending() < kMostQueued) bytes.swap(queued_);
    if (!open_) queued_.clear();
    if (!bytes.empty()) {
      transmitEmptied_ = true;
      update();
    }
  }
  if (stream_ && !bytes.empty()) stream_->write(bytes);
}

void Uart::drained() { send(); }

// --------------------------------------------------------------------------------------------------- any thread

void Uart::wakeMain() {
  if (std::exchange(mainTold_, true)) return;
  main_.post([this, alive = alive_] {
    if (!*alive) return;
    send();
    takeWaiting();
  });
}

std::uint8_t Uart::lineStatus() const {
  std::uint8_t status = errors_;
  if (fifoCount_ != 0) status |= kReady;
  if (!transmitterFull()) status |= kHoldingEmpty | kEmpty;
  for (std::size_t i = 0; i < fifoCount_; ++i) {
    if (fifo_[(fifoFirst_ + i) % kFifo].errors == 0) continue;
    if (i == 0) status |= fifo_[fifoFirst_].errors;
    if ((fifoControl_ & 1) != 0) status |= kFifoError;
  }
  return status;
}

std::uint8_t Uart::modemStatus() const {
  if ((modemControl_ & kLoop) != 0) {
    // DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD.
    return static_cast<std::uint8_t>(((modemControl_ & 1) << 5) | ((modemControl_ & 2) << 3) |
                                     ((modemControl_ & 0xc) << 4));
  }
  return 0xb0;  // DCD, DSR, CTS: a cable to somebody who listens
}

std::uint8_t Uart::interruptId() const {
  const auto enabled = [this](std::uint8_t what) { return (interruptEnable_ & what) != 0; };
  if (enabled(kOnLineStatus) && (lineStatus() & 0x1e) != 0) return kCauseLineStatus;
  if (enabled(kOnData) && fifoCount_ != 0) {
    const std::size_t trigger = (fifoControl_ & 1) != 0 ? kTriggerLevels[fifoControl_ >> 6] : 1;
    // Fewer bytes than the trigger level would be told after four character times; they are told at once.
    return fifoCount_ >= trigger ? kCauseData : kCauseTimeout;
  }
  if (enabled(kOnEmpty) && transmitEmptied_ && !transmitterFull()) return kCauseEmpty;
  return kNone;
}

void Uart::update() {
  // OUT2 connects the interrupt on a PC; guests of all kinds set it, and those that loop back must not be heard.
  irq_.set(interruptId() != kNone && (modemControl_ & kLoop) == 0);
}

void Uart::push(std::uint8_t byte, std::uint8_t errors) {
  if (fifoCount_ == fifoSize()) {
    errors_ |= kOverrun;
    return;
  }
  fifo_[(fifoFirst_ + fifoCount_) % kFifo] = {byte, errors};
  ++fifoCount_;
}

std::uint8_t Uart::readData() {
  if (fifoCount_ == 0) return 0;
  const std::uint8_t byte = fifo_[fifoFirst_].byte;
  fifoFirst_ = (fifoFirst_ + 1) % kFifo;
  --fifoCount_;
  // The loop's side knows whether more waits; asking costs one turn of it per FIFO.
  if (fifoCount_ == 0) wakeMain();
  return byte;
}

void Uart::writeData(std::uint8_t byte) {
  transmitEmptied_ = false;
  if ((modemControl_ & kLoop) != 0) {
    push(byte, 0);
    transmitEmptied_ = true;
    return;
  }
  if (open_) {
    // A guest that does not look at the line status loses what does not fit, as on the wire.
    if (queued_.size() < 2 * kMostQueued) queued_.push_back(static_cast<char>(byte));
    wakeMain();
  }
  if (!transmitterFull()) transmitEmptied_ = true;
}

std::uint64_t Uart::read(std::uint64_t offset, unsigned) {
  const std::scoped_lock lock(mutex_);
  const bool latch = (lineControl_ & kDivisorLatch) != 0;
  std::uint8_t value = 0;
  switch (offset & 7) {
    case kData:
      value = latch ? static_cast<std::uint8_t>(divisor_) : readData();
      break;
    case kInterruptEnable:
      return latch ? divisor_ >> 8 : interruptEnable_;
    case kInterruptId:
      value = interruptId();
      if (value == kCauseEmpty) transmitEmptied_ = false;
      value |= (fifoControl_ & 1) != 0 ? 0xc0 : 0;
      break;
    case kLineControl:
      return lineControl_;
    case kModemControl:
      return modemControl_;
    case kLineStatus:
      value = lineStatus();
      errors_ = 0;
      if (fifoCount_ != 0) fifo_[fifoFirst_].errors = 0;
      break;
    case kModemStatus:
      return modemStatus();
    default:
      return scratch_;
  }
  update();
  return value;
}

void Uart::write(std::uint64_t offset, std::uint64_t value, unsigned) {
  const std::scoped_lock lock(mutex_);
  const auto byte = static_cast<std::uint8_t>(value);
  const bool latch = (lineControl_ & kDivisorLatch) != 0;
  switch (offset & 7) {
    case kData:
      if (latch)
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff00) | byte);
      else
        writeData(byte);
      break;
    case kInterruptEnable:
      if (latch) {
        divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff) | byte << 8);
        break;
      }
      // Enabling the transmitter's interrupt while it is empty makes one.
      if ((byte & kOnEmpty) != 0 && (interruptEnable_ & kOnEmpty) == 0 && !transmitterFull()) transmitEmptied_ = true;
      interruptEnable_ = byte & 0xf;
      break;
    case kInterruptId:
      writeFifoControl(byte);
      break;
    case kLineControl:
      lineControl_ = byte;
      break;
    case kModemControl:
      modemControl_ = byte & 0x1f;
      break;
    case kScratch:
      scratch_ = byte;
      break;
    default:
      break;
  }
  update();
}

void Uart::writeFifoControl(std::uint8_t value) {
  const bool toggled = ((value ^ fifoControl_) & 1) != 0;
  if (toggled || (value & 2) != 0) {
    fifoFirst_ = fifoCount_ = 0;
    wakeMain();
  }
  fifoControl_ = value & 0xc9;
}

Task<void> Uart::reset() {
  const std::scoped_lock lock(mutex_);
  interruptEnable_ = fifoControl_ = lineControl_ = modemControl_ = scratch_ = errors_ = 0;
  divisor_ = 12;
  transmitEmptied_ = false;
  fifoFirst_ = fifoCount_ = 0;
  irq_.lower();
  co_return;
}

void Uart::save(migrate::StateWriter& to) const {
  const std::scoped_lock lock(mutex_);
  to.put("ier", interruptEnable_);
  to.put("fcr", fifoControl_);
  to.put("lcr", lineControl_);
  to.put("mcr", modemControl_);
  to.put("scr", scratch_);
  to.put("divisor", divisor_);
  to.put("errors", errors_);
  to.put("transmit-emptied", transmitEmptied_);
  std::vector<std::byte> fifo;
  for (std::size_t i = 0; i < fifoCount_; ++i) {
    const Received& one = fifo_[(fifoFirst_ + i) % kFifo];
    fifo.push_back(std::byte{one.byte});
    fifo.push_back(std::byte{one.errors});
  }
  to.putBytes("fifo", fifo);
}

Result<void> Uart::load(migrate::StateReader& from) {
  const std::scoped_lock lock(mutex_);
  RHEA_CHECK(from.get("ier", interruptEnable_));
  RHEA_CHECK(from.get("fcr", fifoControl_));
  RHEA_CHECK(from.get("lcr", lineControl_));
  RHEA_CHECK(from.get("mcr", modemControl_));
  RHEA_CHECK(from.get("scr", scratch_));
  RHEA_CHECK(from.get("divisor", divisor_));
  RHEA_CHECK(from.get("errors", errors_));
  RHEA_CHECK(from.get("transmit-emptied", transmitEmptied_));
  RHEA_TRY(const std::span<const std::byte> fifo, from.bytes("fifo", 2 * kFifo));
  if (fifo.size() % 2 != 0) return Error("the receiver's FIFO of a serial port has an odd number of bytes");
  fifoFirst_ = 0;
  fifoCount_ = fifo.size() / 2;
  for (std::size_t i = 0; i < fifoCount_; ++i) {
    fifo_[i] = {std::to_integer<std::uint8_t>(fifo[2 * i]), std::to_integer<std::uint8_t>(fifo[2 * i + 1])};
  }
  update();
  return from.finish();
}

}  // namespace rhea::hw
