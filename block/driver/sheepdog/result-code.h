// What a gateway answers: its result codes, and what becomes of them.
#pragma once

#include "emu/base/base.h"

namespace rhea::block::sheepdog {

enum class Code : std::uint32_t {
  kSuccess = 0x00,
  kUnknown = 0x01,
  kNoObject = 0x02,
  kEio = 0x03,
  kVdiExists = 0x04,
  kInvalid = 0x05,
  kSystemError = 0x06,
  kLocked = 0x07,
  kNoVdi = 0x08,
  kNoTag = 0x0e,
  kStartup = 0x0f,
  kNotLocked = 0x10,
  kShutdown = 0x11,
  kNoMemory = 0x12,
  kFull = 0x13,
  kVersion = 0x14,
  kNoSpace = 0x15,
  kWaitForFormat = 0x16,
  kWaitForJoin = 0x17,
  kHalt = 0x19,
  kReadOnly = 0x1a,
  kNetwork = 0x86,
  kKilled = 0x8d,
  kCollecting = 0x95,
};

enum class Reaction : std::uint8_t {
  kFail,       // tell whoever asked
  kRetrySoon,  // the cluster is changing: the same request again in a moment
  kReconnect,  // the gateway is going away
};

Reaction reactionTo(std::uint32_t code);
// The host error that a guest's request gets.
int errnoOf(std::uint32_t code);
// "NO_VDI", or the number where the daemon says something that is not known.
std::string codeName(std::uint32_t code);
// A sentence and what to do: "server 127.0.0.1:7000: there is no VDI 'x' ...". `where`: server and disk.
Error errorOf(std::uint32_t code, std::string_view doing, std::string_view where);

}  // namespace rhea::block::sheepdog
