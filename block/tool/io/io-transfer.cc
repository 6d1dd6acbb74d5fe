// Reading and writing: read, write, readv, writev and their aio names.
#include "block/core/image.h"
#include "block/core/pass-through.h"
#include "block/tool/io/io-host.h"
#include "block/tool/io/io-verb.h"
#include "emu/base/files.h"
#include "emu/io/offload.h"

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

// What is wrong with the bytes, if anything. Error: the switches cannot be.
Result<std::optional<Error>> verify(const IoCall& call, std::span<const std::byte> bytes, std::uint64_t first) {
  if (!call.has('P')) return std::optional<Error>();
  RHEA_TRY(const std::uint8_t pattern, patternOf(call, 0));
  RHEA_TRY(const std::uint64_t start, call.sizeOf('s', 0));
  RHEA_TRY(const std::uint64_t length, call.sizeOf('l', bytes.size() - std::min<std::uint64_t>(start, bytes.size())));
  if (start > bytes.size() || length > bytes.size() - start) return Error("-s and -l reach beyond what is read");
  const auto part = bytes.subspan(start, length);
  const auto wrong = std::find_if(part.begin(), part.end(),
                                  [&](std::byte byte) { return static_cast<std::uint8_t>(byte) != pattern; });
  if (wrong == part.end()) return std::optional<Error>();
  const std::uint64_t at = first + start + static_cast<std::uint64_t>(wrong - part.begin());
  Error error(fmt::format("Pattern verification failed at offset {}, {} bytes", first + start, length));
  return std::optional(
      std::move(error).hint(fmt::format("the first difference is at offset {}: 0x{:02x} instead of 0x{:02x}", at,
                                        static_cast<unsigned>(*wrong), pattern)));
}

WriteFlags flagsOf(const IoCall& call) {
  WriteFlags flags;
  if (call.has('f')) flags = flags | WriteFlags::stable();
  if (call.has('u')) flags = flags | WriteFlags::mayUnmap();
  if (call.has('n')) flags = flags | WriteFlags::noFallback();
  return flags;
}

Error notAble(const IoTarget& target, std::string_view what) {
  return Error(fmt::format("an image of format {} cannot {}", target.disk->root().info().name, what));
}

// Of the machine, beside the disk.
Result<SnapshotAble*> machineState(const IoTarget& target) {
  auto* const able = abilityThrough<SnapshotAble>(target.disk->root());
  if (able == nullptr) return notAble(target, "keep a machine's state");
  return able;
}

// The file's bytes, over and over.
Task<Result<void>> fillFrom(std::string path, std::span<std::byte> bytes) {
  std::function<Result<std::string>()> read = [path] { return readFile(path); };
  RHEA_CO_TRY(const std::string pattern, co_await offload(std::move(read)));
  if (pattern.empty()) co_return Error(fmt::format("'{}' is empty", path)).where("-s");
  for (std::size_t at = 0; at < bytes.size(); at += pattern.size()) {
    std::memcpy(bytes.data() + at, pattern.data(), std::min(pattern.size(), bytes.size() - at));
  }
  co_return success();
}

// Past the disk's own way for requests, so only where nobody else uses the image.
Result<void> checkAlone(const IoTarget& target, const IoCall& call) {
  if (target.host != nullptr || !(call.has('b') || call.has('c'))) return success();
  return Error(fmt::format("-b and -c are for rhea-io; here '{}' is the machine's", target.disk->name()));
}

Task<Result<IoOutcome>> readInto(IoTarget target, IoCall call, Vector vector) {
  RHEA_CO_CHECK(checkAlone(target, call));
  const IoMemory memory(vector.at.length, 0xab);
  const std::vector<iovec> pieces = vector.over(memory);
  const IoReport report(call, "read", vector.at);
  Result<void> done = success();
  if (call.has('b')) {
    RHEA_CO_TRY(SnapshotAble* const state, machineState(target));
    done = co_await state->readVmState(vector.at, IoVector(pieces));
  } else {
    done = co_await target.disk->read(vector.at, IoVector(pieces), Origin::kMonitor);
  }
  if (!done) co_return ioFailed("read", done.error());
  IoOutcome outcome(call.has('v') ? hexDump(memory.bytes(), vector.at.offset) : "");
  RHEA_CO_TRY(outcome.error, verify(call, memory.bytes(), vector.at.offset));
  if (outcome.error) outcome.text = outcome.error->message() + "\n" + outcome.text;
  outcome.text += report.text();
  co_return outcome;
}

// What a line writes, as its switches say.
Task<Result<IoMemory>> contentFor(IoTarget target, IoCall call, std::uint64_t length) {
  RHEA_CO_CHECK(checkAlone(target, call));
  RHEA_CO_TRY(const std::uint8_t pattern, patternOf(call, 0xcd));
  IoMemory memory(length, pattern);
  if (call.has('s')) RHEA_CO_CHECK(co_await fillFrom(call.switches['s'], memory.bytes()));
  co_return memory;
}

