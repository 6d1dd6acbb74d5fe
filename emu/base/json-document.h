// The tape behind json::View, for the units of emu/base/json* only.
#pragma once

#include "emu/base/json.h"

namespace rhea::json::detail {

// Sixteen bytes. A container is followed by its contents: an array's items, or keys and values in turn (a key is a
// string node). `end` is the index after the last node below it, so that a subtree is skipped in one step.
struct Node {
  struct Span {
    std::uint32_t begin;  // strings: offset of the decoded bytes; containers: number of items or members
    std::uint32_t extra;  // strings: length in bytes; containers: end
  };
  Kind kind;
  std::uint32_t offset;  // in the source
  union {
    bool boolean;
    std::int64_t int64;
    std::uint64_t uint64;
    double number;
    Span span;
  };
};
static_assert(sizeof(Node) == 16);

class Document {
 public:
  std::string text;  // the source, its strings decoded in place
  std::vector<Node> nodes;

  std::string_view string(const Node& node) const {
    return std::string_view(text).substr(node.span.begin, node.span.extra);
  }
  std::uint32_t next(std::uint32_t index) const {
    const Node& node = nodes[index];
    return node.kind == Kind::kArray || node.kind == Kind::kObject ? node.span.extra : index + 1;
  }

 private:
  friend void acquire(const Document* document) noexcept;
  friend void release(const Document* document) noexcept;
  mutable std::atomic<std::uint32_t> references_{0};
};

}  // namespace rhea::json::detail
