// Where in a JSON value an error lies: "arguments.options[0].cache.direct".
//
// A chain of frames on the stack, one per level, rendered only when an error is made. A path refers to its parent and
// to the names it was made of; it must not outlive them.
#pragma once

#include "emu/base/base.h"

namespace rhea::json {

class Path {
 public:
  Path() = default;                                      // the value itself, without a name
  explicit Path(std::string_view root) : name_(root) {}  // "arguments"
  Path member(std::string_view name) const { return {this, name, kNoIndex}; }
  Path item(std::size_t index) const { return {this, {}, index}; }

  // Names that are not words are quoted: options["a b"]. The empty path gives "".
  std::string render() const;

 private:
  static constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);
  Path(const Path* parent, std::string_view name, std::size_t index) : parent_(parent), name_(name), index_(index) {}

  const Path* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = kNoIndex;
};

// Puts one more step behind a rendered path.
void appendMember(std::string& path, std::string_view name);
void appendItem(std::string& path, std::size_t index);

}  // namespace rhea::json
