// A node's second open file description, ready to take the place of the first; for the parts of HostFile alone.
#pragma once

#include "block/driver/file/host-file.h"

namespace rhea::block {

class HostFile::Prepared final : public PreparedReopen {
 public:
  // `slot` null: nothing of the description changes.
  Prepared(HostFile& file, FileSlot* slot, HostFileOptions options, OpenFlags flags)
      : file_(file), fresh_(slot), settings_(std::pair(std::move(options), flags)) {}
  // The description alone.
  Prepared(HostFile& file, FileSlot* slot) : file_(file), fresh_(slot) {}

  // Whether the new description is.
  bool writable() const { return fresh_->access().writable; }

  void commit() override {
    exchange();
    committed_ = true;
  }
  void revert() override {
    exchange();
    committed_ = false;
  }

  Task<void> settle() override {
    if (fresh_ == nullptr) co_return;
    FileSlot* given = committed_ ? former_ : fresh_;
    fresh_ = nullptr;
    auto fd = co_await file_.slots_.retire(*given);
    co_await releaseOffLoop(file_.locks_, std::move(fd));
  }

 private:
  // Both ways: puts aside what is in force and takes what was put aside.
  void exchange() {
    if (fresh_ != nullptr) {
      FileSlot& next = committed_ ? *former_ : *fresh_;
      FileSlot* before = file_.slots_.makeCurrent(next);
      if (!committed_) former_ = before;
      if (next.access().writable) file_.wasWritable_ = true;
      if (file_.locks_ != nullptr) file_.locks_->makePrimary(next.descriptor());
    }
    if (!settings_) return;
    const std::lock_guard lock(file_.guard_);
    std::swap(file_.options_, settings_->first);
    std::swap(file_.flags_, settings_->second);
    file_.readOnly_ = file_.flags_.readOnly || file_.kind_ == HostFileKind::kCdrom;
  }

  HostFile& file_;
  FileSlot* fresh_;
  FileSlot* former_ = nullptr;
  std::optional<std::pair<HostFileOptions, OpenFlags>> settings_;
  bool committed_ = false;
};

}  // namespace rhea::block
