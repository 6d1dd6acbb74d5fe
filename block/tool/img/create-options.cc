#include "block/tool/img/create-options.h"

#include "emu/base/json-writer.h"
#include "emu/base/names.h"
#include "emu/base/size.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

template <class Struct>
Result<DriverOptions> readAs(json::View members) {
  RHEA_TRY(Struct options, json::readJson<Struct>(members, {}, json::Spelling::kKeyval));
  return DriverOptions::of(std::move(options));
}

constexpr CreateKey kRawKeys[] = {
    {"size", "size", "<size>", "", "size of the disk", true},
    {"preallocation", "preallocation", "<str>", "", "how its space is laid out: off, falloc or full"},
};

constexpr CreateKey kQcow2Keys[] = {
    {"compat", "version", "<str>", "", "version of the format: 0.10 (v2) or 1.1 (v3)", true},
    {"cluster_size", "cluster-size", "<size>", "65536", "unit in which it takes space, 512 to 2M"},
    {"extended_l2", "extended-l2", "<bool (on/off)>", "off", "divide clusters into 32 subclusters"},
    {"compression_type", "compression-type", "<str>", "zlib", "how compressed clusters are compressed: zlib or zstd"},
    {"size", "size", "<size>", "", "size of the disk", true},
    {"backing_file", "backing-file", "<str>", "", "file that shows where the image has no data", true},
    {"backing_fmt", "backing-fmt", "<str>", "", "format of the backing file", true},
    {"data_file", "", "<str>", "", "file that takes the disk's data", true},
    {"data_file_raw", "data-file-raw", "<bool (on/off)>", "", "the data file is a raw image at any time", true},
    {"lazy_refcounts", "lazy-refcounts", "<bool (on/off)>", "off", "write refcounts when the image is closed", true},
    {"preallocation", "preallocation", "<str>", "", "how space is laid out: off, metadata, falloc or full"},
    {"refcount_bits", "refcount-bits", "<num>", "16", "width of a refcount: 1, 2, 4, 8, 16, 32 or 64", true},
};

// Named by the place, not by -f: what lies in a cluster is a raw disk.
constexpr CreateKey kSheepdogKeys[] = {
    {"size", "size", "<size>", "", "size of the disk"},
    {"backing_file", "", "<str>", "", "snapshot of which the disk is a clone, as sheepdog:VDI#TAG"},
    {"preallocation", "", "<str>", "", "whether space is given at once: off or full"},
    {"redundancy", "", "<str>", "", "copies, or strips of data and parity: 3 or 4:2; the cluster's own when left out"},
    {"object_size", "", "<size>", "", "unit in which it is stored, 1M to 2G; the cluster's own when left out"},
};

constexpr CreateForm kForms[] = {
    {"qcow2", kQcow2Keys, readAs<qapi::BlockdevCreateOptionsQcow2>},
    {"raw", kRawKeys, readAs<qapi::BlockdevCreateOptionsRaw>},
    {"sheepdog", kSheepdogKeys, nullptr},
};

const CreateKey* findKey(const CreateForm& form, std::string_view name) {
  for (const CreateKey& key : form.keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

Error unknownKey(const CreateForm& form, std::string_view name) {
  std::vector<std::string_view> known;
  for (const CreateKey& key : form.keys) known.push_back(key.name);
  Error error(fmt::format("format {} has no option '{}'", form.format, name));
  std::vector<std::string> near = nearestNames(name, known);
  if (near.empty()) return std::move(error).hint("-o help lists them");
  return std::move(error).candidates(std::move(near));
}

// The schema's spelling of a value.
std::string inSchema(const CreateKey& key, const std::string& value) {
  if (key.member != "version") return value;
  return value == "0.10" ? "v2" : value == "1.1" ? "v3" : value;
}

bool countsBytes(const CreateKey& key) { return key.value == "<size>"; }

}  // namespace

Result<const CreateForm*> createFormOf(std::string_view format) {
  for (const CreateForm& form : kForms) {
    if (form.format == format) return &form;
  }
  return Error(fmt::format("images of format '{}' cannot be made", format)).candidates(creatableFormats());
}

std::vector<std::string> creatableFormats() {
  std::vector<std::string> names;
  for (const CreateForm& form : kForms) names.emplace_back(form.format);
  return names;
}

Result<Keyval> readCreateOptions(const CreateForm& form, std::span<const std::string> texts, bool amending) {
  Keyval all;
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    RHEA_TRY(const Keyval options, Keyval::parse(text));
    for (const Keyval::Entry& entry : options.entries()) {
      const CreateKey* const key = findKey(form, entry.key);
      if (key == nullptr) return unknownKey(form, entry.key);
      if (amending && !key->amendable) {
        return Error(fmt::format("'{}' of an image that exists cannot change", entry.key))
            .hint("rhea-img convert makes a new image of other options");
      }
      std::string value = entry.value;
      if (countsBytes(*key)) {
        Result<std::uint64_t> bytes = parseSize(value);
        if (!bytes) return bytes.takeError().context(fmt::format("-o {}", key->name));
        value = fmt::format("{}", *bytes);
      }
      all.take(entry.key);
      all.set(entry.key, std::move(value));
    }
  }
  return all;
}

bool wantsOptionHelp(std::span<const std::string> texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
    const Result<Keyval> options = Keyval::parse(text, "help");
    return text == "help" || text == "?" || (options.ok() && options->wantsHelp());
  });
}

std::string optionHelp(const CreateForm& form, bool amending) {
  std::vector<const CreateKey*> keys;
  for (const CreateKey& key : form.keys) {
    if (!amending || key.amendable) keys.push_back(&key);
  }
  std::sort(keys.begin(), keys.end(), [](const CreateKey* a, const CreateKey* b) { return a->name < b->name; });
  std::string text = amending ? fmt::format("Options of {} that can change:\n", form.format)
                              : fmt::format("Options of format {}:\n", form.format);
  for (const CreateKey* key : keys) {
    text += fmt::format("  {:<22} - {}\n", fmt::format("{}={}", key->name, key->value), key->doc);
  }
  return text;
}

Result<DriverOptions> driverOptionsOf(const CreateForm& form, const Keyval& options, std::uint64_t size) {
  if (form.read == nullptr) return Error(fmt::format("format {} lies in no file", form.format));
  json::Writer members;
  members.beginObject();
  // The struct names the node that takes the image; what creates it here gives the node itself.
  members.member("file", "#image");
  members.member("size", fmt::format("{}", size));
  for (const Keyval::Entry& entry : options.entries()) {
    const CreateKey* const key = findKey(form, entry.key);
    if (key == nullptr || key->member.empty() || key->name == "size") continue;
    members.member(key->member, inSchema(*key, entry.value));
  }
  if (const Keyval::Entry* const data = options.find("data_file"); data != nullptr && !data->value.empty()) {
    members.member("data-file", "#data");
  }
  members.endObject();
  RHEA_TRY(const json::Value value, json::parse(members.take()));
  return form.read(value);
}

std::string shownOptions(const CreateForm& form, const Keyval& options, std::uint64_t size) {
  std::string text;
  for (const CreateKey& key : form.keys) {
    const Keyval::Entry* const given = options.find(key.name);
    std::string value = given != nullptr ? given->value : std::string(key.otherwise);
    if (key.name == "size") value = fmt::format("{}", size);
    if (!value.empty()) text += fmt::format("{}{}={}", text.empty() ? "" : " ", key.name, value);
  }
  return text;
}

}  // namespace rhea::block
