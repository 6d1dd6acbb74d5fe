// CodeCache: host memory for translated code, mapped twice: once to be executed, once to be written. Each vCPU has its
// own, so nobody patches code that another thread runs. Filled from the start; when full all of it is given up at once.
#pragma once

#include "emu/base/result.h"
#include "emu/io/fd.h"

namespace rhea::x86::t1 {

class CodeCache {
 public:
  // Error: the host does not give such memory, with its reason.
  static Result<std::unique_ptr<CodeCache>> make(std::size_t size);
  ~CodeCache();
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  std::size_t size() const { return size_; }
  std::size_t used() const { return used_; }
  std::span<std::uint8_t> rest() { return {write_ + used_, size_ - used_}; }
  void take(std::size_t bytes) { used_ += (bytes + 15) & ~std::size_t{15}; }
  // The same for code that is seldom run: it lies in pieces of its own, so that what is run lies close together.
  static constexpr std::size_t kFarPiece = std::size_t{256} << 10;
  // Room for `bytes`, a piece at the most; where it begins.
  std::uint32_t farPlace(std::size_t bytes) {
    if (farEnd_ - far_ < bytes) {
      far_ = used_;
      take(kFarPiece);
      farEnd_ = used_;
    }
    return static_cast<std::uint32_t>(far_);
  }
  void takeFar(std::size_t bytes) { far_ += bytes; }
  // Back to what lay before `start`.
  void giveUp(std::size_t start) {
    used_ = start;
    far_ = farEnd_ = 0;
  }

  std::uint64_t address(std::uint32_t offset) const { return reinterpret_cast<std::uint64_t>(execute_) + offset; }
  std::uint8_t* writable(std::uint32_t offset) const { return write_ + offset; }

 private:
  CodeCache(std::size_t size, std::uint8_t* write, std::uint8_t* execute)
      : size_(size), write_(write), execute_(execute) {}

  std::size_t size_;
  std::uint8_t* write_;
  std::uint8_t* execute_;
  std::size_t used_ = 0;
  std::size_t far_ = 0, farEnd_ = 0;
};

}  // namespace rhea::x86::t1
