// The driver `file`: a regular file of the host. See docs/drivers/file.md.
#pragma once

#include "block/driver/file/host-file.h"

namespace rhea::block {

class FileDriver final : public HostFile, public Discards, public ZeroWriter, public Mapper, public Resizer {
 public:
  using HostFile::HostFile;

  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

 private:
  // Tried once, then remembered: a file system without holes would be asked for each request.
  enum Ability : unsigned { kPunch, kZeroRange, kAbilities };
  Task<Result<void>> tryAllocate(Ability ability, Extent at, int mode, WriteFlags how);
  std::array<std::atomic<bool>, kAbilities> refused_{};
};

const DriverInfo& fileDriver();

}  // namespace rhea::block
