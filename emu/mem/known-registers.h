// KnownRegisters: one thread's way to an address space of registers. It remembers what answers at the addresses used
// last, and asks the space only whether its map is still the same, which is a load where AddressSpace::readValue()
// takes a counted reference to the view and searches it.
//
// Every access finds the map as it was published last, as those of the space itself do: whoever takes a device away has
// unmapped it before he waits for the threads that may be in its handler (Board::forgetLookups), and behind that wait
// no thread looks at what it remembered before.
#pragma once

#include "emu/mem/address-space.h"

namespace rhea::mem {

class KnownRegisters {
 public:
  explicit KnownRegisters(const AddressSpace& space) : space_(space) {}
  KnownRegisters(const KnownRegisters&) = delete;
  KnownRegisters& operator=(const KnownRegisters&) = delete;

  // As AddressSpace's.
  std::uint64_t readValue(GuestAddress address, unsigned size) {
    const Place& place = at(address);
    if (place.handler == nullptr || place.last - address < size - 1) return space_.readValue(address, size);
    return readRegister(*place.handler, place.sizes, address - place.zero, size);
  }
  void writeValue(GuestAddress address, std::uint64_t value, unsigned size) {
    const Place& place = at(address);
    if (place.handler == nullptr || place.last - address < size - 1) return space_.writeValue(address, value, size);
    writeRegister(*place.handler, place.sizes, address - place.zero, value, size);
  }

 private:
  struct Place {
    GuestAddress first = 1, last = 0;  // nothing
    GuestAddress zero = 0;             // where the region's offset is zero
    IoHandler* handler = nullptr;      // nullptr: memory, or nothing at all; the space's own way is good enough
    IoHandler::AccessSizes sizes;
  };
  const Place& at(GuestAddress address) {
    Place& place = places_[(address ^ address >> 4) % places_.size()];
    if (version_ != space_.version() || address < place.first || address > place.last) [[unlikely]]
      look(address, place);
    return place;
  }
  void look(GuestAddress address, Place& place);

  const AddressSpace& space_;
  std::uint64_t version_ = 0;  // of the map that places_ are from; a space's first is 1
  std::array<Place, 16> places_;
};

}  // namespace rhea::mem
