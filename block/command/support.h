// What the bodies of the block commands share: who asks, and how block/core's values look on the wire.
#pragma once

#include "block/core/graph.h"
#include "emu/io/command.h"
#include "qapi/types-block-cache.h"
#include "qapi/types-block-types.h"

namespace rhea::block {

inline ChangeContext changeContext(const CommandContext& context) {
  return ChangeContext(context.peer().who, context.cancel());
}

// For what cannot be taken back once it has begun: it does not end at the deadline, so that the client is told that it
// goes on, and how it ends.
inline ChangeContext lastingContext(const CommandContext& context) { return ChangeContext(context.peer().who, {}); }

// What `device` and `node-name` of one command together name. Error: both or neither are given.
Result<std::string> oneTarget(const std::optional<std::string>& device, const std::optional<std::string>& nodeName);

qapi::CacheSettings toSchema(CacheSwitches switches);
qapi::UnflushedChanges toSchema(const Unflushed& unflushed, TimePoint now);
qapi::LastFlush toSchema(const LastFlush& flush, TimePoint now);
std::uint64_t microseconds(Duration duration);

// Writes the limits into the members that BlockDeviceInfo and the throttle commands share.
void fillLimits(qapi::BlockDeviceInfo& info, const ThrottleLimits& limits);

}  // namespace rhea::block
