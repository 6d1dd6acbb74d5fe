// Runs a task that needs no loop to its end.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::test {

template <class T>
T runNow(Task<T> task) {
  std::optional<T> value;
  auto run = [](Task<T> what, std::optional<T>& to) -> Detached { to.emplace(co_await std::move(what)); };
  run(std::move(task), value);
  return std::move(value.value());
}

}  // namespace rhea::test
