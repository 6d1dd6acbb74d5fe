#include "tests/block/kill-writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "emu/io/loop.h"

namespace rhea::test {

using block::CacheSwitches;
using block::Extent;
using block::prove::ChangeKind;
using block::prove::History;
using block::prove::kSector;

namespace {

constexpr std::string_view kPrompt = "rhea-io> ";
constexpr std::size_t kDepth = 6;
constexpr std::uint64_t kLongest = 32;  // sectors

}  // namespace

KillWriter::KillWriter(KillPlan plan)
    : plan_(std::move(plan)),
      random_(plan_.seed),
      history_(plan_.diskBytes, plan_.keepsMetadata, *block::cacheSwitchesOf(plan_.mode)) {}

KillWriter::~KillWriter() { end(); }

void KillWriter::end() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  for (int* fd : {&to_, &from_}) {
    if (*fd >= 0) close(std::exchange(*fd, -1));
  }
}

void KillWriter::start() {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    const int log = open((plan_.folder + "/errors").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(log, STDERR_FILENO);
    if (chdir(plan_.folder.c_str()) != 0) _exit(126);
    execl(plan_.program.c_str(), "rhea-io", "-f", plan_.format.c_str(), "-t", plan_.mode.c_str(), plan_.image.c_str(),
          nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

bool KillWriter::awaitPrompt() {
  while (!ready_) {
    if (!take(10000)) return false;
  }
  return true;
}

bool KillWriter::run() {
  // The kernel lets go of a killed ring's files, and so of the image's locks, a moment after its process is gone.
  start();
  for (int tries = 0; !awaitPrompt(); ++tries) {
    std::ifstream errors(plan_.folder + "/errors");
    const std::string told{std::istreambuf_iterator<char>(errors), {}};
    if (tries == 100 || told.find("is in use") == std::string::npos) {
      why_ = "it did not start: " + told;
      return false;
    }
    end();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    start();
  }
  // So many lines, and a moment more. Few are likelier, so that many kills find the first requests on an empty image.
  const std::uint64_t lines = below(1 + below(100));
  std::optional<TimePoint> moment;
  bool running = true;
  while (running && (!moment || Clock::now() < *moment)) {
    const bool maySend = ready_ && inFlight_.size() < kDepth;
    if (maySend) running = sendNext();
    running = running && take(maySend ? 0 : 1);
    if (!moment && lines_ >= lines) moment = Clock::now() + std::chrono::microseconds(below(3000));
  }
  if (!running) {
    why_ = "it ended by itself: " + text_;
    return false;
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  // What it had answered counts, although it was not read in time.
  while (take(0)) continue;
  return why_.empty();
}

Extent KillWriter::nextPlace() {
  const std::uint64_t sectors = plan_.diskBytes / kSector;
  while (true) {
    const std::uint64_t length = 1 + below(below(4) == 0 ? kLongest : 4);
    const std::uint64_t part = below(2) == 0 ? sectors : sectors / 16;
    const Extent at(below(part - length + 1) * kSector, length * kSector);
    const auto taken = [at](const InFlight& other) { return other.at.overlaps(at); };
    if (std::none_of(inFlight_.begin(), inFlight_.end(), taken)) return at;
  }
}

std::string KillWriter::writeLine() {
  const Extent at = nextPlace();
  const bool zeroes = below(12) == 0;
  const std::uint32_t number = history_.begin(zeroes ? ChangeKind::kZeroes : ChangeKind::kWrite, at, now_++);
  inFlight_.push_back({number, at});
  if (zeroes) return fmt::format("aio_write -z{} {} {}\n", below(2) == 0 ? "u" : "", at.offset, at.length);
  // A file for each request: the writer reads it when it comes to it.
  const std::string name = fmt::format("p{}", number);
  std::vector<std::byte> content(at.length);
  block::prove::stamp(content, at.offset, number);
  std::ofstream(plan_.folder + "/" + name, std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  return fmt::format("aio_write -s {} {} {}\n", name, at.offset, at.length);
}

bool KillWriter::sendNext() {
  ++lines_;
  std::string line;
  if (nextChange_ < plan_.changes.size() && lines_ % 12 == 0) {
    const std::string& mode = plan_.changes[nextChange_++];
    change_ = *block::cacheSwitchesOf(mode);
    history_.beginMode(*change_, now_++);
    line = "reopen -c " + mode + "\n";
  } else if (below(10) == 0) {
    flush_ = history_.beginFlush();
    ++now_;
    line = "flush\n";
  } else {
    line = writeLine();
  }
  ready_ = false;
  return write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool KillWriter::take(int waitMilliseconds) {
  pollfd ready{from_, POLLIN, 0};
  if (poll(&ready, 1, waitMilliseconds) <= 0) return pid_ != -1;
  char buffer[4096];
  const ssize_t got = read(from_, buffer, sizeof buffer);
  if (got <= 0) return false;
  text_.append(buffer, static_cast<std::size_t>(got));
  takeText();
  return true;
}

void KillWriter::takeText() {
  while (true) {
    if (text_.starts_with(kPrompt)) {
      text_.erase(0, kPrompt.size());
      prompted();
      continue;
    }
    const std::size_t end = text_.find('\n');
    if (end == std::string::npos) return;
    const std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    unsigned long long done = 0;
    unsigned long long length = 0;
    unsigned long long offset = 0;
    if (std::sscanf(line.c_str(), "wrote %llu/%llu bytes at offset %llu", &done, &length, &offset) == 3) {
      const Extent at(offset, length);
      const auto found =
          std::find_if(inFlight_.begin(), inFlight_.end(), [at](const InFlight& request) { return request.at == at; });
      if (found == inFlight_.end()) {
        why_ = "an answer to nothing: " + line;
        return;
      }
      history_.complete(found->number, now_++);
      ++answered_;
      inFlight_.erase(found);
    } else if (line.find("failed") != std::string::npos) {
      why_ = line;
    }
  }
}

void KillWriter::prompted() {
  ready_ = true;
  if (flush_) history_.completeFlush(*flush_, now_++);
  if (change_) history_.completeMode(*change_, now_++);
  flush_.reset();
  change_.reset();
}

}  // namespace rhea::test
