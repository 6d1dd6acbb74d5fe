// Damage: what is done when an image turns out to be damaged while it is used.
//
// It is told (BLOCK_IMAGE_CORRUPTED) once, the image gets its mark, and from there on every change is refused, so that
// a damage stays as small as it was found. Reads that do not need the damaged part go on.
#pragma once

#include "block/core/extent.h"
#include "block/core/observer.h"
#include "emu/io/task.h"

namespace rhea::block::qcow2 {

struct Image;

struct Reporter {
  std::string nodeName;
  GraphObserver* observer = nullptr;
};

class Damage {
 public:
  Damage(Image& image, Reporter reporter) : image_(image), reporter_(std::move(reporter)) {}

  // Found while a table or cluster was to be used. Gives the error for the request: EIO with the message.
  Task<Error> found(std::string message, std::uint64_t offset);
  bool isFound() const { return found_; }
  // For an image that has the mark already.
  void setFound() { found_ = true; }
  // The mark of what was found before anybody had the right to write; at the first attempt to.
  Task<void> markIfDue();
  // A repair has succeeded.
  void clear() { found_ = markDue_ = false; }
  Error refusal() const;

  const std::string& nodeName() const { return reporter_.nodeName; }
  // One line for the log.
  void note(const std::string& line) const;

 private:
  Image& image_;
  Reporter reporter_;
  bool found_ = false;
  bool markDue_ = false;
};

}  // namespace rhea::block::qcow2
