#include "tests/lib/sheepdog-store.h"

#include "block/driver/sheepdog/result-code.h"
#include "emu/base/bytes.h"

namespace rhea::test {

using namespace block::sheepdog;

namespace {

constexpr std::uint64_t kOldInode = 4198976;
constexpr std::uint64_t kNewInode = 12587576;
constexpr std::uint64_t kIndexEnd = kIndexOffset + 4ULL * kIndexSlots;

std::uint32_t codeOf(Code code) { return static_cast<std::uint32_t>(code); }
std::uint32_t vdiOf(std::uint64_t oid) { return static_cast<std::uint32_t>(oid >> 32U) & kMostVdi; }
bool isInode(std::uint64_t oid) { return (oid & kInodeBit) != 0; }
bool isData(std::uint64_t oid) { return oid >> 56U == 0; }

std::string textAt(const std::vector<std::byte>& bytes, std::size_t at) {
  if (bytes.size() <= at) return {};
  const auto* const text = reinterpret_cast<const char*>(bytes.data() + at);
  return std::string(text, strnlen(text, std::min<std::size_t>(bytes.size() - at, kNameBytes)));
}

}  // namespace

// --- objects

void SheepObject::write(std::uint64_t at, std::span<const std::byte> data) {
  bytes_ = std::max(bytes_, at + data.size());
  for (std::size_t done = 0; done < data.size();) {
    const std::uint64_t page = (at + done) / kPage;
    const std::uint64_t within = (at + done) % kPage;
    const std::size_t part = std::min<std::size_t>(data.size() - done, kPage - within);
    std::vector<std::byte>& memory = pages_[page];
    memory.resize(kPage);
    std::memcpy(memory.data() + within, data.data() + done, part);
    done += part;
  }
}

std::vector<std::byte> SheepObject::read(std::uint64_t at, std::size_t length) const {
  std::vector<std::byte> data(length);
  for (std::size_t done = 0; done < length;) {
    const std::uint64_t within = (at + done) % kPage;
    const std::size_t part = std::min<std::size_t>(length - done, kPage - within);
    if (const auto page = pages_.find((at + done) / kPage); page != pages_.end()) {
      std::memcpy(data.data() + done, page->second.data() + within, part);
    }
    done += part;
  }
  return data;
}

std::vector<std::uint64_t> SheepObject::wordsFrom(std::uint64_t from, std::uint64_t end) const {
  std::vector<std::uint64_t> places;
  for (const auto& [page, memory] : pages_) {
    for (std::uint64_t at = 0; at < kPage; at += 4) {
      const std::uint64_t place = page * kPage + at;
      if (place >= from && place < end && loadLittle<std::uint32_t>(&memory[at]) != 0) places.push_back(place);
    }
  }
  std::sort(places.begin(), places.end());
  return places;
}

std::uint64_t SheepRequest::oid() const { return loadLittle<std::uint64_t>(&specific[0]); }
std::uint64_t SheepRequest::cowOid() const { return loadLittle<std::uint64_t>(&specific[8]); }
std::uint32_t SheepRequest::offset() const { return loadLittle<std::uint32_t>(&specific[24]); }

// --- looking

SheepAnswer SheepCluster::answer(std::uint32_t result) const {
  SheepAnswer made;
  made.result = result;
  return made;
}

SheepAnswer SheepCluster::vdiAnswer(std::uint32_t vdi) const {
  SheepAnswer made;
  storeLittle<std::uint32_t>(&made.specific[4], vdi);
  if (const auto found = store.find(inodeObject(vdi)); found != store.end()) {
    made.specific[12] = std::byte{found->second.get<std::uint8_t>(554)};
    if (setting.era == SheepEra::k10) made.specific[13] = std::byte{found->second.get<std::uint8_t>(555)};
  }
  return made;
}

const SheepObject* SheepCluster::find(std::uint64_t oid, const SheepCache& cache) const {
  if (const auto cached = cache.objects.find(oid); cached != cache.objects.end()) return &cached->second.object;
  const auto stored = store.find(oid);
  return stored == store.end() ? nullptr : &stored->second;
}

std::uint64_t SheepCluster::sizeOf(std::uint64_t oid) const {
  if (isInode(oid)) return setting.era == SheepEra::k08 ? kOldInode : kNewInode;
  const auto owner = store.find(inodeObject(vdiOf(oid)));
  return std::uint64_t{1} << (owner == store.end() ? 22 : owner->second.get<std::uint8_t>(555));
}

std::string SheepCluster::nameOf(std::uint32_t vdi) const {
  const auto found = store.find(inodeObject(vdi));
  return found == store.end() ? std::string() : textAt(found->second.read(0, kNameBytes), 0);
}

SheepCluster::Family SheepCluster::familyOf(const std::string& name) const {
  Family family;
  family.free = hashOfName(name);
  while (inUse.contains(family.free)) {
    if (nameOf(family.free) == name) family.members.push_back(family.free);
    family.free = family.free == kMostVdi ? 1 : family.free + 1;
  }
  return family;
}

std::uint32_t SheepCluster::locate(const std::string& name, const std::string& tag, std::uint32_t snapId,
                                   std::uint32_t& vdi) const {
  const Family family = familyOf(name);
  bool any = false;
  for (auto at = family.members.rbegin(); at != family.members.rend(); ++at) {
    const SheepObject& inode = store.at(inodeObject(*at));
    const bool isSnapshot = inode.get<std::uint64_t>(520) != 0;
    any = true;
    const bool wanted = tag.empty() && snapId == 0
                            ? !isSnapshot
                            : isSnapshot && ((!tag.empty() && textAt(inode.read(256, 256), 0) == tag) ||
                                             (snapId != 0 && inode.get<std::uint32_t>(556) == snapId));
    if (!wanted) continue;
    vdi = *at;
    return 0;
  }
  return any && (!tag.empty() || snapId != 0) ? codeOf(Code::kNoTag) : codeOf(Code::kNoVdi);
}

// --- objects of disks

SheepAnswer SheepCluster::read(const SheepRequest& request, SheepCache& cache) {
  const std::uint64_t oid = request.oid();
  const SheepObject* const object = find(oid, cache);
  if (object == nullptr) return answer(codeOf(Code::kNoObject));
  const std::uint64_t end = isInode(oid) ? kIndexEnd : object->size();
  if (request.offset() + std::uint64_t{request.dataLength} > end) {
    violations.push_back(fmt::format("a read of {:016x} goes beyond its end", oid));
    return answer(codeOf(Code::kInvalid));
  }
  SheepAnswer made;
  made.data = object->read(request.offset(), request.dataLength);
  const bool pulled = cache.present && (request.flags & kFlagDirect) == 0 && (oid & kVmStateBit) == 0;
  if (pulled && !cache.objects.contains(oid)) cache.objects[oid].object = *object;
  return made;
}

void SheepCluster::checkWrite(const SheepRequest& request) {
  const std::uint64_t oid = request.oid();
  const std::uint64_t end = request.offset() + std::uint64_t{request.dataLength};
  if ((request.flags & kFlagWrite) == 0) violations.push_back("a write without its flag");
  if ((request.flags & kFlagCache) != 0 && (request.flags & kFlagDirect) != 0) {
    violations.push_back("a write that is both cached and direct");
  }
  if (end > sizeOf(oid)) violations.push_back(fmt::format("a write to {:016x} goes beyond its end", oid));
  if (!isInode(oid)) return;
  const bool head = request.offset() < kInodeHeadBytes && end <= kInodeHeadBytes;
  const bool index = request.offset() >= kIndexOffset && end <= kIndexEnd && request.offset() % 4 == 0;
  if (!head && !index)
    violations.push_back(fmt::format("a write to an inode at {} straddles its parts", request.offset()));
}

std::uint32_t SheepCluster::write(const SheepRequest& request, SheepCache& cache, bool& panic) {
  const std::uint64_t oid = request.oid();
  const bool create = request.op == static_cast<std::uint8_t>(Op::kCreate);
  const bool cow = create && (request.flags & kFlagCow) != 0;
  checkWrite(request);
  const auto owner = store.find(inodeObject(vdiOf(oid)));
  if (owner == store.end()) return codeOf(Code::kNoVdi);
  if (isData(oid) && owner->second.get<std::uint64_t>(520) != 0) return codeOf(Code::kReadOnly);
  const bool direct = (request.flags & kFlagDirect) != 0;
  const bool cached = cache.present && !direct && (oid & kVmStateBit) == 0 && !cow;
  if (cache.present && direct) dropCache(cache, store, vdiOf(oid), true);
  if (create && cached && cache.objects.contains(oid)) {
    panic = true;
    violations.push_back(fmt::format("{:016x} is made although the object cache has it: the daemon panics", oid));
    return codeOf(Code::kSystemError);
  }
  const SheepObject* const old = find(oid, cache);
  if (!create && old == nullptr) return codeOf(Code::kNoObject);
  if (create) {
    const auto index = static_cast<std::uint32_t>(oid);
    if (isData(oid) && old != nullptr && slot(vdiOf(oid), index) == vdiOf(oid)) {
      violations.push_back(fmt::format("{:016x} is made although the index has it", oid));
    }
    const SheepObject* const from = cow ? find(request.cowOid(), cache) : nullptr;
    if (cow && from == nullptr) return codeOf(Code::kNoObject);
    SheepObject made = cow ? *from : SheepObject(sizeOf(oid));
    (cached ? cache.objects[oid].object : store[oid]) = std::move(made);
  } else if (cached && !cache.objects.contains(oid)) {
    cache.objects[oid].object = *old;
  }
  SheepObject& target = cached ? cache.objects[oid].object : store[oid];
  const bool toIndex = isInode(oid) && request.offset() >= kIndexOffset;
  const std::vector<std::byte> before =
      toIndex ? target.read(request.offset(), request.payload.size()) : std::vector<std::byte>();
  target.write(request.offset(), request.payload);
  if (cached && (request.flags & kFlagCache) != 0) {
    cache.objects[oid].dirty = true;
  } else if (cached) {
    store[oid] = target;
  }
  if (!toIndex || setting.era == SheepEra::k08) return 0;
  for (std::size_t at = 0; at + 4 <= before.size(); at += 4) {
    const auto was = loadLittle<std::uint32_t>(&before[at]);
    if (was == 0 || was == loadLittle<std::uint32_t>(&request.payload[at])) continue;
    collect(static_cast<std::uint32_t>((request.offset() - kIndexOffset + at) / 4), was, &cache);
  }
  return 0;
}

// Drops an object that no inode names any more.
void SheepCluster::collect(std::uint32_t index, std::uint32_t owner, SheepCache* cache) {
  const std::uint64_t place = kIndexOffset + 4ULL * index;
  for (const auto& [oid, object] : store) {
    if (!isInode(oid)) continue;
    const SheepObject* inode = &object;
    if (cache != nullptr) inode = find(oid, *cache);
    if (inode->get<std::uint32_t>(place) == owner) return;
  }
  store.erase(dataObject(owner, index));
  if (cache != nullptr) cache->objects.erase(dataObject(owner, index));
}

std::uint32_t SheepCluster::discard(std::uint64_t oid, SheepCache& cache) {
  const auto index = static_cast<std::uint32_t>(oid);
  const std::uint64_t inode = inodeObject(vdiOf(oid));
  if (find(inode, cache) == nullptr) return codeOf(Code::kNoObject);
  const std::uint64_t place = kIndexOffset + 4ULL * index;
  const std::uint32_t was = find(inode, cache)->get<std::uint32_t>(place);
  if (was == 0) return 0;
  if (const auto cached = cache.objects.find(inode); cached != cache.objects.end()) {
    cached->second.object.put<std::uint32_t>(place, 0);
  }
  store.at(inode).put<std::uint32_t>(place, 0);
  if (setting.era == SheepEra::k08) {
    store.erase(oid);
    cache.objects.erase(oid);
  } else {
    collect(index, was, &cache);
  }
  return 0;
}

void SheepCluster::dropCache(SheepCache& cache, std::map<std::uint64_t, SheepObject>& store, std::uint32_t vdi,
                             bool keep) {
  for (auto at = cache.objects.begin(); at != cache.objects.end();) {
    if (vdiOf(at->first) != vdi) {
      ++at;
      continue;
    }
    if (keep && at->second.dirty) store[at->first] = at->second.object;
    at = cache.objects.erase(at);
  }
}

// --- names

std::uint32_t SheepCluster::newVdi(const SheepRequest& request, SheepCache* cache, std::uint32_t& vdi) {
  const std::string name = textAt(request.payload, 0);
  const auto size = loadLittle<std::uint64_t>(&request.specific[0]);
  const auto base = loadLittle<std::uint32_t>(&request.specific[8]);
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint8_t>(request.specific[at]); };
  const bool snapshot = loadLittle<std::uint32_t>(&request.specific[16]) != 0;
  std::uint32_t working = 0;
  const std::uint32_t found = locate(name, "", 0, working);
  if (!snapshot && found == 0) return codeOf(Code::kVdiExists);
  if (snapshot && found != 0) return found;
  const Family family = familyOf(name);
  std::uint32_t snapId = 0;
  for (const std::uint32_t member : family.members) {
    snapId = std::max(snapId, store.at(inodeObject(member)).get<std::uint32_t>(556));
  }
  const std::uint64_t now = ++clock_ << 32U;
  if (snapshot) {
    if (cache != nullptr) dropCache(*cache, store, working, true);
    store.at(inodeObject(working)).put<std::uint64_t>(520, now);
  }
  SheepObject inode(sizeOf(kInodeBit));
  if (base != 0) {
    if (cache != nullptr) dropCache(*cache, store, base, true);
    const auto from = store.find(inodeObject(base));
    if (from == store.end()) return 0x0c;
    for (const std::uint64_t place : from->second.wordsFrom(kIndexOffset, kIndexEnd)) {
      inode.put<std::uint32_t>(place, from->second.get<std::uint32_t>(place));
    }
  }
  inode.write(0, std::as_bytes(std::span(name.data(), name.size())));
  inode.put<std::uint64_t>(512, now);
  inode.put<std::uint64_t>(536, size);
  const std::uint8_t copies = byte(12);
  inode.put<std::uint8_t>(552, copies == 0 ? std::uint8_t{0} : byte(13));
  inode.put<std::uint8_t>(553, byte(14));
  inode.put<std::uint8_t>(554, copies == 0 ? setting.copies : copies);
  const bool modern = setting.era == SheepEra::k10;
  inode.put<std::uint8_t>(555, !modern ? std::uint8_t{22} : byte(15) == 0 ? setting.shift : byte(15));
  inode.put<std::uint32_t>(556, snapId + 1);
  inode.put<std::uint32_t>(560, family.free);
  inode.put<std::uint32_t>(564, base);
  store[inodeObject(family.free)] = inode;
  inUse.insert(family.free);
  vdi = family.free;
  return 0;
}

