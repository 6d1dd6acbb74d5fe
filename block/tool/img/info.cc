// rhea-img info: what an image is.
#include "block/tool/img/open.h"
#include "block/tool/img/print.h"
#include "block/tool/img/verbs.h"
#include "qapi/types-block-types.h"

namespace rhea::block {

namespace {

void writeSnapshot(json::Writer& to, const SnapshotInfo& snapshot) {
  to.beginObject();
  if (snapshot.instructions) to.member("icount", *snapshot.instructions);
  to.member("vm-clock-nsec", snapshot.vmClock % 1000000000);
  to.member("name", snapshot.name);
  to.member("date-sec", snapshot.dateSeconds);
  to.member("date-nsec", snapshot.dateNanoseconds);
  to.member("vm-clock-sec", snapshot.vmClock / 1000000000);
  to.member("id", snapshot.id);
  to.member("vm-state-size", snapshot.vmStateBytes);
  to.endObject();
}

void writeImage(json::Writer& to, const ImageFacts& facts) {
  const ImageInfo& info = facts.info;
  to.beginObject();
  if (!info.snapshots.empty()) {
    to.key("snapshots");
    to.beginArray();
    for (const SnapshotInfo& snapshot : info.snapshots) writeSnapshot(to, snapshot);
    to.endArray();
  }
  if (!info.backingFormat.empty()) to.member("backing-filename-format", info.backingFormat);
  to.member("virtual-size", info.virtualSize);
  to.member("filename", facts.shownName);
  if (info.clusterSize) to.member("cluster-size", *info.clusterSize);
  to.member("format", facts.name.format);
  if (info.actualSize) to.member("actual-size", *info.actualSize);
  if (info.encrypted) to.member("encrypted", true);
  if (info.compressed) to.member("compressed", true);
  if (const auto* specific = info.specific.find<qapi::ImageInfoSpecific>()) {
    to.key("format-specific");
    to.raw(json::toText(*specific));
  }
  if (!info.backingFile.empty()) {
    to.member("full-backing-filename", info.fullBackingFile);
    to.member("backing-filename", info.backingFile);
  }
  to.member("dirty-flag", info.dirty.value_or(false));
  to.endObject();
}

std::string forPeople(const ImageFacts& facts) {
  const ImageInfo& info = facts.info;
  std::string text = fmt::format("image: {}\nfile format: {}\nvirtual size: {} ({} bytes)\ndisk size: {}\n",
                                 facts.shownName, facts.name.format, sizeForPeople(info.virtualSize), info.virtualSize,
                                 info.actualSize ? sizeForPeople(*info.actualSize) : "unavailable");
  if (info.encrypted) text += "encrypted: yes\n";
  if (info.clusterSize) text += fmt::format("cluster_size: {}\n", *info.clusterSize);
  if (info.dirty.value_or(false)) text += "cleanly shut down: no\n";
  if (!info.backingFile.empty()) {
    text += fmt::format("backing file: {}", info.backingFile);
    if (info.fullBackingFile != info.backingFile) text += fmt::format(" (actual path: {})", info.fullBackingFile);
    text += '\n';
    if (!info.backingFormat.empty()) text += fmt::format("backing file format: {}\n", info.backingFormat);
  }
  if (!info.snapshots.empty()) text += "Snapshot list:\n" + snapshotTable(info.snapshots);
  if (const auto* specific = info.specific.find<qapi::ImageInfoSpecific>()) {
    const Result<json::Value> told = json::parse(json::toText(*specific));
    const std::optional<json::View> data = told.ok() ? told->find("data") : std::nullopt;
    if (data) text += "Format specific information:\n" + indentedLines(*data, 1);
  }
  return text;
}

}  // namespace

Task<Result<int>> imgInfo(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const OutputForm form, outputForm(call.value("output")));
  OpenWish wish;
  wish.forceShare = call.has("force-share");
  std::vector<ImageFacts> chain;
  if (call.has("backing-chain")) {
    RHEA_CO_TRY(chain, co_await examineChain(session, imageNameOf(call, 0), wish));
  } else {
    RHEA_CO_TRY(ImageFacts facts, co_await examineImage(session, imageNameOf(call, 0), wish));
    chain.push_back(std::move(facts));
  }
  if (form == OutputForm::kHuman) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
      session.print("{}{}", i == 0 ? "" : "\n", forPeople(chain[i]));
    }
    co_return 0;
  }
  json::Writer writer(json::Writer::Style::kPretty);
  const bool asList = call.has("backing-chain");
  if (asList) writer.beginArray();
  for (const ImageFacts& each : chain) writeImage(writer, each);
  if (asList) writer.endArray();
  session.print("{}\n", writer.take());
  co_return 0;
}

}  // namespace rhea::block
