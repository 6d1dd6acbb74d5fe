// Services: the typed directory of what main composed, handed to command bodies by reference.
//
// A room provides its subject under its own type (BlockGraph, RunState, ChardevTable, ...); a body asks for it by type.
// There is one directory per machine, so that two machines can live in one process.
#pragma once

#include "emu/base/base.h"

namespace rhea {

class Services {
 public:
  template <class T>
  void provide(T& service) {
    entries_[keyOf<T>()] = &service;
  }
  template <class T>
  void withdraw() {
    entries_.erase(keyOf<T>());
  }
  // Null where this program has no such service.
  template <class T>
  T* find() const {
    const auto found = entries_.find(keyOf<T>());
    return found == entries_.end() ? nullptr : static_cast<T*>(found->second);
  }
  // A missing service is a bug of the program's composition.
  template <class T>
  T& get() const {
    T* service = find<T>();
    if (service == nullptr) std::terminate();
    return *service;
  }

 private:
  template <class T>
  static const void* keyOf() {
    static constexpr char kKey = 0;
    return &kKey;
  }
  std::map<const void*, void*> entries_;  // written by main before anything runs, only read afterwards
};

}  // namespace rhea
