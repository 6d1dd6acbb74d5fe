// Guest memory through host addresses, whatever their alignment.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

// Unaligned access of guest memory, one host access where the host does it in one.
template <class T>
struct Raw {
  using Type [[gnu::aligned(1), gnu::may_alias]] = volatile T;
};
template <class T>
inline T loadHost(const void* from) {
  return *static_cast<const typename Raw<T>::Type*>(from);
}
template <class T>
inline void storeHost(void* to, T value) {
  *static_cast<typename Raw<T>::Type*>(to) = value;
}

// An operand in guest memory, at any address, as instructions see it that change it in place.
template <class T>
struct [[gnu::packed, gnu::may_alias]] InPlace {
  volatile T value;
  // For the host's atomic instructions, which take any address too.
  T* host() {
    void* const place = this;
    return static_cast<T*>(place);
  }
};

}  // namespace rhea::x86
