// A workload on an image with the write log under the format, and what came of it.
#pragma once

#include "block/tool/prove/memory-image.h"
#include "block/tool/prove/workload.h"

namespace rhea::block::prove {

// The image that is proved: a format with its options.
struct Subject {
  std::string format;          // driver name
  std::string options;         // as the user gave them, for the report; may be empty
  bool keepsMetadata = false;  // promiseOf()
  // The format's node over this file node, which becomes its inline child.
  std::function<NodeOptions(NodeOptions file)> over;
  // Makes a new image at this path; what the disk holds is zeroes.
  std::function<Task<Result<void>>(BlockGraph& graph, std::string path)> create;
};

// One change below the format.
struct LoggedChange {
  std::uint64_t issued = 0;  // entries of the log when it was sent; the entry itself has a higher index
  Extent at;
  std::vector<std::byte> data;  // empty: zeroes
  bool stable = false;          // on stable storage at completion
  bool discard = false;
  bool flush = false;  // no change: all before is on stable storage
};

struct Recording {
  explicit Recording(History made) : history(std::move(made)) {}
  History history;
  std::vector<std::byte> initial;  // the image's file before
  std::vector<LoggedChange> log;   // one for each entry
};

struct RecordPlan {
  CacheSwitches mode;
  WorkloadPlan workload;
  std::string path;  // of the image, which is made anew
  // Lies about this flush (from 1) or write-through write below the format, as broken storage does; 0: about none.
  std::uint64_t lieAt = 0;
};

// Error: the image cannot be made or opened in the mode, or a request failed.
Task<Result<Recording>> record(BlockGraph& graph, const Subject& subject, RecordPlan plan);

}  // namespace rhea::block::prove
