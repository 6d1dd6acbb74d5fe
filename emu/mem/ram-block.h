// RamBlock: a piece of guest memory: host pages, and per page what other parts must know of writes to it.
//
// Counted by shared_ptr: memory that a device or a vCPU still uses is freed after the last of them lets go. The bytes
// are shared with running guest code, so whoever reads them twice may read two values. Any thread.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea::mem {

using GuestAddress = std::uint64_t;

constexpr unsigned kPageBits = 12;
constexpr std::uint64_t kPageSize = 1U << kPageBits;
// A page's code mask has one bit for this many bytes.
constexpr std::uint64_t kCodeChunk = kPageSize / 32;

// Those that want to know which pages were written, one bit each.
enum class DirtyClient : std::uint8_t { kMigration = 1, kDisplay = 2 };

class RamBlock {
 public:
  // Zeroed memory; `size` is a multiple of the page. Error: not enough memory, with the size.
  static Result<std::shared_ptr<RamBlock>> anonymous(std::string name, std::uint64_t size);
  // `size` bytes of a file from `offset` on. `shared`: writes reach the file; else they are private.
  static Result<std::shared_ptr<RamBlock>> fromFile(std::string name, Fd file, std::uint64_t size, bool shared);
  ~RamBlock();
  RamBlock(const RamBlock&) = delete;
  RamBlock& operator=(const RamBlock&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  std::byte* host() const { return host_; }
  std::span<std::byte> bytes() const { return {host_, size_}; }
  // The file behind it, -1 where there is none.
  int fd() const { return file_.get(); }

  // Who keeps code of this block that does not look at versions itself (translated code) is told of each rewrite.
  class CodeWatcher {
   public:
    virtual ~CodeWatcher() = default;
    // On the writer's thread, behind the bytes and the version, before the writer does anything else. Must not wait.
    virtual void codeRewritten(const std::atomic<std::uint32_t>& version) = 0;
  };
  void watchCode(CodeWatcher& watcher);
  void forget(CodeWatcher& watcher);  // once for each watchCode()

  // --- writes. Everything that writes past the vCPUs' own fast path says so afterwards.
  void written(std::uint64_t offset, std::uint64_t length);

  // Which 128-byte chunks of a page hold code that somebody decoded, and how often such a chunk has been written since:
  // two halves of one word, so that marks which went and came again cannot be taken for the same. A decoder sets the
  // bits, which gives the version, and sees to it that no vCPU writes the page unseen, then reads the bytes; what it
  // made is stale as soon as the version differs.
  struct Code {
    std::uint32_t mask = 0;
    std::uint32_t version = 0;
    bool operator==(const Code&) const = default;
    bool holds(std::uint32_t bits) const { return (mask & bits) == bits; }
  };
  Code code(std::uint64_t page) const { return split(codes_[page].load(std::memory_order_seq_cst)); }
  // The mask becomes `mask` if mask and version are as `seen`; else `seen` is what they are.
  bool markCode(std::uint64_t page, Code& seen, std::uint32_t mask) {
    std::uint64_t word = join(seen);
    if (codes_[page].compare_exchange_strong(word, join({mask, seen.version}))) return true;
    seen = split(word);
    return false;
  }
  // It was written to: no marks, and the next version. A decoder that is at it right now sees its bits gone and starts
  // over. Tells all watchers but `self`.
  void forgetCode(std::uint64_t page, const CodeWatcher* self = nullptr);
  // For a writer that found no marks: if somebody else has just taken them away, all have been told of that behind
  // this.
  void awaitTold() {
    if (telling_.load(std::memory_order_seq_cst)) static_cast<void>(std::lock_guard(watchersMutex_));
  }
  // The version alone.
  const std::atomic<std::uint32_t>& codeVersion(std::uint64_t page) const {
    static_assert(std::endian::native == std::endian::little);
    return reinterpret_cast<const std::atomic<std::uint32_t>*>(&codes_[page])[1];
  }
  static std::uint32_t codeBits(std::uint64_t offsetInPage, std::uint64_t length);

  // --- dirty log. A page that a client has not seen written must take the slow path once; vCPUs look at needsLog().
  void startLog(DirtyClient client);
  void stopLog(DirtyClient client);
  bool logged() const { return logging_.load(std::memory_order_relaxed) != 0; }
  // Whether a write to this page changes what some client knows.
  bool needsLog(std::uint64_t page) const {
    const std::uint8_t on = logging_.load(std::memory_order_relaxed);
    return (dirty_[page].load(std::memory_order_relaxed) & on) != on;
  }
  bool isDirty(std::uint64_t page, DirtyClient client) const;
  // Whether it was dirty; it is clean afterwards.
  bool takeDirty(std::uint64_t page, DirtyClient client);

 private:
  RamBlock(std::string name, std::uint64_t size, std::byte* host, Fd file);
  static Result<std::shared_ptr<RamBlock>> map(std::string name, std::uint64_t size, int flags, Fd file);
  static Code split(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
  }
  static std::uint64_t join(Code code) { return std::uint64_t{code.version} << 32 | code.mask; }

  std::string name_;
  std::uint64_t size_;
  std::byte* host_;
  Fd file_;
  // One element per page, in memory that the host gives only where it is touched. The mask is the lower half.
  std::atomic<std::uint64_t>* codes_;
  std::atomic<std::uint8_t>* dirty_;
  std::atomic<std::uint8_t> logging_{0};
  std::mutex watchersMutex_;
  std::vector<CodeWatcher*> watchers_;
  std::atomic<bool> telling_{false};
};

using RamBlockPtr = std::shared_ptr<RamBlock>;

}  // namespace rhea::mem
