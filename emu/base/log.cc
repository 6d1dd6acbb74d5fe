#include "emu/base/log.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <thread>

#include "emu/base/json-writer.h"
#include "emu/base/names.h"
#include "emu/base/timestamp.h"
#include "emu/base/visible-text.h"

namespace rhea {

namespace {

using SystemTime = std::chrono::system_clock::time_point;
using SteadyClock = std::chrono::steady_clock;

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warning", "error"};
constexpr std::size_t kMostQueued = 1024;     // messages
constexpr std::size_t kMostRemembered = 128;  // texts that may repeat
constexpr unsigned kMostRepeats = 5;          // in the time below; the rest is counted
constexpr std::chrono::seconds kRepeatTime{10};

// An error's parts, for JSON; in human form they are lines below the message.
struct Message {
  LogLevel level;
  SystemTime when;
  std::string text;
  std::optional<Error> error;
};

struct Repeat {
  SteadyClock::time_point since;
  unsigned seen = 0;
  LogLevel level = LogLevel::kInfo;
};

std::string asLine(const Log::Settings& settings, const Message& message) {
  std::string line;
  if (settings.timestamps) line += isoTimestamp(message.when) + ' ';
  line += settings.program;
  if (!settings.guest.empty()) line += '[' + settings.guest + ']';
  line += ": ";
  // A plain message is news, the rest says what it is.
  if (message.level != LogLevel::kInfo) line.append(toString(message.level)).append(": ");
  line += message.error ? message.error->describe() : message.text;
  return visible(line) + '\n';
}

std::string asJson(const Log::Settings& settings, const Message& message) {
  json::Writer writer;
  writer.beginObject();
  writer.member("timestamp", std::string_view(isoTimestamp(message.when)));
  writer.member("level", toString(message.level));
  writer.member("program", std::string_view(settings.program));
  if (!settings.guest.empty()) writer.member("guest", std::string_view(settings.guest));
  writer.member("message", std::string_view(message.error ? message.error->message() : message.text));
  if (message.error) {
    const auto part = [&writer](const char* name, std::string_view value) {
      if (!value.empty()) writer.member(name, value);
    };
    part("where", message.error->whereText());
    part("expected", message.error->expectedText());
    part("hint", message.error->hintText());
    if (!message.error->candidateNames().empty()) {
      writer.key("candidates");
      writer.beginArray();
      for (const std::string& name : message.error->candidateNames()) writer.string(name);
      writer.endArray();
    }
  }
  writer.endObject();
  return std::string(writer.take()) + '\n';
}

}  // namespace

std::string_view toString(LogLevel level) { return kLevelNames.at(static_cast<std::size_t>(level)); }

Result<LogLevel> parseLogLevel(std::string_view name) {
  const auto found = std::ranges::find(kLevelNames, name);
  if (found != kLevelNames.end()) return static_cast<LogLevel>(found - kLevelNames.begin());
  return Error(fmt::format("there is no log level '{}'", name))
      .expected("debug, info, warning or error")
      .candidates(nearestNames(name, kLevelNames));
}

// Shared with the writing thread, which may hang in write() and outlive the Log.
struct Log::Impl {
  explicit Impl(Settings given) : settings(std::move(given)), least(settings.least) {}

  mutable std::mutex guard;
  std::condition_variable idle;  // the thread has ended
  Settings settings;
  std::atomic<LogLevel> least;
  std::deque<Message> queue;
  std::map<std::string, Repeat> repeats;
  std::uint64_t dropped = 0;
  std::uint64_t droppedTold = 0;
  bool writing = false;  // the thread exists

