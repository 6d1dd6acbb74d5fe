// telnet=on of a socket: answers a telnet client so that it sends keys one by one and unchanged, and takes the
// protocol's commands out of what comes (RFC 854, 856, 857, 858).
#pragma once

#include "emu/chardev/relay.h"

namespace rhea::chardev {

class TelnetStream final : public Relay {
 public:
  // Asks the client at once for binary transfer, and promises to echo.
  explicit TelnetStream(std::shared_ptr<Stream> below);

  void write(std::string_view bytes) override;  // a byte 255 goes as two

 private:
  enum class State : std::uint8_t { kData, kCommand, kOption, kSubnegotiation, kSubnegotiationCommand };

  void received(std::string_view bytes, std::vector<Fd> fds) override;
  void take(unsigned char byte, std::string& data);
  void command(unsigned char byte, std::string& data);

  State state_ = State::kData;
  unsigned char verb_ = 0;     // of the option that comes
  bool clientBinary_ = false;  // else it sends CR NUL for the return key
  bool lastCarriageReturn_ = false;
};

}  // namespace rhea::chardev
