// ImgSession: what one run of rhea-img stands on: a loop, the drivers, a graph, and where it prints.
#pragma once

#include "block/core/graph.h"
#include "block/tool/img/command.h"
#include "emu/io/services.h"

namespace rhea::object {
class ClassTable;
class ObjectTree;
}  // namespace rhea::object

namespace rhea::block {

class ImgSession {
 public:
  // For one run of the command.
  static Result<std::unique_ptr<ImgSession>> create(const ImgCommand& command);
  ~ImgSession();
  ImgSession(const ImgSession&) = delete;
  ImgSession& operator=(const ImgSession&) = delete;

  BlockGraph& graph() { return *graph_; }
  Loop& loop() { return *loop_; }
  const DriverRegistry& drivers() const { return drivers_; }
  const Services& services() const { return services_; }
  ChangeContext change() const { return ChangeContext("rhea-img", stop_.token()); }
  // Cancelled by SIGINT and SIGTERM: what runs ends early and cleans up.
  CancelToken cancel() const { return stop_.token(); }

  // Runs the command, then closes every image. A failed close is an error, too: data may not have arrived.
  Result<int> run(const ImgCommand& command, ImgCall call);

  // To standard output.
  void print(std::string_view text);
  template <class... Arguments>
  void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    print(std::string_view(fmt::format(format, std::forward<Arguments>(arguments)...)));
  }
  // What was printed is to be seen now, not at the end.
  static void flush();
  // A line on standard error.
  void warn(std::string_view text);

  // --object: makes the objects of the call, of which secrets are the only kind here.
  Task<Result<void>> makeObjects(const ImgCall& call);

 private:
  class Observer;

  explicit ImgSession(unsigned threads);
  Task<void> follow(const ImgCommand& command, ImgCall call);

  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<Loop> loop_;
  DriverRegistry drivers_;
  Services services_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<object::ClassTable> classes_;
  std::unique_ptr<object::ObjectTree> objects_;
  std::unique_ptr<BlockGraph> graph_;
  CancelSource stop_;
  std::vector<std::unique_ptr<Loop::Watch>> signals_;
  std::optional<Result<int>> outcome_;
};

}  // namespace rhea::block
