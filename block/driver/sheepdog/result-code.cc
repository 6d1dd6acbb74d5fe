#include "block/driver/sheepdog/result-code.h"

#include <cerrno>

namespace rhea::block::sheepdog {

namespace {

struct Row {
  std::uint32_t code;
  std::string_view name;
  int error;
  Reaction reaction;
  std::string_view meaning;
  std::string_view hint;
};

constexpr std::string_view kChanging = "the cluster is changing";
constexpr Row kRows[] = {
    {0x00, "SUCCESS", 0, Reaction::kFail, "it worked", ""},
    {0x01, "UNKNOWN", EIO, Reaction::kFail, "the daemon does not know what went wrong", "see the daemon's log"},
    {0x02, "NO_OBJ", EIO, Reaction::kFail, "an object that the disk has is missing in the cluster",
     "'dog node list' and 'dog cluster info' tell whether nodes are missing"},
    {0x03, "EIO", EIO, Reaction::kFail, "the storage of a node failed", "see the daemon's log"},
    {0x04, "VDI_EXIST", EEXIST, Reaction::kFail, "a VDI of that name exists", "choose another name"},
    {0x05, "INVALID_PARMS", EINVAL, Reaction::kFail, "the daemon does not take the request", ""},
    {0x06, "SYSTEM_ERROR", EIO, Reaction::kFail, "the daemon failed", "see the daemon's log"},
    {0x07, "VDI_LOCKED", EBUSY, Reaction::kFail,
     "the VDI is locked: another client has it open, or one died with it open",
     "'dog vdi lock list' shows the holder, 'dog vdi lock unlock' frees it; read-only=on needs no lock"},
    {0x08, "NO_VDI", ENOENT, Reaction::kFail, "there is no such VDI", "'dog vdi list' shows what there is"},
    {0x09, "NO_BASE_VDI", ENOENT, Reaction::kFail, "the VDI that it builds on is missing", ""},
    {0x0a, "VDI_READ", EIO, Reaction::kFail, "the daemon cannot read the VDI's inode", "see the daemon's log"},
    {0x0b, "VDI_WRITE", EIO, Reaction::kFail, "the daemon cannot write the VDI's inode", "see the daemon's log"},
    {0x0c, "BASE_VDI_READ", EIO, Reaction::kFail, "the daemon cannot read the inode of the VDI that it builds on", ""},
    {0x0d, "BASE_VDI_WRITE", EIO, Reaction::kFail, "the daemon cannot write the inode of the VDI that it builds on",
     ""},
    {0x0e, "NO_TAG", ENOENT, Reaction::kFail, "the VDI has no such snapshot", "'dog vdi list' shows what there is"},
    {0x0f, "STARTUP", EAGAIN, Reaction::kRetrySoon, "the cluster is starting", "try again in a moment"},
    {0x10, "VDI_NOT_LOCKED", EINVAL, Reaction::kFail, "the VDI is not locked", ""},
    {0x11, "SHUTDOWN", EIO, Reaction::kReconnect, "the cluster is shutting down", ""},
    {0x12, "NO_MEM", ENOMEM, Reaction::kFail, "the daemon is out of memory", ""},
    {0x13, "FULL_VDI", ENOSPC, Reaction::kFail, "the cluster has no number left for another VDI", ""},
    {0x14, "VER_MISMATCH", ENOTSUP, Reaction::kFail, "the daemon speaks another version of the protocol", ""},
    {0x15, "NO_SPACE", ENOSPC, Reaction::kFail, "the cluster is out of space", "'dog node info' shows the space"},
    {0x16, "WAIT_FOR_FORMAT", EAGAIN, Reaction::kRetrySoon, "the cluster is not formatted",
     "'dog cluster format' formats it"},
    {0x17, "WAIT_FOR_JOIN", EAGAIN, Reaction::kRetrySoon, "the cluster waits for nodes to join",
     "start the missing nodes; 'dog cluster info' tells more"},
    {0x18, "JOIN_FAILED", EIO, Reaction::kFail, "the node could not join its cluster", "see the daemon's log"},
    {0x19, "HALT", ENOSPC, Reaction::kFail,
     "the cluster is halted: it has too few nodes to keep what it promises, and takes no writes",
     "start the missing nodes; 'dog cluster info' tells more"},
    {0x1a, "READONLY", EROFS, Reaction::kFail, "the VDI has become a snapshot", ""},
    {0x1d, "INODE_INVALIDATED", EIO, Reaction::kFail, "the VDI's inode was changed by somebody else", ""},
    {0x81, "OLD_NODE_VER", EIO, Reaction::kRetrySoon, kChanging, ""},
    {0x82, "NEW_NODE_VER", EIO, Reaction::kRetrySoon, kChanging, ""},
    {0x86, "NETWORK_ERROR", EIO, Reaction::kRetrySoon, kChanging, ""},
    {0x8d, "KILLED", EIO, Reaction::kReconnect, "the gateway is being killed", ""},
    {0x8f, "AGAIN", EIO, Reaction::kRetrySoon, kChanging, ""},
    {0x90, "STALE_OBJ", EIO, Reaction::kRetrySoon, kChanging, ""},
    {0x95, "COLLECTING_CINFO", EAGAIN, Reaction::kRetrySoon, "the cluster is starting", "try again in a moment"},
};

const Row* rowOf(std::uint32_t code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace

Reaction reactionTo(std::uint32_t code) {
  const Row* const row = rowOf(code);
  return row == nullptr ? Reaction::kFail : row->reaction;
}

int errnoOf(std::uint32_t code) {
  const Row* const row = rowOf(code);
  return row == nullptr || row->error == 0 ? EIO : row->error;
}

std::string codeName(std::uint32_t code) {
  const Row* const row = rowOf(code);
  return row == nullptr ? fmt::format("result 0x{:02x}", code) : std::string(row->name);
}

Error errorOf(std::uint32_t code, std::string_view doing, std::string_view where) {
  const Row* const row = rowOf(code);
  if (row == nullptr) {
    return Error::fromErrno(EIO, fmt::format("{}: {}: the daemon answers 0x{:02x}, which no version of it is known to "
                                             "answer",
                                             where, doing, code));
  }
  Error error = Error::fromErrno(row->error == 0 ? EIO : row->error,
                                 fmt::format("{}: {}: {} ({})", where, doing, row->meaning, row->name));
  if (row->hint.empty()) return error;
  return std::move(error).hint(std::string(row->hint));
}

}  // namespace rhea::block::sheepdog
