#include "hw/virtio/virtio-device.h"

namespace rhea::virtio {

void VirtioDevice::addClass(object::ClassTable& classes) {
  object::Class type;
  type.name = "virtio-device";
  type.parent = "device";
  type.doc = "a virtio device without its transport";
  type.isAbstract = true;
  classes.add(std::move(type));
}

std::uint64_t readBytes(std::span<const std::byte> bytes, unsigned offset, unsigned size) {
  std::uint64_t value = 0;
  if (offset >= bytes.size()) return 0;
  std::memcpy(&value, bytes.data() + offset, std::min<std::size_t>(size, bytes.size() - offset));
  return value;
}

}  // namespace rhea::virtio
