#include "emu/io/command.h"

#include "emu/io/offload.h"

namespace rhea {

bool isLong(json::View arguments) {
  constexpr std::size_t kLong = std::size_t{64} << 10;
  return arguments.documentSize() > kLong;
}

Task<void> readByWorker(std::function<void()> read) { co_await offload(std::move(read)); }

}  // namespace rhea
