#include "block/driver/write-log/write-log.h"

#include <cerrno>

#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

std::uint64_t flagOf(WriteFlags how) { return how.isStable() ? std::uint64_t{kLogStable} : 0; }

}  // namespace

Task<Result<std::unique_ptr<WriteLogDriver>>> WriteLogDriver::open(Child& file, Child& log, WriteLogOptions options) {
  auto driver = std::make_unique<WriteLogDriver>(file, log, options);
  RHEA_CO_CHECK(co_await driver->begin());
  co_return driver;
}

Limits WriteLogDriver::limits() const {
  Limits limits;
  limits.requestAlignment = options_.sectorSize;
  limits.discardAlignment = options_.sectorSize;
  limits.zeroAlignment = options_.sectorSize;
  return limits;
}

Task<Result<void>> WriteLogDriver::begin() {
  at_ = options_.sectorSize;
  // A new log's super block is written with the first entry: a node gets its rights, and its file's locks, after it
  // opened.
  beginDue_ = !options_.append;
  if (beginDue_) co_return success();
  std::array<std::byte, LogSuper::kSize> bytes;
  RHEA_CO_CHECK(co_await log_.read(Extent(0, bytes.size()), IoVector(std::span<std::byte>(bytes))));
  auto super = decodeSuper(bytes);
  if (!super.ok()) co_return super.takeError().where("log").hint("log-append=off begins a new log");
  if (super->sectorSize != options_.sectorSize) {
    co_return Error(fmt::format("the log has sectors of {} bytes", super->sectorSize))
        .where("log-sector-size")
        .expected(fmt::format("{}", options_.sectorSize));
  }
  co_return co_await findEnd(super->entries);
}

Task<Result<void>> WriteLogDriver::findEnd(std::uint64_t entries) {
  for (; entries_ < entries; ++entries_) {
    std::array<std::byte, LogEntry::kSize> bytes;
    if (at_ + options_.sectorSize > log_.length()) {
      co_return Error(fmt::format("the log counts {} entries but ends after {}", entries, this->entries()))
          .where("log")
          .hint("log-append=off begins a new log");
    }
    RHEA_CO_CHECK(co_await log_.read(Extent(at_, bytes.size()), IoVector(std::span<std::byte>(bytes))));
    const LogEntry entry = decodeEntry(bytes);
    const std::uint64_t sectors = entry.dataSectors(options_.sectorSize);
    if (sectors > log_.length() / options_.sectorSize) {
      co_return Error(fmt::format("entry {} of the log is longer than the log", this->entries())).where("log");
    }
    at_ += (1 + sectors) * options_.sectorSize;
  }
  co_return success();
}

Task<Result<void>> WriteLogDriver::writeSuper() {
  std::vector<std::byte> sector(options_.sectorSize);
  LogSuper super;
  super.entries = entries();
  super.sectorSize = options_.sectorSize;
  encode(super, std::span(sector).first<LogSuper::kSize>());
  sinceSuper_ = 0;
  beginDue_ = false;
  co_return co_await log_.write(Extent(0, sector.size()), IoVector(std::span<std::byte>(sector)), WriteFlags());
}

LogEntry WriteLogDriver::entryOf(Extent at, std::uint64_t flags, std::uint64_t issued) const {
  LogEntry entry;
  entry.sector = at.offset / options_.sectorSize;
  entry.sectors = at.length / options_.sectorSize;
  entry.flags = flags;
  entry.issued = issued;
  return entry;
}

Task<Result<void>> WriteLogDriver::append(LogEntry entry, const IoVector* data, std::uint64_t zeroes) {
  auto done = co_await appendParts(entry, data, zeroes);
  if (!done.ok()) co_return done.takeError().context("cannot write the log");
  co_return success();
}

Task<Result<void>> WriteLogDriver::appendParts(LogEntry entry, const IoVector* data, std::uint64_t zeroes) {
  if (beginDue_) RHEA_CO_CHECK(co_await writeSuper());
  std::vector<std::byte> header(options_.sectorSize);
  encode(entry, std::span(header).first<LogEntry::kSize>());
  std::vector<iovec> pieces = {{header.data(), header.size()}};
  if (data != nullptr) {
    data->forEach([&pieces](std::byte* memory, std::size_t bytes) { pieces.push_back({memory, bytes}); });
  }
  const IoVector all{std::span<const iovec>(pieces)};
  // Data first, in one write with the header or before it: an entry is counted only by the super block.
  if (zeroes > 0) RHEA_CO_CHECK(co_await log_.writeZeroes(Extent(at_ + header.size(), zeroes), WriteFlags()));
  RHEA_CO_CHECK(co_await log_.write(Extent(at_, all.length()), all, WriteFlags()));
  at_ += all.length() + zeroes;
  ++entries_;
  if (++sinceSuper_ >= options_.superInterval) co_return co_await writeSuper();
  co_return success();
}

