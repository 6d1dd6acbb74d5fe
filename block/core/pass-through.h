// Abilities of an image that is reached through nodes that merely pass its content through (raw, throttle).
#pragma once

#include "block/core/node.h"

namespace rhea::block {

// Of the node, or of the first below it that has it while content is passed through; null: none.
template <class Ability>
Ability* abilityThrough(Node& node) {
  for (Node* at = &node;;) {
    if (Ability* const ability = at->ability<Ability>()) return ability;
    const Child* const child = at->passThroughChild();
    if (child == nullptr) return nullptr;
    at = &child->node();
  }
}

}  // namespace rhea::block
