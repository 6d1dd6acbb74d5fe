#include "hw/virtio/rng/virtio-rng-pci.h"

#include <sys/random.h>

#include "emu/object/tree.h"

namespace rhea::virtio {

namespace {
// Of one request; a driver that wants more asks again, and other devices have had their turn.
constexpr std::size_t kMostBytes = 64 * 1024;
}  // namespace

Task<Result<void>> RngDevice::complete() {
  main_ = Loop::current();
  co_return success();
}

std::vector<QueueShape> RngDevice::queues() const {
  QueueShape shape;
  shape.size = 8;
  shape.loop = main_;
  return std::vector<QueueShape>(1, shape);
}

bool RngDevice::serve(Queue& queue) {
  std::size_t budget = kMostBytes;
  while (Chain* chain = queue.take()) {
    std::uint32_t written = 0;
    for (const iovec& piece : chain->writable()) {
      auto* const memory = static_cast<std::byte*>(piece.iov_base);
      std::size_t done = 0;
      while (done < piece.iov_len && budget > 0) {
        const ssize_t got = ::getrandom(memory + done, std::min(piece.iov_len - done, budget), GRND_NONBLOCK);
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
        budget -= static_cast<std::size_t>(got);
      }
      written += static_cast<std::uint32_t>(done);
      if (done < piece.iov_len) break;
    }
    queue.handBack(*chain, written);
    if (budget == 0) {
      queue.kick();
      return false;
    }
  }
  return true;
}

void VirtioRngPci::addClasses(object::ClassTable& classes) {
  object::Class device;
  device.name = "virtio-rng-device";
  device.parent = "virtio-device";
  device.doc = "a virtio entropy device without its transport";
  classes.add(std::move(device));
  object::Class type;
  type.name = "virtio-rng-pci";
  type.parent = "virtio-pci";
  type.doc = "a virtio entropy device: the guest gets the host kernel's random bytes";
  type.alias = "virtio-rng";
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<VirtioRngPci>(made, services);
  };
  classes.add(std::move(type));
}

std::unique_ptr<VirtioDevice> VirtioRngPci::makeDevice() {
  const object::ClassTable& classes = services().get<object::ObjectTree>().classes();
  return std::make_unique<RngDevice>(*classes.find("virtio-rng-device"));
}

}  // namespace rhea::virtio
