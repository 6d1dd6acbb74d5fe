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

  // --- writes. Everything that writes past the vCPUs' own fast path says so afterwards.
  void written(std::uint64_t offset, std::uint64_t length);

  // Which 128-byte chunks of a page hold code that somebody decoded, and how often such a chunk has been written since.
  // A decoder sets the bits and sees to it that no vCPU writes the page unseen, then reads the version, then the bytes;
  // what it made is stale as soon as the version differs.
  std::atomic<std::uint32_t>& codeMask(std::uint64_t page) { return codeMasks_[page]; }
  std::atomic<std::uint32_t>& codeVersion(std::uint64_t page) { return codeVersions_[page]; }
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

  std::string name_;
  std::uint64_t size_;
  std::byte* host_;
  Fd file_;
  // One element per page, in memory that the host gives only where it is touched.
  std::atomic<std::uint32_t>* codeMasks_;
  std::atomic<std::uint32_t>* codeVersions_;
  std::atomic<std::uint8_t>* dirty_;
  std::atomic<std::uint8_t> logging_{0};
};

using RamBlockPtr = std::shared_ptr<RamBlock>;

}  // namespace rhea::mem
