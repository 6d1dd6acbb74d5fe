// What the parts of BlockGraph share among themselves; nobody else includes it.
#pragma once

#include "block/core/graph-change.h"
#include "block/core/graph.h"

namespace rhea::block {

class BlockGraph::Operation {
 public:
  Operation(BlockGraph& graph, std::string_view doing, std::string nodeName, std::string fileName = {})
      : what(doing), node(std::move(nodeName)), file(std::move(fileName)), since(Clock::now()), graph_(graph) {
    graph_.operations_.push_back(this);
  }
  ~Operation() { std::erase(graph_.operations_, this); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  const std::string what;
  const std::string node;
  const std::string file;
  const TimePoint since;

 private:
  BlockGraph& graph_;
};

namespace detail {

template <class T>
struct Abandoned {
  Event done;
  std::optional<Result<T>> result;
};

template <class T>
Task<void> runAbandoned(Task<Result<T>> work, std::shared_ptr<Abandoned<T>> outcome) {
  outcome->result.emplace(co_await std::move(work));
  outcome->done.set();
}

}  // namespace detail

template <class T>
Task<Result<T>> BlockGraph::abandonable(Task<Result<T>> work, CancelToken cancel) {
  RHEA_CO_CHECK(cancel.check());
  const auto outcome = std::make_shared<detail::Abandoned<T>>();
  background_.spawn(detail::runAbandoned<T>(std::move(work), outcome));
  Result<void> waited = co_await outcome->done.wait(cancel);
  if (outcome->result) co_return std::move(*outcome->result);
  co_return waited.takeError();
}

}  // namespace rhea::block