Task<Result<void>> WriteLogDriver::write(Extent at, IoVector from, WriteFlags how) {
  const std::uint64_t issued = entries();
  RHEA_CO_CHECK(co_await below_.write(at, from, how));
  const LogEntry entry = entryOf(at, flagOf(how), issued);
  const Mutex::Lock order = co_await order_.lock();
  co_return co_await append(entry, &from, 0);
}

Task<Result<void>> WriteLogDriver::writeZeroes(Extent at, WriteFlags how) {
  const std::uint64_t issued = entries();
  RHEA_CO_CHECK(co_await below_.writeZeroes(at, how));
  const LogEntry entry = entryOf(at, flagOf(how), issued);
  const Mutex::Lock order = co_await order_.lock();
  co_return co_await append(entry, nullptr, at.length);
}

Task<Result<void>> WriteLogDriver::discard(Extent at, WriteFlags how) {
  const std::uint64_t issued = entries();
  RHEA_CO_CHECK(co_await below_.discard(at, how));
  const LogEntry entry = entryOf(at, kLogDiscard | flagOf(how), issued);
  const Mutex::Lock order = co_await order_.lock();
  co_return co_await append(entry, nullptr, 0);
}

Task<Result<void>> WriteLogDriver::flush(FlushTo to) {
  if (to == FlushTo::kHost) co_return co_await below_.flush(to);
  const Mutex::Lock order = co_await order_.lock();
  RHEA_CO_CHECK(co_await below_.flush(to));
  LogEntry entry;
  entry.flags = kLogFlush;
  RHEA_CO_CHECK(co_await append(entry, nullptr, 0));
  RHEA_CO_CHECK(co_await writeSuper());
  co_return co_await log_.flush(to);
}

Task<void> WriteLogDriver::close() {
  // What cannot be written any more is not counted: the log ends with the last super block that was.
  const Mutex::Lock order = co_await order_.lock();
  if (beginDue_ || sinceSuper_ > 0) static_cast<void>(co_await writeSuper());
}

namespace {

Task<Result<std::unique_ptr<Driver>>> openWriteLog(OpenContext, DriverOptions options, Children children) {
  const auto& given = options.as<qapi::BlockdevOptionsBlklogwrites>();
  WriteLogOptions own;
  own.sectorSize = given.logSectorSize.value_or(512);
  own.append = given.logAppend.value_or(false);
  own.superInterval = given.logSuperUpdateInterval.value_or(4096);
  if (!isLogSectorSize(own.sectorSize)) {
    co_return Error(fmt::format("a log sector cannot have {} bytes", own.sectorSize))
        .where("log-sector-size")
        .expected("a power of two from 512 to 1 MiB");
  }
  if (own.superInterval == 0) {
    co_return Error("the super block cannot be written after every zero entries")
        .where("log-super-update-interval")
        .expected("1 or more");
  }
  RHEA_CO_TRY(auto driver, co_await WriteLogDriver::open(children.get("file"), children.get("log"), own));
  co_return std::unique_ptr<Driver>(std::move(driver));
}

// log-append says how a log begins; one that goes on does not care.
std::string_view changed(const DriverOptions& now, const DriverOptions& asked) {
  const auto& a = now.as<qapi::BlockdevOptionsBlklogwrites>();
  const auto& b = asked.as<qapi::BlockdevOptionsBlklogwrites>();
  if (a.logSectorSize.value_or(512) != b.logSectorSize.value_or(512)) return "log-sector-size";
  const bool same = a.logSuperUpdateInterval.value_or(4096) == b.logSuperUpdateInterval.value_or(4096);
  return same ? "" : "log-super-update-interval";
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "blklogwrites";
  info.growable = true;  // where its file grows
  info.kind = DriverKind::kFilter;
  info.threads = DriverThreads::kAny;
  info.passThrough = true;
  info.children = {{"file", ChildRole::kFiltered, true}, {"log", ChildRole::kAuxiliary, true, false}};
  info.open = openWriteLog;
  info.changedOption = changed;
  return info;
}

}  // namespace

const DriverInfo& writeLogDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
