#include "block/tool/img/copier.h"

#include "block/tool/img/host-copy.h"
#include "block/tool/img/zero-scan.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;       // bytes of one transfer
constexpr std::uint64_t kHostChunk = std::uint64_t{16} << 20;  // what the host copies at a time
constexpr std::uint64_t kMostZeroes = std::uint64_t{1} << 30;  // of one write of zeroes
constexpr std::uint64_t kSector = 512;

// The descriptor of a raw image's file; -1 where the target is something else or a window of its file.
int rawFileOf(Node& node) {
  if (node.info().name != "raw") return -1;
  Child* const below = node.child("file");
  if (below == nullptr || !below->isAttached() || below->node().info().name != "file") return -1;
  Node& file = below->node();
  if (file.informer() == nullptr || file.length() != node.length() || file.isDirect()) return -1;
  return file.informer()->descriptor();
}

}  // namespace

Copier::Copier(ImgSession& session, std::vector<CopySource> sources, OpenedImage target, CopyRules rules)
    : session_(session),
      sources_(std::move(sources)),
      target_(std::move(target)),
      rules_(rules),
      pacer_(rules.bytesPerSecond) {
  for (const CopySource& source : sources_) total_ += source.length;
  if (rules_.compress) compressor_ = target_.ability<CompressedWriter>();
  // Zeroes are to be written out where -S 0 asks for it; what the host copies has its holes.
  if (compressor_ == nullptr && rules_.sparse != 0) targetFile_ = rawFileOf(target_.node());
}

Task<Result<void>> Copier::run(Progress& progress) {
  progress_ = &progress;
  progress.set(0, total_);
  TaskGroup workers;
  for (unsigned i = 0; i < std::max(1U, rules_.workers); ++i) workers.spawn(work());
  co_await workers.join();
  if (error_) co_return *error_;
  if (wroteByHost_ && !target_.node().isNoFlush()) {
    const auto sync = [fd = targetFile_] { return syncFile(fd); };
    co_return co_await offload(sync);
  }
  co_return success();
}

void Copier::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

Task<void> Copier::work() {
  BounceBuffer buffer(compressor_ != nullptr ? std::max(compressor_->compressedUnit(), kSector) : kChunk, 4096);
  if (!buffer.ok()) {
    fail(Error::fromErrno(ENOMEM));
    co_return;
  }
  while (!error_) {
    Result<std::optional<Piece>> piece = co_await next();
    if (!piece.ok()) {
      fail(piece.takeError());
      break;
    }
    if (!piece->has_value()) break;
    const Piece& now = **piece;
    Result<void> copied = co_await copy(now, buffer);
    passTurn(now.turn);
    if (!copied.ok()) {
      fail(copied.takeError().context(fmt::format("at {} of '{}'", now.at.offset, target_.name().text)));
      break;
    }
    done_ += now.at.length;
    progress_->set(done_, total_);
    if (now.kind == Piece::Kind::kData) co_await pacer_.pace(session_, now.at.length);
  }
}

// What lies at a place of a source; the answer stays for the pieces that follow.
Task<Result<void>> Copier::look(const CopySource& source, std::uint64_t at, std::uint64_t most) {
  const bool behindBacking = rules_.backingLength && position_ < *rules_.backingLength;
  if (behindBacking) most = std::min(most, *rules_.backingLength - position_);
  const Extent place(source.skip + at, most);
  RHEA_CO_TRY(status_, co_await chainStatus(source.image.node(), place, behindBacking ? 1 : UINT_MAX));
  co_return success();
}

