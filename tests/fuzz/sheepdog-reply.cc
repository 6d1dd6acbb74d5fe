// What a Sheepdog gateway says, cut into replies in pieces of any size; an inode of any bytes; a name of any letters.
// Every payload's room is as long as it says, no byte longer.
#include "block/driver/sheepdog/inode.h"
#include "block/driver/sheepdog/reply-reader.h"
#include "block/driver/sheepdog/uri.h"

namespace {

using namespace rhea;
using namespace rhea::block;

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  __builtin_trap();
}

class Sink final : public sheepdog::ReplySink {
 public:
  Result<IoVector> begin(const sheepdog::Reply& reply) override {
    require(room_ == nullptr, "a reply begins before the last one ended");
    if (reply.dataLength > 4096) return Error("nobody asked for so much");
    room_ = std::make_unique<std::byte[]>(reply.dataLength);
    return IoVector(room_.get(), reply.dataLength);
  }
  void end(const sheepdog::Reply& reply) override {
    require(room_ != nullptr, "a reply ends that did not begin");
    const std::vector<std::byte> seen(room_.get(), room_.get() + reply.dataLength);
    room_.reset();
    bytes_ += seen.size();
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<std::byte[]> room_;
  std::size_t bytes_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  std::optional<std::size_t> whole;
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size + 1}) {
    Sink sink;
    sheepdog::ReplyReader reader;
    bool ended = false;
    for (std::size_t at = 0; at < bytes.size() && !ended; at += step) {
      // What belongs to a payload may be received right into its place.
      std::span<const std::byte> piece = bytes.subspan(at, std::min(step, bytes.size() - at));
      const IoVector wanted = reader.wanted();
      if (step == 7 && !wanted.empty()) {
        const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), wanted.length()));
        wanted.copyFrom(piece.data(), part);
        reader.received(part, sink);
        piece = piece.subspan(part);
      }
      ended = !reader.take(piece, sink).ok();
    }
    require(!whole || *whole == sink.bytes(), "the replies depend on how their bytes come");
    whole = sink.bytes();
  }
  if (const Result<sheepdog::Inode> inode = sheepdog::Inode::parse(bytes, 0x72d497); inode.ok()) {
    require(inode->hyper || inode->objects() <= sheepdog::kIndexSlots, "an inode has more objects than slots");
    require(inode->name.size() < 256 && !inode->name.empty(), "an inode's name");
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const std::string& name : {text, "sheepdog:" + text, "sheepdog://" + text, "sheepdog+unix:///" + text}) {
    if (const Result<sheepdog::Uri> uri = sheepdog::parseUri(name); uri.ok()) {
      require(!uri->vdi.empty() && uri->vdi.size() < 256, "a name without a VDI");
      require(!(uri->snapId && uri->tag), "a snapshot by number and name");
    }
  }
  return 0;
}
