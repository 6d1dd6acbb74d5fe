// Making an image: the file, and the format in it. Used by create, convert and dd.
#pragma once

#include "block/core/image.h"
#include "block/tool/img/create-options.h"
#include "block/tool/img/session.h"

namespace rhea::block {

struct NewImage {
  NewImage(std::string fileName, std::string formatName) : name(std::move(fileName)), format(std::move(formatName)) {}

  std::string name;
  std::string format;
  Keyval options;                     // by CreateKey::name; backing_file and backing_fmt among them
  std::optional<std::uint64_t> size;  // none: that of the options, else of the backing file
  bool trustBacking = false;          // -u: the backing file is not opened
  bool quiet = false;
};

// Whether writing to an image that was just made may leave out zeroes.
bool startsZeroed(const NewImage& image);

// On an error nothing is left of a file that was not there before.
Task<Result<void>> makeImage(ImgSession& session, NewImage image, Progress& progress);

}  // namespace rhea::block
