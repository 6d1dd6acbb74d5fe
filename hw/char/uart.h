// Uart: a 16550A serial port, its line a chardev. Source: National Semiconductor PC16550D data sheet.
//
// Registers are touched on vCPUs' threads, the chardev lives on the main loop; the two meet in short queues under one
// lock. What the guest sends is taken as fast as the outside takes it: while kMostQueued bytes wait, the transmitter
// says that it is busy, and the guest, not the emulator, waits. What the outside sends is read no faster than the guest
// reads it.
#pragma once

#include "emu/chardev/chardev.h"
#include "emu/mem/io-handler.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"

namespace rhea::hw {

class Uart final : public Device, public mem::IoHandler, private chardev::FrontEnd, private chardev::Receiver {
 public:
  static constexpr std::uint64_t kPorts = 8;
  static constexpr std::size_t kFifo = 16;
  static constexpr std::size_t kMostQueued = std::size_t{64} << 10;

  // `name` is what errors call it: "serial port 0".
  Uart(const object::Class& type, Loop& main, IrqLine irq, std::string name);
  ~Uart() override;

  // Main loop. Error: somebody else uses it.
  Result<void> attach(chardev::Chardev& chardev);
  chardev::Chardev* chardev() const { return chardev_; }

  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  // --- main loop
  std::string description() const override { return name_; }
  void opened(std::shared_ptr<chardev::Stream> stream) override;
  void received(std::string_view bytes, std::vector<Fd> fds) override;
  void drained() override;
  void breakReceived() override;
  void closed() override;
  void send();
  void takeWaiting();

  // --- any thread, under the lock
  std::uint8_t readData();
  void writeData(std::uint8_t byte);
  std::uint8_t interruptId() const;
  void writeFifoControl(std::uint8_t value);
  std::uint8_t lineStatus() const;
  std::uint8_t modemStatus() const;
  void push(std::uint8_t byte, std::uint8_t errors);
  void update();
  void wakeMain();
  bool transmitterFull() const { return queued_.size() >= kMostQueued; }
  std::size_t fifoSize() const { return (fifoControl_ & 1) != 0 ? kFifo : 1; }

  Loop& main_;
  IrqLine irq_;
  const std::string name_;
  chardev::Chardev* chardev_ = nullptr;
  std::shared_ptr<chardev::Stream> stream_;
  std::string waiting_;  // came from the outside, and the guest has no room yet
  bool paused_ = false;

  mutable std::mutex mutex_;
  std::uint8_t interruptEnable_ = 0, fifoControl_ = 0, lineControl_ = 0, modemControl_ = 0, scratch_ = 0;
  std::uint16_t divisor_ = 12;
  std::uint8_t errors_ = 0;       // overrun, parity, framing, break: since the line status was last read
  bool transmitEmptied_ = false;  // the interrupt of an empty transmitter waits
  struct Received {
    std::uint8_t byte = 0;
    std::uint8_t errors = 0;
  };
  std::array<Received, kFifo> fifo_{};
  std::size_t fifoFirst_ = 0, fifoCount_ = 0;
  std::string queued_;                                          // sent by the guest, not taken by the main loop yet
  bool mainTold_ = false;                                       // the main loop is going to look
  bool open_ = false;                                           // somebody is at the other end
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // main loop: what was posted may come late
};

}  // namespace rhea::hw
