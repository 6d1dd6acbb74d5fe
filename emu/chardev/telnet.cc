#include "emu/chardev/telnet.h"

namespace rhea::chardev {

namespace {

constexpr unsigned char kSubnegotiationEnd = 240;
constexpr unsigned char kBreak = 243;
constexpr unsigned char kInterrupt = 244;
constexpr unsigned char kSubnegotiationBegin = 250;
constexpr unsigned char kWill = 251;
constexpr unsigned char kDo = 253;
constexpr unsigned char kDont = 254;
constexpr unsigned char kInterpret = 255;  // "interpret as command"

constexpr unsigned char kBinary = 0;
constexpr unsigned char kEcho = 1;
constexpr unsigned char kSuppressGoAhead = 3;

constexpr char kCtrlC = 0x03;

constexpr std::array<unsigned char, 12> kGreeting = {kInterpret, kWill, kEcho,   kInterpret, kWill, kSuppressGoAhead,
                                                     kInterpret, kWill, kBinary, kInterpret, kDo,   kBinary};

}  // namespace

TelnetStream::TelnetStream(std::shared_ptr<Stream> stream) : Relay(std::move(stream)) {
  below().write(std::string_view(reinterpret_cast<const char*>(kGreeting.data()), kGreeting.size()));
}

void TelnetStream::write(std::string_view bytes) {
  const auto isCommand = [](char byte) { return static_cast<unsigned char>(byte) == kInterpret; };
  if (std::ranges::none_of(bytes, isCommand)) return below().write(bytes);
  std::string doubled;
  for (const char byte : bytes) doubled.append(isCommand(byte) ? 2 : 1, byte);
  below().write(doubled);
}

void TelnetStream::received(std::string_view bytes, std::vector<Fd> fds) {
  const std::shared_ptr<Stream> self = shared_from_this();  // a break may end the conversation
  std::string data;
  for (const char byte : bytes) take(static_cast<unsigned char>(byte), data);
  if (!data.empty() || !fds.empty()) Relay::received(data, std::move(fds));
}

void TelnetStream::take(unsigned char byte, std::string& data) {
  switch (state_) {
    case State::kData: {
      const bool padding = byte == 0 && lastCarriageReturn_ && !clientBinary_;
      lastCarriageReturn_ = byte == '\r';
      if (byte == kInterpret) {
        state_ = State::kCommand;
      } else if (!padding) {
        data.push_back(static_cast<char>(byte));
      }
      return;
    }
    case State::kCommand:
      return command(byte, data);
    case State::kOption:
      if (verb_ == kWill && byte == kBinary) clientBinary_ = true;
      state_ = State::kData;
      return;
    case State::kSubnegotiation:
      if (byte == kInterpret) state_ = State::kSubnegotiationCommand;
      return;
    case State::kSubnegotiationCommand:
      state_ = byte == kSubnegotiationEnd ? State::kData : State::kSubnegotiation;
      return;
  }
}

void TelnetStream::command(unsigned char byte, std::string& data) {
  state_ = State::kData;
  if (byte == kInterpret) {
    data.push_back(static_cast<char>(byte));
  } else if (byte >= kWill && byte <= kDont) {
    verb_ = byte;
    state_ = State::kOption;
  } else if (byte == kSubnegotiationBegin) {
    state_ = State::kSubnegotiation;
  } else if (byte == kInterrupt) {
    data.push_back(kCtrlC);
  } else if (byte == kBreak) {
    // What came before the break is to be seen before it.
    if (!data.empty()) Relay::received(std::exchange(data, {}), {});
    Relay::breakReceived();
  }
}

}  // namespace rhea::chardev