Task<Result<std::optional<Copier::Piece>>> Copier::next() {
  const Mutex::Lock lock = co_await nexts_.lock();
  RHEA_CO_CHECK(session_.cancel().check());
  while (source_ < sources_.size() && within_ == sources_[source_].length) {
    ++source_;
    within_ = 0;
    status_.length = 0;
  }
  if (source_ == sources_.size() || error_) co_return std::optional<Piece>();
  const CopySource& source = sources_[source_];
  if (status_.length == 0) {
    Result<void> known = co_await look(source, within_, source.length - within_);
    if (!known.ok() && !rules_.salvage) {
      co_return known.takeError().context(fmt::format("'{}' at {}", source.image.name().text, within_));
    }
    if (!known.ok()) {
      // What cannot be told is read, and found out then.
      status_ = ChainStatus();
      status_.length = std::min(source.length - within_, kChunk);
      status_.data = status_.present = true;
    }
  }
  Piece piece;
  piece.source = &source;
  piece.from = source.skip + within_;
  std::uint64_t length = status_.length;
  const bool absent = rules_.backingLength && position_ < *rules_.backingLength && !status_.present && !status_.zero;
  const bool isZero = rules_.sparse != 0 && (status_.zero || !status_.present);
  piece.kind = absent ? Piece::Kind::kSkip : isZero ? Piece::Kind::kZero : Piece::Kind::kData;
  if (compressor_ != nullptr) {
    // Whole clusters only: one that is partly stored, or lies in two sources, is read as a whole.
    const std::uint64_t unit = compressor_->compressedUnit();
    const bool toTheEnd = length == total_ - position_;
    if (piece.kind != Piece::Kind::kData && length < unit && !toTheEnd) piece.kind = Piece::Kind::kData;
    if (!toTheEnd) length = length / unit * unit;
    if (piece.kind == Piece::Kind::kData) length = std::min(unit, total_ - position_);
  } else if (piece.kind == Piece::Kind::kData) {
    // A place that is kept for zeroes may have anything in it.
    const bool direct = targetFile_ >= 0 && status_.data && status_.file != nullptr &&
                        status_.file->info().name == "file" && (cloneWorks_ || (rules_.hostCopies && rangeWorks_)) &&
                        status_.file->informer() != nullptr;
    if (direct) {
      piece.hostFile = status_.file->informer()->descriptor();
      piece.hostOffset = *status_.offset;
    }
    length = std::min(length, direct && rules_.hostCopies ? kHostChunk : kChunk);
  } else {
    length = std::min(length, kMostZeroes);
  }
  piece.at = Extent(position_, length);
  piece.turn = turns_++;
  position_ += length;
  // A compressed cluster may reach into the next source.
  std::uint64_t advance = length;
  while (advance > sources_[source_].length - within_) {
    advance -= sources_[source_].length - within_;
    ++source_;
    within_ = 0;
    status_.length = 0;
  }
  within_ += advance;
  status_.length = status_.length > advance ? status_.length - advance : 0;
  if (status_.offset) *status_.offset += advance;
  co_return std::optional<Piece>(piece);
}

Task<Result<void>> Copier::copy(const Piece& piece, BounceBuffer& buffer) {
  if (piece.kind == Piece::Kind::kSkip) co_return success();
  if (piece.kind == Piece::Kind::kZero) {
    if (rules_.targetZeroed) co_return success();
    co_await waitForTurn(piece.turn);
    passTurn(piece.turn);
    co_return co_await writeZeroes(piece.at);
  }
  if (piece.hostFile >= 0) {
    RHEA_CO_TRY(const bool copied, co_await copyByHost(piece));
    if (copied) co_return success();
  }
  // A piece for the host may be larger than the buffer.
  const std::uint64_t most = compressor_ != nullptr ? piece.at.length : kChunk;
  for (std::uint64_t done = 0; done < piece.at.length;) {
    Piece part = piece;
    part.at = piece.at.slice(done, std::min(most, piece.at.length - done));
    part.from = piece.from + done;
    RHEA_CO_CHECK(co_await readPiece(part, buffer));
    co_await waitForTurn(piece.turn);
    done += part.at.length;
    // Who is next goes on in a later round of the loop, so this write starts first.
    if (done == piece.at.length) passTurn(piece.turn);
    RHEA_CO_CHECK(co_await writeRuns(part, buffer));
  }
  co_return success();
}

// True when the host did it, sharing the blocks or copying them by itself.
Task<Result<bool>> Copier::copyByHost(Piece piece) {
  HostCopy work(piece.hostFile, targetFile_, piece.hostOffset);
  work.to = piece.at.offset;
  work.length = piece.at.length;
  if (cloneWorks_) {
    const auto clone = [work] { return cloneRange(work); };
    if ((co_await offload(clone)).ok()) {
      wroteByHost_ = true;
      co_return true;
    }
    cloneWorks_ = false;
  }
  if (!rules_.hostCopies || !rangeWorks_) co_return false;
  const auto copy = [work] { return copyRange(work); };
  Result<void> copied = co_await offload(copy);
  if (copied.ok()) {
    wroteByHost_ = true;
    co_return true;
  }
  if (!refusesRange(copied.error())) co_return copied.takeError();
  rangeWorks_ = false;
  co_return false;
}

