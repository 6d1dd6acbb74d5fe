// virtio-rng-pci: the virtio entropy device (virtio 1.2, 5.4) as a PCI function.
#pragma once

#include "emu/io/sync.h"
#include "emu/object/rng.h"
#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

struct RngOptions {
  std::string source;                   // an object's id; empty: the host's kernel
  std::uint64_t mostBytes = INT64_MAX;  // in each period
  std::uint32_t period = 65536;         // milliseconds
};

// One request at a time, each filled as far as the source goes in one turn.
class RngDevice final : public VirtioDevice {
 public:
  RngDevice(const object::Class& type, const Services& services, RngOptions options)
      : VirtioDevice(type, 4), services_(services), options_(std::move(options)) {}
  Task<Result<void>> complete() override;
  Task<void> retire() override;
  std::vector<QueueShape> queues() const override;
  std::uint64_t features() const override { return 0; }
  bool serve(Queue& queue) override;
  void abandonHeld() override;
  Task<void> settle() override;

 private:
  Task<void> answer(Queue& queue, Chain& chain);
  // Bytes that the guest may have now; waits for the next period where there are none.
  Task<Result<std::uint64_t>> quota(CancelToken cancel);
  std::uint64_t writeTo(const Chain& chain, std::span<const std::byte> bytes) const;

  const Services& services_;
  RngOptions options_;
  Loop* main_ = nullptr;
  object::RngSource* source_ = nullptr;
  object::Object::Use use_;
  std::optional<CancelSource> running_;  // of the request under way
  Event idle_;
  std::uint64_t left_ = 0;  // bytes of this period
  TimePoint periodEnd_;
};

class VirtioRngPci final : public VirtioPci {
 public:
  // Adds virtio-rng-pci and virtio-rng-device.
  static void addClasses(object::ClassTable& classes);
  using VirtioPci::VirtioPci;

 private:
  std::unique_ptr<VirtioDevice> makeDevice() override;
  std::uint32_t classCode() const override { return 0x00ff00; }  // of no defined class

  static const object::Property kProperties[];
  RngOptions options_;
};

}  // namespace rhea::virtio
