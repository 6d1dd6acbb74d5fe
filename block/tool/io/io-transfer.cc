// Reading and writing: read, write, readv, writev and their aio names.
#include "block/tool/io/io-verb.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kLongest = std::uint64_t{2} << 30;  // one request; memory for it is taken at once

Result<std::uint8_t> patternOf(const IoCall& call, std::uint8_t otherwise) {
  RHEA_TRY(const std::uint64_t value, call.sizeOf('P', otherwise));
  if (value > 0xff) return Error(fmt::format("pattern {} is no byte", value)).expected("0 to 255");
  return static_cast<std::uint8_t>(value);
}

Result<Extent> extentOf(const IoCall& call) {
  RHEA_TRY(const std::uint64_t offset, call.size(0, "offset"));
  RHEA_TRY(const std::uint64_t length, call.size(1, "length"));
  if (length > kLongest)
    return Error(fmt::format("{} bytes are too many for one request", length)).expected("at most 2G");
  return Extent(offset, length);
}

// Several buffers of one request, laid out in one piece of memory.
struct Vector {
  Extent at;
  std::vector<std::uint64_t> lengths;

  std::vector<iovec> over(const IoMemory& memory) const {
    std::vector<iovec> pieces;
    std::byte* place = memory.bytes().data();
    for (const std::uint64_t length : lengths) {
      pieces.push_back(iovec{place, length});
      place += length;
    }
    return pieces;
  }
};

Result<Vector> vectorOf(const IoCall& call) {
  Vector vector;
  RHEA_TRY(vector.at.offset, call.size(0, "offset"));
  for (std::size_t i = 1; i < call.words.size(); ++i) {
    RHEA_TRY(const std::uint64_t length, call.size(i, "length"));
    vector.at.length += length;
    vector.lengths.push_back(length);
    if (length > kLongest || vector.at.length > kLongest)
      return Error("these are too many bytes for one request").expected("at most 2G");
  }
  return vector;
}

Result<void> verify(const IoCall& call, std::span<const std::byte> bytes, std::uint64_t first) {
  if (!call.has('P')) return success();
  RHEA_TRY(const std::uint8_t pattern, patternOf(call, 0));
  RHEA_TRY(const std::uint64_t start, call.sizeOf('s', 0));
  RHEA_TRY(const std::uint64_t length, call.sizeOf('l', bytes.size() - std::min<std::uint64_t>(start, bytes.size())));
  if (start > bytes.size() || length > bytes.size() - start) return Error("-s and -l reach beyond what is read");
  const auto part = bytes.subspan(start, length);
  const auto wrong = std::find_if(part.begin(), part.end(),
                                  [&](std::byte byte) { return static_cast<std::uint8_t>(byte) != pattern; });
  if (wrong == part.end()) return success();
  const std::uint64_t at = first + start + static_cast<std::uint64_t>(wrong - part.begin());
  return Error(fmt::format("Pattern verification failed at offset {}, {} bytes", first + start, length))
      .hint(fmt::format("the first difference is at offset {}: 0x{:02x} instead of 0x{:02x}", at,
                        static_cast<unsigned>(*wrong), pattern));
}

WriteFlags flagsOf(const IoCall& call) {
  WriteFlags flags;
  if (call.has('f')) flags = flags | WriteFlags::stable();
  if (call.has('u')) flags = flags | WriteFlags::mayUnmap();
  if (call.has('n')) flags = flags | WriteFlags::noFallback();
  return flags;
}

Task<Result<std::string>> readInto(IoTarget target, IoCall call, Vector vector) {
  const IoMemory memory(vector.at.length, 0xab);
  const std::vector<iovec> pieces = vector.over(memory);
  const IoReport report(call, "read", vector.at);
  const Result<void> done = co_await target.disk->read(vector.at, IoVector(pieces), Origin::kMonitor);
  if (!done) co_return ioFailed("read", done.error());
  RHEA_CO_CHECK(verify(call, memory.bytes(), vector.at.offset));
  std::string text = report.text();
  if (call.has('v')) text.insert(0, hexDump(memory.bytes(), vector.at.offset));
  co_return text;
}

Task<Result<std::string>> writeFrom(IoTarget target, IoCall call, Vector vector) {
  RHEA_CO_TRY(const std::uint8_t pattern, patternOf(call, 0xcd));
  const IoMemory memory(vector.at.length, pattern);
  const std::vector<iovec> pieces = vector.over(memory);
  const IoReport report(call, "wrote", vector.at);
  const Result<void> done = co_await target.disk->write(vector.at, IoVector(pieces), flagsOf(call), Origin::kMonitor);
  if (!done) co_return ioFailed("write", done.error());
  co_return report.text();
}

}  // namespace

Task<Result<std::string>> ioRead(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const Extent at, extentOf(call));
  Vector vector;
  vector.at = at;
  vector.lengths.push_back(at.length);
  co_return co_await readInto(std::move(target), std::move(call), std::move(vector));
}

Task<Result<std::string>> ioWrite(IoTarget target, IoCall call) {
  if ((call.has('u') || call.has('n')) && !call.has('z')) co_return Error("-u and -n go with -z");
  if (call.has('z') && call.has('P')) co_return Error("-z writes zeroes, -P a pattern").expected("one of them");
  if (!call.has('z')) {
    RHEA_CO_TRY(const Extent at, extentOf(call));
    Vector vector;
    vector.at = at;
    vector.lengths.push_back(at.length);
    co_return co_await writeFrom(std::move(target), std::move(call), std::move(vector));
  }
  RHEA_CO_TRY(const std::uint64_t offset, call.size(0, "offset"));
  RHEA_CO_TRY(const std::uint64_t length, call.size(1, "length"));
  const Extent at(offset, length);
  const IoReport report(call, "wrote", at);
  const Result<void> done = co_await target.disk->writeZeroes(at, flagsOf(call), Origin::kMonitor);
  if (!done) co_return ioFailed("write", done.error());
  co_return report.text();
}

Task<Result<std::string>> ioReadVector(IoTarget target, IoCall call) {
  RHEA_CO_TRY(Vector vector, vectorOf(call));
  co_return co_await readInto(std::move(target), std::move(call), std::move(vector));
}

Task<Result<std::string>> ioWriteVector(IoTarget target, IoCall call) {
  RHEA_CO_TRY(Vector vector, vectorOf(call));
  if (call.has('z')) {
    const IoReport report(call, "wrote", vector.at);
    const Result<void> done = co_await target.disk->writeZeroes(vector.at, flagsOf(call), Origin::kMonitor);
    if (!done) co_return ioFailed("write", done.error());
    co_return report.text();
  }
  co_return co_await writeFrom(std::move(target), std::move(call), std::move(vector));
}

}  // namespace rhea::block
