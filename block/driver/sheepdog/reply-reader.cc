#include "block/driver/sheepdog/reply-reader.h"

namespace rhea::block::sheepdog {

void ReplyReader::received(std::size_t bytes, ReplySink& sink) {
  room_ = room_.slice(bytes, room_.length() - bytes);
  if (!room_.empty()) return;
  inPayload_ = false;
  sink.end(reply_);
}

Result<void> ReplyReader::take(std::span<const std::byte> bytes, ReplySink& sink) {
  while (!bytes.empty()) {
    if (inPayload_) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), room_.length()));
      room_.copyFrom(bytes.data(), part);
      bytes = bytes.subspan(part);
      received(part, sink);
      continue;
    }
    const std::size_t part = std::min(bytes.size(), kHeaderBytes - filled_);
    std::memcpy(header_.data() + filled_, bytes.data(), part);
    bytes = bytes.subspan(part);
    filled_ += part;
    if (filled_ < kHeaderBytes) break;
    filled_ = 0;
    reply_ = Reply::decode(header_);
    RHEA_TRY(room_, sink.begin(reply_));
    if (room_.length() != reply_.dataLength) return Error("the room for a reply is not as long as its payload");
    inPayload_ = !room_.empty();
    if (!inPayload_) sink.end(reply_);
  }
  return success();
}

}  // namespace rhea::block::sheepdog
