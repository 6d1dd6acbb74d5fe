// MemoryBackend: memory that a user makes as an object, for a machine to use: anonymous, by memfd_create(), or a file.
#pragma once

#include "emu/mem/ram-block.h"
#include "emu/object/object.h"

namespace rhea::mem {

class MemoryBackend : public object::Object {
 public:
  // Adds memory-backend, memory-backend-ram, memory-backend-memfd and memory-backend-file.
  static void addClasses(object::ClassTable& classes);
  using Object::Object;

  // From complete() on.
  const RamBlockPtr& block() const { return block_; }

  // --- properties
  object::Size size() const { return size_; }
  Result<void> setSize(object::Size size);
  bool share() const { return share_; }
  Result<void> setShare(bool share);
  bool prealloc() const { return prealloc_; }
  Result<void> setPrealloc(bool prealloc);

  Task<Result<void>> complete() override;

 protected:
  // Off the loop: the memory of `size` bytes.
  virtual std::function<Result<RamBlockPtr>()> maker() const = 0;
  void shareByDefault() { share_ = true; }

 private:
  object::Size size_;
  bool share_ = false;
  bool prealloc_ = false;
  RamBlockPtr block_;
};

}  // namespace rhea::mem
