#include "block/core/child.h"

#include "block/core/node.h"

namespace rhea::block {

std::uint64_t Child::length() const { return node_->length(); }
Limits Child::limits() const { return node_->limits(); }

Task<Result<void>> Child::read(Extent at, IoVector to) { return node_->read(at, to); }
Task<Result<void>> Child::write(Extent at, IoVector from, WriteFlags how) { return node_->write(*this, at, from, how); }
Task<Result<void>> Child::writeZeroes(Extent at, WriteFlags how) { return node_->writeZeroes(*this, at, how); }
Task<Result<void>> Child::discard(Extent at, WriteFlags how) { return node_->discard(*this, at, how); }
Task<Result<void>> Child::flush(FlushTo to) { return node_->flush(to); }
Task<Result<BlockStatus>> Child::status(Extent at, bool precise) { return node_->status(at, precise); }
Task<Result<void>> Child::resize(std::uint64_t length, Preallocation preallocation) {
  return node_->resize(*this, length, preallocation);
}

}  // namespace rhea::block
