#include "target/x86/block.h"

#include <new>

namespace rhea::x86 {

Block* BlockCache::find(std::uint64_t physical, std::uint32_t mode) {
  for (Block* block = buckets_[bucketOf(physical, mode)]; block != nullptr; block = block->next) {
    if (block->physical == physical && block->mode == mode && !block->stale()) return block;
  }
  return decodeAt(physical, mode);
}

Block* BlockCache::decodeAt(std::uint64_t physical, std::uint32_t mode) {
  const Cpu::Place place = cpu_.placeOf(physical);
  if (place.host == nullptr) return nullptr;
  const std::uint64_t inPage = physical & 0xfff;
  const std::size_t size = std::min<std::uint64_t>(0x1000 - inPage, place.range->last - physical + 1);
  mem::RamBlock& ram = *place.range->target.block;
  const std::uint64_t page = place.range->offsetOf(physical) >> mem::kPageBits;
  std::array<Insn, kMostInsns + 1> insns;
  unsigned count = 0;
  std::size_t at = 0;
  std::uint32_t version = 0;
  for (bool good = false; !good;) {
    // Bits first, then the version, then the bytes; the bits must still be there afterwards (Cpu::wrote). All chunks
    // that a block could cover are marked: its length is not known yet.
    const std::uint32_t bits = mem::RamBlock::codeBits(inPage, std::min<std::size_t>(size, 256));
    const std::uint32_t before = ram.codeMask(page).fetch_or(bits);
    if (before == 0) {
      cpu_.dropWrites();
      if (cpu_.environment().dropOthersWrites) cpu_.environment().dropOthersWrites(cpu_);
    }
    version = ram.codeVersion(page).load();
    count = 0;
    at = 0;
    while (count < kMostInsns && at < 224 && at < size) {
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
    good = (ram.codeMask(page).load() & bits) == bits;
  }
  if (count == 0) return nullptr;
  Insn& end = insns[count];
  end = {};
  end.exec = &execEndOfBlock;
  end.end = static_cast<std::uint8_t>(at);
  void* memory = allocate(sizeof(Block) + (count + 1) * sizeof(Insn));
  auto* block = new (memory) Block();
  block->insns = reinterpret_cast<Insn*>(block + 1);
  std::memcpy(static_cast<void*>(block->insns), insns.data(), (count + 1) * sizeof(Insn));
  block->version = &ram.codeVersion(page);
  block->seen = version;
  block->mode = mode;
  block->physical = physical;
  block->bytes = static_cast<std::uint16_t>(at);
  block->count = static_cast<std::uint16_t>(count);
  Block*& bucket = buckets_[bucketOf(physical, mode)];
  block->next = bucket;
  bucket = block;
  ++decoded_;
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
  if (used_ + size > kChunk) {
    chunks_.push_back(std::make_unique<std::byte[]>(kChunk));
    memory_ += kChunk;
    used_ = 0;
  }
  std::byte* place = chunks_.back().get() + used_;
  used_ += size;
  return place;
}

void BlockCache::clear() {
  std::fill(buckets_.begin(), buckets_.end(), nullptr);
  ++generation_;
  chunks_.clear();
  used_ = kChunk;
  memory_ = 0;
}

}  // namespace rhea::x86
