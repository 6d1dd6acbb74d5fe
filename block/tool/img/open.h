// Opening images as command lines name them: by file name or node options, with or without their backing chain.
#pragma once

#include "block/core/disk.h"
#include "block/core/image.h"
#include "block/core/pass-through.h"
#include "block/core/snapshot-viewer.h"
#include "block/tool/img/session.h"
#include "emu/base/keyval.h"

namespace rhea::block {

// What stands in the command line about one image.
struct ImageName {
  ImageName() = default;
  ImageName(std::string fileName, std::string formatName, bool asOptions)
      : text(std::move(fileName)), format(std::move(formatName)), imageOptions(asOptions) {}

  std::string text;
  std::string format;         // empty: found out
  bool imageOptions = false;  // text is "driver=...,file.filename=..."
};

// The name, with -f and --image-opts, of a call's word.
ImageName imageNameOf(const ImgCall& call, std::size_t word);

enum class OpenChain : std::uint8_t {
  kNone,  // the image alone: what it does not hold reads as zeroes
  kFull,  // with all that is behind it
};

struct OpenWish {
  bool writable = false;
  bool forceShare = false;  // -U
  bool discard = true;      // zeroes and discards may free space
  CacheSwitches cache;
  OpenChain chain = OpenChain::kFull;
  std::string aio = "threads";  // "io_uring" where many requests are to be in flight
};

// -t and -T: `otherwise` is a cache mode's name. Error: names the five.
Result<CacheSwitches> cacheOption(const ImgCall& call, std::string_view option, std::string_view otherwise);

// One image of a chain, looked at by itself.
struct ImageFacts {
  ImageName name;         // with its format
  std::string shownName;  // as it was typed
  NodeOptions node;       // alone: without its backing file
  ImageInfo info;         // with length and backing file
};

// A node described by dotted keys, "driver" among them.
Result<NodeOptions> nodeOptionsFrom(Keyval options);

// Opens the image by itself for a moment and asks what it is.
Task<Result<ImageFacts>> examineImage(ImgSession& session, ImageName name, OpenWish wish);
// From the image down to the last. Error: a loop, a file that is missing; names the image that asks for it.
Task<Result<std::vector<ImageFacts>>> examineChain(ImgSession& session, ImageName name, OpenWish wish);

// An open image with an attachment for requests. Closed with close() or the session.
class OpenedImage {
 public:
  OpenedImage() = default;
  OpenedImage(DiskPtr attachment, ImageName openedName) : disk_(std::move(attachment)), name_(std::move(openedName)) {}

  bool isOpen() const { return disk_ != nullptr; }
  Disk& disk() const { return *disk_; }
  const DiskPtr& pointer() const { return disk_; }
  Node& node() const { return disk_->root(); }
  Child& edge() const { return disk_->rootEdge(); }
  std::uint64_t length() const { return disk_->length(); }
  const ImageName& name() const { return name_; }
  // Null where the format cannot do it.
  template <class Ability>
  Ability* ability() const {
    return node().ability<Ability>();
  }
  // The same, also of what lies below a format that passes its content through.
  template <class Ability>
  Ability* abilityBelow() const {
    return abilityThrough<Ability>(node());
  }

 private:
  DiskPtr disk_;
  ImageName name_;
};

Task<Result<OpenedImage>> openImage(ImgSession& session, ImageName name, OpenWish wish);
// The images of a chain that was looked at before, from `from` up to but without `to`.
Task<Result<OpenedImage>> openLayers(ImgSession& session, std::span<const ImageFacts> layers, OpenWish wish);
// Flushes, where it was written to, and closes.
// The image shows the snapshot that -l names, by id, name or snapshot.id= and snapshot.name=; where it names none, its
// disk as ever. Error: no such snapshot, the format has none.
Task<Result<void>> showSnapshot(OpenedImage image, std::optional<std::string> wanted);
Task<Result<void>> closeImage(ImgSession& session, OpenedImage image);

// Sets the disk's size; `mode` lays out what is new.
Task<Result<void>> resizeImage(ImgSession& session, const OpenedImage& image, std::uint64_t length, Preallocation mode);

// "this image format ..." for an ability that is not there.
Error notAble(const OpenedImage& image, std::string_view what);

}  // namespace rhea::block