Task<Result<IoOutcome>> writeFrom(IoTarget target, IoCall call, Vector vector, IoMemory memory) {
  const std::vector<iovec> pieces = vector.over(memory);
  const IoReport report(call, "wrote", vector.at);
  Result<void> done = success();
  if (call.has('b')) {
    RHEA_CO_TRY(SnapshotAble* const state, machineState(target));
    done = co_await state->writeVmState(vector.at, IoVector(pieces));
  } else if (call.has('c')) {
    auto* const writer = target.disk->root().ability<CompressedWriter>();
    if (writer == nullptr) co_return notAble(target, "store compressed clusters");
    done = co_await writer->writeCompressed(vector.at, IoVector(pieces));
  } else {
    done = co_await target.disk->write(vector.at, IoVector(pieces), flagsOf(call), Origin::kMonitor);
  }
  if (!done) co_return ioFailed("write", done.error());
  co_return report.text();
}

Task<Result<IoOutcome>> writeZeroes(IoTarget target, IoCall call, Extent at) {
  const IoReport report(call, "wrote", at);
  const Result<void> done = co_await target.disk->writeZeroes(at, flagsOf(call), Origin::kMonitor);
  if (!done) co_return ioFailed("write", done.error());
  co_return report.text();
}

}  // namespace

Task<Result<IoOutcome>> ioRead(IoTarget target, IoCall call) {
  RHEA_CO_TRY(const Extent at, extentOf(call));
  Vector vector;
  vector.at = at;
  vector.lengths.push_back(at.length);
  co_return co_await readInto(std::move(target), std::move(call), std::move(vector));
}

Task<Result<IoOutcome>> ioWrite(IoTarget target, IoCall call) {
  if ((call.has('u') || call.has('n')) && !call.has('z')) co_return Error("-u and -n go with -z");
  const int contents = (call.has('z') ? 1 : 0) + (call.has('P') ? 1 : 0) + (call.has('s') ? 1 : 0);
  if (contents > 1) co_return Error("-z, -P and -s each say what is written").expected("one of them");
  const int ways = (call.has('b') ? 1 : 0) + (call.has('c') ? 1 : 0) + (call.has('z') ? 1 : 0);
  if (ways > 1) co_return Error("-b, -c and -z each say how it is written").expected("one of them");
  if (!call.has('z')) {
    RHEA_CO_TRY(const Extent at, extentOf(call));
    Vector vector;
    vector.at = at;
    vector.lengths.push_back(at.length);
    RHEA_CO_TRY(IoMemory memory, co_await contentFor(target, call, at.length));
    co_return co_await writeFrom(std::move(target), std::move(call), std::move(vector), std::move(memory));
  }
  RHEA_CO_TRY(const std::uint64_t offset, call.size(0, "offset"));
  RHEA_CO_TRY(const std::uint64_t length, call.size(1, "length"));
  co_return co_await writeZeroes(std::move(target), std::move(call), Extent(offset, length));
}

Task<Result<IoOutcome>> ioReadVector(IoTarget target, IoCall call) {
  RHEA_CO_TRY(Vector vector, vectorOf(call));
  co_return co_await readInto(std::move(target), std::move(call), std::move(vector));
}

Task<Result<IoOutcome>> ioWriteVector(IoTarget target, IoCall call) {
  RHEA_CO_TRY(Vector vector, vectorOf(call));
  RHEA_CO_TRY(IoMemory memory, co_await contentFor(target, call, vector.at.length));
  co_return co_await writeFrom(std::move(target), std::move(call), std::move(vector), std::move(memory));
}

// In a monitor a line's requests end before its answer; in rhea-io they run on.
Task<Result<IoOutcome>> ioAioRead(IoTarget target, IoCall call) {
  IoHost* const host = target.host;
  if (host == nullptr) co_return co_await ioReadVector(std::move(target), std::move(call));
  host->begin(ioReadVector(std::move(target), std::move(call)));
  co_return std::string();
}

Task<Result<IoOutcome>> ioAioWrite(IoTarget target, IoCall call) {
  if (call.has('u') && !call.has('z')) co_return Error("-u goes with -z");
  if (call.has('z') && call.has('P')) co_return Error("-z writes zeroes, -P a pattern").expected("one of them");
  IoHost* const host = target.host;
  RHEA_CO_TRY(Vector vector, vectorOf(call));
  // The content comes first, so that the request has begun when the next line is read: a change of the cache mode there
  // does not reach it.
  std::optional<Task<Result<IoOutcome>>> request;
  if (call.has('z')) {
    request.emplace(writeZeroes(std::move(target), std::move(call), vector.at));
  } else {
    RHEA_CO_TRY(IoMemory memory, co_await contentFor(target, call, vector.at.length));
    request.emplace(writeFrom(std::move(target), std::move(call), std::move(vector), std::move(memory)));
  }
  if (host == nullptr) co_return co_await *std::move(request);
  host->begin(*std::move(request));
  co_return std::string();
}

Task<Result<IoOutcome>> ioAioFlush(IoTarget target, IoCall) {
  if (target.host != nullptr) co_await target.host->settle();
  co_return std::string();
}

}  // namespace rhea::block
