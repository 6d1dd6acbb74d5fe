#include "block/tool/img/progress.h"

#include <cmath>
#include <csignal>
#include <cstdio>

#include "emu/base/json-writer.h"

namespace rhea::block {

namespace {

constexpr std::chrono::milliseconds kInterval{200};

}  // namespace

Result<std::unique_ptr<ProgressMeter>> ProgressMeter::create(ImgSession& session, const ImgCall& call) {
  Form form = call.has("bar") ? Form::kLine : Form::kNone;
  if (const std::optional<std::string> how = call.value("progress")) {
    if (*how != "json" && *how != "line" && !how->empty()) {
      return Error(fmt::format("--progress={} is not known", *how)).candidates({"line", "json"});
    }
    form = *how == "json" ? Form::kJson : Form::kLine;
  }
  if (call.has("quiet") && form == Form::kLine) form = Form::kNone;
  return std::unique_ptr<ProgressMeter>(new ProgressMeter(session, form));
}

ProgressMeter::ProgressMeter(ImgSession& session, Form form) : form_(form) {
  const auto asked = [this] { show(form_ == Form::kNone ? Form::kLine : form_); };
  signal_ = session.loop().signal(SIGUSR1, asked);
  if (form_ == Form::kNone) return;
  const auto tick = [this] {
    if (percent() != shown_) show(form_);
  };
  timer_ = session.loop().timer(kInterval, tick, true);
  show(form_);
}

ProgressMeter::~ProgressMeter() = default;

double ProgressMeter::percent() const {
  const std::uint64_t total = progress_.total();
  if (total == 0) return 0;
  return std::min(100.0, 100.0 * static_cast<double>(progress_.done()) / static_cast<double>(total));
}

void ProgressMeter::show(Form form) {
  shown_ = percent();
  if (form == Form::kLine) {
    fmt::print("    ({:.2f}/100%)\r", shown_);
  } else if (form == Form::kJson) {
    json::Writer line;
    line.beginObject();
    line.member("done", progress_.done());
    line.member("total", progress_.total());
    line.key("percent");
    line.number(std::floor(shown_ * 100) / 100);
    line.key("seconds");
    line.number(std::chrono::duration<double>(Clock::now() - start_).count());
    line.endObject();
    fmt::print("{}\n", line.take());
  }
  std::fflush(stdout);
}

void ProgressMeter::finish() {
  timer_.reset();
  progress_.set(progress_.total() == 0 ? 1 : progress_.total(), progress_.total() == 0 ? 1 : progress_.total());
  if (form_ == Form::kNone) return;
  show(form_);
  if (form_ == Form::kLine) fmt::print("\n");
}

}  // namespace rhea::block
