// Msix: the MSI-X table and pending bits of a function (PCI Local Bus 3.0, 6.8.2), and delivery of its vectors.
//
// notify() may be called from any thread; a vector that is masked stays pending until it is unmasked.
#pragma once

#include "emu/mem/io-handler.h"
#include "emu/migrate/state.h"
#include "hw/core/irq.h"

namespace rhea::pci {

class Msix {
 public:
  static constexpr std::uint32_t kEntrySize = 16;
  static constexpr std::uint32_t kMostVectors = 2048;

  Msix(hw::MsiSink& sink, unsigned vectors);

  unsigned vectors() const { return static_cast<unsigned>(entries_.size()); }
  std::uint64_t tableSize() const { return std::uint64_t{kEntrySize} * entries_.size(); }
  std::uint64_t pendingSize() const { return (entries_.size() + 63) / 64 * 8; }
  mem::IoHandler& table() { return table_; }
  mem::IoHandler& pending() { return pending_; }

  // What the capability's control register and the command register say.
  void control(bool enabled, bool functionMasked, bool busMaster);
  bool enabled() const { return enabled_.load(std::memory_order_acquire); }

  // Nothing happens while MSI-X is off, and for a vector that does not exist.
  void notify(unsigned vector);

  void reset();
  void save(migrate::StateWriter& to) const;
  Result<void> load(migrate::StateReader& from);

 private:
  struct Entry {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
    std::uint32_t control = 1;  // bit 0: masked
    bool pending = false;
  };
  struct Message {
    std::uint64_t address;
    std::uint32_t data;
  };
  class Table final : public mem::IoHandler {
   public:
    explicit Table(Msix& owner) : owner_(owner) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override { return owner_.readTable(offset, size); }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) override {
      owner_.writeTable(offset, value, size);
    }
    AccessSizes accessSizes() const override { return {4, 8}; }

   private:
    Msix& owner_;
  };
  class Pending final : public mem::IoHandler {
   public:
    explicit Pending(Msix& owner) : owner_(owner) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override { return owner_.readPending(offset, size); }
    void write(std::uint64_t, std::uint64_t, unsigned) override {}
    AccessSizes accessSizes() const override { return {4, 8}; }

   private:
    Msix& owner_;
  };

  std::uint64_t readTable(std::uint64_t offset, unsigned size) const;
  void writeTable(std::uint64_t offset, std::uint64_t value, unsigned size);
  std::uint64_t readPending(std::uint64_t offset, unsigned size) const;
  std::uint32_t readWord(std::uint64_t offset) const;
  void writeWord(std::uint64_t offset, std::uint32_t value);
  bool canSend(const Entry& entry) const;
  // What became free to go; sent by the caller, without the lock.
  std::vector<Message> takeUnmasked();
  void send(const std::vector<Message>& messages);

  hw::MsiSink& sink_;
  mutable std::mutex guard_;
  std::vector<Entry> entries_;
  std::atomic<bool> enabled_{false};
  bool functionMasked_ = false;
  bool busMaster_ = false;
  Table table_{*this};
  Pending pending_{*this};
};

}  // namespace rhea::pci
