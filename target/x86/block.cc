#include "target/x86/block.h"

#include <new>

namespace rhea::x86 {

Block* BlockCache::find(std::uint64_t physical, std::uint32_t mode) {
  using Answer = BlockTable::Answer;
  Block* const known = table_.find(BlockTable::hash(physical, mode), [&](Block& block) {
    if (block.physical != physical || block.mode != mode || block.crosses()) return Answer::kNo;
    return block.stale() && !renew(block) ? Answer::kDrop : Answer::kYes;
  });
  return known != nullptr ? known : decodeAt(physical, mode);
}

// In decodeAt()'s order.
bool BlockCache::renew(Block& block) {
  if (!block.renewable) return false;
  const Cpu::Place place = cpu_.placeOf(block.physical);
  if (place.host == nullptr || place.range->last - block.physical < block.bytes - 1U) return false;
  mem::RamBlock& ram = *place.range->target.block;
  const std::uint64_t page = place.range->offsetOf(block.physical) >> mem::kPageBits;
  if (block.version != &ram.codeVersion(page)) return false;
  const std::uint32_t bits = mem::RamBlock::codeBits(block.physical & 0xfff, block.bytes);
  const std::uint32_t version = mark(ram, page, bits);
  if (std::memcmp(place.host, block.code(), block.bytes) != 0 || !isMarked(ram, page, bits, version)) return false;
  block.seen = version;
  return true;
}

Block* BlockCache::decodeAt(std::uint64_t physical, std::uint32_t mode) {
  const Cpu::Place place = cpu_.placeOf(physical);
  if (place.host == nullptr) return nullptr;
  const std::uint64_t inPage = physical & 0xfff;
  const std::size_t size = std::min<std::uint64_t>(0x1000 - inPage, place.range->last - physical + 1);
  mem::RamBlock& ram = *place.range->target.block;
  const std::uint64_t page = place.range->offsetOf(physical) >> mem::kPageBits;
  std::array<Insn, kMostInsns + 1> insns;
  std::array<std::uint8_t, 256> bytes;
  unsigned count = 0;
  std::size_t at = 0;
  std::uint32_t version = 0;
  for (bool good = false; !good;) {
    // Bits first, then the bytes; the bits must still be there afterwards (Cpu::wrote). All chunks that a block could
    // cover are marked: its length is not known yet.
    const std::uint32_t bits = mem::RamBlock::codeBits(inPage, std::min<std::size_t>(size, 256));
    version = mark(ram, page, bits);
    count = 0;
    at = 0;
    while (count < most_ && at < 224 && at < size) {
      Insn& insn = insns[count];
      const DecodeResult result = decode({place.host + at, size - at}, mode, static_cast<unsigned>(at), rows_, insn);
      if (result == DecodeResult::kShort) break;
      ++count;
      if (result != DecodeResult::kGood) {
        insn.exec = result == DecodeResult::kTooLong ? &execTooLong : &execInvalid;
        insn.length = 0;
        insn.end = static_cast<std::uint8_t>(at);
        break;
      }
      at += insn.length;
      if (rows()[insn.row].is(kEnd)) break;
    }
    std::memcpy(bytes.data(), place.host, at);
    good = isMarked(ram, page, bits, version);
  }
  if (count == 0) return nullptr;
  Block* block = add({insns.data(), count + 1}, physical, mode, {bytes.data(), at});
  // The bytes of what is no instruction are not among them.
  block->renewable = insns[count - 1].length != 0;
  block->version = &ram.codeVersion(page);
  block->seen = version;
  return block;
}

// Once a page has marks nobody gets a write entry for it; entries from before go in a round (cpu::WriteRounds). Whoever
// finds marks cannot know that their round is over unless none is under way: it begins before the marks are set. A
// round of one's own is as good as waiting for all of those.
std::uint32_t BlockCache::mark(mem::RamBlock& ram, std::uint64_t page, std::uint32_t bits) {
  cpu::WriteRounds* const rounds = cpu_.environment().writeRounds;
  mem::RamBlock::Code seen = ram.code(page);
  for (;;) {
    std::optional<cpu::WriteRounds::Round> round;
    if (seen.mask == 0 && rounds != nullptr) round.emplace(*rounds);
    const bool first = seen.mask == 0;
    if (!ram.markCode(page, seen, seen.mask | bits)) continue;
    if (!first && (rounds == nullptr || !rounds->areUnderWay())) return seen.version;
    if (!round && rounds != nullptr) round.emplace(*rounds);
    cpu_.dropWrites();
    if (round) round->complete(cpu_);
    return seen.version;
  }
}

bool BlockCache::isMarked(const mem::RamBlock& ram, std::uint64_t page, std::uint32_t bits, std::uint32_t version) {
  const mem::RamBlock::Code code = ram.code(page);
  return code.holds(bits) && code.version == version;
}

// The last of `insns` becomes the block's end.
Block* BlockCache::add(std::span<const Insn> insns, std::uint64_t physical, std::uint32_t mode,
                       std::span<const std::uint8_t> bytes) {
  void* memory = allocate(sizeof(Block) + insns.size_bytes() + bytes.size());
  auto* block = new (memory) Block();
  block->insns = reinterpret_cast<Insn*>(block + 1);
  std::memcpy(static_cast<void*>(block->insns), insns.data(), insns.size_bytes());
  Insn& end = block->insns[insns.size() - 1];
  end = {};
  end.exec = &execEndOfBlock;
  end.end = static_cast<std::uint8_t>(bytes.size());
  block->mode = mode;
  block->generation = static_cast<std::uint8_t>(now_);
  block->physical = physical;
  block->bytes = static_cast<std::uint16_t>(bytes.size());
  block->count = static_cast<std::uint16_t>(insns.size() - 1);
  std::memcpy(block->code(), bytes.data(), bytes.size());
  table_.add(block, now_, [](const Block& some) { return BlockTable::hash(some.physical, some.mode); });
  ++decoded_;
  return block;
}

Block* BlockCache::crossing(std::uint64_t first, std::uint64_t second, std::uint32_t mode) {
  using Answer = BlockTable::Answer;
  Block* const known = table_.find(BlockTable::hash(first, mode), [&](const Block& block) {
    if (block.physical != first || block.mode != mode || !block.crosses() || block.second != second) return Answer::kNo;
    return block.stale() ? Answer::kDrop : Answer::kYes;
  });
  if (known != nullptr) return known;
  const std::array<Cpu::Place, 2> places{cpu_.placeOf(first), cpu_.placeOf(second)};
  if (places[0].host == nullptr || places[1].host == nullptr) return nullptr;
  const std::size_t here = 0x1000 - (first & 0xfff);
  const std::size_t there = std::min<std::uint64_t>(kLongestInsn - here, places[1].range->last - second + 1);
  const std::array<std::size_t, 2> sizes{here, there};
  const std::array<std::uint64_t, 2> at{first, second};
  std::array<std::uint8_t, kLongestInsn> bytes{};
  std::array<const std::atomic<std::uint32_t>*, 2> versions{};
  std::array<std::uint32_t, 2> seen{};
  for (bool good = false; !good;) {
    for (unsigned n = 0; n < 2; ++n) {
      mem::RamBlock& ram = *places[n].range->target.block;
      const std::uint64_t page = places[n].range->offsetOf(at[n]) >> mem::kPageBits;
      seen[n] = mark(ram, page, mem::RamBlock::codeBits(at[n] & 0xfff, sizes[n]));
      versions[n] = &ram.codeVersion(page);
    }
    std::memcpy(bytes.data(), places[0].host, here);
    std::memcpy(bytes.data() + here, places[1].host, there);
    good = true;
    for (unsigned n = 0; n < 2; ++n) {
      mem::RamBlock& ram = *places[n].range->target.block;
      const std::uint64_t page = places[n].range->offsetOf(at[n]) >> mem::kPageBits;
      const std::uint32_t bits = mem::RamBlock::codeBits(at[n] & 0xfff, sizes[n]);
      good = good && isMarked(ram, page, bits, seen[n]);
    }
  }
  std::array<Insn, 2> insns;
  if (decode({bytes.data(), here + there}, mode, 0, rows_, insns[0]) != DecodeResult::kGood) return nullptr;
  Block* block = add(insns, first, mode, std::span(bytes).first(insns[0].length));
  block->version = versions[0];
  block->seen = seen[0];
  block->secondVersion = versions[1];
  block->secondSeen = seen[1];
  block->second = second;
  return block;
}

Block* BlockCache::single(std::span<const std::uint8_t> bytes, std::uint32_t mode) {
  Insn& insn = singleInsns_[0];
  const DecodeResult result = decode(bytes, mode, 0, rows_, insn);
  if (result == DecodeResult::kShort) return nullptr;
  if (result != DecodeResult::kGood) {
    insn.exec = result == DecodeResult::kTooLong ? &execTooLong : &execInvalid;
    insn.length = insn.end = 0;
  }
  singleInsns_[1] = {};
  singleInsns_[1].exec = &execEndOfBlock;
  singleInsns_[1].end = insn.length;
  single_ = {};
  single_.version = &never_;
  single_.mode = mode;
  single_.bytes = insn.length;
  single_.count = 1;
  single_.cached = false;
  single_.insns = singleInsns_.data();
  return &single_;
}

void* BlockCache::allocate(std::size_t size) {
  size = (size + 15) & ~std::size_t{15};
  Arena& arena = arenas_[now_];
  if (arena.used + size > kChunk) {
    if (spare_.empty()) {
      arena.chunks.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
    } else {
      arena.chunks.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    memory_ += kChunk;
    arena.used = 0;
  }
  std::byte* place = arena.chunks.back().get() + arena.used;
  arena.used += size;
  return place;
}

void BlockCache::turn(unsigned generation) {
  Arena& arena = arenas_[generation];
  table_.dropGeneration(generation);
  memory_ -= arena.chunks.size() * kChunk;
  std::ranges::move(arena.chunks, std::back_inserter(spare_));
  arena = {};
  now_ = generation;
  ++generation_;
}

void BlockCache::clear() {
  table_.clear();
  ++generation_;
  for (Arena& arena : arenas_) arena = {};
  spare_.clear();
  now_ = 0;
  memory_ = 0;
}

}  // namespace rhea::x86
