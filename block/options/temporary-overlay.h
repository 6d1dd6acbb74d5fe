// The overlay of snapshot=on: it takes what is written to a drive, the image behind it is only read, and with the drive
// it is gone. Its file has no name (block/driver/file/temporary-file.h), so that nothing is left behind by whatever
// ends the process.
#pragma once

#include "block/core/graph.h"
#include "block/options/drive-options.h"

namespace rhea::block {

class TemporaryOverlay {
 public:
  // Opens the image of `options` for reading and makes an empty overlay of its length in $TMPDIR, else /var/tmp. The
  // overlay's file is as the drive's cache= says, but that no flush is asked of it where the drive may write back:
  // nothing of it is kept. Errors: the image's; the folder's, with its name. Nothing is left then.
  static Task<Result<TemporaryOverlay>> make(BlockGraph& graph, DriveOptions options, ChangeContext context);

  // The node to open for the drive.
  const qapi::BlockdevOptions& node() const { return node_; }
  // It is open, the nodes below go with it; or it is not, and they go now.
  void opened();
  Task<void> giveUp();

 private:
  TemporaryOverlay(BlockGraph& graph, ChangeContext context) : graph_(&graph), context_(std::move(context)) {}
  Task<Result<void>> openFile(DriveOptions& options);
  Task<Result<void>> createImage(DriveOptions& options);
  void describe(const DriveOptions& options);

  BlockGraph* graph_;
  ChangeContext context_;
  NodePtr backing_;
  NodePtr file_;
  qapi::BlockdevOptions node_;
};

}  // namespace rhea::block
