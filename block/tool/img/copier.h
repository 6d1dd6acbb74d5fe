// Copier: fills an image from others, many requests at a time. It reads only what is stored, looks for zeroes, and lets
// the host copy by itself where it can. Used by convert and dd.
#pragma once

#include <set>

#include "block/core/bounce.h"
#include "block/core/chain-status.h"
#include "block/core/image.h"
#include "block/tool/img/open.h"
#include "block/tool/img/pacer.h"

namespace rhea::block {

// What one source gives: `length` bytes from `skip` on.
struct CopySource {
  CopySource(OpenedImage opened, std::uint64_t from, std::uint64_t bytes)
      : image(std::move(opened)), skip(from), length(bytes) {}
  OpenedImage image;
  std::uint64_t skip;
  std::uint64_t length;
};

struct CopyRules {
  std::size_t sparse = 4096;  // shortest run of zeroes that is not written; 0: everything is
  bool targetZeroed = false;  // what is not written reads as zeroes
  // The target's backing file shows what the source's own backing file did, up to this length: what the source's top
  // layer has not got is not copied.
  std::optional<std::uint64_t> backingLength;
  bool compress = false;
  bool salvage = false;     // unreadable sectors become zeroes, with a warning
  bool outOfOrder = false;  // -W
  bool hostCopies = false;  // -C: copy_file_range
  unsigned workers = 8;
  std::uint64_t bytesPerSecond = 0;
};

class Copier {
 public:
  Copier(ImgSession& session, std::vector<CopySource> sources, OpenedImage target, CopyRules rules);
  // One after the other into the target, from its begin on. Error: the first that came, with where.
  Task<Result<void>> run(Progress& progress);
  // Of what was asked to be salvaged.
  std::uint64_t unreadableBytes() const { return unreadable_; }

 private:
  struct Piece {
    enum class Kind : std::uint8_t { kData, kZero, kSkip } kind = Kind::kData;
    Extent at;  // in the target
    const CopySource* source = nullptr;
    std::uint64_t from = 0;  // in the source
    int hostFile = -1;       // where it lies one to one in a file
    std::uint64_t hostOffset = 0;
    std::uint64_t turn = 0;  // its number, for writes in order
  };

  Task<void> work();
  Task<Result<std::optional<Piece>>> next();
  Task<Result<void>> look(const CopySource& source, std::uint64_t at, std::uint64_t most);
  Task<Result<void>> copy(const Piece& piece, BounceBuffer& buffer);
  Task<Result<bool>> copyByHost(Piece piece);
  Task<Result<void>> readPiece(const Piece& piece, BounceBuffer& buffer);
  Task<Result<void>> salvage(const Piece& piece, BounceBuffer& buffer, Extent part);
  Task<Result<void>> writeRuns(const Piece& piece, BounceBuffer& buffer);
  Task<Result<void>> writeZeroes(Extent at);
  Task<void> waitForTurn(std::uint64_t turn);
  void passTurn(std::uint64_t turn);
  void fail(Error error);

  ImgSession& session_;
  std::vector<CopySource> sources_;
  OpenedImage target_;
  CopyRules rules_;
  Pacer pacer_;
  CompressedWriter* compressor_ = nullptr;
  Progress* progress_ = nullptr;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;

  Mutex nexts_;  // one asks for the next piece at a time
  std::size_t source_ = 0;
  std::uint64_t within_ = 0;  // position in the present source, counted from its skip
  std::uint64_t position_ = 0;
  std::uint64_t turns_ = 0;
  ChainStatus status_;  // of what follows the position

  std::uint64_t turn_ = 0;  // whose write may start
  std::map<std::uint64_t, std::shared_ptr<Event>> waiting_;
  std::set<std::uint64_t> finishedTurns_;

  int targetFile_ = -1;  // of a raw target
  bool cloneWorks_ = true;
  bool rangeWorks_ = true;
  bool wroteByHost_ = false;
  std::uint64_t unreadable_ = 0;
  std::optional<Error> error_;
};

}  // namespace rhea::block
