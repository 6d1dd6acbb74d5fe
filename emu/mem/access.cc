// Accesses through an address space: pieces by range, registers by the sizes that their handler takes.
#include "emu/mem/known-registers.h"

namespace rhea::mem {

namespace {

std::uint64_t load(const std::byte* from, unsigned size) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, size);
  return value;
}

// The largest power of two up to 8 that fits the length and, as buses do it, the address.
unsigned pieceOf(GuestAddress address, std::uint64_t length) {
  unsigned size = 8;
  while (size > length || address % size != 0) size /= 2;
  return size;
}

constexpr std::uint64_t ones(unsigned size) {
  return size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (size * 8)) - 1;
}

}  // namespace

std::uint64_t readRegister(IoHandler& handler, IoHandler::AccessSizes sizes, std::uint64_t offset, unsigned size) {
  if (size < sizes.least) {
    const std::uint64_t inner = offset % sizes.least;
    if (inner + size <= sizes.least) return (handler.read(offset - inner, sizes.least) >> (inner * 8)) & ones(size);
    size = sizes.least;
  }
  if (size <= sizes.most) return handler.read(offset, size) & ones(size);
  std::uint64_t value = 0;
  for (unsigned done = 0; done < size; done += sizes.most) {
    value |= (handler.read(offset + done, sizes.most) & ones(sizes.most)) << (done * 8);
  }
  return value;
}

void writeRegister(IoHandler& handler, IoHandler::AccessSizes sizes, std::uint64_t offset, std::uint64_t value,
                   unsigned size) {
  value &= ones(size);
  if (size < sizes.least) {
    const std::uint64_t inner = offset % sizes.least;
    handler.write(offset - inner, value << (inner * 8), sizes.least);
    return;
  }
  if (size <= sizes.most) {
    handler.write(offset, value, size);
    return;
  }
  for (unsigned done = 0; done < size; done += sizes.most) {
    handler.write(offset + done, (value >> (done * 8)) & ones(sizes.most), sizes.most);
  }
}

Access AddressSpace::read(GuestAddress address, std::span<std::byte> to) const {
  const FlatViewPtr view = this->view();
  Access result = Access::kDone;
  while (!to.empty()) {
    const FlatRange* range = view->find(address);
    std::uint64_t length = 1;
    if (range == nullptr) {
      to[0] = std::byte{0xff};
      result = Access::kPartly;
    } else if (range->isIo()) {
      length = std::min<std::uint64_t>(to.size(), range->last - address + 1);
      length = pieceOf(address, length);
      const std::uint64_t value =
          readRegister(*range->target.handler, range->offsetOf(address), static_cast<unsigned>(length));
      std::memcpy(to.data(), &value, length);
    } else {
      length = std::min<std::uint64_t>(to.size() - 1, range->last - address) + 1;
      std::memcpy(to.data(), range->hostOf(address), length);
    }
    to = to.subspan(length);
    address += length;
  }
  return result;
}

Access AddressSpace::write(GuestAddress address, std::span<const std::byte> from) const {
  const FlatViewPtr view = this->view();
  Access result = Access::kDone;
  while (!from.empty()) {
    const FlatRange* range = view->find(address);
    std::uint64_t length = 1;
    if (range == nullptr) {
      result = Access::kPartly;
    } else if (range->isIo()) {
      length = pieceOf(address, std::min<std::uint64_t>(from.size(), range->last - address + 1));
      writeRegister(*range->target.handler, range->offsetOf(address), load(from.data(), static_cast<unsigned>(length)),
                    static_cast<unsigned>(length));
    } else {
      length = std::min<std::uint64_t>(from.size() - 1, range->last - address) + 1;
      if (range->isRam()) {
        std::memcpy(range->hostOf(address), from.data(), length);
        range->target.block->written(range->offsetOf(address), length);
      }
    }
    from = from.subspan(length);
    address += length;
  }
  return result;
}

std::uint64_t AddressSpace::readValue(GuestAddress address, unsigned size) const {
  const FlatViewPtr view = this->view();
  const FlatRange* range = view->find(address);
  if (range != nullptr && range->isIo() && range->last - address >= size - 1) {
    return readRegister(*range->target.handler, range->offsetOf(address), size);
  }
  std::array<std::byte, 8> bytes{};
  read(address, std::span(bytes).first(size));
  return load(bytes.data(), size);
}

void AddressSpace::writeValue(GuestAddress address, std::uint64_t value, unsigned size) const {
  const FlatViewPtr view = this->view();
  const FlatRange* range = view->find(address);
  if (range != nullptr && range->isIo() && range->last - address >= size - 1) {
    writeRegister(*range->target.handler, range->offsetOf(address), value, size);
    return;
  }
  std::array<std::byte, 8> bytes{};
  std::memcpy(bytes.data(), &value, size);
  write(address, std::as_bytes(std::span(bytes).first(size)));
}

void KnownRegisters::look(GuestAddress address, Place& place) {
  if (const std::uint64_t now = space_.version(); now != version_) {
    places_.fill({});
    version_ = now;
  }
  const FlatViewPtr view = space_.view();
  const FlatRange* const range = view->find(address);
  if (range == nullptr || !range->isIo()) {
    place = {address, address, 0, nullptr, {}};
    return;
  }
  place = {range->first, range->last, range->first - range->target.offset, range->target.handler,
           range->target.handler->accessSizes()};
}

}  // namespace rhea::mem
