#include "block/driver/qcow2/codec.h"

#include <zlib.h>

#include <cerrno>

#include "config.h"
#if RHEA_HAVE_ZSTD
#include <zstd.h>
#endif

namespace rhea::block::qcow2 {

namespace {

// Raw deflate with a window of 4 KiB: readers have no larger one.
constexpr int kWindow = -12;
constexpr int kMemory = 9;

std::optional<std::vector<std::byte>> deflateCluster(std::span<const std::byte> cluster) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindow, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::vector<std::byte> out(cluster.size() - 1);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(cluster.data()));
  stream.avail_in = static_cast<uInt>(cluster.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int outcome = deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  if (outcome != Z_STREAM_END) return {};
  return out;
}

Result<void> inflateCluster(std::span<const std::byte> from, std::span<std::byte> cluster) {
  z_stream stream{};
  if (inflateInit2(&stream, kWindow) != Z_OK) return Error::fromErrno(ENOMEM);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(cluster.data());
  stream.avail_out = static_cast<uInt>(cluster.size());
  const int outcome = inflate(&stream, Z_FINISH);
  const bool full = stream.avail_out == 0;
  inflateEnd(&stream);
  if (full && (outcome == Z_STREAM_END || outcome == Z_BUF_ERROR || outcome == Z_OK)) return success();
  return Error::fromErrno(EIO, "a compressed cluster cannot be expanded");
}

#if RHEA_HAVE_ZSTD

std::optional<std::vector<std::byte>> zstdCluster(std::span<const std::byte> cluster) {
  std::vector<std::byte> out(cluster.size() - 1);
  const std::size_t size = ZSTD_compress(out.data(), out.size(), cluster.data(), cluster.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) return {};
  out.resize(size);
  return out;
}

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// As a stream: what follows the frame's end is of no interest, and nobody says where it ends.
Result<void> expandZstd(std::span<const std::byte> from, std::span<std::byte> cluster) {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) return Error::fromErrno(ENOMEM);
  ZSTD_inBuffer in{from.data(), from.size(), 0};
  ZSTD_outBuffer out{cluster.data(), cluster.size(), 0};
  while (out.pos < out.size) {
    const std::size_t inBefore = in.pos;
    const std::size_t outBefore = out.pos;
    const std::size_t left = ZSTD_decompressStream(context.get(), &out, &in);
    const bool stuck = in.pos == inBefore && out.pos == outBefore;
    if (ZSTD_isError(left) != 0 || (out.pos < out.size && (left == 0 || stuck))) {
      return Error::fromErrno(EIO, "a compressed cluster cannot be expanded");
    }
  }
  return success();
}

#endif

}  // namespace

Result<void> checkCompression(Compression type) {
  if (type == Compression::kZlib || RHEA_HAVE_ZSTD == 1) return success();
  return Error("the image's clusters are compressed by zstd, which this build cannot read")
      .hint("install libzstd-dev and configure again");
}

std::optional<std::vector<std::byte>> compress(Compression type, std::span<const std::byte> cluster) {
#if RHEA_HAVE_ZSTD
  if (type == Compression::kZstd) return zstdCluster(cluster);
#endif
  if (type != Compression::kZlib) return {};
  return deflateCluster(cluster);
}

Result<void> expand(Compression type, std::span<const std::byte> from, std::span<std::byte> cluster) {
#if RHEA_HAVE_ZSTD
  if (type == Compression::kZstd) return expandZstd(from, cluster);
#endif
  if (type != Compression::kZlib) return Error::fromErrno(ENOTSUP);
  return inflateCluster(from, cluster);
}

}  // namespace rhea::block::qcow2
