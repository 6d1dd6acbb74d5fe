// Image locks: how programs that open the same image tell each other what they do with it.
//
// Every program of this family takes shared open-file-description locks on single bytes of the image: byte 100 + n says
// "I use permission n", byte 200 + n says "nobody else may use permission n while I am here". Locks are always read
// locks, so that taking one never fails because of another; whoever opens an image first takes its own, then looks
// (F_OFD_GETLK) whether somebody holds the opposite byte. Two that come at the same moment may both be refused, but
// never both be let in.
//
// Everything here is a system call that a hung network file system can hold: call it off the loop.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

// The permissions by their number in the lock protocol.
enum class LockBit : std::uint32_t {
  kConsistentRead = 0,
  kWrite = 1,
  kWriteUnchanged = 2,
  kResize = 3,
  kGraphMod = 4,
};
constexpr unsigned kLockBits = 5;
constexpr std::uint32_t kAllLockBits = (1U << kLockBits) - 1;
constexpr std::uint32_t lockBit(LockBit bit) { return 1U << static_cast<std::uint32_t>(bit); }

// "read", "write", ...: what the permission lets its holder do.
std::string_view lockBitVerb(LockBit bit);

// What a program holds or wants: bit n of `uses` = byte 100 + n, bit n of `denies` = byte 200 + n.
struct LockSet {
  LockSet() = default;
  LockSet(std::uint32_t using_, std::uint32_t denying) : uses(using_), denies(denying) {}
  std::uint32_t uses = 0;
  std::uint32_t denies = 0;

  bool empty() const { return uses == 0 && denies == 0; }
  LockSet operator|(LockSet other) const { return {uses | other.uses, denies | other.denies}; }
  LockSet without(LockSet other) const { return {uses & ~other.uses, denies & ~other.denies}; }
  bool operator==(const LockSet&) const = default;
};

// Takes the bytes of `wanted`; those held already stay. Errors: ENOLCK, EINVAL, ENOTSUP, ...: a file system without
// such locks; then nothing of `wanted` that was not held before is held.
Result<void> takeLocks(int fd, LockSet wanted);
// Gives the bytes of `unwanted` back.
Result<void> dropLocks(int fd, LockSet unwanted);

// Somebody else's lock that forbids something of ours.
struct LockConflict {
  LockBit bit = LockBit::kConsistentRead;
  bool theyUse = false;  // true: they use what we deny; false: they deny what we use
};
// Whether another open file description holds a byte that forbids `wanted`; empty when none does.
Result<std::optional<LockConflict>> findConflict(int fd, LockSet wanted);

// takeLocks and findConflict in one: on conflict gives back what it took beyond `held` and returns an error that names
// the holder, with exit code 3. `path` is for the message only.
Result<void> claimLocks(int fd, LockSet held, LockSet wanted, const std::string& path);

// Whether this file system keeps open-file-description locks at all (tried on a byte that no protocol uses).
Result<void> probeLocks(int fd);

}  // namespace rhea::block
