// The bytes of a link: requests of a round go out together, payloads come in where they belong.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/sheepdog/link.h"
#include "block/driver/sheepdog/result-code.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::size_t kMostPieces = 256;                   // iovecs of one system call
constexpr std::size_t kMostBytes = std::size_t{4} << 20U;  // of one system call
constexpr int kMostReceives = 16;                          // before others of the loop get their turn

}  // namespace

// Moves what may go out to sending_. False: there is nothing to send.
bool Link::fillSending() {
  const auto give = [this](Call& call) {
    while (slotOf(nextId_) != nullptr) ++nextId_;
    call.id_ = nextId_++;
    slotOf(call.id_) = &call;
    sending_.append(call);
    ++onTheirWay_;
    counts_.requests.fetch_add(1, std::memory_order_relaxed);
  };
  while (onTheirWay_ < settings_.depth + 4U) {  // greetings have places of their own
    Call* const call = urgent_.takeFirst();
    if (call == nullptr) break;
    give(*call);
  }
  if (state_ != State::kUp) return !sending_.empty();
  while (onTheirWay_ < settings_.depth) {
    Call* const call = pending_.takeFirst();
    if (call == nullptr) break;
    give(*call);
  }
  return !sending_.empty();
}

void Link::send() {
  while (!blocked_ && (state_ == State::kUp || state_ == State::kGreeting) && fillSending()) {
    std::array<std::array<std::byte, kHeaderBytes>, kMostPieces / 4> headers;
    std::array<iovec, kMostPieces> pieces;
    std::size_t count = 0;
    std::size_t used = 0;
    std::size_t bytes = 0;
    const auto add = [&](void* base, std::size_t length) {
      if (length == 0) return;
      pieces[count++] = iovec{base, length};
      bytes += length;
    };
    for (Call* call = sending_.first; call != nullptr && used < headers.size() && bytes < kMostBytes;
         call = call->next_) {
      if (count + 1 + call->payload.pieces() > kMostPieces && count > 0) break;
      std::size_t skip = static_cast<std::size_t>(call->sent_);
      if (skip < kHeaderBytes) {
        headers[used] = call->request.encode(call->id_);
        add(headers[used].data() + skip, kHeaderBytes - skip);
        ++used;
        skip = 0;
      } else {
        skip -= kHeaderBytes;
      }
      call->payload.slice(skip, call->payload.length() - skip).forEach([&](std::byte* memory, std::size_t length) {
        if (count < kMostPieces) add(memory, length);
      });
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      blocked_ = true;
      writable_ = loop_->watch(fd_.get(), Loop::Ready::kWrite, [this] {
        blocked_ = false;
        writable_.reset();
        send();
      });
      return;
    }
    if (sent < 0) {
      // What the peer said before it closed is still to be read; then the end is seen.
      const int code = errno;
      lose(Error::fromErrno(code, fmt::format("{}: the connection is lost", where())), false);
      return;
    }
    advance(static_cast<std::size_t>(sent));
  }
}

// So many bytes of sending_ have gone out.
bool Link::advance(std::size_t bytes) {
  while (bytes > 0 && !sending_.empty()) {
    Call& call = *sending_.first;
    const std::uint64_t whole = kHeaderBytes + call.payload.length();
    const std::uint64_t part = std::min<std::uint64_t>(bytes, whole - call.sent_);
    call.sent_ += part;
    bytes -= static_cast<std::size_t>(part);
    if (call.sent_ < whole) break;
    sending_.remove(call);
    sent_.append(call);
  }
  return sending_.empty();
}

void Link::receive() {
  for (int i = 0; i < kMostReceives; ++i) {
    const IoVector room = reader_.wanted();
    std::array<iovec, 64> pieces;
    std::size_t count = 0;
    std::size_t direct = 0;
    room.forEach([&](std::byte* memory, std::size_t length) {
      if (count + 1 >= pieces.size()) return;
      pieces[count++] = iovec{memory, length};
      direct += length;
    });
    const bool whole = direct == room.length();
    if (whole) pieces[count++] = iovec{buffer_.data(), buffer_.size()};
    const ssize_t got = readv(fd_.get(), pieces.data(), static_cast<int>(count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      const std::string end = got == 0 ? ": the gateway closed it" : "";
      const std::string what = fmt::format("{}: the connection is lost{}", where(), end);
      lose(got == 0 ? Error::fromErrno(ECONNRESET, what) : Error::fromErrno(errno, what), false);
      return;
    }
    std::size_t bytes = static_cast<std::size_t>(got);
    const std::size_t placed = std::min(bytes, direct);
    if (placed > 0) reader_.received(placed, *this);
    bytes -= placed;
    if (bytes > 0) {
      if (Result<void> taken = reader_.take({buffer_.data(), bytes}, *this); !taken.ok()) {
        lose(taken.takeError().context(fmt::format("{}: it does not speak Sheepdog", where())), true);
        return;
      }
    }
    if (bytes < buffer_.size() && whole) return;  // the socket is empty
  }
}

Result<IoVector> Link::begin(const Reply& reply) {
  Call* const call = slotOf(reply.id);
  if (call == nullptr || call->id_ != reply.id || call->sent_ < kHeaderBytes + call->payload.length()) {
    return Error(fmt::format("it answered request {}, which it was not asked", reply.id));
  }
  if (reply.op != static_cast<std::uint8_t>(call->request.op)) {
    return Error(fmt::format("it answered {} with {}", nameOf(call->request.op), nameOf(static_cast<Op>(reply.op))));
  }
  if (reply.dataLength > call->room.length()) {
    return Error(fmt::format("it answered {} with {} bytes, at most {} were asked for", nameOf(call->request.op),
                             reply.dataLength, call->room.length()));
  }
  return call->room.slice(0, reply.dataLength);
}

void Link::end(const Reply& reply) {
  Call& call = *std::exchange(slotOf(reply.id), nullptr);
  sent_.remove(call);
  --onTheirWay_;
  counts_.replies.fetch_add(1, std::memory_order_relaxed);
  call.reply = reply;
  // A shorter answer than asked for is no answer.
  if (reply.result == 0 && reply.dataLength != call.room.length()) {
    call.failure = Error::fromErrno(EIO, fmt::format("{}: it answered {} with {} of {} bytes", where(),
                                                     nameOf(call.request.op), reply.dataLength, call.room.length()));
  }
  if (reactionTo(reply.result) == Reaction::kReconnect && !call.once && state_ == State::kUp) {
    // Answered, but not done: it waits for the next gateway.
    call.sent_ = 0;
    held_.append(call);
    lose(Error(fmt::format("{}: the gateway is going away ({})", where(), codeName(reply.result))), false);
    return;
  }
  answer(call);
  if (!pending_.empty() || !urgent_.empty()) loop_->wantRoundEnd();
}

}  // namespace rhea::block::sheepdog
