// CPU models by name, and what -cpu changes about them.
#include <fmt/format.h>

#include <charconv>

#include "emu/base/names.h"
#include "target/x86/model-table.h"
#include "target/x86/model.h"

namespace rhea::x86 {

namespace {

// Words between separators, first to last.
template <class Use>
void forEachWord(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

const ModelRow* findRow(std::string_view name) {
  const std::span<const ModelRow> rows = modelRows();
  const auto found = std::ranges::find(rows, name, &ModelRow::name);
  return found == rows.end() ? nullptr : &*found;
}

std::string versionName(std::string_view name, unsigned number) { return fmt::format("{}-v{}", name, number); }

void change(Model& model, std::string_view changes) {
  forEachWord(changes, ' ', [&](std::string_view word) {
    const bool on = !word.starts_with('-');
    if (const Feature* feature = findFeature(on ? word : word.substr(1))) model.set(*feature, on);
  });
}

void addRow(Model& model, const ModelRow& row) {
  if (const ModelRow* base = findRow(row.base)) addRow(model, *base);
  change(model, row.changes);
}

void addVersion(Model& model, const ModelVersion& version) {
  change(model, version.changes);
  model.modelNumber = version.model;
  model.stepping = version.stepping;
  if (*version.description != '\0') model.description = version.description;
}

// What every 64-bit model has besides, as QEMU's accelerators add theirs to its models: it costs the guest less time.
// One that has no room for it in the leaves that it ends with goes without.
constexpr std::string_view kAdditions[] = {
    "invtsc",        // the counter is virtual time, on each vCPU: without it Linux trusts no TSC of more than one
    "tsc-deadline",  // no tenth of a second to find out how fast the APIC's timer runs
    "arat",          // which goes on in idle states, so that no other timer has to
    "pcid", "invpcid"};

bool hasLeaf(const Model& model, Word word) {
  switch (word) {
    case Word::k6Eax:
      return model.level >= 6;
    case Word::k7Ebx:
      return model.level >= 7;
    case Word::k80000007Edx:
      return model.extendedLevel >= 0x80000007;
    default:
      return true;
  }
}

void addAdditions(Model& model) {
  if (!model.has("lm")) return;
  for (const std::string_view name : kAdditions) {
    const Feature& feature = *findFeature(name);
    if (hasLeaf(model, feature.word)) model.set(feature, true);
  }
}

// Which row and which of its versions a name means; nullptr: none.
std::pair<const ModelRow*, unsigned> resolve(std::string_view typed) {
  if (const ModelRow* row = findRow(typed)) return {row, 1};
  for (const ModelVersion& version : modelVersions()) {
    if (typed == version.alias || typed == versionName(version.of, version.number))
      return {findRow(version.of), version.number};
  }
  return {typed.ends_with("-v1") ? findRow(typed.substr(0, typed.size() - 3)) : nullptr, 1};
}

Result<std::uint32_t> number(std::string_view name, std::string_view text, std::uint32_t most) {
  const bool hex = text.starts_with("0x");
  const std::string_view digits = hex ? text.substr(2) : text;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size() || value > most)
    return Error(fmt::format("-cpu: {} is a number up to {}, not '{}'", name, most, text));
  return value;
}

constexpr std::string_view kSettings[] = {"vendor", "model-id",  "family",  "model", "stepping",  "level",
                                          "xlevel", "phys-bits", "enforce", "check", "migratable"};

}  // namespace

std::span<const std::string_view> additions() { return kAdditions; }

void Model::set(const Feature& feature, bool on) {
  const auto word = static_cast<std::size_t>(feature.word);
  const std::uint32_t bit = std::uint32_t{1} << feature.bit;
  words[word] = on && feature.implemented ? words[word] | bit : words[word] & ~bit;
  missing[word] = on && !feature.implemented ? missing[word] | bit : missing[word] & ~bit;
}

bool Model::has(std::string_view wanted) const {
  if (wanted == "base") return true;
  const Feature* feature = findFeature(wanted);
  return feature != nullptr && has(feature->word, feature->bit);
}

Result<void> Model::set(std::string_view key, std::string_view value) {
  if (key == "model-id") {
    description = value;
    return success();
  }
  if (key == "vendor") {
    if (value.size() != 12)
      return Error(fmt::format("-cpu: vendor has 12 characters, '{}' has {}", value, value.size()));
    vendor = value;
    return success();
  }
  struct Number {
    std::string_view name;
    std::uint32_t& place;
    std::uint32_t most;
  };
  const Number numbers[] = {
      {"family", family, 0xff + 0xf}, {"model", modelNumber, 0xff},           {"stepping", stepping, 0xf},
      {"level", level, 0x7fffffff},   {"xlevel", extendedLevel, 0xffffffffU}, {"phys-bits", physicalBits, 52}};
  for (const Number& known : numbers) {
    if (key != known.name) continue;
    RHEA_TRY(known.place, number(key, value, known.most));
    return success();
  }
  if (value != "on" && value != "off") return Error(fmt::format("-cpu: '{}' is on or off, not '{}'", key, value));
  const bool on = value == "on";
  if (key == "enforce") {
    enforce = on;
    return success();
  }
  if (key == "check") {
    quiet = !on;
    return success();
  }
  if (key == "migratable") return success();
  const Feature* feature = findFeature(key);
  if (feature == nullptr) {
    std::vector<std::string> known(std::begin(kSettings), std::end(kSettings));
    for (const Feature& f : features()) known.emplace_back(f.name);
    return Error(fmt::format("-cpu: feature '{}' is not known", key))
        .candidates(nearestNames(key, known))
        .hint("-cpu help lists models and features");
  }
  set(*feature, on);
  return success();
}

void Model::raiseLevels() {
  const auto any = [&](Word word) {
    return (words[static_cast<std::size_t>(word)] | missing[static_cast<std::size_t>(word)]) != 0;
  };
  const auto basic = [&](bool needed, std::uint32_t leaf) {
    if (needed) level = std::max(level, leaf);
  };
  const auto extended = [&](bool needed, std::uint32_t leaf) {
    if (needed) extendedLevel = std::max(extendedLevel, leaf);
  };
  basic(any(Word::k6Eax), 6);
  basic(any(Word::k7Ebx) || any(Word::k7Ecx) || any(Word::k7Edx), 7);
  basic(any(Word::kD1Eax) || has("xsave"), 0xd);
  extended(any(Word::k80000001Edx) || any(Word::k80000001Ecx), 0x80000001);
  extended(any(Word::k80000007Edx), 0x80000007);
  extended(any(Word::k80000008Ebx), 0x80000008);
  extended(any(Word::k8000000aEdx), 0x8000000a);
}

std::vector<std::string> Model::unavailable() const {
  std::vector<std::string> names;
  for (const Feature& feature : features()) {
    if (lacks(feature)) names.emplace_back(feature.name);
  }
  return names;
}

std::vector<ModelName> modelNames() {
  std::vector<ModelName> names{{"max", "", "everything that the interpreter executes", false},
                               {"host", "", "the same as max", false},
                               {"base", "", "nothing but what is added", true}};
  for (const ModelRow& row : modelRows()) {
    names.push_back({row.name, versionName(row.name, 1), row.description, true});
    names.push_back({versionName(row.name, 1), "", row.description, true});
    std::string_view description = row.description;
    for (const ModelVersion& version : modelVersions()) {
      if (std::string_view(version.of) != row.name) continue;
      const std::string name = versionName(row.name, version.number);
      if (*version.description != '\0') description = version.description;
      if (*version.alias != '\0') names.push_back({version.alias, name, std::string(description), true});
      names.push_back({name, "", std::string(description), true});
    }
  }
  return names;
}

Result<Model> modelNamed(std::string_view typed) {
  Model model;
  model.name = typed;
  model.set(*findFeature("hypervisor"), true);
  if (typed == "max" || typed == "host") {
    model.vendor = "AuthenticAMD";
    model.description = "rhea T0";
    for (const Feature& feature : features()) {
      if (feature.implemented) model.set(feature, true);
    }
    return model;
  }
  if (typed == "base") {
    model.level = 0;
    model.extendedLevel = 0;
    return model;
  }
  const auto [row, last] = resolve(typed);
  if (row == nullptr) {
    std::vector<std::string> known;
    for (ModelName& name : modelNames()) known.push_back(std::move(name.name));
    return Error(fmt::format("CPU model '{}' is not known", typed))
        .candidates(nearestNames(typed, known))
        .hint("-cpu help lists the models");
  }
  model.vendor = row->vendor;
  model.description = row->description;
  model.family = row->family;
  model.modelNumber = row->model;
  model.stepping = row->stepping;
  model.level = row->level;
  model.extendedLevel = row->extendedLevel;
  addRow(model, *row);
  for (const ModelVersion& version : modelVersions()) {
    if (std::string_view(version.of) == row->name && version.number <= last) addVersion(model, version);
  }
  addAdditions(model);
  // Without 64-bit mode addresses have 32 bits, or the 36 of four-megabyte pages.
  if (!model.has("lm")) model.physicalBits = model.has("pse36") ? 36 : 32;
  return model;
}

Result<Model> findModel(std::string_view text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  RHEA_TRY(Model model, modelNamed(text.substr(0, comma)));
  Result<void> result = success();
  forEachWord(text.substr(std::min(comma + 1, text.size())), ',', [&](std::string_view word) {
    if (!result.ok() || word.empty()) return;
    const bool sign = word[0] == '+' || word[0] == '-';
    const std::size_t equals = word.find('=');
    const std::string_view name = sign ? word.substr(1) : word.substr(0, equals);
    const std::string_view value = sign                               ? word[0] == '+' ? "on" : "off"
                                   : equals == std::string_view::npos ? "on"
                                                                      : word.substr(equals + 1);
    result = model.set(name, value);
    const Feature* feature = findFeature(name);
    if (result.ok() && feature != nullptr && value == "on" && !feature->implemented) {
      result =
          Error(fmt::format("-cpu: feature '{}' is not there: the interpreter does not execute it", feature->name));
    }
  });
  RHEA_CHECK(std::move(result));
  if (const std::vector<std::string> names = model.unavailable(); model.enforce && !names.empty()) {
    return Error(fmt::format("-cpu: the interpreter does not have all of {}: {}", model.name, fmt::join(names, ", ")))
        .hint("without 'enforce' the guest sees the model without them");
  }
  model.raiseLevels();
  return model;
}

}  // namespace rhea::x86
