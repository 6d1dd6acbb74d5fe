// Comparing a reply with what an example or a transcript says of it.
#pragma once

#include <string>

#include "emu/base/json.h"

namespace rhea::test {

// Empty when `actual` is as `expected` says, else where and how it differs ("return[0].status: expected ..., found
// ...").
//   "..." as a value            stands for any value
//   "..." as an item            stands for any number of items, none too
//   a member "...": "..."       allows members that are not listed; without it there must be none
std::string mismatch(json::View expected, json::View actual, const std::string& path = "");

}  // namespace rhea::test
