// Names that people type: which of the known ones is meant by an unknown one, and what an id may look like.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// Those of `known` that `typed` was probably meant to be, nearest first, at most `most`: few letters apart (swapped
// neighbours count once, case and - _ . not at all), or beginning with what was typed.
std::vector<std::string> nearestNames(std::string_view typed, std::span<const std::string_view> known,
                                      std::size_t most = 3);
std::vector<std::string> nearestNames(std::string_view typed, std::span<const std::string> known, std::size_t most = 3);

// Ids of objects, chardevs, drives and jobs that users choose: a letter, then letters, digits, '-', '.', '_'.
// Generated ids begin with '#' and are never valid here, so that the two cannot meet.
bool isWellFormedId(std::string_view id);
// The error says the rule, and which character breaks it.
Result<void> checkId(std::string_view id);

}  // namespace rhea
