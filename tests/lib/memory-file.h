// MemoryFile: bytes in memory as a node of a graph, with an edge to read, write and grow them. For whatever works on an
// image through its file edge.
#pragma once

#include "block/core/graph.h"
#include "emu/io/offload.h"
#include "tests/support/run-task.h"

namespace rhea::test {

class MemoryFile {
 public:
  // kEdge: a disk on the node, whose edge is used; kNode: the node alone, "file", for others to stand on.
  enum class Use : std::uint8_t { kEdge, kNode };
  explicit MemoryFile(Use use = Use::kEdge);
  ~MemoryFile();

  std::vector<std::byte>& bytes() { return *bytes_; }
  block::Child& edge() { return disk_->rootEdge(); }
  block::BlockGraph& graph() { return *graph_; }
  template <class T>
  auto run(Task<T> task) {
    return runTask(*loop_, std::move(task));
  }

 private:
  std::shared_ptr<std::vector<std::byte>> bytes_ = std::make_shared<std::vector<std::byte>>();
  // No threads: with nothing else to do meanwhile, a hop to a worker and back is what a run would consist of.
  WorkerPool workers_{0};
  std::unique_ptr<Loop> loop_ = Loop::create("memory-file", workers_).value();
  block::DriverRegistry drivers_;
  Services services_;
  block::GraphObserver observer_;
  std::unique_ptr<block::BlockGraph> graph_;
  block::DiskPtr disk_;
};

}  // namespace rhea::test
