#include "monitor/qmp/session-fds.h"

#include "emu/base/names.h"

namespace rhea::monitor {

namespace {

// A client that sends descriptors and never uses them may not take all that the process has.
constexpr std::size_t kMostReceived = 512;

}  // namespace

void ReceivedFds::came(std::vector<Fd> fds, std::uint64_t first, std::uint64_t last) {
  for (Fd& fd : fds) received_.push_back({std::move(fd), first, last});
  while (received_.size() > kMostReceived) received_.pop_front();
}

void ReceivedFds::beginMessage(std::uint64_t number) {
  message_ = number;
  while (!received_.empty() && received_.front().last < number) received_.pop_front();
}

Result<Fd> ReceivedFds::takeReceived() {
  const auto found = std::ranges::find_if(
      received_, [this](const Received& one) { return one.first <= message_ && message_ <= one.last; });
  if (found == received_.end()) {
    return Error("no descriptor came with this command")
        .hint(possible_ ? "send one with the same sendmsg() as the command (SCM_RIGHTS)"
                        : "descriptors can be sent over UNIX sockets only");
  }
  Fd fd = std::move(found->fd);
  received_.erase(found);
  return fd;
}

Result<Fd> ReceivedFds::takeNamed(const std::string& name) {
  const auto found = named_.find(name);
  if (found == named_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, fd] : named_) names.push_back(known);
    return Error(fmt::format("this client has no descriptor called '{}'", name))
        .candidates(std::move(names))
        .hint("getfd names the one that comes with it");
  }
  Fd fd = std::move(found->second);
  named_.erase(found);
  return fd;
}

}  // namespace rhea::monitor
