#include "block/options/drive-options.h"

#include "block/options/file-name.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::block {

namespace {

constexpr std::string_view kKeys[] = {
    "addr",
    "aio",
    "bus",
    "cache",
    "copy-on-read",
    "cyls",
    "detect-zeroes",
    "discard",
    "driver",
    "file",
    "format",
    "heads",
    "id",
    "if",
    "index",
    "media",
    "node-name",
    "read-only",
    "readonly",
    "rerror",
    "secs",
    "serial",
    "snapshot",
    "stats-account-failed",
    "stats-account-invalid",
    "stats-intervals",
    "trans",
    "unit",
    "werror",
};

// How drives of an interface are counted and named.
struct InterfaceRow {
  std::string_view name;
  unsigned unitsPerBus;  // 0: no buses, units only
};
constexpr InterfaceRow kInterfaces[] = {
    {"none", 0}, {"ide", 2}, {"scsi", 7}, {"floppy", 0}, {"pflash", 0}, {"mtd", 0}, {"sd", 0}, {"virtio", 0},
};

// One setting of throttling.*: the name on the wire, the older one, and where it goes.
struct ThrottleRow {
  std::string_view name;
  std::string_view classic;
  BucketKind kind;
};
constexpr ThrottleRow kThrottles[] = {
    {"bps-total", "bps", BucketKind::kBytesTotal},    {"bps-read", "bps_rd", BucketKind::kBytesRead},
    {"bps-write", "bps_wr", BucketKind::kBytesWrite}, {"iops-total", "iops", BucketKind::kOpsTotal},
    {"iops-read", "iops_rd", BucketKind::kOpsRead},   {"iops-write", "iops_wr", BucketKind::kOpsWrite},
};

Error badValue(std::string_view key, std::string_view value, std::string expected) {
  return Error(fmt::format("'{}' is no value for {}", value, key))
      .where(std::string(key))
      .expected(std::move(expected));
}

// Takes the drive's own keys out of the option's; the rest describes the node.
class DriveReader {
 public:
  DriveReader(Keyval options, unsigned index) : options_(std::move(options)), index_(index) {}

  Result<DriveOptions> read() {
    RHEA_CHECK(readPlace());
    RHEA_CHECK(readGeometry());
    RHEA_CHECK(readPolicies());
    RHEA_CHECK(readCache());
    RHEA_CHECK(readThrottle());
    RHEA_CHECK(readStatistics());
    RHEA_TRY(drive_.snapshot, takeBool("snapshot"));
    RHEA_CHECK(readNode());
    return std::move(drive_);
  }

 private:
  Result<std::optional<bool>> takeBool(std::string_view key) {
    const std::optional<std::string> value = options_.take(key);
    if (!value) return std::optional<bool>();
    if (*value == "on" || *value == "yes" || *value == "true") return std::optional<bool>(true);
    if (*value == "off" || *value == "no" || *value == "false") return std::optional<bool>(false);
    return badValue(key, *value, "on or off");
  }

  Result<std::optional<std::uint64_t>> takeNumber(std::string_view key) {
    const std::optional<std::string> value = options_.take(key);
    if (!value) return std::optional<std::uint64_t>();
    const Result<std::uint64_t> number = parseSize(*value);
    if (!number) return badValue(key, *value, "a number");
    return std::optional<std::uint64_t>(*number);
  }

  Result<void> readPlace() {
    DrivePlace& place = drive_.place;
    if (std::optional<std::string> name = options_.take("if")) place.interface = *std::move(name);
    const auto row = std::find_if(std::begin(kInterfaces), std::end(kInterfaces),
                                  [&](const InterfaceRow& known) { return known.name == place.interface; });
    if (row == std::end(kInterfaces))
      return badValue("if", place.interface, "none, ide, scsi, floppy, pflash, mtd, sd or virtio");
    if (std::optional<std::string> media = options_.take("media")) {
      if (*media != "disk" && *media != "cdrom") return badValue("media", *media, "disk or cdrom");
      place.cdrom = *media == "cdrom";
    }
    RHEA_TRY(const std::optional<std::uint64_t> index, takeNumber("index"));
    RHEA_TRY(const std::optional<std::uint64_t> bus, takeNumber("bus"));
    RHEA_TRY(const std::optional<std::uint64_t> unit, takeNumber("unit"));
    if (index && (bus || unit))
      return Error("index and bus,unit both say where the drive goes").expected("one of them");
    const unsigned number = index ? static_cast<unsigned>(*index) : index_;
    const unsigned perBus = row->unitsPerBus;
    place.bus = bus ? static_cast<unsigned>(*bus) : (perBus == 0 || unit ? 0 : number / perBus);
    place.unit = unit ? static_cast<unsigned>(*unit) : (perBus == 0 ? number : number % perBus);
    if (perBus != 0 && place.unit >= perBus) {
      return badValue("unit", std::to_string(place.unit),
                      fmt::format("below {}: so many has a bus of {}", perBus, row->name));
    }
    if (std::optional<std::string> id = options_.take("id")) {
      RHEA_CHECK(checkId(*id));
      drive_.disk.id = *std::move(id);
    } else if (perBus != 0) {
      drive_.disk.id = fmt::format("{}{}-{}{}", place.interface, place.bus, place.cdrom ? "cd" : "hd", place.unit);
    } else {
      drive_.disk.id = fmt::format("{}{}", place.interface, place.unit);
    }
    return success();
  }

