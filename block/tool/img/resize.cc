// rhea-img resize: another size for a disk.
#include "block/tool/img/open.h"
#include "block/tool/img/verbs.h"
#include "emu/base/size.h"

namespace rhea::block {

namespace {

Result<Preallocation> preallocationNamed(const std::string& name) {
  if (name == "off") return Preallocation::kOff;
  if (name == "metadata") return Preallocation::kMetadata;
  if (name == "falloc") return Preallocation::kFalloc;
  if (name == "full") return Preallocation::kFull;
  return Error(fmt::format("--preallocation={} is not known", name)).candidates({"off", "metadata", "falloc", "full"});
}

// "10G", "+1G", "-512M".
Result<std::uint64_t> newLength(const std::string& text, std::uint64_t now) {
  const char sign = text.empty() ? '\0' : text[0];
  const bool relative = sign == '+' || sign == '-';
  Result<std::uint64_t> bytes = parseSize(relative ? std::string_view(text).substr(1) : std::string_view(text));
  if (!bytes) return bytes.takeError().context("resize: size");
  std::uint64_t length = *bytes;
  if (sign == '+') {
    if (length > Extent::kMost - now) return Error(fmt::format("{} + {} bytes are too many", now, length));
    length += now;
  } else if (sign == '-') {
    if (length >= now) {
      return Error(fmt::format("the disk has {} bytes: {} cannot be taken away", now, length))
          .expected("less than its size");
    }
    length = now - length;
  }
  if (length > Extent::kMost - 511) return Error(fmt::format("a disk of {} bytes is too large", length));
  return (length + 511) / 512 * 512;
}

}  // namespace

Task<Result<int>> imgResize(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const Preallocation mode, preallocationNamed(call.valueOr("preallocation", "off")));
  OpenWish wish;
  wish.writable = true;
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  const std::uint64_t now = image.length();
  RHEA_CO_TRY(const std::uint64_t length, newLength(call.words[1], now));
  if (length < now && !call.has("shrink")) {
    co_return Error(fmt::format("'{}' would shrink from {} to {} bytes, and what lies behind would be lost",
                                call.words[0], now, length))
        .hint("--shrink says that this is meant");
  }
  if (length < now && mode != Preallocation::kOff) {
    co_return Error("a disk that shrinks has nothing to preallocate").hint("leave --preallocation out");
  }
  if (length != now) {
    Result<void> resized = co_await resizeImage(session, image, length, mode);
    if (!resized.ok()) co_return resized.takeError().context("resize");
  }
  RHEA_CO_CHECK(co_await closeImage(session, image));
  if (!call.has("quiet")) session.print(length == now ? "Image did not need to be resized.\n" : "Image resized.\n");
  co_return 0;
}

}  // namespace rhea::block
