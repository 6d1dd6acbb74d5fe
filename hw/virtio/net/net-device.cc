// NetDevice: the card itself.
#include <cstdio>

#include "emu/object/tree.h"
#include "hw/core/device-tree.h"
#include "hw/virtio/net/virtio-net-pci.h"

namespace rhea::virtio {

namespace {

constexpr std::uint64_t kMac = bit(5);
constexpr std::uint64_t kStatus = bit(16);
constexpr std::uint16_t kLinkUp = 1;
constexpr std::size_t kHeaderSize = 12;      // virtio_net_hdr of version 1
constexpr std::size_t kOldHeaderSize = 10;   // without the number of buffers
constexpr std::size_t kBuffersAt = 10;       // its number of buffers
constexpr std::size_t kMostWaiting = 512;    // frames that no buffer was there for
constexpr unsigned kMostFramesAtOnce = 256;  // before others have their turn

std::optional<NetDevice::Address> addressOf(const std::string& text) {
  NetDevice::Address address{};
  int end = 0;
  const int read = std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &address[0], &address[1],
                               &address[2], &address[3], &address[4], &address[5], &end);
  const bool whole = read == 6 && static_cast<std::size_t>(end) == text.size();
  return whole && (address[0] & 1) == 0 ? std::optional(address) : std::nullopt;
}

}  // namespace

Result<void> NetDevice::chooseAddress() {
  if (options_.mac.empty()) {
    // Two cards of one machine differ; those of two machines have to be told apart by their users.
    unsigned before = 0;
    for (hw::Device* device : services_.get<hw::DeviceTree>().devices()) {
      if (dynamic_cast<NetDevice*>(device) != nullptr) ++before;
    }
    options_.mac = fmt::format("52:54:00:12:34:{:02x}", (0x56 + before) & 0xff);
  }
  const std::optional<Address> address = addressOf(options_.mac);
  if (!address) {
    return Error(fmt::format("'{}' is no address of a card", options_.mac))
        .where("mac")
        .expected("six bytes in hexadecimal, the first one even: 52:54:00:12:34:56");
  }
  address_ = *address;
  return success();
}

Task<Result<void>> NetDevice::complete() {
  main_ = Loop::current();
  const unsigned size = options_.queueSize;
  if (size < 64 || size > kMostQueueSize || (size & (size - 1)) != 0) {
    co_return Error(fmt::format("a queue cannot have {} entries", size))
        .where("rx_queue_size")
        .expected("a power of two, 64 to 1024");
  }
  RHEA_CO_CHECK(chooseAddress());
  if (options_.netdev.empty()) co_return success();
  Result<net::Netdev*> netdev = services_.get<net::NetTable>().find(options_.netdev);
  if (!netdev.ok()) co_return netdev.takeError().where("netdev");
  if (!(*netdev)->user().empty()) {
    co_return Error(fmt::format("network back end '{}' is in use by {}", options_.netdev, (*netdev)->user()))
        .where("netdev");
  }
  netdev_ = *netdev;
  netdev_->use(*this, label(), id());
  co_return success();
}

Task<void> NetDevice::retire() {
  if (netdev_ == nullptr) co_return;
  netdev_->letGo();  // from here on no thread of the back end's comes any more
  netdev_ = nullptr;
}

std::vector<QueueShape> NetDevice::queues() const {
  QueueShape shape;
  shape.size = options_.queueSize;
  shape.loop = main_;
  return std::vector<QueueShape>(2, shape);
}

std::uint64_t NetDevice::features() const { return kMac | kStatus; }

std::uint64_t NetDevice::readConfig(unsigned offset, unsigned size) {
  std::array<std::byte, 10> image{};
  std::memcpy(image.data(), address_.data(), address_.size());
  const std::uint16_t status = isLinked() ? kLinkUp : 0;
  std::memcpy(&image[6], &status, sizeof status);
  image[8] = std::byte{1};  // pairs of queues
  return readBytes(image, offset, size);
}

void NetDevice::negotiated(std::uint64_t features) {
  headerSize_.store((features & kVersion1) != 0 ? kHeaderSize : kOldHeaderSize, std::memory_order_release);
}

Task<void> NetDevice::deviceReset() {
  const std::lock_guard lock(guard_);
  waiting_.clear();
  co_return;
}

void NetDevice::linkChanged() {
  if (transport() != nullptr) transport()->configChanged();
}

void NetDevice::receive(std::span<const std::byte> frame) {
  if (frame.size() > net::kMostFrame || !isLinked()) return;
  {
    const std::lock_guard lock(guard_);
    if (waiting_.size() >= kMostWaiting) return;
    waiting_.emplace_back(frame.begin(), frame.end());
    if (waiting_.size() > 1) return;  // the queue knows
  }
  if (transport() != nullptr) transport()->kick(0);
}

bool NetDevice::serve(Queue& queue) { return queue.index() == 0 ? serveReceive(queue) : serveTransmit(queue); }

bool NetDevice::serveReceive(Queue& queue) {
  while (true) {
    {
      const std::lock_guard lock(guard_);
      if (waiting_.empty()) return false;  // the next frame comes by a kick
    }
    Chain* const chain = queue.take();
    if (chain == nullptr) return true;
    std::vector<std::byte> frame;
    {
      const std::lock_guard lock(guard_);
      frame = std::move(waiting_.front());
      waiting_.pop_front();
    }
    std::array<std::byte, kHeaderSize> header{};
    header[kBuffersAt] = std::byte{1};
    const std::size_t headerSize = headerSize_.load(std::memory_order_acquire);
    const std::size_t whole = headerSize + frame.size();
    if (chain->writableBytes() < whole) {
      queue.handBack(*chain, 0);  // a buffer that the driver should have made larger; the frame is lost
      continue;
    }
    frame.insert(frame.begin(), header.begin(), header.begin() + static_cast<std::ptrdiff_t>(headerSize));
    std::size_t done = 0;
    for (const iovec& piece : chain->writable()) {
      const std::size_t part = std::min(piece.iov_len, whole - done);
      std::memcpy(piece.iov_base, frame.data() + done, part);
      done += part;
    }
    queue.handBack(*chain, static_cast<std::uint32_t>(whole));
  }
}

bool NetDevice::serveTransmit(Queue& queue) {
  for (unsigned count = 0; count < kMostFramesAtOnce; ++count) {
    Chain* const chain = queue.take();
    if (chain == nullptr) return true;
    const std::uint64_t bytes = chain->readableBytes();
    const std::size_t headerSize = headerSize_.load(std::memory_order_acquire);
    if (bytes > headerSize && bytes <= headerSize + net::kMostFrame && isLinked()) {
      std::vector<std::byte> frame;
      frame.reserve(bytes);
      for (const iovec& piece : chain->readable()) {
        const auto* const memory = static_cast<const std::byte*>(piece.iov_base);
        frame.insert(frame.end(), memory, memory + piece.iov_len);
      }
      frame.erase(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(headerSize));
      netdev_->send(std::move(frame));
    }
    queue.handBack(*chain, 0);
  }
  queue.kick();
  return false;
}

}  // namespace rhea::virtio
