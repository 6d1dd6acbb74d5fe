// flatten: overlapping ranges, the one that hides first, made into sorted ones without overlaps.
#pragma once

#include "emu/mem/address-space.h"

namespace rhea::mem {

std::vector<FlatRange> flatten(std::vector<FlatRange> hidingFirst);

}  // namespace rhea::mem
