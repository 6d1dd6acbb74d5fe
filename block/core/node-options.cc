#include "block/core/node-options.h"

namespace rhea::block {

std::string_view toString(DiscardPolicy policy) { return policy == DiscardPolicy::kUnmap ? "unmap" : "ignore"; }

std::string_view toString(DetectZeroes policy) {
  static constexpr std::array<std::string_view, 3> kNames = {"off", "on", "unmap"};
  return kNames[static_cast<std::size_t>(policy)];
}

ChildOptions ChildOptions::reference(std::string child, std::string nodeName) {
  ChildOptions options;
  options.name = std::move(child);
  options.referenced = std::move(nodeName);
  return options;
}

ChildOptions ChildOptions::inlineNode(std::string child, NodeOptions node) {
  ChildOptions options;
  options.name = std::move(child);
  options.inlined = std::make_shared<const NodeOptions>(std::move(node));
  return options;
}

ChildOptions ChildOptions::none(std::string child) {
  ChildOptions options;
  options.name = std::move(child);
  return options;
}

}  // namespace rhea::block
