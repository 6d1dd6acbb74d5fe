// virtio-net-pci: the virtio network card (virtio 1.2, 5.1) as a PCI function.
//
// One pair of queues on the main loop; the frames go to and come from a back end of emu/net. Offered are the address
// and the link's state: no offloads, so every buffer holds one whole frame.
#pragma once

#include <deque>

#include "emu/net/net-table.h"
#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

struct NetOptions {
  std::string netdev;  // empty: the cable is out
  std::string mac;     // "52:54:00:12:34:56"; empty: the first that is free from there on
  std::uint16_t queueSize = 256;
  std::int32_t bootIndex = -1;
};

class NetDevice final : public VirtioDevice, private net::Card {
 public:
  using Address = std::array<std::uint8_t, 6>;
  NetDevice(const object::Class& type, const Services& services, NetOptions options)
      : VirtioDevice(type, 1), services_(services), options_(std::move(options)) {}

  Task<Result<void>> complete() override;
  Task<void> retire() override;
  std::vector<QueueShape> queues() const override;
  std::uint64_t features() const override;
  unsigned configSize() const override { return 10; }
  std::uint64_t readConfig(unsigned offset, unsigned size) override;
  void negotiated(std::uint64_t features) override;
  Task<void> deviceReset() override;
  bool serve(Queue& queue) override;

 private:
  void receive(std::span<const std::byte> frame) override;
  void linkChanged() override;
  bool isLinked() const { return netdev_ != nullptr && netdev_->linkUp(); }
  bool serveReceive(Queue& queue);
  bool serveTransmit(Queue& queue);
  Result<void> chooseAddress();

  const Services& services_;
  NetOptions options_;
  Address address_{};
  Loop* main_ = nullptr;
  net::Netdev* netdev_ = nullptr;
  std::atomic<std::size_t> headerSize_{0};  // bytes before each frame, by what was negotiated
  std::mutex guard_;
  std::deque<std::vector<std::byte>> waiting_;  // from outside
};

class VirtioNetPci final : public VirtioPci {
 public:
  // Adds virtio-net-pci and virtio-net-device.
  static void addClasses(object::ClassTable& classes);
  using VirtioPci::VirtioPci;

 private:
  std::unique_ptr<VirtioDevice> makeDevice() override;
  std::uint32_t classCode() const override { return 0x020000; }  // Ethernet

  static const object::Property kProperties[];
  NetOptions options_;
};

}  // namespace rhea::virtio