  Result<void> readGeometry() {
    static constexpr std::string_view kNames[] = {"cyls", "heads", "secs"};
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      RHEA_TRY(drive_.place.geometry[i], takeNumber(kNames[i]));
    }
    if (std::optional<std::string> trans = options_.take("trans")) {
      if (*trans != "none" && *trans != "lba" && *trans != "auto")
        return badValue("trans", *trans, "none, lba or auto");
    }
    drive_.place.serial = options_.take("serial").value_or("");
    drive_.place.address = options_.take("addr").value_or("");
    return success();
  }

  Result<void> readPolicies() {
    drive_.disk.removable = drive_.place.cdrom || drive_.place.interface == "floppy";
    RHEA_TRY(const std::optional<bool> readonly, takeBool("readonly"));
    RHEA_TRY(const std::optional<bool> readOnly, takeBool("read-only"));
    if (readonly && readOnly) return Error("readonly and read-only are the same").expected("one of them");
    drive_.disk.readOnly = readonly.value_or(readOnly.value_or(drive_.place.cdrom));
    if (drive_.place.cdrom && !drive_.disk.readOnly)
      return Error("a CD cannot be written: media=cdrom with readonly=off");
    if (const std::optional<std::string> policy = options_.take("werror")) {
      RHEA_TRY(drive_.disk.writeError, onErrorOf(*policy));
    }
    if (const std::optional<std::string> policy = options_.take("rerror")) {
      RHEA_TRY(drive_.disk.readError, onErrorOf(*policy));
      if (drive_.disk.readError == OnError::kNoSpace)
        return badValue("rerror", *policy, "report, ignore or stop: reads need no space");
    }
    RHEA_TRY(const std::optional<bool> copyOnRead, takeBool("copy-on-read"));
    drive_.copyOnRead = copyOnRead.value_or(false);
    if (drive_.copyOnRead && drive_.disk.readOnly)
      return Error("copy-on-read writes to the image, readonly=on forbids it");
    return success();
  }

  Result<void> readCache() {
    if (const std::optional<std::string> mode = options_.take("cache")) {
      RHEA_TRY(drive_.cache, cacheSwitchesOf(*mode));
    }
    RHEA_TRY(const std::optional<bool> writeback, takeBool("cache.writeback"));
    RHEA_TRY(const std::optional<bool> direct, takeBool("cache.direct"));
    RHEA_TRY(const std::optional<bool> noFlush, takeBool("cache.no-flush"));
    drive_.cache.writeback = writeback.value_or(drive_.cache.writeback);
    drive_.cache.direct = direct.value_or(drive_.cache.direct);
    drive_.cache.noFlush = noFlush.value_or(drive_.cache.noFlush);
    RHEA_CHECK(checkHostChoice(drive_.cache));
    drive_.disk.writeback = drive_.cache.writeback;
    return success();
  }

  // Under its name, or the older one of the same setting; not both.
  Result<std::optional<std::uint64_t>> takeEither(const std::string& name, const std::string& classic) {
    RHEA_TRY(const std::optional<std::uint64_t> value, takeNumber(name));
    RHEA_TRY(const std::optional<std::uint64_t> older, takeNumber(classic));
    if (value && older) return Error(fmt::format("{} and {} are the same", name, classic)).expected("one of them");
    return value ? value : older;
  }

  Result<void> readThrottle() {
    for (const ThrottleRow& row : kThrottles) {
      BucketLimit& limit = drive_.throttle.of(row.kind);
      const std::string name = fmt::format("throttling.{}", row.name);
      const std::string classic(row.classic);
      RHEA_TRY(const std::optional<std::uint64_t> average, takeEither(name, classic));
      RHEA_TRY(const std::optional<std::uint64_t> burst, takeEither(name + "-max", classic + "_max"));
      RHEA_TRY(const std::optional<std::uint64_t> length, takeEither(name + "-max-length", classic + "_max_length"));
      limit.average = average.value_or(0);
      limit.burst = burst.value_or(0);
      limit.burstLength = length.value_or(1);
    }
    RHEA_TRY(const std::optional<std::uint64_t> opSize, takeEither("throttling.iops-size", "iops_size"));
    drive_.throttle.opSize = opSize.value_or(0);
    drive_.throttleGroup = options_.take("throttling.group").value_or("");
    return drive_.throttle.check();
  }

