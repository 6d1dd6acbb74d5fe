// DebugConsole: isa-debugcon: a port to which a guest's early code writes its messages, one byte at a time, before it
// has any driver. Reading it gives a value by which the guest knows that somebody listens.
//
// The port knows no "busy": what the outside does not take is kept up to kMostQueued bytes, and dropped beyond.
#pragma once

#include "emu/chardev/chardev.h"
#include "hw/isa/isa-bus.h"

namespace rhea::hw {

class DebugConsole final : public Device, public mem::IoHandler, private chardev::FrontEnd, private chardev::Receiver {
 public:
  static constexpr std::size_t kMostQueued = std::size_t{256} << 10;

  static void addClass(object::ClassTable& classes);
  DebugConsole(const object::Class& type, const Services& services) : Device(type), services_(services) {}
  ~DebugConsole() override;

  // Errors: no chardev is named, or somebody uses it; the port is taken.
  Task<Result<void>> complete() override;
  Task<void> retire() override;

  std::uint64_t read(std::uint64_t, unsigned) override { return readBack_; }
  void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;
  AccessSizes accessSizes() const override { return {1, 1}; }

 private:
  friend struct DebugConsoleProperties;

  // --- main loop
  std::string description() const override { return label(); }
  void opened(std::shared_ptr<chardev::Stream> stream) override;
  void received(std::string_view, std::vector<Fd>) override {}  // nobody can be told
  void drained() override { send(); }
  void closed() override { stream_.reset(); }
  void send();

  const Services& services_;
  std::string chardevId_;
  std::uint32_t port_ = 0xe9;
  std::uint32_t readBack_ = 0xe9;
  std::optional<IsaBus::Claim> claim_;
  Loop* main_ = nullptr;
  chardev::Chardev* chardev_ = nullptr;
  std::shared_ptr<chardev::Stream> stream_;

  std::mutex mutex_;
  std::string queued_;
  bool mainTold_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // main loop: what was posted may come late
};

}  // namespace rhea::hw
