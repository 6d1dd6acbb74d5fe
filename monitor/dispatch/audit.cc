#include "monitor/dispatch/audit.h"

#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>

#include "emu/base/json-writer.h"
#include "emu/base/timestamp.h"

namespace rhea::monitor {

namespace {

// Lines held for a file that does not take them; beyond it they are counted.
constexpr std::size_t kMostPending = std::size_t{16} << 20;

}  // namespace

struct AuditLog::File {
  Fd fd;
  std::mutex guard;
  std::condition_variable idle;
  std::string pending;
  std::uint64_t lost = 0;
  bool writing = false;

  void writeAll() {
    std::unique_lock lock(guard);
    while (!pending.empty()) {
      const std::string text = std::exchange(pending, {});
      lock.unlock();
      for (std::string_view rest = text; !rest.empty();) {
        const ssize_t count = ::write(fd.get(), rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;  // a full disk: the lines are lost, the commands go on
        rest.remove_prefix(static_cast<std::size_t>(count));
      }
      lock.lock();
    }
    writing = false;
    idle.notify_all();
  }
};

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, WorkerPool& workers) {
  auto file = std::make_shared<File>();
  file->fd = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file->fd.valid()) {
    return Error::fromErrno(errno, fmt::format("cannot open the audit log '{}'", path)).where(path);
  }
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(file), workers));
}

AuditLog::~AuditLog() {
  if (!file_) return;
  std::unique_lock lock(file_->guard);
  file_->idle.wait_for(lock, std::chrono::seconds(1), [this] { return !file_->writing; });
}

json::Text AuditLog::render(const Line& line) {
  json::Writer writer;
  writer.beginObject();
  writer.member("time", std::string_view(isoTimestamp(std::chrono::system_clock::now())));
  writer.member("session", std::string_view(line.peer.session));
  writer.member("who", std::string_view(line.peer.who));
  writer.member("command", line.command.name);
  if (!line.arguments.isNull()) {
    writer.key("arguments");
    writer.raw(json::redacted(*line.command.arguments, line.arguments));
  }
  writer.member("duration-us", std::chrono::duration_cast<std::chrono::microseconds>(line.duration).count());
  writer.member("result", line.goesOn ? "goes on" : line.error != nullptr ? "failed" : "done");
  if (!line.operation.empty()) writer.member("operation", std::string_view(line.operation));
  if (line.error != nullptr) {
    writer.member("class", toString(line.error->errorClass()));
    writer.member("desc", std::string_view(line.error->message()));
  }
  writer.endObject();
  return writer.take();
}

void AuditLog::write(const Line& line) {
  if (log_ != nullptr) {
    if (log_->wants(LogLevel::kDebug)) log_->debug("audit: {}", render(line));
    return;
  }
  const std::string text = render(line);
  const std::lock_guard lock(file_->guard);
  if (file_->pending.size() > kMostPending) {
    ++file_->lost;
    return;
  }
  if (file_->lost > 0) {
    file_->pending += fmt::format("{{\"lost\": {}}}\n", std::exchange(file_->lost, 0));
  }
  file_->pending += text;
  file_->pending += '\n';
  if (std::exchange(file_->writing, true)) return;
  workers_->submit([file = file_] { file->writeAll(); });
}

}  // namespace rhea::monitor
