#include "emu/chardev/memory.h"

#include <bit>

#include "emu/chardev/single-stream.h"

namespace rhea::chardev {

namespace {

constexpr std::uint64_t kLargestRing = std::uint64_t{256} << 20;

// A conversation that gives nothing and puts what it gets into a ring buffer, or nowhere.
class MemoryStream final : public Stream {
 public:
  MemoryStream(std::string address, RingBuffer* ring) : Stream(std::move(address)), ring_(ring) {}
  void receive(Receiver* receiver) override { receiver_ = receiver; }
  void write(std::string_view bytes) override {
    if (open_ && ring_ != nullptr) ring_->write(bytes);
  }
  std::size_t pending() const override { return 0; }
  void pause(bool /*paused*/) override {}
  void close() override {
    if (!std::exchange(open_, false)) return;
    if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }
  bool isOpen() const override { return open_; }

 private:
  Receiver* receiver_ = nullptr;
  RingBuffer* ring_;
  bool open_ = true;
};

class NullBackend final : public SingleStream {
 public:
  NullBackend() { open(std::make_shared<MemoryStream>("null", nullptr)); }
  std::string filename() const override { return "null"; }
};

class RingbufBackend final : public SingleStream {
 public:
  explicit RingbufBackend(std::size_t size) : ring_(size) { open(std::make_shared<MemoryStream>("ringbuf", &ring_)); }
  std::string filename() const override { return "ringbuf"; }
  RingBuffer* ringBuffer() override { return &ring_; }

 private:
  RingBuffer ring_;
};

}  // namespace

void RingBuffer::write(std::string_view bytes) {
  if (bytes.size() > bytes_.size()) bytes.remove_prefix(bytes.size() - bytes_.size());
  for (const char byte : bytes) {
    bytes_[(begin_ + count_) % bytes_.size()] = byte;
    if (count_ < bytes_.size()) {
      ++count_;
    } else {
      begin_ = (begin_ + 1) % bytes_.size();
    }
  }
}

std::string RingBuffer::read(std::size_t most) {
  std::string result;
  for (most = std::min(most, count_); most > 0; --most) {
    result.push_back(bytes_[begin_]);
    begin_ = (begin_ + 1) % bytes_.size();
    --count_;
  }
  return result;
}

std::unique_ptr<Backend> makeNull() { return std::make_unique<NullBackend>(); }

Result<std::unique_ptr<Backend>> makeRingbuf(const RingbufOptions& options) {
  if (!std::has_single_bit(options.size) || options.size > kLargestRing) {
    return Error(fmt::format("a ring buffer cannot have a size of {} bytes", options.size))
        .where("size")
        .expected(fmt::format("a power of two up to {}", kLargestRing));
  }
  return std::unique_ptr<Backend>(std::make_unique<RingbufBackend>(static_cast<std::size_t>(options.size)));
}

}  // namespace rhea::chardev
