#include "block/command/images.h"

#include "emu/io/sync.h"

namespace rhea::block {

namespace {

// Shared with the questions, which go on where the asker no longer waits.
struct Survey {
  std::vector<std::optional<ImageInfo>> answers;
  std::size_t missing = 0;
  Event complete;
};

Task<void> ask(std::shared_ptr<Survey> survey, NodePtr node, std::size_t index) {
  Result<ImageInfo> info = co_await node->informer()->imageInfo();
  if (info) survey->answers[index] = *std::move(info);
  if (--survey->missing == 0) survey->complete.set();
}

}  // namespace

Task<std::vector<std::optional<ImageInfo>>> imagesOf(std::vector<NodePtr> nodes, Duration patience) {
  const auto survey = std::make_shared<Survey>();
  survey->answers.resize(nodes.size());
  survey->missing = 1;  // this function, so that answers that come at once do not end the wait early
  Loop& loop = *Loop::current();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i]->informer() == nullptr) continue;
    ++survey->missing;
    loop.spawn(ask(survey, nodes[i], i));
  }
  if (--survey->missing == 0) co_return std::move(survey->answers);
  CancelSource enough;
  const std::unique_ptr<Loop::Watch> timer =
      loop.timer(patience, [&enough] { enough.cancel(Error("it took too long")); });
  const Result<void> all = co_await survey->complete.wait(enough.token());
  if (all) co_return std::move(survey->answers);
  co_return survey->answers;  // a copy: late answers still write to theirs
}

}  // namespace rhea::block