std::uint32_t SheepCluster::deleteVdi(std::uint32_t vdi) {
  SheepObject& object = inode(vdi);
  const std::vector<std::uint64_t> slots = object.wordsFrom(kIndexOffset, kIndexEnd);
  // It says yes and leaves it, where anything is stored.
  if (setting.era != SheepEra::k08 && !slots.empty()) return 0;
  for (const std::uint64_t place : slots) object.put<std::uint32_t>(place, 0);
  for (const std::uint64_t place : slots) collect(static_cast<std::uint32_t>((place - kIndexOffset) / 4), vdi, nullptr);
  const std::vector<std::byte> none(kNameBytes);
  object.write(0, none);
  return 0;
}

SheepAnswer SheepCluster::handle(const SheepRequest& request, SheepCache& cache, bool& panic) {
  const std::lock_guard lock(guard);
  const auto op = static_cast<Op>(request.op);
  if (request.op >= 0x80 || request.version > 2) return answer(codeOf(Code::kVersion));
  if (setting.state != 0) return answer(setting.state);
  const auto snapId = loadLittle<std::uint32_t>(&request.specific[16]);
  const std::string name = textAt(request.payload, 0);
  const std::string tag = textAt(request.payload, kNameBytes);
  std::uint32_t vdi = 0;
  switch (op) {
    case Op::kRead:
      return read(request, cache);
    case Op::kCreate:
    case Op::kWrite:
      if (setting.halted) return answer(codeOf(Code::kHalt));
      return answer(write(request, cache, panic));
    case Op::kRemove:
      return answer(store.erase(request.oid()) != 0 ? 0 : codeOf(Code::kNoObject));
    case Op::kDiscard:
      return answer(discard(request.oid(), cache));
    case Op::kFlushVdi: {
      if (!cache.present) return answer(codeOf(Code::kInvalid));
      for (auto& [oid, cached] : cache.objects) {
        if (vdiOf(oid) != vdiOf(request.oid()) || !cached.dirty) continue;
        store[oid] = cached.object;
        cached.dirty = false;
      }
      return answer(0);
    }
    case Op::kLockVdi:
    case Op::kVdiInfo:
    case Op::kDeleteVdi: {
      if (request.dataLength != kNameBytes && request.dataLength != 2 * kNameBytes) {
        return answer(codeOf(Code::kInvalid));
      }
      if (const std::uint32_t result = locate(name, tag, snapId, vdi); result != 0) return answer(result);
      if (op == Op::kDeleteVdi) return answer(deleteVdi(vdi));
      SheepAnswer made = vdiAnswer(vdi);
      if (op == Op::kLockVdi && setting.locks && !locks.insert(vdi).second) made.result = codeOf(Code::kLocked);
      return made;
    }
    case Op::kReleaseVdi: {
      const auto released = loadLittle<std::uint32_t>(&request.specific[8]);
      locks.erase(released);
      dropCache(cache, store, released, true);
      return answer(0);
    }
    case Op::kNewVdi: {
      if (request.dataLength != kNameBytes) return answer(codeOf(Code::kInvalid));
      if (const std::uint32_t result = newVdi(request, &cache, vdi); result != 0) return answer(result);
      return vdiAnswer(vdi);
    }
    case Op::kReadVdis: {
      if (request.dataLength != kBitmapBytes) return answer(codeOf(Code::kInvalid));
      SheepAnswer made;
      made.data.resize(kBitmapBytes);
      for (const std::uint32_t used : inUse) made.data[used >> 3U] |= std::byte(1U << (used & 7U));
      return made;
    }
    case Op::kClusterDefault: {
      if (setting.era != SheepEra::k10) return answer(codeOf(Code::kInvalid));
      SheepAnswer made;
      made.specific[0] = std::byte{setting.copies};
      made.specific[2] = std::byte{setting.shift};
      return made;
    }
  }
  violations.push_back(fmt::format("operation 0x{:02x}", request.op));
  return answer(codeOf(Code::kInvalid));
}

