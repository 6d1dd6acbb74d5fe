#include "monitor/human/log-view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rhea::monitor {

namespace {

bool isSameTerminal(int one, int two) {
  struct stat first = {};
  struct stat second = {};
  return ::isatty(one) == 1 && ::isatty(two) == 1 && ::fstat(one, &first) == 0 && ::fstat(two, &second) == 0 &&
         first.st_rdev == second.st_rdev;
}

void pointLog(Log& log, int fd) {
  Log::Settings settings = log.settings();
  settings.fd = fd;
  log.configure(settings);
}

}  // namespace

std::unique_ptr<LogView> LogView::create(Loop& loop, Log& log, int terminal,
                                         std::function<void(std::string_view)> show) {
  const Log::Settings settings = log.settings();
  std::array<int, 2> ends = {-1, -1};
  if (settings.fd != STDERR_FILENO || settings.json || !isSameTerminal(terminal, STDERR_FILENO)) return nullptr;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return nullptr;
  std::unique_ptr<LogView> view(new LogView(log, Fd(ends[0]), Fd(ends[1]), std::move(show)));
  // The log's own thread may wait for us; we never wait for it.
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  view->watch_ = loop.watch(ends[0], Loop::Ready::kRead, [self = view.get()] { self->readable(); });
  return view;
}

LogView::LogView(Log& log, Fd from, Fd to, std::function<void(std::string_view)> show)
    : log_(log), from_(std::move(from)), to_(std::move(to)), show_(std::move(show)) {
  pointLog(log_, to_.get());
}

LogView::~LogView() {
  watch_.reset();
  pointLog(log_, STDERR_FILENO);
  log_.flush(std::chrono::milliseconds(100));  // what was on its way into the pipe
  const std::string rest = takeLines() + unfinished_;
  static_cast<void>(!::write(STDERR_FILENO, rest.data(), rest.size()));
}

std::string LogView::takeLines() {
  std::array<char, 4096> bytes;
  ssize_t count = 0;
  while ((count = ::read(from_.get(), bytes.data(), bytes.size())) > 0) {
    unfinished_.append(bytes.data(), static_cast<std::size_t>(count));
  }
  const std::size_t end = unfinished_.rfind('\n') + 1;  // none: 0
  std::string lines = unfinished_.substr(0, end);
  unfinished_.erase(0, end);
  return lines;
}

void LogView::readable() {
  const std::string lines = takeLines();
  if (!lines.empty()) show_(lines);
}

}  // namespace rhea::monitor