Task<Result<void>> Copier::readPiece(const Piece& piece, BounceBuffer& buffer) {
  // A cluster to be compressed may span sources: each gives its part.
  const CopySource* source = piece.source;
  std::uint64_t done = 0;
  std::uint64_t from = piece.from;
  while (done < piece.at.length) {
    const std::uint64_t here = std::min(piece.at.length - done, source->skip + source->length - from);
    Piece part = piece;
    part.source = source;
    part.from = from;
    const Extent place(from, here);
    Result<void> got = co_await source->image.disk().read(place, buffer.view(done, here), Origin::kMonitor);
    if (!got.ok() && rules_.salvage) got = co_await salvage(part, buffer, Extent(done, here));
    if (!got.ok()) {
      co_return got.takeError().context(fmt::format("reading '{}' at {}", source->image.name().text, from));
    }
    done += here;
    if (done == piece.at.length) break;
    ++source;
    from = source->skip;
  }
  co_return success();
}

// Sector by sector; what cannot be read becomes zeroes. `part`: of the buffer.
Task<Result<void>> Copier::salvage(const Piece& piece, BounceBuffer& buffer, Extent part) {
  Disk& disk = piece.source->image.disk();
  std::uint64_t lost = 0;
  std::uint64_t firstLost = 0;
  for (std::uint64_t done = 0; done < part.length; done += kSector) {
    const std::uint64_t bytes = std::min(kSector, part.length - done);
    const Extent place(piece.from + done, bytes);
    const IoVector memory = buffer.view(part.offset + done, bytes);
    const Result<void> got = co_await disk.read(place, memory, Origin::kMonitor);
    if (got.ok()) continue;
    memory.fill(std::byte{0});
    if (lost == 0) firstLost = place.offset;
    lost += bytes;
  }
  unreadable_ += lost;
  session_.warn(fmt::format("'{}': {} bytes from {} on cannot be read and become zeroes",
                            piece.source->image.name().text, lost, firstLost));
  co_return success();
}

Task<Result<void>> Copier::writeRuns(const Piece& piece, BounceBuffer& buffer) {
  const std::span<const std::byte> memory(buffer.data(), static_cast<std::size_t>(piece.at.length));
  if (compressor_ != nullptr) {
    if (rules_.sparse != 0 && isAllZero(memory)) {
      if (rules_.targetZeroed) co_return success();
      co_return co_await writeZeroes(piece.at);
    }
    co_return co_await compressor_->writeCompressed(piece.at, buffer.view(0, piece.at.length));
  }
  for (std::size_t done = 0; done < memory.size();) {
    const ZeroRun run = firstRun(memory.subspan(done), std::max<std::size_t>(rules_.sparse, kSector), rules_.sparse);
    const Extent place = piece.at.slice(done, run.length);
    if (!run.zero) {
      const IoVector data = buffer.view(done, run.length);
      RHEA_CO_CHECK(co_await target_.disk().write(place, data, WriteFlags(), Origin::kMonitor));
    } else if (!rules_.targetZeroed) {
      RHEA_CO_CHECK(co_await writeZeroes(place));
    }
    done += run.length;
  }
  co_return success();
}

Task<Result<void>> Copier::writeZeroes(Extent at) {
  co_return co_await target_.disk().writeZeroes(at, WriteFlags::mayUnmap(), Origin::kMonitor);
}

// Writes start in the order of their places, so that a format that allocates on the way lays them out in order.
Task<void> Copier::waitForTurn(std::uint64_t turn) {
  if (rules_.outOfOrder || compressor_ != nullptr) co_return;
  while (turn_ < turn && !error_) {
    std::shared_ptr<Event>& event = waiting_[turn];
    if (event == nullptr) event = std::make_shared<Event>();
    const std::shared_ptr<Event> mine = event;
    [[maybe_unused]] const Result<void> waited = co_await mine->wait();
  }
}

void Copier::passTurn(std::uint64_t turn) {
  if (rules_.outOfOrder || compressor_ != nullptr) return;
  if (turn >= turn_) finishedTurns_.insert(turn);
  while (finishedTurns_.erase(turn_) != 0) ++turn_;
  while (!waiting_.empty() && (waiting_.begin()->first <= turn_ || error_)) {
    waiting_.begin()->second->set();
    waiting_.erase(waiting_.begin());
  }
}

}  // namespace rhea::block
