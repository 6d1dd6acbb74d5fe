// BlkDevice: requests (virtio 1.2, 5.2.6).
#include "hw/virtio/blk/blk-device.h"
#include "hw/virtio/blk/blk-layout.h"

namespace rhea::virtio {

using block::IoVector;

bool BlkDevice::serve(Queue& queue) {
  while (Chain* chain = queue.take()) queue.loop().spawn(handle(queue, *chain));
  return true;
}

Task<void> BlkDevice::handle(Queue& queue, Chain& chain) {
  if (chain.readableBytes() < blk::kHeaderSize || chain.writableBytes() == 0) {
    queue.broken(
        Error(fmt::format("a request with {} bytes to read and {} to write, which has no room for header and "
                          "status",
                          chain.readableBytes(), chain.writableBytes())));
    queue.handBack(chain, 0);
    co_return;
  }
  Mutex::Lock turn;
  if (inOrder_) turn = co_await turn_.lock();
  // The last byte to write is the status; where the rest ends does not matter (5.2.6.4.1).
  const iovec& last = chain.writable().back();
  auto* const status = static_cast<std::uint8_t*>(last.iov_base) + last.iov_len - 1;
  const IoVector out(chain.readable());
  const IoVector in(chain.writable());
  Header header;
  out.copyTo(reinterpret_cast<std::byte*>(&header), sizeof header);
  const IoVector outData = out.slice(blk::kHeaderSize, out.length() - blk::kHeaderSize);
  const IoVector inData = in.slice(0, in.length() - 1);
  const Outcome outcome = co_await perform(header, outData, inData);
  *status = static_cast<std::uint8_t>(outcome);
  queue.handBack(chain, static_cast<std::uint32_t>(std::min<std::uint64_t>(in.length(), UINT32_MAX)));
}

std::optional<block::Extent> BlkDevice::extentOf(std::uint64_t sector, std::uint64_t bytes) const {
  if (sector > UINT64_MAX / blk::kSector) return std::nullopt;
  const block::Extent at(sector * blk::kSector, bytes);
  if (!at.isAligned(options_.logicalBlock) || !at.representable()) return std::nullopt;
  return at;
}

// A guest that has chosen write-through, or cannot flush, is served so from that moment on, whenever the disk's own
// mode follows.
block::WriteFlags BlkDevice::writeFlags() const {
  const bool through = !guestWriteback_.load(std::memory_order_acquire) || !canFlush();
  return through ? block::WriteFlags::stable() : block::WriteFlags();
}

Task<BlkDevice::Outcome> BlkDevice::perform(Header header, IoVector out, IoVector in) {
  Result<void> done = success();
  switch (header.type) {
    case blk::kIn: {
      const std::optional<block::Extent> at = extentOf(header.sector, in.length());
      if (!at) co_return Outcome::kError;
      done = co_await disk_->read(*at, in);
      break;
    }
    case blk::kOut: {
      const std::optional<block::Extent> at = extentOf(header.sector, out.length());
      if (!at) co_return Outcome::kError;
      done = co_await disk_->write(*at, out, writeFlags());
      break;
    }
    case blk::kFlushRequest:
      done = co_await disk_->flush();
      break;
    case blk::kGetId: {
      std::array<std::byte, blk::kIdSize> id{};
      std::memcpy(id.data(), options_.serial.data(), std::min(options_.serial.size(), id.size()));
      in.copyFrom(id.data(), std::min<std::size_t>(id.size(), in.length()));
      break;
    }
    case blk::kDiscardRequest:
    case blk::kWriteZeroesRequest: {
      co_return co_await performRanges(header, out);
    }
    default:
      co_return Outcome::kUnsupported;
  }
  co_return done.ok() ? Outcome::kOk : Outcome::kError;
}

Task<BlkDevice::Outcome> BlkDevice::performRanges(Header header, IoVector out) {
  struct Range {
    std::uint64_t sector;
    std::uint32_t sectors;
    std::uint32_t flags;
  };
  const bool zeroes = header.type == blk::kWriteZeroesRequest;
  const std::uint64_t feature = zeroes ? blk::kWriteZeroes : blk::kDiscard;
  if ((features_.load(std::memory_order_acquire) & feature) == 0) co_return Outcome::kUnsupported;
  const std::uint64_t count = out.length() / blk::kRangeSize;
  if (out.length() % blk::kRangeSize != 0 || count == 0 || count > blk::kMostRanges) co_return Outcome::kError;
  // Copied, so that what was checked is what is done.
  std::array<Range, blk::kMostRanges> ranges{};
  out.copyTo(reinterpret_cast<std::byte*>(ranges.data()), sizeof ranges);
  for (std::size_t i = 0; i < count; ++i) {
    const Range& range = ranges[i];
    if ((range.flags & ~(zeroes ? blk::kUnmap : 0U)) != 0) co_return Outcome::kUnsupported;
    const std::optional<block::Extent> at = extentOf(range.sector, std::uint64_t{range.sectors} * blk::kSector);
    if (!at || range.sectors > blk::kMostRangeSectors) co_return Outcome::kError;
    Result<void> done = success();
    if (zeroes) {
      const bool unmap = (range.flags & blk::kUnmap) != 0;
      done = co_await disk_->writeZeroes(*at, unmap ? writeFlags() | block::WriteFlags::mayUnmap() : writeFlags());
    } else {
      done = co_await disk_->discard(*at);
    }
    if (!done.ok()) co_return Outcome::kError;
  }
  co_return Outcome::kOk;
}

}  // namespace rhea::virtio
