// ReceivedFds: the descriptors that came over a QMP socket, and those that getfd named.
//
// A descriptor belongs to the messages that were completed, or in progress, by the read that it came with: a later
// message never gets what an earlier one left over.
#pragma once

#include <deque>

#include "emu/base/base.h"
#include "emu/io/command-context.h"

namespace rhea::monitor {

class ReceivedFds final : public SessionFds {
 public:
  explicit ReceivedFds(bool possible) : possible_(possible) {}

  // `fds` came with the bytes that the messages `first` to `last` (running numbers) are made of.
  void came(std::vector<Fd> fds, std::uint64_t first, std::uint64_t last);
  // Commands of this message ask from now on; what earlier ones left is closed.
  void beginMessage(std::uint64_t number);

  Result<Fd> takeReceived() override;
  void store(const std::string& name, Fd fd) override { named_.insert_or_assign(name, std::move(fd)); }
  Result<Fd> takeNamed(const std::string& name) override;

 private:
  struct Received {
    Fd fd;
    std::uint64_t first;
    std::uint64_t last;
  };
  bool possible_;
  std::uint64_t message_ = 0;
  std::deque<Received> received_;
  std::map<std::string, Fd> named_;
};

}  // namespace rhea::monitor
