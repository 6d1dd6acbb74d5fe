// CodeCache: host memory for translated code, mapped twice: once to be executed, once to be written. Each vCPU has its
// own, so nobody patches code that another thread runs.
//
// Behind the gates, which stay, it is divided into generations of one size. The present one is filled from its start;
// when it has no room left the oldest one is given up and becomes the present one.
#pragma once

#include "emu/base/result.h"
#include "emu/io/fd.h"

namespace rhea::x86::t1 {

class CodeCache {
 public:
  static constexpr unsigned kMostGenerations = 8;
  // Hot or cold code of one block at the most.
  static constexpr std::size_t kMostOfBlock = 24576;

  // Error: the host does not give such memory, with its reason.
  // perf takes names from its map for memory of no file alone; for that the host must let memory become executable,
  // which some refuse.
  enum class Memory : std::uint8_t { kOfFile, kOfNoFile };
  static Result<std::unique_ptr<CodeCache>> make(std::size_t size, Memory memory = Memory::kOfFile);
  ~CodeCache();
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  std::size_t size() const { return size_; }
  // Bytes in all generations, with what lies before them.
  std::size_t used() const;
  // Where the present generation, before divide() the whole cache, goes on.
  std::uint32_t place() const { return static_cast<std::uint32_t>(used_); }
  std::span<std::uint8_t> rest() { return {write_ + used_, end_ - used_}; }
  void take(std::size_t bytes) { used_ += (bytes + 15) & ~std::size_t{15}; }
  // What was taken so far stays; the rest becomes generations, of which number 0 is the present one.
  void divide();

  unsigned generations() const { return generations_; }
  unsigned now() const { return now_; }
  // Of a place behind the gates.
  unsigned generationOf(std::uint32_t place) const { return static_cast<unsigned>((place - start_) / each_); }
  // Whether a block and one that is translated with it have room.
  bool hasRoom() const {
    // A piece has room for both.
    const bool hasFar = farEnd_ - far_ >= 2 * kMostOfBlock;
    return end_ - used_ >= 2 * kMostOfBlock + (hasFar ? 0 : farPiece_);
  }
  // Begins at the start of this one.
  void enter(unsigned generation);
  void giveUpAll();

  // Room for code that is seldom run: it lies in pieces of its own, so that what is run lies close together. Where
  // kMostOfBlock bytes begin.
  std::uint32_t farPlace() {
    if (farEnd_ - far_ < kMostOfBlock) {
      far_ = used_;
      take(farPiece_);
      farEnd_ = used_;
    }
    return static_cast<std::uint32_t>(far_);
  }
  void takeFar(std::size_t bytes) { far_ += bytes; }

  std::uint64_t address(std::uint32_t offset) const { return reinterpret_cast<std::uint64_t>(execute_) + offset; }
  std::uint8_t* writable(std::uint32_t offset) const { return write_ + offset; }

 private:
  CodeCache(std::size_t size, std::uint8_t* write, std::uint8_t* execute)
      : size_(size), write_(write), execute_(execute), end_(size) {}
  std::size_t startOf(unsigned generation) const { return start_ + generation * each_; }

  std::size_t size_;
  std::uint8_t* write_;
  std::uint8_t* execute_;
  std::size_t start_ = 0, each_ = 0;  // of the generations
  unsigned generations_ = 1, now_ = 0;
  std::array<std::size_t, kMostGenerations> filled_{};  // bytes of those that are not the present one
  std::size_t used_ = 0, end_;
  std::size_t farPiece_ = 0, far_ = 0, farEnd_ = 0;
};

}  // namespace rhea::x86::t1
