#include "block/driver/write-log/layout.h"

#include <endian.h>

#include <bit>

namespace rhea::block {

namespace {

constexpr std::uint64_t kIssuedMagic = 0x6465757373496572ULL;  // "reIssued"

void put64(std::byte* to, std::uint64_t value) {
  value = htole64(value);
  std::memcpy(to, &value, sizeof value);
}

void put32(std::byte* to, std::uint32_t value) {
  value = htole32(value);
  std::memcpy(to, &value, sizeof value);
}

std::uint64_t get64(const std::byte* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return le64toh(value);
}

std::uint32_t get32(const std::byte* from) {
  std::uint32_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return le32toh(value);
}

}  // namespace

bool isLogSectorSize(std::uint64_t bytes) { return bytes >= 512 && bytes <= (1U << 20) && std::has_single_bit(bytes); }

void encode(const LogSuper& super, std::span<std::byte, LogSuper::kSize> to) {
  put64(&to[0], super.magic);
  put64(&to[8], super.version);
  put64(&to[16], super.entries);
  put32(&to[24], super.sectorSize);
}

void encode(const LogEntry& entry, std::span<std::byte, LogEntry::kSize> to) {
  put64(&to[0], entry.sector);
  put64(&to[8], entry.sectors);
  put64(&to[16], entry.flags);
  put64(&to[24], entry.dataLength);
  put64(&to[32], entry.issued ? kIssuedMagic : 0);
  put64(&to[40], entry.issued.value_or(0));
}

Result<LogSuper> decodeSuper(std::span<const std::byte, LogSuper::kSize> from) {
  LogSuper super;
  super.magic = get64(&from[0]);
  super.version = get64(&from[8]);
  super.entries = get64(&from[16]);
  super.sectorSize = get32(&from[24]);
  if (super.magic != kLogMagic) {
    return Error("this is no write log").expected(fmt::format("the number {:#x} at its begin", kLogMagic));
  }
  if (super.version != kLogVersion) {
    return Error(fmt::format("the write log has version {}", super.version)).expected(fmt::format("{}", kLogVersion));
  }
  if (!isLogSectorSize(super.sectorSize)) {
    return Error(fmt::format("the write log's sectors have {} bytes", super.sectorSize))
        .expected("a power of two from 512 to 1 MiB");
  }
  return super;
}

LogEntry decodeEntry(std::span<const std::byte, LogEntry::kSize> from) {
  LogEntry entry;
  entry.sector = get64(&from[0]);
  entry.sectors = get64(&from[8]);
  entry.flags = get64(&from[16]);
  entry.dataLength = get64(&from[24]);
  if (get64(&from[32]) == kIssuedMagic) entry.issued = get64(&from[40]);
  return entry;
}

}  // namespace rhea::block
