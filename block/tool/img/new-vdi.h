// Making a disk in a Sheepdog cluster by its name, with the classic -o options.
#pragma once

#include "block/tool/img/new-image.h"

namespace rhea::block {

// "sheepdog" where the name is that of a disk in a cluster and the format is raw, which is what lies there; else the
// format as it is.
std::string targetFormat(const std::string& name, const std::string& format);

Task<Result<void>> makeVdi(ImgSession& session, const NewImage& image, Progress& progress);

}  // namespace rhea::block
