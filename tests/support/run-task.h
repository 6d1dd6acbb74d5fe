// runTask(): runs a loop on the calling thread until a task gives its value. For tests.
#pragma once

#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea::test {

namespace detail {

template <class T>
Detached collect(Task<T> task, std::optional<T>& value) {
  value.emplace(co_await std::move(task));
}

inline Detached collect(Task<void> task, std::optional<bool>& done) {
  co_await std::move(task);
  done = true;
}

}  // namespace detail

template <class T>
auto runTask(Loop& loop, Task<T> task) {
  using Kept = std::conditional_t<std::is_void_v<T>, bool, T>;
  std::optional<Kept> value;
  std::function<void()> start = [&] { detail::collect(std::move(task), value); };
  loop.post(std::move(start));
  loop.waitUntil([&] { return value.has_value(); });
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace rhea::test