// --- for tests

std::uint32_t SheepCluster::lookUp(const std::string& name, const std::string& tag, std::uint32_t snapId) {
  std::uint32_t vdi = 0;
  return locate(name, tag, snapId, vdi) == 0 ? vdi : 0;
}

std::uint32_t SheepCluster::makeVdi(const std::string& name, std::uint64_t bytes) {
  SheepRequest request;
  request.payload = namePayload(name);
  storeLittle<std::uint64_t>(&request.specific[0], bytes);
  std::uint32_t vdi = 0;
  return newVdi(request, nullptr, vdi) == 0 ? vdi : 0;
}

std::uint32_t SheepCluster::takeSnapshot(const std::string& name, const std::string& tag) {
  const std::uint32_t working = lookUp(name);
  SheepObject& object = inode(working);
  const std::vector<std::byte> text = namePayload(tag);
  object.write(256, text);
  SheepRequest request;
  request.payload = namePayload(name);
  storeLittle<std::uint64_t>(&request.specific[0], object.get<std::uint64_t>(536));
  storeLittle<std::uint32_t>(&request.specific[8], working);
  request.specific[12] = std::byte{object.get<std::uint8_t>(554)};
  request.specific[15] = std::byte{object.get<std::uint8_t>(555)};
  storeLittle<std::uint32_t>(&request.specific[16], 1);
  std::uint32_t vdi = 0;
  return newVdi(request, nullptr, vdi) == 0 ? vdi : 0;
}

