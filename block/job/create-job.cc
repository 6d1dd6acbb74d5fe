#include "block/job/create-job.h"

namespace rhea::block {

namespace {

// What making an image does with the node that takes it.
const Permissions kCreating = Permissions::consistentRead() | Permissions::write() | Permissions::resize();

class CreateJob final : public Job {
 public:
  CreateJob(JobOptions options, BlockGraph& graph, const Services& services, const DriverInfo& driver)
      : Job(std::move(options)), graph_(graph), services_(services), driver_(driver) {}

  void setOptions(DriverOptions options) { options_ = std::move(options); }
  void addChild(std::string name, std::string nodeName) {
    children_.emplace_back(std::move(name), std::move(nodeName));
  }
  void setWho(std::string who) { who_ = std::move(who); }

  qapi::JobType type() const override { return qapi::JobType::create; }
  std::uint64_t progress() const override { return progress_.done(); }
  std::uint64_t total() const override { return progress_.total(); }

 protected:
  Task<Result<void>> run() override {
    CreateContext context(graph_.loop(), services_, progress_);
    context.cancel = cancelToken();
    std::vector<DiskPtr> attached;
    Result<void> outcome = success();
    for (const auto& [name, nodeName] : children_) {
      Result<DiskPtr> disk = co_await graph_.attachMonitor(nodeName, kCreating, ChangeContext(who_, cancelToken()));
      if (!disk) {
        outcome = disk.takeError();
        break;
      }
      context.children.add(name, &(*disk)->rootEdge());
      attached.push_back(*std::move(disk));
    }
    if (outcome) outcome = co_await driver_.create(context, options_);
    for (DiskPtr& disk : attached) co_await detach(std::move(disk));
    co_return outcome;
  }

 private:
  Task<void> detach(DiskPtr disk) {
    // Without the wish to cancel: an attachment that stayed would keep the node in use for ever.
    [[maybe_unused]] const Result<void> gone =
        co_await graph_.removeDisk(std::move(disk), ChangeContext(who_, CancelToken()));
  }

  BlockGraph& graph_;
  const Services& services_;
  const DriverInfo& driver_;
  DriverOptions options_;
  std::vector<std::pair<std::string, std::string>> children_;
  std::string who_;
  Progress progress_;
};

Result<std::string> existing(const qapi::BlockdevRef& reference) {
  if (const std::string* name = std::get_if<std::string>(&reference.u)) return *name;
  return Error("the node that takes the image is described in place")
      .where("arguments.options")
      .expected("the name of a node that exists")
      .hint("add it by blockdev-add first");
}

}  // namespace

Result<std::unique_ptr<Job>> makeCreateJob(BlockGraph& graph, const Services& services, std::string id,
                                           qapi::BlockdevCreateOptions options, std::string who) {
  RHEA_TRY(const DriverInfo* driver, graph.drivers().find(toString(options.driver)));
  if (driver->create == nullptr) return Error(fmt::format("driver '{}' cannot create images", driver->name));
  JobOptions jobOptions(std::move(id));
  jobOptions.autoDismiss = false;  // its result is read by query-jobs afterwards
  auto job = std::make_unique<CreateJob>(std::move(jobOptions), graph, services, *driver);
  if (const auto* raw = std::get_if<qapi::BlockdevCreateOptionsRaw>(&options.u)) {
    RHEA_TRY(std::string nodeName, existing(raw->file));
    job->addChild("file", std::move(nodeName));
    job->setOptions(DriverOptions::of(*raw));
  } else if (const auto* qcow2 = std::get_if<qapi::BlockdevCreateOptionsQcow2>(&options.u)) {
    RHEA_TRY(std::string nodeName, existing(qcow2->file));
    job->addChild("file", std::move(nodeName));
    if (qcow2->dataFile) {
      RHEA_TRY(std::string dataNode, existing(*qcow2->dataFile));
      job->addChild("data-file", std::move(dataNode));
    }
    job->setOptions(DriverOptions::of(*qcow2));
  } else if (const auto* file = std::get_if<qapi::BlockdevCreateOptionsFile>(&options.u)) {
    job->setOptions(DriverOptions::of(*file));
  } else if (const auto* sheepdog = std::get_if<qapi::BlockdevCreateOptionsSheepdog>(&options.u)) {
    job->setOptions(DriverOptions::of(*sheepdog));
  }
  job->setWho(std::move(who));
  return std::unique_ptr<Job>(std::move(job));
}

}  // namespace rhea::block
