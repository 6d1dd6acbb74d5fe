// IrqLine: one wire from a device to whatever collects interrupts, and MsiSink, where message-signalled ones go.
#pragma once

#include "emu/base/base.h"

namespace rhea::hw {

// An interrupt controller's or a router's side. Any thread; it guards itself, and calls into the CPU side at most.
class IrqSink {
 public:
  virtual ~IrqSink() = default;
  virtual void setIrq(unsigned line, bool high) = 0;
};

// A device's side: cheap to copy, connected to nothing by default. The sink outlives the devices.
class IrqLine {
 public:
  IrqLine() = default;
  IrqLine(IrqSink& sink, unsigned line) : sink_(&sink), line_(line) {}
  void set(bool high) const {
    if (sink_ != nullptr) sink_->setIrq(line_, high);
  }
  void raise() const { set(true); }
  void lower() const { set(false); }
  // An edge for whom an edge is enough.
  void pulse() const {
    raise();
    lower();
  }
  bool connected() const { return sink_ != nullptr; }
  unsigned number() const { return line_; }

 private:
  IrqSink* sink_ = nullptr;
  unsigned line_ = 0;
};

// Where a write to the interrupt address range goes (Intel SDM volume 3, 11.11). Any thread.
class MsiSink {
 public:
  virtual ~MsiSink() = default;
  virtual void deliverMsi(std::uint64_t address, std::uint32_t data) = 0;
};

}  // namespace rhea::hw
