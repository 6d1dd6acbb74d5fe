// rhea-img prove: records writers on an image in each cache mode, rebuilds what a kill or a power cut could have left,
// and holds it against what the mode promises.
#include "block/driver/qcow2/qcow2.h"
#include "block/tool/img/create-options.h"
#include "block/tool/img/verbs.h"
#include "block/tool/prove/report.h"
#include "block/tool/prove/subjects.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

constexpr int kBroken = 2;  // exit status: the promise was broken
constexpr std::array<std::string_view, 3> kForms = {"human", "json", "markdown"};

Result<prove::Subject> subjectOf(const ImgCall& call) {
  const std::string format = call.valueOr("format", "raw");
  RHEA_TRY(const std::optional<std::uint64_t> asked, call.size("size"));
  const std::uint64_t size = asked.value_or(1 << 20);
  if (size % prove::kSector != 0 || size < (64 << 10) || size > (256 << 20)) {
    return Error(fmt::format("a disk of {} bytes cannot be proved", size)).expected("whole sectors, 64k to 256M");
  }
  if (format == "raw") return prove::rawSubject(size);
  if (format != "qcow2") {
    return Error(fmt::format("format '{}' cannot be proved", format)).candidates({"raw", "qcow2"});
  }
  RHEA_TRY(const CreateForm* form, createFormOf(format));
  const std::vector<std::string> texts = call.values("options");
  RHEA_TRY(const Keyval options, readCreateOptions(*form, texts));
  RHEA_TRY(DriverOptions create, driverOptionsOf(*form, options, size));
  prove::Subject subject =
      prove::formatSubject(qcow2Driver(), std::move(create), DriverOptions::of(qapi::BlockdevOptionsQcow2()));
  for (const std::string& text : texts) subject.options += (subject.options.empty() ? "" : ",") + text;
  return subject;
}

// With modes named, those by themselves; --changes adds changes under load, and alone means all of it.
Result<std::vector<prove::ProofPlan::Run>> runsOf(const ImgCall& call) {
  std::vector<prove::ProofPlan::Run> runs;
  std::vector<CacheSwitches> modes;
  for (const std::string& name : call.values("cache")) {
    RHEA_TRY(const CacheSwitches mode, cacheSwitchesOf(name));
    modes.push_back(mode);
  }
  for (const prove::ProofPlan::Run& run : prove::allRuns()) {
    const bool named = modes.empty() || std::find(modes.begin(), modes.end(), run.mode) != modes.end();
    if (named && (run.changes.empty() || !call.has("no-changes"))) runs.push_back(run);
  }
  return runs;
}

Result<prove::ProofPlan> planOf(const ImgCall& call) {
  prove::ProofPlan plan;
  RHEA_TRY(plan.subject, subjectOf(call));
  RHEA_TRY(plan.runs, runsOf(call));
  plan.folder = call.words.empty() ? "." : call.words.front();
  RHEA_TRY(const auto seed, call.number("seed", 0, UINT64_MAX));
  plan.workload.seed = plan.crash.seed = seed.value_or(1);
  RHEA_TRY(const auto requests, call.number("requests", 1, 100000));
  plan.workload.requests = requests.value_or(plan.workload.requests);
  RHEA_TRY(const auto depth, call.number("depth", 1, 256));
  plan.workload.depth = depth.value_or(plan.workload.depth);
  RHEA_TRY(const auto states, call.number("states", 1, 10000000));
  plan.crash.states = states.value_or(plan.crash.states);
  RHEA_TRY(const auto lie, call.number("drop-flush", 1, 1000000));
  plan.lieAt = lie.value_or(0);
  return plan;
}

}  // namespace

Task<Result<int>> imgProve(ImgSession& session, ImgCall call) {
  const std::string form = call.valueOr("output", "human");
  if (std::find(kForms.begin(), kForms.end(), form) == kForms.end()) {
    co_return Error(fmt::format("'{}' is no form of output", form)).candidates({kForms.begin(), kForms.end()});
  }
  RHEA_CO_TRY(prove::ProofPlan plan, planOf(call));
  prove::Proof heading;
  heading.format = plan.subject.format;
  heading.options = plan.subject.options;
  if (form == "human") {
    plan.progress = [&session, heading](const prove::ModeProof& mode) {
      session.print(std::string_view(prove::humanReport(heading, mode)));
    };
  }
  RHEA_CO_TRY(const prove::Proof proof, co_await prove::prove(session.loop(), session.services(), std::move(plan)));
  std::string text;
  if (form == "human") text = prove::conclusion(proof);
  if (form == "json") text = prove::jsonReport(proof);
  if (form == "markdown") text = prove::contractTable(std::span(&proof, 1));
  session.print(std::string_view(text));
  co_return proof.holds() ? 0 : kBroken;
}

}  // namespace rhea::block
