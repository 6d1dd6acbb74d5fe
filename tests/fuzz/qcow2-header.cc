// Headers of qcow2 images: what is accepted fits the file, and written and read again it is the same.
#include "block/driver/qcow2/header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rhea;
  using block::qcow2::Header;
  const auto head = std::as_bytes(std::span(data, size));
  constexpr std::uint64_t kFile = 1U << 22U;
  const auto wanted = Header::headBytes(head.first(std::min<std::size_t>(size, 32)), kFile);
  for (const auto use : {Header::Use::kOpen, Header::Use::kCheck}) {
    // What the file has behind the input is taken for zeroes, as a short first cluster would read.
    std::vector<std::byte> cluster(head.begin(), head.end());
    if (wanted.ok()) cluster.resize(*wanted);
    const Result<Header> header = Header::parse(cluster, kFile, use);
    // Who has seen more of it may read less, and finds the same.
    if (const auto less = Header::headBytes(cluster, kFile); less.ok() && header.ok()) {
      const Result<Header> same = Header::parse(std::span(cluster).first(*less), kFile, use);
      if (!same.ok() || *same != *header) __builtin_trap();
    }
    if (!header.ok()) {
      if (header.error().describe().empty()) __builtin_trap();
      continue;
    }
    if (!wanted.ok() || header->geometry().l1EntriesFor(header->size) > header->l1Entries) __builtin_trap();
    const auto bytes = header->version == 3 || header->autoclear == 0 ? header->serialise()
                                                                      : Result<std::vector<std::byte>>(Error("old"));
    if (!bytes.ok()) continue;
    if (bytes->size() > header->clusterSize()) __builtin_trap();
    Result<Header> again = Header::parse(*bytes, kFile, use);
    if (!again.ok()) __builtin_trap();
    if (again->featureNames.empty()) again->featureNames = header->featureNames;
    if (*again != *header) __builtin_trap();
  }
  return 0;
}
