#include "monitor/dispatch/audit.h"

#include <fcntl.h>

#include "emu/base/json-writer.h"
#include "emu/base/timestamp.h"

namespace rhea::monitor {

namespace {

// Lines held for a file that does not take them; beyond it they are counted.
constexpr std::size_t kMostPending = std::size_t{16} << 20;

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, WorkerPool& workers) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!fd.valid()) return Error::fromErrno(errno, fmt::format("cannot open the audit log '{}'", path)).where(path);
  return std::unique_ptr<AuditLog>(new AuditLog(std::make_shared<FileSink>(std::move(fd)), workers));
}

AuditLog::~AuditLog() {
  if (file_) file_->wait(Clock::now() + std::chrono::seconds(1));
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
    if (isLong(line.arguments)) {  // going through them would keep everybody waiting
      writer.string(fmt::format("({} bytes)", line.arguments.documentSize()));
    } else {
      writer.raw(json::redacted(*line.command.arguments, line.arguments));
    }
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
  if (file_->pending() > kMostPending) {
    ++lost_;
    return;
  }
  std::string text;
  if (lost_ > 0) text = fmt::format("{{\"lost\": {}}}\n", std::exchange(lost_, 0));
  text += render(line);
  text += '\n';
  if (file_->append(text)) workers_->submit([file = file_] { file->writeAll(); });
}

}  // namespace rhea::monitor
