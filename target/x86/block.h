// Block: a run of decoded instructions of one physical page, and the cache of them. Each vCPU has its own.
//
// A block is stale when its page's code version (RamBlock) differs from the one it was decoded under; whoever enters a
// block compares. Looked for, it is compared with memory, and good again if its bytes are what they were: a page has
// other code and data than what was rewritten. Else it stays where it is until the whole cache is emptied, so links to
// it are harmless.
// Where code is translated, blocks have no links, and generations of them are dropped with the translator's
// (target/x86/t1/generations.cc).
//
// An instruction that ends a block calls the first one of the next block itself (leave<>, a tail call), as long as that
// block is known and nobody asks for anything: each such instruction has a jump of its own for the branch predictor.
#pragma once

#include "target/x86/block-table.h"
#include "target/x86/cpu.h"
#include "target/x86/decode.h"

namespace rhea::x86 {

namespace t1 {
struct Native;
}

struct alignas(16) Block {
  const std::atomic<std::uint32_t>* version = nullptr;
  std::uint32_t seen = 0;
  std::uint32_t mode = 0;
  std::uint64_t physical = 0;
  std::array<Block*, 2> link{};  // exits within the same virtual page; never across pages
  std::array<bool, 2> away{};    // the exit leads out of the page: looked up by address
  std::uint16_t bytes = 0;
  std::uint16_t count = 0;  // instructions, without the end
  bool cached = true;
  Insn* insns = nullptr;
  t1::Native* native = nullptr;  // translations, by virtual address
  std::uint16_t runs = 0;        // before it was translated
  std::uint8_t generation = 0;
  bool renewable = false;  // all that it was decoded from is in code()

  // Of one instruction that reaches into the next page: that page's bytes. Such a block is never linked to.
  const std::atomic<std::uint32_t>* secondVersion = nullptr;
  std::uint32_t secondSeen = 0;
  std::uint64_t second = 0;

  // The `bytes` bytes that it was decoded from, behind its instructions.
  std::uint8_t* code() const { return reinterpret_cast<std::uint8_t*>(insns + count + 1); }
  bool crosses() const { return secondVersion != nullptr; }
  bool stale() const {
    return version->load(std::memory_order_acquire) != seen ||
           (crosses() && secondVersion->load(std::memory_order_acquire) != secondSeen);
  }
};

class BlockCache {
 public:
  static constexpr unsigned kMostInsns = 32;  // of a block
  static constexpr std::size_t kMostMemory = std::size_t{96} << 20;
  static constexpr unsigned kGenerations = BlockTable::kGenerations;

  BlockCache(Cpu& cpu, const Model& model, bool oneInsn) : cpu_(cpu), rows_(model), most_(oneInsn ? 1 : kMostInsns) {}

  // The block at a physical address, decoded when it is not there. Ends at the page's end at the latest; nullptr where
  // the first instruction reaches into the next page or the address is no memory: decodeSingle() does it then.
  Block* find(std::uint64_t physical, std::uint32_t mode);
  // One instruction that begins at the end of one page and goes on at `second`, the start of another. nullptr where one
  // of them is no memory.
  Block* crossing(std::uint64_t first, std::uint64_t second, std::uint32_t mode);
  // One instruction from bytes that the caller fetched; overwritten by the next call.
  Block* single(std::span<const std::uint8_t> bytes, std::uint32_t mode);
  // Only between blocks.
  void clear();
  // Grown beyond its limit: to be cleared at the next opportunity.
  bool full() const { return memory_ > kMostMemory; }
  // The present generation has as much as it may: the next one's turn. All of them never make it full().
  bool generationFull() const { return arenas_[now_].chunks.size() * kChunk >= kMostMemory / kGenerations - kChunk; }
  // Only between blocks, and without links: drops this generation's blocks and adds new ones to it from now on.
  void turn(unsigned generation);
  std::uint64_t decoded() const { return decoded_; }
  // Counts how often it was emptied: pointers from before are gone.
  unsigned generation() const { return generation_; }

 private:
  static constexpr std::size_t kChunk = std::size_t{256} << 10;
  Block* decodeAt(std::uint64_t physical, std::uint32_t mode);
  // Whether a stale block is as memory is; then it is not stale any more.
  bool renew(Block& block);
  Block* add(std::span<const Insn> insns, std::uint64_t physical, std::uint32_t mode,
             std::span<const std::uint8_t> bytes);
  // Marks chunks as code, before their bytes are read; the version that these then have, if they are marked still.
  std::uint32_t mark(mem::RamBlock& ram, std::uint64_t page, std::uint32_t bits);
  static bool isMarked(const mem::RamBlock& ram, std::uint64_t page, std::uint32_t bits, std::uint32_t version);
  void* allocate(std::size_t size);

  Cpu& cpu_;
  RowSet rows_;
  BlockTable table_;
  const unsigned most_;  // instructions of a block
  struct Arena {
    std::vector<std::unique_ptr<std::byte[]>> chunks;
    std::size_t used = kChunk;  // of the last one
  };
  std::array<Arena, kGenerations> arenas_;
  unsigned now_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> spare_;  // chunks of generations that were dropped
  std::size_t memory_ = 0;                           // of all
  std::uint64_t decoded_ = 0;
  unsigned generation_ = 0;
  Block single_;
  std::array<Insn, 2> singleInsns_;
  std::atomic<std::uint32_t> never_{0};
};

inline Block* Cpu::knownBlock() {
  const std::uint64_t linear = linearRip();
  const JumpEntry& entry = jumpEntry(linear);
  if (entry.linear != linear || entry.mode != mode_ || entry.space != jumpsNow() || entry.block->stale()) [[unlikely]]
    return nullptr;
  return entry.block;
}

// From block to block each instruction calls the next one, for ever: only where calls at the end of a function are
// jumps.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
inline constexpr bool kTailCalls = true;
#else
inline constexpr bool kTailCalls = false;
#endif

template <Body kBody>
Outcome leave(Cpu& cpu, const Insn* insn) {
  const Outcome outcome = kBody(cpu, *insn);
  // With translated code each block goes back to the loop that chooses.
  if (kTailCalls && outcome <= Outcome::kIndirect && cpu.chains_) [[likely]] {
    Block* const block = cpu.current_;
    Block* next = nullptr;
    if (outcome != Outcome::kIndirect) {
      const std::size_t exit = outcome == Outcome::kLinked1 ? 1 : 0;
      next = block->link[exit];
      if (next == nullptr)
        next = block->away[exit] ? cpu.knownBlock() : nullptr;
      else if (next->stale())
        next = nullptr;
    } else if (block->cached) {
      next = cpu.knownBlock();
    }
    if (next != nullptr && std::atomic_ref(cpu.st.pending).load(std::memory_order_relaxed) == 0) [[likely]] {
      cpu.instructions_ += block->count;
      cpu.current_ = next;
      return next->insns[0].exec(cpu, next->insns);
    }
  }
  cpu.last = insn;
  return outcome;
}

}  // namespace rhea::x86