  bool admit(const std::string& text, LogLevel level, SteadyClock::time_point now);
  void tellRepeats(SteadyClock::time_point now, bool all);
  void push(Message message);
  void run();
  void start(std::shared_ptr<Impl> self);
  static void writeAll(int fd, std::string_view line);
};

// Whether the text is still news; else it is counted.
bool Log::Impl::admit(const std::string& text, LogLevel level, SteadyClock::time_point now) {
  tellRepeats(now, false);
  if (repeats.size() >= kMostRemembered && !repeats.contains(text)) tellRepeats(now, true);
  Repeat& repeat = repeats[text];
  if (repeat.seen == 0) {
    repeat.since = now;
    repeat.level = level;
  }
  return ++repeat.seen <= kMostRepeats;
}

// Forgets texts whose time is over, and says how often they were left out.
void Log::Impl::tellRepeats(SteadyClock::time_point now, bool all) {
  for (auto at = repeats.begin(); at != repeats.end();) {
    const auto& [text, repeat] = *at;
    if (!all && now - repeat.since < kRepeatTime) {
      ++at;
      continue;
    }
    if (repeat.seen > kMostRepeats) {
      const unsigned more = repeat.seen - kMostRepeats;
      std::string told = fmt::format("{} more time{}: {}", more, more == 1 ? "" : "s", text);
      push({repeat.level, std::chrono::system_clock::now(), std::move(told), std::nullopt});
    }
    at = repeats.erase(at);
  }
}

void Log::Impl::push(Message message) {
  if (queue.size() >= kMostQueued) {
    dropped++;
    return;
  }
  queue.push_back(std::move(message));
}

void Log::Impl::writeAll(int fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(fd, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // somebody made the descriptor non-blocking; this thread may wait
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    if (written < 0) return;  // nobody reads: nobody to tell
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Log::Impl::run() {
  pthread_setname_np(pthread_self(), "rhea-log");
  std::unique_lock lock(guard);
  while (!queue.empty()) {
    std::deque<Message> batch = std::exchange(queue, {});
    if (dropped != droppedTold) {
      std::string told = fmt::format("{} messages were lost: the log's reader is too slow", dropped - droppedTold);
      droppedTold = dropped;
      batch.push_back({LogLevel::kWarning, std::chrono::system_clock::now(), std::move(told), std::nullopt});
    }
    const Settings now = settings;
    lock.unlock();
    for (const Message& message : batch) writeAll(now.fd, now.json ? asJson(now, message) : asLine(now, message));
    lock.lock();
  }
  writing = false;
  idle.notify_all();
}

Log::Log(Settings settings) : impl_(std::make_shared<Impl>(std::move(settings))) {}

Log::~Log() { flush(); }

void Log::configure(const Settings& settings) {
  const std::lock_guard lock(impl_->guard);
  impl_->settings = settings;
  impl_->least.store(settings.least, std::memory_order_relaxed);
}

Log::Settings Log::settings() const {
  const std::lock_guard lock(impl_->guard);
  return impl_->settings;
}

bool Log::wants(LogLevel level) const { return level >= impl_->least.load(std::memory_order_relaxed); }

void Log::write(LogLevel level, std::string text) { enqueue(level, std::move(text), std::nullopt); }

void Log::write(LogLevel level, const Error& error) { enqueue(level, error.message(), error); }

void Log::enqueue(LogLevel level, std::string text, std::optional<Error> error) {
  if (!wants(level)) return;
  const auto when = std::chrono::system_clock::now();
  const std::lock_guard lock(impl_->guard);
  if (!impl_->admit(text, level, SteadyClock::now())) return;
  impl_->push({level, when, std::move(text), std::move(error)});
  if (!impl_->writing) impl_->start(impl_);
}

void Log::Impl::start(std::shared_ptr<Impl> self) {
  // Signals are for the main loop.
  sigset_t every;
  sigset_t before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  try {
    writing = true;
    std::thread([self] { self->run(); }).detach();
  } catch (const std::system_error&) {
    writing = false;  // no thread to be had: the next message tries again
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool Log::flush(std::chrono::milliseconds patience) {
  std::unique_lock lock(impl_->guard);
  impl_->tellRepeats(SteadyClock::now(), true);
  if (!impl_->queue.empty() && !impl_->writing) impl_->start(impl_);
  return impl_->idle.wait_for(lock, patience, [this] { return !impl_->writing && impl_->queue.empty(); });
}

std::uint64_t Log::dropped() const {
  const std::lock_guard lock(impl_->guard);
  return impl_->dropped;
}

}  // namespace rhea
