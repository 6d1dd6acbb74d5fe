// What a Sheepdog cluster keeps and how its daemons of three generations behave, in memory: the part of the test double
// without sockets. Written from the facts in docs/drivers/sheepdog.md; what a daemon does not check, this does, and
// notes it as a violation.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "block/driver/sheepdog/inode.h"

namespace rhea::test {

enum class SheepEra : std::uint8_t { k08, k09, k10 };

// An object, with memory only where something was written.
class SheepObject {
 public:
  explicit SheepObject(std::uint64_t bytes = 0) : bytes_(bytes) {}
  std::uint64_t size() const { return bytes_; }
  void write(std::uint64_t at, std::span<const std::byte> data);
  std::vector<std::byte> read(std::uint64_t at, std::size_t length) const;
  template <class Integer>
  Integer get(std::uint64_t at) const {
    Integer value;
    const std::vector<std::byte> bytes = read(at, sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  template <class Integer>
  void put(std::uint64_t at, Integer value) {
    write(at, std::as_bytes(std::span(&value, 1)));
  }
  // The places of 32-bit words from `from` on that are not zero.
  std::vector<std::uint64_t> wordsFrom(std::uint64_t from, std::uint64_t end) const;

 private:
  static constexpr std::uint64_t kPage = 4096;
  std::uint64_t bytes_;
  std::unordered_map<std::uint64_t, std::vector<std::byte>> pages_;
};

struct SheepRequest {
  std::uint8_t version = 0;
  std::uint8_t op = 0;
  std::uint16_t flags = 0;
  std::uint32_t id = 0;
  std::uint32_t dataLength = 0;
  std::array<std::byte, 32> specific{};
  std::vector<std::byte> payload;

  std::uint64_t oid() const;
  std::uint64_t cowOid() const;
  std::uint32_t offset() const;
  bool isObjectOp() const { return op <= 5 || op == 0x16; }
  bool isWrite() const { return op == 1 || op == 3; }
};

struct SheepAnswer {
  std::uint32_t result = 0;
  std::vector<std::byte> data;
  std::array<std::byte, 28> specific{};
};

struct SheepSetting {
  SheepEra era = SheepEra::k10;
  bool locks = false;       // formatted with locks
  std::uint8_t shift = 22;  // of new VDIs, in clusters of 1.0
  std::uint8_t copies = 1;
  std::uint32_t state = 0;  // not 0: what everything is answered with (WAIT_FOR_FORMAT, ...)
  bool halted = false;      // too few nodes: no writes
};

// The object cache of one gateway.
struct SheepCache {
  struct Cached {
    SheepObject object;
    bool dirty = false;
  };
  bool present = false;
  std::map<std::uint64_t, Cached> objects;
};

class SheepCluster {
 public:
  explicit SheepCluster(SheepSetting theSetting = SheepSetting()) : setting(theSetting) {}

  // One request through a gateway with that cache. `panic`: the daemon would have died.
  SheepAnswer handle(const SheepRequest& request, SheepCache& cache, bool& panic);

  // --- For tests; all of it under the guard, which handle() takes itself.
  std::mutex guard;
  SheepSetting setting;
  std::map<std::uint64_t, SheepObject> store;
  std::set<std::uint32_t> inUse;
  std::set<std::uint32_t> locks;
  std::vector<std::string> violations;  // what a client must not do

  // As `dog` would, without locks: the numbers of the working VDI and its inode.
  std::uint32_t lookUp(const std::string& name, const std::string& tag = "", std::uint32_t snapId = 0);
  std::uint32_t makeVdi(const std::string& name, std::uint64_t bytes);
  std::uint32_t takeSnapshot(const std::string& name, const std::string& tag);
  SheepObject& inode(std::uint32_t vdi) { return store.at(block::sheepdog::inodeObject(vdi)); }
  std::uint32_t slot(std::uint32_t vdi, std::uint32_t index);
  // The disk's content as the nodes' disks have it: what a power cut would leave.
  std::vector<std::byte> stored(std::uint32_t vdi, std::uint64_t offset, std::size_t length);
  std::size_t dataObjects() const;

 private:
  SheepAnswer answer(std::uint32_t result) const;
  SheepAnswer vdiAnswer(std::uint32_t vdi) const;
  const SheepObject* find(std::uint64_t oid, const SheepCache& cache) const;
  std::uint64_t sizeOf(std::uint64_t oid) const;
  SheepAnswer read(const SheepRequest& request, SheepCache& cache);
  std::uint32_t write(const SheepRequest& request, SheepCache& cache, bool& panic);
  void checkWrite(const SheepRequest& request);
  std::uint32_t discard(std::uint64_t oid, SheepCache& cache);
  void collect(std::uint32_t index, std::uint32_t owner, SheepCache* cache);
  static void dropCache(SheepCache& cache, std::map<std::uint64_t, SheepObject>& store, std::uint32_t vdi, bool keep);
  struct Family {
    std::uint32_t free = 0;
    std::vector<std::uint32_t> members;  // oldest first
  };
  Family familyOf(const std::string& name) const;
  std::uint32_t locate(const std::string& name, const std::string& tag, std::uint32_t snapId, std::uint32_t& vdi) const;
  std::uint32_t newVdi(const SheepRequest& request, SheepCache* cache, std::uint32_t& vdi);
  std::uint32_t deleteVdi(std::uint32_t vdi);
  std::string nameOf(std::uint32_t vdi) const;
  std::uint64_t clock_ = 1000;
};

}  // namespace rhea::test
