// Cuts the bytes that a gateway sends into replies. Nothing in them is trusted: who waits for a reply says how much of
// a payload it takes, and anything else ends the conversation.
#pragma once

#include "block/core/io-vector.h"
#include "block/driver/sheepdog/wire.h"

namespace rhea::block::sheepdog {

class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // A header has come. Gives the room for its payload, reply.dataLength bytes, which stays until end(). Error: nobody
  // waits for such a reply; the conversation is over.
  virtual Result<IoVector> begin(const Reply& reply) = 0;
  // All of the payload is in its room.
  virtual void end(const Reply& reply) = 0;
};

class ReplyReader {
 public:
  // The room that the rest of the present payload goes to; the next bytes may be received right there, and are then
  // told by received(). Empty: none is under way.
  IoVector wanted() const { return room_; }
  void received(std::size_t bytes, ReplySink& sink);
  // Bytes as they come. Error: as the sink's.
  Result<void> take(std::span<const std::byte> bytes, ReplySink& sink);
  void reset() { *this = ReplyReader(); }

 private:
  std::array<std::byte, kHeaderBytes> header_{};
  std::size_t filled_ = 0;  // of the header
  bool inPayload_ = false;
  Reply reply_;
  IoVector room_;
};

}  // namespace rhea::block::sheepdog
