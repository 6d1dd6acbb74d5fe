// I8042: the keyboard controller of a PC, ports 0x60 and 0x64, IRQ 1, with port 0x92 beside it: reset and the A20 gate.
// Source: IBM PS/2 technical reference. The auxiliary port is there, and no mouse at it.
//
// The A20 gate is remembered and read back, but masks nothing: no guest that this machine starts runs with it closed.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/board.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/input/keyboard.h"

namespace rhea::hw {

class I8042 final : public Device, public mem::IoHandler {
 public:
  I8042(const object::Class& type, Board& board, IrqLine irq);

  // Any thread. False: the keyboard's queue is full, the guest does not read.
  bool press(const Key& key, bool down);

  // Offsets are port numbers: 0x60, 0x64, 0x92.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  void writeData(std::uint8_t value);
  // True: the guest asks for a reset.
  bool writeCommand(std::uint8_t value);
  void put(std::uint8_t value);  // an answer of the controller itself
  void fill();                   // the next byte of the keyboard, where there is room
  void updateIrq();

  Board& board_;
  IrqLine irq_;
  mutable std::mutex mutex_;
  Keyboard keyboard_;
  std::uint8_t config_ = 0;  // the command byte
  std::uint8_t expecting_ = 0;
  std::uint8_t output_ = 0;
  bool full_ = false;
  bool fromController_ = false;
  bool lastWasCommand_ = false;
  bool prefix_ = false;  // translation: 0xf0 came
  std::uint8_t outputPort_ = 0;
  std::uint8_t port92_ = 0;
};

}  // namespace rhea::hw
