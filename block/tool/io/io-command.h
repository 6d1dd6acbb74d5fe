// The language of `io DISK "..."` and of rhea-io: read, write, flush, discard and the rest on one disk, with the words,
// switches and output that scripts know from the classic tool.
#pragma once

#include "block/core/graph.h"

namespace rhea::block {

class IoHost;
struct IoOutcome;

// What a line works on. The graph is for what concerns the node below: its map, its size.
struct IoTarget {
  IoTarget(BlockGraph& theGraph, DiskPtr theDisk) : graph(theGraph), disk(std::move(theDisk)) {}
  BlockGraph& graph;
  DiskPtr disk;  // null in rhea-io while nothing is open
  ChangeContext context;
  IoHost* host = nullptr;  // in rhea-io
};

// Runs one line. Gives what is to be shown, lines ending in '\n'.
// Errors: an unknown word or switch (usage as hint), an extent that is no number, the request's failure as
// "read failed: Input/output error", a pattern that was not found.
Task<Result<std::string>> runIoCommand(IoTarget target, std::string line);
// The same for rhea-io: a request that failed is told as the classic tool does, among the text; an error is a line that
// could not be understood or carried out at all.
Task<Result<IoOutcome>> runIoLine(IoTarget target, std::string line);

// The verbs, for completion.
std::vector<std::string> ioVerbs();

}  // namespace rhea::block
