// A proof told to people, and as JSON to programs.
#pragma once

#include "block/tool/prove/proof.h"

namespace rhea::block::prove {

// One run: a heading, the four cells, what is broken.
std::string humanReport(const Proof& proof, const ModeProof& mode);
// The last line: whether the promise was kept, and whether by samples.
std::string conclusion(const Proof& proof);
std::string jsonReport(const Proof& proof);

// The contract's table as Markdown: a row per mode, of the runs without changes of mode, over several formats.
std::string contractTable(std::span<const Proof> proofs);

}  // namespace rhea::block::prove
