#include "emu/chardev/fd-stream.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/io/offload.h"

namespace rhea::chardev {

namespace {

// As many as the kernel passes in one message (SCM_MAX_FD).
constexpr std::size_t kMostFds = 253;
// A reader of a pipe or terminal takes at least this much when it is writable, so that a blocking descriptor, which we
// may share with other processes and therefore leave as it is, does not block.
constexpr std::size_t kPipeChunk = 4096;
// One stream may not keep the loop from the others.
constexpr int kReadsPerTurn = 4;

// AF_UNSPEC where it is no socket.
int socketDomain(int fd) {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof(domain);
  return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? domain : AF_UNSPEC;
}

bool wouldBlock(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR; }

}  // namespace

bool isPollable(int fd) {
  const Fd set(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {};
  event.events = EPOLLIN;
  return set.valid() && epoll_ctl(set.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

FdStream::FdStream(Outlet& outlet, Ends ends, std::string address, std::function<void()> onClosed)
    : Stream(std::move(address)), outlet_(outlet), ends_(std::move(ends)), onClosed_(std::move(onClosed)) {
  const int domain = socketDomain(ends_.in.get());
  inSocket_ = domain != AF_UNSPEC;
  inUnix_ = domain == AF_UNIX;
  outSocket_ = ends_.split ? socketDomain(ends_.out.get()) != AF_UNSPEC : inSocket_;
  inPolls_ = inSocket_ || (ends_.in.valid() && isPollable(ends_.in.get()));
  outPolls_ = outSocket_ || (outFd() >= 0 && isPollable(outFd()));
  if (outPolls_ || outFd() < 0) return;
  if (ends_.split) {
    sink_ = std::make_shared<FileSink>(std::move(ends_.out));
  } else if (Result<Fd> copy = ends_.in.duplicate(); copy.ok()) {
    sink_ = std::make_shared<FileSink>(*std::move(copy));
  }
}

void FdStream::setTerminal(int fd, std::function<void(bool)> switchRaw) {
  terminal_ = fd;
  switchRaw_ = std::move(switchRaw);
}

void FdStream::setRaw(bool raw) {
  if (switchRaw_) switchRaw_(raw);
}

FdStream::~FdStream() = default;

void FdStream::receive(Receiver* receiver) {
  receiver_ = receiver;
  updateReading();
}

void FdStream::pause(bool paused) {
  paused_ = paused;
  updateReading();
}

void FdStream::updateReading() {
  const bool wanted = open_ && receiver_ != nullptr && !paused_ && !inputOver_ && ends_.in.valid();
  if (!wanted) {
    readWatch_.reset();
    return;
  }
  if (inPolls_) {
    if (!readWatch_) {
      readWatch_ = outlet_.loop().watch(ends_.in.get(), Loop::Ready::kRead, [this] { readable(); });
    }
  } else if (!reading_) {
    reading_ = true;
    outlet_.loop().spawn(readByWorker(std::static_pointer_cast<FdStream>(shared_from_this())));
  }
}

void FdStream::readable() {
  const auto self = shared_from_this();
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    if (!open_ || paused_ || inputOver_ || receiver_ == nullptr || !readOnce()) return;
  }
}

// True when there may be more at once.
bool FdStream::readOnce() {
  const std::span<char> buffer = outlet_.readBuffer();
  std::vector<Fd> fds;
  ssize_t count = 0;
  if (inUnix_) {
    iovec part = {buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    count = recvmsg(ends_.in.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count >= 0) {
      for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t bytes = header->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
          int number = -1;
          std::memcpy(&number, CMSG_DATA(header) + at, sizeof(int));
          fds.emplace_back(number);
        }
      }
    }
  } else if (inSocket_) {
    count = recv(ends_.in.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  } else {
    count = ::read(ends_.in.get(), buffer.data(), buffer.size());
  }
  if (count < 0 && wouldBlock(errno)) return false;
  if (count <= 0) {
    // A terminal whose other side hung up gives EIO; any error ends the conversation as an end of file does.
    readWatch_.reset();
    inputOver_ = true;
    inputEnded(count == 0);
    return false;
  }
  deliver({buffer.data(), static_cast<std::size_t>(count)}, std::move(fds));
  return static_cast<std::size_t>(count) == buffer.size() && inSocket_;
}

// `regularly`: by an end of file. A peer that is gone altogether ends the conversation in any case.
void FdStream::inputEnded(bool regularly) {
  if (!ends_.closesAtEnd) return;
  pollfd state = {outFd(), 0, 0};
  const bool gone = outPolls_ && poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
  if (regularly && !gone && receiver_ != nullptr && receiver_->inputEnded()) return;
  close();
}

void FdStream::deliver(std::string_view bytes, std::vector<Fd> fds) {
  if (receiver_ != nullptr) receiver_->received(bytes, std::move(fds));
}

Task<void> FdStream::readByWorker(std::shared_ptr<FdStream> /*self*/) {
  while (open_ && !paused_ && !inputOver_ && receiver_ != nullptr) {
    std::string chunk(Outlet::kReadSize, '\0');
    const int fd = ends_.in.get();
    auto work = [fd, &chunk] { return ::read(fd, chunk.data(), chunk.size()); };
    const ssize_t count = co_await offload(work);
    if (!open_) break;
    if (count <= 0) {
      inputOver_ = true;
      inputEnded(count == 0);
      break;
    }
    deliver(std::string_view(chunk).substr(0, static_cast<std::size_t>(count)), {});
  }
  reading_ = false;
}

void FdStream::write(std::string_view bytes) {
  if (!open_ || (!outPolls_ && !sink_)) return;
  if (sink_) {
    waited_ |= pending() + bytes.size() > kLowWater;
    if (sink_->append(bytes)) {
      outlet_.loop().spawn(writeByWorker(std::static_pointer_cast<FdStream>(shared_from_this())));
    }
    return;
  }
  output_.append(bytes);
  waited_ |= pending() > kLowWater;
  if (flushQueued_ || writeWatch_) return;
  flushQueued_ = true;
  outlet_.flushLater(std::static_pointer_cast<FdStream>(shared_from_this()));
}

void FdStream::flush() {
  flushQueued_ = false;
  if (!open_ || pending() == 0) return;
  const auto self = std::static_pointer_cast<FdStream>(shared_from_this());
  if (!send()) return shut();
  if (!open_) return;
  if (pending() > 0) {
    if (!writeWatch_) {
      writeWatch_ = outlet_.loop().watch(outFd(), Loop::Ready::kWrite, [this] { flush(); });
    }
  } else {
    writeWatch_.reset();
  }
}

// False when the other side is gone.
bool FdStream::send() {
  while (pending() > 0) {
    const std::size_t chunk = outSocket_ ? pending() : std::min(pending(), kPipeChunk);
    if (!outSocket_) {
      pollfd ready = {outFd(), POLLOUT, 0};
      if (poll(&ready, 1, 0) <= 0) return true;
    }
    const char* from = output_.data() + sent_;
    const ssize_t count =
        outSocket_ ? ::send(outFd(), from, chunk, MSG_NOSIGNAL | MSG_DONTWAIT) : ::write(outFd(), from, chunk);
    if (count < 0) return wouldBlock(errno);
    written(static_cast<std::size_t>(count));
    if (!open_) return true;
    if (outSocket_ && static_cast<std::size_t>(count) < chunk) return true;
  }
  return true;
}

void FdStream::written(std::size_t count) {
  sent_ += count;
  if (sink_) {
    // Its own queue.
  } else if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
    // One large reply must not cost its memory for the rest of the session.
    if (output_.capacity() > (std::size_t{256} << 10)) output_.shrink_to_fit();
  } else if (sent_ > (std::size_t{1} << 20)) {
    output_.erase(0, sent_);
    sent_ = 0;
  }
  if (waited_ && pending() <= kLowWater && receiver_ != nullptr) {
    waited_ = false;
    receiver_->drained();
  }
  if (finishing_ && pending() == 0) shut();
}

Task<void> FdStream::writeByWorker(std::shared_ptr<FdStream> /*self*/) {
  auto work = [sink = sink_] { sink->writeAll(); };
  co_await offload(work);
  if (!open_) co_return;
  if (sink_->failed()) {
    shut();
  } else {
    written(0);
  }
}

void FdStream::drain(TimePoint until) {
  if (sink_) sink_->wait(until);
  if (!open_ || !outPolls_) return;
  while (pending() > 0) {
    if (!send() || pending() == 0) return;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    pollfd ready = {outFd(), POLLOUT, 0};
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0) return;
  }
}

void FdStream::close() {
  if (!open_) return;
  if (outPolls_ && pending() > 0) send();
  shut();
}

void FdStream::finish() {
  finishing_ = true;
  if (pending() == 0) shut();
}

void FdStream::shut() {
  if (!open_) return;
  const auto self = shared_from_this();
  open_ = false;
  readWatch_.reset();
  writeWatch_.reset();
  output_.clear();
  sent_ = 0;
  if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  if (!reading_) ends_.in.reset();
  ends_.out.reset();
  switchRaw_ = nullptr;
  terminal_ = -1;
  if (const auto told = std::exchange(onClosed_, nullptr)) told();
}

}  // namespace rhea::chardev
