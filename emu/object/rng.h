// RngSource: where random bytes for a guest come from: rng-builtin (the host's kernel), rng-random (a file or device).
#pragma once

#include "emu/io/cancel.h"
#include "emu/io/fd.h"
#include "emu/io/task.h"
#include "emu/object/object.h"

namespace rhea::object {

class RngSource : public Object {
 public:
  // Adds rng-backend (abstract), rng-builtin and rng-random.
  static void addClasses(ClassTable& classes);

  using Object::Object;
  // Random bytes into `to`, which lives until this completes: at least one, or why there are none. A source that has
  // none for now makes it wait, until it is cancelled. One call at a time for each user.
  virtual Task<Result<std::size_t>> fill(std::span<std::byte> to, CancelToken cancel) = 0;
};

// The host kernel's, for who was given no source.
std::size_t fillFromKernel(std::span<std::byte> to);

}  // namespace rhea::object