  Result<void> readStatistics() {
    RHEA_TRY(const std::optional<bool> failed, takeBool("stats-account-failed"));
    RHEA_TRY(const std::optional<bool> invalid, takeBool("stats-account-invalid"));
    drive_.disk.accountFailed = failed.value_or(true);
    drive_.disk.accountInvalid = invalid.value_or(true);
    while (true) {
      const std::string key = fmt::format("stats-intervals.{}", drive_.disk.statsIntervals.size());
      RHEA_TRY(const std::optional<std::uint64_t> seconds, takeNumber(key));
      if (!seconds) return success();
      drive_.disk.statsIntervals.push_back(*seconds);
    }
  }

  Result<void> readNode() {
    RHEA_CHECK(readDriver());
    const bool noFile = options_.find("file") == nullptr && options_.find("file.driver") == nullptr &&
                        options_.find("file.filename") == nullptr && options_.find("filename") == nullptr;
    if (noFile && options_.find("driver") == nullptr) {
      drive_.empty = drive_.disk.removable;
      if (!drive_.empty) return Error("the drive has no image").expected("file=NAME, or a driver that needs none");
      return success();
    }
    RHEA_CHECK(placeFile());
    setNodeSwitches();
    useDiscardWord();
    RHEA_TRY(const json::Text text, options_.toJson());
    RHEA_TRY(const json::Value tree, json::parse(text));
    Result<qapi::BlockdevOptions> node = json::readJson<qapi::BlockdevOptions>(tree, {}, json::Spelling::kKeyval);
    if (!node.ok()) return inDriveWords(node.takeError());
    drive_.node = *std::move(node);
    return success();
  }

  // The node's reader knows nothing of the keys that were a drive's.
  Error inDriveWords(Error error) const {
    const std::string place(error.whereText());
    if (place == "driver" && format_) {
      return Error(fmt::format("there is no format '{}'", *format_))
          .where("format")
          .candidates(std::vector<std::string>(error.candidateNames()));
    }
    const Keyval::Entry* given = options_.find(place);
    if (given == nullptr || !error.message().starts_with("unknown member")) return error;
    std::vector<std::string> names = nearestNames(place, std::span<const std::string_view>(kKeys));
    if (names.empty()) {
      // As they are written here: "file.locking".
      const std::string group = place.substr(0, place.rfind('.') + 1);
      for (const std::string& name : error.candidateNames()) names.push_back(group + name);
    }
    return Error(fmt::format("a drive has no option '{}'", place)).where(place).candidates(std::move(names));
  }

  Result<void> readDriver() {
    format_ = options_.take("format");
    if (!format_) return success();
    const Keyval::Entry* driver = options_.find("driver");
    if (driver != nullptr && driver->value != *format_) {
      return Error(fmt::format("format={} and driver={} contradict one another", *format_, driver->value));
    }
    if (driver == nullptr) options_.set("driver", *format_);
    return success();
  }

  // file=NAME names what the protocol opens: below a format, or the node itself when its driver is a protocol.
  Result<void> placeFile() {
    const Keyval::Entry* driver = options_.find("driver");
    drive_.formatKnown = driver != nullptr;
    const bool isProtocol = driver != nullptr && isProtocolDriver(driver->value);
    const std::string prefix = isProtocol ? "" : "file.";
    if (const std::optional<std::string> name = options_.take("file")) {
      RHEA_TRY(const FileName file, parseFileName(*name));
      if (isProtocol && file.driver != driver->value && file.explicitDriver) {
        return Error(fmt::format("driver={} cannot open '{}'", driver->value, *name));
      }
      if (!isProtocol && options_.find("file.driver") == nullptr) options_.set("file.driver", file.driver);
      for (const auto& [key, value] : file.options) options_.set(prefix + key, value);
    } else if (!isProtocol && options_.find("file.driver") == nullptr && options_.find("file.filename") != nullptr) {
      options_.set("file.driver", "file");
    }
    if (const std::optional<std::string> aio = options_.take("aio")) options_.set(prefix + "aio", *aio);
    if (!drive_.formatKnown) options_.set("driver", "raw");  // what stays where probing finds nothing else
    return success();
  }

  void setNodeSwitches() {
    options_.set("read-only", drive_.disk.readOnly ? "on" : "off");
    options_.set("cache.direct", drive_.cache.direct ? "on" : "off");
    options_.set("cache.no-flush", drive_.cache.noFlush ? "on" : "off");
  }

  // A drive knows two more words for the node's two.
  void useDiscardWord() {
    const Keyval::Entry* const given = options_.find("discard");
    if (given == nullptr) return;
    if (given->value == "on") options_.set("discard", "unmap");
    if (given->value == "off") options_.set("discard", "ignore");
  }

  Keyval options_;
  std::optional<std::string> format_;  // as it was given
  unsigned index_;
  DriveOptions drive_;
};

}  // namespace

Result<DriveOptions> parseDrive(std::string_view text, unsigned index) {
  RHEA_TRY(Keyval options, Keyval::parse(text, "file"));
  return DriveReader(std::move(options), index).read();
}

std::span<const std::string_view> driveKeys() { return kKeys; }

}  // namespace rhea::block
