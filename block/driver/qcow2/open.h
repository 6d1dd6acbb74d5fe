// Opening qcow2 images: header, children that it names, tables. See DriverInfo.
#pragma once

#include "block/core/driver-info.h"
#include "block/driver/qcow2/header.h"

namespace rhea::block::qcow2 {

// Of the image on `file`. Errors name the field; `use` as in Header::parse.
Task<Result<Header>> readHeader(Child& file, Header::Use use = Header::Use::kOpen);

Task<Result<std::unique_ptr<Driver>>> openImage(OpenContext context, DriverOptions options, Children children);
Task<Result<std::vector<ChildOptions>>> impliedChildren(OpenContext context, DriverOptions options, Children children);

}  // namespace rhea::block::qcow2
