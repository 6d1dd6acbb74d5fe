#include "tests/lib/tiny-qcow2.h"

#include <unordered_set>

namespace rhea::test {

using namespace block::qcow2;

namespace {

std::uint64_t sizeOf(const TinyOptions& options) {
  // Two L2 tables where clusters are small.
  return std::uint64_t{options.dataClusters + 70} << options.clusterBits;
}

}  // namespace

std::uint64_t TinyQcow2::word(std::uint64_t at) const {
  return get<std::uint64_t>(bytes, static_cast<std::size_t>(at));
}
void TinyQcow2::setWord(std::uint64_t at, std::uint64_t value) {
  put<std::uint64_t>(bytes, static_cast<std::size_t>(at), value);
}
std::uint64_t TinyQcow2::refcount(std::uint64_t cluster) const {
  return refcountAt(std::span(bytes).subspan(static_cast<std::size_t>(refcountBlock)), cluster, header.refcountOrder);
}
void TinyQcow2::setRefcount(std::uint64_t cluster, std::uint64_t value) {
  putRefcount(std::span(bytes).subspan(static_cast<std::size_t>(refcountBlock)), cluster, header.refcountOrder, value);
}

std::uint64_t TinyQcow2::entryAt(std::uint64_t cluster) const {
  const Geometry geometry = header.geometry();
  return l2Tables[static_cast<std::size_t>(cluster / geometry.l2Entries())] +
         cluster % geometry.l2Entries() * geometry.l2EntryBytes();
}

std::uint64_t TinyQcow2::take(std::uint64_t times) {
  const std::uint64_t at = bytes.size();
  bytes.resize(bytes.size() + static_cast<std::size_t>(header.clusterSize()));
  setRefcount(at >> header.clusterBits, times);
  return at;
}

void TinyQcow2::write(std::uint64_t at, std::span<const std::byte> from) {
  std::ranges::copy(from, bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

TinyQcow2::TinyQcow2(TinyOptions options) {
  header.version = options.version;
  header.clusterBits = options.clusterBits;
  header.refcountOrder = options.refcountOrder;
  if (options.extendedL2) header.incompatible |= kExtendedL2;
  header.size = sizeOf(options);
  const Geometry geometry = header.geometry();
  const std::uint64_t size = geometry.clusterSize();
  bytes.resize(static_cast<std::size_t>(3 * size));
  header.refcountTableOffset = size;
  header.refcountTableClusters = 1;
  refcountBlock = 2 * size;
  setWord(size, refcountBlock);
  for (std::uint64_t cluster = 0; cluster < 3; ++cluster) setRefcount(cluster, 1);
  header.l1Offset = take();
  header.l1Entries = static_cast<std::uint32_t>(geometry.l1EntriesFor(header.size));
  for (std::uint32_t i = 0; i < header.l1Entries; ++i) {
    l2Tables.push_back(take());
    setWord(header.l1Offset + i * 8, l2Tables.back() | kCopied);
  }
  for (std::uint32_t i = 0; i < options.dataClusters; ++i) {
    const std::uint64_t at = entryAt(i);
    if (i % 5 == 3) {
      setWord(at, options.extendedL2 || options.version == 2 ? 0 : kZeroFlag);
      if (options.extendedL2) setWord(at + 8, std::uint64_t{UINT32_MAX} << 32U);
      continue;
    }
    const std::uint64_t host = take();
    std::ranges::fill(std::span(bytes).subspan(static_cast<std::size_t>(host)), static_cast<std::byte>(i + 1));
    const bool zero = i % 5 == 4 && !options.extendedL2 && options.version == 3;
    setWord(at, host | kCopied | (zero ? kZeroFlag : 0));
    if (options.extendedL2) setWord(at + 8, i % 2 == 0 ? UINT32_MAX : 0xFFFF);
  }
  if (options.compressed) {
    const std::uint64_t host = take(2);
    std::ranges::fill(std::span(bytes).subspan(static_cast<std::size_t>(host)), std::byte{0xC7});
    setWord(entryAt(options.dataClusters + 1), compressedWord(host, size / 4, geometry));
    setWord(entryAt(options.dataClusters + 2), compressedWord(host + size / 4, size / 4, geometry));
  }
  if (options.snapshots != 0) addSnapshots(options.snapshots);
  if (options.bitmap) addBitmap();
  write(0, header.serialise().value());
}

// All snapshots share the L2 tables of the disk, which has copies of its own: tables, and the first cluster.
void TinyQcow2::addSnapshots(std::uint32_t count) {
  const Geometry geometry = header.geometry();
  const std::uint64_t size = geometry.clusterSize();
  const std::uint64_t users = count + 1;
  const std::vector<std::uint64_t> shared = l2Tables;
  for (const std::uint64_t table : shared) setRefcount(table >> header.clusterBits, count);
  for (std::uint64_t i = 0; i < header.size >> header.clusterBits; ++i) {
    const std::uint64_t entry = word(entryAt(i));
    if ((entry & kCompressed) != 0) {
      const CompressedPlace place = compressedPlace(entry, geometry);
      const std::uint64_t cluster = place.offset >> header.clusterBits;
      setRefcount(cluster, refcount(cluster) + count);
    } else if ((entry & kOffsetMask) != 0) {
      setWord(entryAt(i), entry & ~kCopied);
      setRefcount((entry & kOffsetMask) >> header.clusterBits, users);
    }
  }
  std::vector<std::uint64_t> own;
  for (const std::uint64_t table : shared) {
    own.push_back(take());
    const std::vector<std::byte> copy(bytes.begin() + static_cast<std::ptrdiff_t>(table),
                                      bytes.begin() + static_cast<std::ptrdiff_t>(table + size));
    write(own.back(), copy);
  }
  const std::uint64_t table = take();
  std::vector<std::byte> rows;
  for (std::uint32_t s = 0; s < count; ++s) {
    const std::uint64_t l1 = take();
    for (std::uint32_t i = 0; i < header.l1Entries; ++i) setWord(l1 + i * 8, shared[i]);
    const std::size_t row = rows.size();
    rows.resize(row + 64);  // 40 fixed, 16 extra, id and name
    put<std::uint64_t>(rows, row, l1);
    put<std::uint32_t>(rows, row + 8, header.l1Entries);
    put<std::uint16_t>(rows, row + 12, 1);
    put<std::uint16_t>(rows, row + 14, 2);
    put<std::uint32_t>(rows, row + 36, 16);
    put<std::uint64_t>(rows, row + 48, header.size);
    rows[row + 56] = static_cast<std::byte>('1' + s);
    rows[row + 57] = std::byte{'s'};
    rows[row + 58] = static_cast<std::byte>('1' + s);
  }
  write(table, rows);
  header.snapshotCount = count;
  header.snapshotsOffset = table;
  l2Tables = own;
  for (std::uint32_t i = 0; i < header.l1Entries; ++i) setWord(header.l1Offset + i * 8, own[i] | kCopied);
  const std::uint64_t first = word(entryAt(0)) & kOffsetMask;
  setRefcount(first >> header.clusterBits, count);
  const std::uint64_t fresh = take();
  std::ranges::fill(std::span(bytes).subspan(static_cast<std::size_t>(fresh)), std::byte{0xF1});
  setWord(entryAt(0), fresh | kCopied);
}

void TinyQcow2::addBitmap() {
  const std::uint64_t directory = take();
  const std::uint64_t table = take();
  const std::uint64_t data = take();
  put<std::uint64_t>(bytes, static_cast<std::size_t>(directory), table);
  put<std::uint32_t>(bytes, static_cast<std::size_t>(directory) + 8, 1);
  put<std::uint32_t>(bytes, static_cast<std::size_t>(directory) + 12, kBitmapAuto);
  bytes[static_cast<std::size_t>(directory) + 16] = std::byte{1};
  bytes[static_cast<std::size_t>(directory) + 17] = static_cast<std::byte>(std::max(header.clusterBits, 9U));
  put<std::uint16_t>(bytes, static_cast<std::size_t>(directory) + 18, 2);
  bytes[static_cast<std::size_t>(directory) + 24] = std::byte{'b'};
  bytes[static_cast<std::size_t>(directory) + 25] = std::byte{'0'};
  setWord(table, data);
  bytes[static_cast<std::size_t>(data)] = std::byte{0x55};
  header.bitmaps = BitmapsExtension{1, 32, directory};
  header.autoclear |= kBitmapsConsistent;
}

std::vector<std::byte> imageOf(std::span<const std::uint8_t> input) {
  if (input.size() < 2) return {};
  if (input.size() >= 4 && loadBig<std::uint32_t>(input.data()) == kMagic) {
    const auto raw = std::as_bytes(input);
    return {raw.begin(), raw.end()};
  }
  TinyOptions options;
  options.dataClusters = input[0] & 7U;
  options.snapshots = input[0] >> 3U & 3U;
  options.bitmap = (input[0] & 0x20U) != 0;
  options.compressed = (input[0] & 0x40U) != 0;
  options.version = (input[0] & 0x80U) != 0 && !options.bitmap ? 2 : 3;
  options.refcountOrder = options.version == 2 ? 4 : 2 + input[1] % 5U;
  TinyQcow2 image(options);
  const std::uint32_t bits = options.clusterBits;
  for (input = input.subspan(2); input.size() >= 4; input = input.subspan(4)) {
    const std::uint64_t at = (input[0] | std::uint64_t{input[1]} << 8U) % (image.bytes.size() / 8) * 8;
    const std::uint64_t with = input[3];
    const std::uint64_t word = image.word(at);
    switch (input[2] % 10) {
      case 0:
        image.setWord(at, with << bits | kCopied);
        break;
      case 1:
        image.setWord(at, word ^ std::uint64_t{1} << (with & 63U));
        break;
      case 2:
        image.setWord(at, with << bits);
        break;
      case 3:
        image.setWord(at, kCompressed | with << 8U | (with & 7U) << 61U);
        break;
      case 4:
        image.setWord(at, UINT64_MAX >> (with & 63U));
        break;
      case 5:
        image.setWord(at, 0);
        break;
      case 6:
        image.bytes[static_cast<std::size_t>(at + (with & 7U))] = static_cast<std::byte>(with >> 3U);
        break;
      case 7:
        image.setWord(at, word + with - 128);
        break;
      case 8:  // what another place says
        image.setWord(at, image.word(with * 64 % (image.bytes.size() / 8 * 8) / 8 * 8));
        break;
      default:
        image.bytes.resize(std::max<std::size_t>(image.bytes.size() * with / 256, 512));
        break;
    }
  }
  return image.bytes;
}

namespace {

class Reader {
 public:
  Reader(std::span<const std::byte> image, Header header) : image_(image), header_(std::move(header)) {}

  void readL1(std::uint64_t offset, std::uint64_t entries) {
    for (std::uint64_t i = 0; i < entries; ++i) {
      if (out.size() > kMost || !has(offset + i * 8, 8)) return;
      const std::uint64_t table = get<std::uint64_t>(image_, static_cast<std::size_t>(offset + i * 8)) & kOffsetMask;
      if (table < geometry_.clusterSize() || !geometry_.isAligned(table) || !tables_.insert(table).second) continue;
      for (std::uint64_t entry = 0; entry < geometry_.l2Entries(); ++entry) {
        const std::uint64_t at = table + entry * geometry_.l2EntryBytes();
        if (has(at, geometry_.l2EntryBytes())) readCluster(at);
      }
    }
  }

  Readable out;

 private:
  static constexpr std::size_t kMost = 20000;

  bool has(std::uint64_t at, std::uint64_t length) const { return at <= image_.size() && length <= image_.size() - at; }
  void readCluster(std::uint64_t at) {
    // The flag says who may write where, not what is read.
    const std::uint64_t word = get<std::uint64_t>(image_, static_cast<std::size_t>(at)) & ~kCopied;
    ReadableCluster& found = out.emplace_back(at);
    found.words[0] = word;
    if (header_.hasExtendedL2()) found.words[1] = get<std::uint64_t>(image_, static_cast<std::size_t>(at) + 8);
    std::uint64_t from = word & kOffsetMask;
    std::uint64_t length = geometry_.clusterSize();
    if ((word & kCompressed) != 0) {
      const CompressedPlace place = compressedPlace(word, geometry_);
      from = place.offset;
      length = place.bytes;
    } else if (!geometry_.isAligned(from)) {
      return;
    }
    if (header_.hasExternalData() || from < geometry_.clusterSize() || !has(from, length)) return;
    found.bytes = image_.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(length));
  }

  std::span<const std::byte> image_;
  Header header_;
  const Geometry geometry_ = header_.geometry();
  std::unordered_set<std::uint64_t> tables_;  // hostile images can point to one a million times
};

}  // namespace

Readable readableClusters(std::span<const std::byte> image) {
  const Result<Header> header = Header::parse(image, image.size(), Header::Use::kCheck);
  if (!header.ok()) return {};
  Reader reader(image, *header);
  reader.readL1(header->l1Offset, header->l1Entries);
  // Snapshots of the plain sort that is made here: fixed parts of any length, read without the driver's parser.
  std::uint64_t at = header->snapshotsOffset;
  for (std::uint32_t i = 0; i < header->snapshotCount && at + 40 <= image.size(); ++i) {
    const auto row = image.subspan(static_cast<std::size_t>(at));
    reader.readL1(get<std::uint64_t>(row, 0), get<std::uint32_t>(row, 8));
    at += alignUp<std::uint64_t>(
        std::uint64_t{40} + get<std::uint32_t>(row, 36) + get<std::uint16_t>(row, 12) + get<std::uint16_t>(row, 14), 8);
  }
  std::ranges::sort(reader.out, {}, &ReadableCluster::at);
  const auto repeated = std::ranges::unique(reader.out, {}, &ReadableCluster::at);  // tables that lie across others
  reader.out.erase(repeated.begin(), repeated.end());
  return std::move(reader.out);
}

bool keepsAll(const Readable& before, const Readable& after) {
  auto found = after.begin();
  return std::ranges::all_of(before, [&](const ReadableCluster& cluster) {
    while (found != after.end() && found->at < cluster.at) ++found;
    return found != after.end() && found->at == cluster.at && found->words == cluster.words &&
           found->bytes.size() >= cluster.bytes.size() &&
           (cluster.bytes.empty() || std::memcmp(cluster.bytes.data(), found->bytes.data(), cluster.bytes.size()) == 0);
  });
}

}  // namespace rhea::test
