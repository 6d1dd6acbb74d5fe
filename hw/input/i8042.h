// I8042: the keyboard controller of a PC, ports 0x60 and 0x64, IRQ 1 for the keyboard and 12 for the mouse, with port
// 0x92 beside it: reset and the A20 gate. Source: IBM PS/2 technical reference.
#pragma once

#include "emu/mem/io-handler.h"
#include "hw/core/board.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/input/keyboard.h"
#include "hw/input/mouse.h"

namespace rhea::hw {

class I8042 final : public Device, public mem::IoHandler {
 public:
  I8042(const object::Class& type, Board& board, IrqLine irq, IrqLine mouseIrq);

  // Called when the A20 gate opens or closes, on the thread that did it. Before the guest runs.
  void onA20(std::function<void(bool open)> changed) { a20Changed_ = std::move(changed); }

  // Any thread. False: the keyboard's queue is full, the guest does not read.
  bool press(const Key& key, bool down);
  // As Mouse has it. Any thread.
  void moveMouse(int dx, int dy, int dz);
  void pressMouse(std::uint8_t buttons);

  // Offsets are port numbers: 0x60, 0x64, 0x92.
  std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

  Task<void> reset() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

 private:
  friend struct I8042State;
  void writeData(std::uint8_t value);
  // True: the guest asks for a reset.
  bool writeCommand(std::uint8_t value);
  // Where the byte in the output buffer comes from.
  enum class From : std::uint8_t { kKeyboard, kMouse, kController };
  void put(std::uint8_t value, From source = From::kController);
  void fill();  // the next byte of the keyboard or the mouse, where there is room
  bool takeKeyboard();
  void updateIrq();
  void setGate(bool open);
  // After the lock was let go: who is told may wait for vCPUs.
  void tellA20();

  Board& board_;
  IrqLine irq_;
  IrqLine mouseIrq_;
  mutable std::mutex mutex_;
  Keyboard keyboard_;
  Mouse mouse_;
  std::uint8_t config_ = 0;  // the command byte
  std::uint8_t expecting_ = 0;
  std::uint8_t output_ = 0;
  bool full_ = false;
  From source_ = From::kController;
  bool lastWasCommand_ = false;
  bool prefix_ = false;  // translation: 0xf0 came
  std::uint8_t outputPort_ = 0;
  std::uint8_t port92_ = 0;
  std::function<void(bool open)> a20Changed_;
};

}  // namespace rhea::hw