std::uint32_t SheepCluster::slot(std::uint32_t vdi, std::uint32_t index) {
  return inode(vdi).get<std::uint32_t>(kIndexOffset + 4ULL * index);
}

std::vector<std::byte> SheepCluster::stored(std::uint32_t vdi, std::uint64_t offset, std::size_t length) {
  const auto shift = inode(vdi).get<std::uint8_t>(555);
  std::vector<std::byte> content;
  while (content.size() < length) {
    const std::uint64_t at = offset + content.size();
    const auto index = static_cast<std::uint32_t>(at >> shift);
    const std::uint64_t within = at & ((std::uint64_t{1} << shift) - 1);
    const std::size_t part = std::min<std::size_t>(length - content.size(), (std::size_t{1} << shift) - within);
    const std::uint32_t owner = slot(vdi, index);
    const auto object = store.find(dataObject(owner, index));
    const std::vector<std::byte> piece =
        owner == 0 || object == store.end() ? std::vector<std::byte>(part) : object->second.read(within, part);
    content.insert(content.end(), piece.begin(), piece.end());
  }
  return content;
}

std::size_t SheepCluster::dataObjects() const {
  return static_cast<std::size_t>(
      std::count_if(store.begin(), store.end(), [](const auto& e) { return isData(e.first); }));
}

}  // namespace rhea::test
