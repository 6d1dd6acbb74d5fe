// Features by name, and the CPU models that -cpu knows.
#include "emu/base/names.h"
#include "target/x86/model.h"

namespace rhea::x86 {

namespace {

using enum Word;

constexpr Feature kFeatures[] = {
    {"fpu", k1Edx, 0, true},
    {"vme", k1Edx, 1, true},
    {"de", k1Edx, 2, true},
    {"pse", k1Edx, 3, true},
    {"tsc", k1Edx, 4, true},
    {"msr", k1Edx, 5, true},
    {"pae", k1Edx, 6, true},
    {"mce", k1Edx, 7, true},
    {"cx8", k1Edx, 8, true},
    {"apic", k1Edx, 9, true},
    {"sep", k1Edx, 11, true},
    {"mtrr", k1Edx, 12, true},
    {"pge", k1Edx, 13, true},
    {"mca", k1Edx, 14, true},
    {"cmov", k1Edx, 15, true},
    {"pat", k1Edx, 16, true},
    {"pse36", k1Edx, 17, true},
    {"pn", k1Edx, 18, false},
    {"clflush", k1Edx, 19, true},
    {"ds", k1Edx, 21, false},
    {"acpi", k1Edx, 22, false},
    {"mmx", k1Edx, 23, true},
    {"fxsr", k1Edx, 24, true},
    {"sse", k1Edx, 25, true},
    {"sse2", k1Edx, 26, true},
    {"ss", k1Edx, 27, true},
    {"ht", k1Edx, 28, true},
    {"tm", k1Edx, 29, false},
    {"pbe", k1Edx, 31, false},
    {"sse3", k1Ecx, 0, true},
    {"pclmulqdq", k1Ecx, 1, true},
    {"dtes64", k1Ecx, 2, false},
    {"monitor", k1Ecx, 3, false},
    {"ds-cpl", k1Ecx, 4, false},
    {"vmx", k1Ecx, 5, false},
    {"smx", k1Ecx, 6, false},
    {"est", k1Ecx, 7, false},
    {"tm2", k1Ecx, 8, false},
    {"ssse3", k1Ecx, 9, true},
    {"cid", k1Ecx, 10, false},
    {"fma", k1Ecx, 12, true},
    {"cx16", k1Ecx, 13, true},
    {"xtpr", k1Ecx, 14, false},
    {"pdcm", k1Ecx, 15, false},
    {"pcid", k1Ecx, 17, true},
    {"dca", k1Ecx, 18, false},
    {"sse4.1", k1Ecx, 19, true},
    {"sse4.2", k1Ecx, 20, true},
    {"x2apic", k1Ecx, 21, true},
    {"movbe", k1Ecx, 22, true},
    {"popcnt", k1Ecx, 23, true},
    {"tsc-deadline", k1Ecx, 24, true},
    {"aes", k1Ecx, 25, true},
    {"xsave", k1Ecx, 26, true},
    {"osxsave", k1Ecx, 27, false},
    {"avx", k1Ecx, 28, true},
    {"f16c", k1Ecx, 29, true},
    {"rdrand", k1Ecx, 30, true},
    {"hypervisor", k1Ecx, 31, true},
    {"fsgsbase", k7Ebx, 0, true},
    {"tsc-adjust", k7Ebx, 1, true},
    {"sgx", k7Ebx, 2, false},
    {"bmi1", k7Ebx, 3, true},
    {"hle", k7Ebx, 4, false},
    {"avx2", k7Ebx, 5, true},
    {"smep", k7Ebx, 7, true},
    {"bmi2", k7Ebx, 8, true},
    {"erms", k7Ebx, 9, true},
    {"invpcid", k7Ebx, 10, true},
    {"rtm", k7Ebx, 11, false},
    {"mpx", k7Ebx, 14, false},
    {"avx512f", k7Ebx, 16, false},
    {"avx512dq", k7Ebx, 17, false},
    {"rdseed", k7Ebx, 18, true},
    {"adx", k7Ebx, 19, true},
    {"smap", k7Ebx, 20, true},
    {"avx512ifma", k7Ebx, 21, false},
    {"clflushopt", k7Ebx, 23, true},
    {"clwb", k7Ebx, 24, true},
    {"intel-pt", k7Ebx, 25, false},
    {"avx512cd", k7Ebx, 28, false},
    {"sha-ni", k7Ebx, 29, true},
    {"avx512bw", k7Ebx, 30, false},
    {"avx512vl", k7Ebx, 31, false},
    {"avx512vbmi", k7Ecx, 1, false},
    {"umip", k7Ecx, 2, true},
    {"pku", k7Ecx, 3, false},
    {"gfni", k7Ecx, 8, false},
    {"avx512-vbmi2", k7Ecx, 6, false},
    {"vaes", k7Ecx, 9, false},
    {"vpclmulqdq", k7Ecx, 10, false},
    {"avx512vnni", k7Ecx, 11, false},
    {"avx512bitalg", k7Ecx, 12, false},
    {"avx512-vpopcntdq", k7Ecx, 14, false},
    {"la57", k7Ecx, 16, false},
    {"rdpid", k7Ecx, 22, true},
    {"fsrm", k7Edx, 4, true},
    {"md-clear", k7Edx, 10, false},
    {"spec-ctrl", k7Edx, 26, false},
    {"stibp", k7Edx, 27, false},
    {"arch-capabilities", k7Edx, 29, false},
    {"ssbd", k7Edx, 31, false},
    {"syscall", k80000001Edx, 11, true},
    {"mp", k80000001Edx, 19, false},
    {"nx", k80000001Edx, 20, true},
    {"mmxext", k80000001Edx, 22, true},
    {"fxsr-opt", k80000001Edx, 25, false},
    {"pdpe1gb", k80000001Edx, 26, true},
    {"rdtscp", k80000001Edx, 27, true},
    {"lm", k80000001Edx, 29, true},
    {"3dnowext", k80000001Edx, 30, false},
    {"3dnow", k80000001Edx, 31, false},
    {"lahf-lm", k80000001Ecx, 0, true},
    {"cmp-legacy", k80000001Ecx, 1, true},
    {"svm", k80000001Ecx, 2, false},
    {"extapic", k80000001Ecx, 3, false},
    {"cr8legacy", k80000001Ecx, 4, false},
    {"abm", k80000001Ecx, 5, true},
    {"sse4a", k80000001Ecx, 6, false},
    {"misalignsse", k80000001Ecx, 7, false},
    {"3dnowprefetch", k80000001Ecx, 8, true},
    {"osvw", k80000001Ecx, 9, false},
    {"ibs", k80000001Ecx, 10, false},
    {"xop", k80000001Ecx, 11, false},
    {"skinit", k80000001Ecx, 12, false},
    {"wdt", k80000001Ecx, 13, false},
    {"fma4", k80000001Ecx, 16, false},
    {"tbm", k80000001Ecx, 21, false},
    {"topoext", k80000001Ecx, 22, false},
    {"perfctr-core", k80000001Ecx, 23, false},
    {"invtsc", k80000007Edx, 8, true},
    {"clzero", k80000008Ebx, 0, false},
    {"xsaveerptr", k80000008Ebx, 2, true},
    {"wbnoinvd", k80000008Ebx, 9, false},
    {"ibpb", k80000008Ebx, 12, false},
    {"amd-ssbd", k80000008Ebx, 24, false},
    {"virt-ssbd", k80000008Ebx, 25, false},
    {"xsaveopt", kD1Eax, 0, true},
    {"xsavec", kD1Eax, 1, true},
    {"xgetbv1", kD1Eax, 2, true},
    {"xsaves", kD1Eax, 3, false},
    {"arat", k6Eax, 2, true},
};

// Other spellings.
constexpr std::pair<const char*, const char*> kAliases[] = {
    {"pni", "sse3"},           {"sse4-1", "sse4.1"}, {"sse4-2", "sse4.2"}, {"lzcnt", "abm"},
    {"sha", "sha-ni"},         {"xd", "nx"},         {"i64", "lm"},        {"ffxsr", "fxsr-opt"},
    {"pclmuldq", "pclmulqdq"}, {"vmx", "vmx"},       {"lahf", "lahf-lm"},  {"syscall64", "syscall"},
};

// Groups that the models are put together from.
constexpr const char* kI486 = "fpu vme pse";
constexpr const char* kPentium = "fpu vme de pse tsc msr mce cx8";
constexpr const char* kP6 = "fpu de pse tsc msr pae mce cx8 apic sep pge cmov pat fxsr";
constexpr const char* kWhole =
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2";

struct Definition {
  const char* name;
  const char* vendor;
  std::uint8_t family, model, stepping;
  std::uint32_t level, extendedLevel;
  const char* base;      // another model's features, or a group
  const char* features;  // more of them
  const char* description;
};

constexpr const char* kIntel = "GenuineIntel";
constexpr const char* kAmd = "AuthenticAMD";

constexpr Definition kModels[] = {
    {"486", kIntel, 4, 8, 0, 1, 0, kI486, "", ""},
    {"pentium", kIntel, 5, 4, 3, 1, 0, kPentium, "", ""},
    {"pentium2", kIntel, 6, 5, 2, 2, 0, kP6, "vme mtrr mca mmx pse36", ""},
    {"pentium3", kIntel, 6, 7, 3, 3, 0, "pentium2", "sse", ""},
    {"athlon", kAmd, 6, 2, 3, 1, 0x80000008, kP6, "vme mtrr mca mmx pse36 mmxext 3dnow 3dnowext",
     "QEMU Virtual CPU version 2.5+"},
    {"qemu32", kIntel, 6, 6, 3, 4, 0x80000004, kP6, "mmx sse sse2 sse3", "QEMU Virtual CPU version 2.5+"},
    {"kvm32", kIntel, 15, 6, 1, 5, 0x80000008, kP6, "mtrr clflush mca pse36 mmx sse sse2 sse3 vme",
     "Common 32-bit KVM processor"},
    {"coreduo", kIntel, 6, 14, 8, 10, 0x80000008, kWhole, "sse3 ss ht nx",
     "Genuine Intel(R) CPU           T2600  @ 2.16GHz"},
    {"n270", kIntel, 6, 28, 2, 10, 0x80000008, kWhole, "sse3 ssse3 movbe nx lahf-lm ss ht",
     "Intel(R) Atom(TM) CPU N270   @ 1.60GHz"},
    {"qemu64", kAmd, 15, 107, 1, 0xd, 0x8000000a, kWhole, "sse3 cx16 syscall nx lm lahf-lm svm",
     "QEMU Virtual CPU version 2.5+"},
    {"kvm64", kIntel, 15, 6, 1, 0xd, 0x80000008, kWhole, "sse3 cx16 syscall nx lm lahf-lm", "Common KVM processor"},
    {"core2duo", kIntel, 6, 15, 11, 10, 0x80000008, kWhole, "sse3 ssse3 cx16 syscall nx lm lahf-lm ss",
     "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz"},
    {"phenom", kAmd, 16, 2, 3, 5, 0x8000001a, kWhole,
     "sse3 cx16 popcnt syscall nx lm lahf-lm mmxext fxsr-opt pdpe1gb rdtscp 3dnow 3dnowext abm sse4a",
     "AMD Phenom(tm) 9550 Quad-Core Processor"},
    {"Opteron_G1", kAmd, 15, 6, 1, 5, 0x80000008, kWhole, "sse3 syscall nx lm",
     "AMD Opteron 240 (Gen 1 Class Opteron)"},
    {"Opteron_G2", kAmd, 15, 6, 1, 5, 0x80000008, "Opteron_G1", "cx16 lahf-lm svm",
     "AMD Opteron 22xx (Gen 2 Class Opteron)"},
    {"Opteron_G3", kAmd, 16, 2, 3, 5, 0x80000008, "Opteron_G2", "popcnt monitor rdtscp misalignsse sse4a abm",
     "AMD Opteron 23xx (Gen 3 Class Opteron)"},
    {"Opteron_G4", kAmd, 21, 1, 2, 0xd, 0x8000001a, "Opteron_G2",
     "pclmulqdq ssse3 sse4.1 sse4.2 popcnt aes xsave avx pdpe1gb rdtscp fma4 xop 3dnowprefetch misalignsse sse4a abm",
     "AMD Opteron 62xx class CPU"},
    {"Opteron_G5", kAmd, 21, 2, 0, 0xd, 0x8000001a, "Opteron_G4", "fma f16c tbm", "AMD Opteron 63xx class CPU"},
    {"Conroe", kIntel, 6, 15, 3, 10, 0x80000008, kWhole, "sse3 ssse3 syscall nx lm lahf-lm",
     "Intel Celeron_4x0 (Conroe/Merom Class Core 2)"},
    {"Penryn", kIntel, 6, 23, 3, 10, 0x80000008, "Conroe", "cx16 sse4.1",
     "Intel Core 2 Duo P9xxx (Penryn Class Core 2)"},
    {"Nehalem", kIntel, 6, 26, 3, 11, 0x80000008, "Penryn", "sse4.2 popcnt",
     "Intel Core i7 9xx (Nehalem Class Core i7)"},
    {"Westmere", kIntel, 6, 44, 1, 11, 0x80000008, "Nehalem", "aes pclmulqdq arat",
     "Westmere E56xx/L56xx/X56xx (Nehalem-C)"},
    {"SandyBridge", kIntel, 6, 42, 1, 0xd, 0x80000008, "Westmere", "avx xsave tsc-deadline x2apic rdtscp xsaveopt",
     "Intel Xeon E312xx (Sandy Bridge)"},
    {"IvyBridge", kIntel, 6, 58, 9, 0xd, 0x80000008, "SandyBridge", "rdrand f16c fsgsbase smep erms",
     "Intel Xeon E3-12xx v2 (Ivy Bridge)"},
    {"Haswell", kIntel, 6, 60, 4, 0xd, 0x80000008, "IvyBridge", "fma movbe pcid bmi1 hle avx2 bmi2 invpcid rtm abm",
     "Intel Core Processor (Haswell)"},
    {"Broadwell", kIntel, 6, 61, 2, 0xd, 0x80000008, "Haswell", "rdseed adx smap 3dnowprefetch",
     "Intel Core Processor (Broadwell)"},
    {"Skylake-Client", kIntel, 6, 94, 3, 0xd, 0x80000008, "Broadwell", "xsavec xgetbv1",
     "Intel Core Processor (Skylake)"},
    {"Skylake-Server", kIntel, 6, 85, 4, 0xd, 0x80000008, "Skylake-Client",
     "pdpe1gb clflushopt clwb avx512f avx512dq avx512bw avx512cd avx512vl", "Intel Xeon Processor (Skylake)"},
    {"Cascadelake-Server", kIntel, 6, 85, 6, 0xd, 0x80000008, "Skylake-Server", "avx512vnni spec-ctrl ssbd",
     "Intel Xeon Processor (Cascadelake)"},
    {"Cooperlake", kIntel, 6, 85, 10, 0xd, 0x80000008, "Cascadelake-Server", "", "Intel Xeon Processor (Cooperlake)"},
    {"Icelake-Server", kIntel, 6, 134, 0, 0xd, 0x80000008, "Cascadelake-Server",
     "umip sha-ni gfni vaes vpclmulqdq rdpid fsrm", "Intel Xeon Processor (Icelake)"},
    {"KnightsMill", kIntel, 6, 133, 0, 0xd, 0x80000008, "Broadwell", "avx512f avx512cd",
     "Intel Xeon Phi Processor (Knights Mill)"},
    {"Denverton", kIntel, 6, 95, 1, 0xd, 0x80000008, "Westmere",
     "movbe tsc-deadline x2apic xsave rdrand fsgsbase smep erms mpx rdseed smap clflushopt sha-ni pdpe1gb rdtscp "
     "3dnowprefetch xsaveopt xsavec xgetbv1",
     "Intel Atom Processor (Denverton)"},
    {"Snowridge", kIntel, 6, 134, 1, 0xd, 0x80000008, "Denverton", "umip clwb gfni",
     "Intel Atom Processor (SnowRidge)"},
    {"EPYC", kAmd, 23, 1, 2, 0xd, 0x8000001e, kWhole,
     "sse3 pclmulqdq ssse3 fma cx16 sse4.1 sse4.2 movbe popcnt aes xsave avx f16c rdrand syscall nx mmxext fxsr-opt "
     "pdpe1gb rdtscp lm lahf-lm svm cr8legacy abm sse4a misalignsse 3dnowprefetch osvw topoext fsgsbase bmi1 avx2 smep "
     "bmi2 rdseed adx smap clflushopt sha-ni xsaveopt xsavec xgetbv1 arat",
     "AMD EPYC Processor"},
    {"Dhyana", "HygonGenuine", 24, 0, 1, 0xd, 0x8000001e, "EPYC", "", "Hygon Dhyana Processor"},
    {"EPYC-Rome", kAmd, 23, 49, 0, 0xd, 0x8000001e, "EPYC",
     "umip rdpid clwb xsaveerptr clzero wbnoinvd ibpb perfctr-core", "AMD EPYC-Rome Processor"},
    {"EPYC-Milan", kAmd, 25, 1, 1, 0xd, 0x8000001e, "EPYC-Rome", "pcid invpcid erms fsrm vaes vpclmulqdq pku",
     "AMD EPYC-Milan Processor"},
};

const Definition* findDefinition(std::string_view name) {
  for (const Definition& d : kModels) {
    if (name == d.name) return &d;
  }
  return nullptr;
}

void addFeatures(Model& model, std::string_view text) {
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view name = text.substr(0, space);
    if (const Feature* feature = findFeature(name)) model.set(*feature, true);
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
}

void addDefinition(Model& model, const Definition& definition) {
  if (const Definition* base = findDefinition(definition.base))
    addDefinition(model, *base);
  else
    addFeatures(model, definition.base);
  addFeatures(model, definition.features);
}

// "Haswell-noTSX-IBRS", "EPYC-v3": versions of a model differ in what T0 does not have.
std::string_view withoutVersion(std::string_view name) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view end : {"-IBRS", "-IBPB", "-noTSX"}) {
      if (name.ends_with(end)) name.remove_suffix(end.size()), again = true;
    }
    const std::size_t v = name.rfind("-v");
    if (v != std::string_view::npos && v + 3 <= name.size() &&
        name.find_first_not_of("0123456789", v + 2) == std::string_view::npos) {
      name = name.substr(0, v);
      again = true;
    }
  }
  return name;
}

}  // namespace

std::span<const Feature> features() { return kFeatures; }

const Feature* findFeature(std::string_view typed) {
  std::string name(typed);
  std::replace(name.begin(), name.end(), '_', '-');
  for (const auto& [alias, meant] : kAliases) {
    if (name == alias) name = meant;
  }
  for (const Feature& feature : kFeatures) {
    if (name == feature.name) return &feature;
  }
  return nullptr;
}

void Model::set(const Feature& feature, bool on) {
  std::uint32_t& word = words[static_cast<std::size_t>(feature.word)];
  const std::uint32_t bit = std::uint32_t{1} << feature.bit;
  word = on ? word | bit : word & ~bit;
}

bool Model::has(std::string_view wanted) const {
  if (wanted == "base") return true;
  const Feature* feature = findFeature(wanted);
  return feature != nullptr && has(feature->word, feature->bit);
}

std::vector<std::string> modelNames() {
  std::vector<std::string> names{"max", "host", "base"};
  for (const Definition& d : kModels) names.emplace_back(d.name);
  return names;
}

namespace {

Result<Model> modelNamed(std::string_view typed) {
  Model model;
  model.name = typed;
  if (typed == "max" || typed == "host") {
    model.vendor = kAmd;
    model.extendedLevel = 0x8000000a;
    model.description = "rhea T0";
    for (const Feature& feature : kFeatures) {
      if (feature.implemented) model.set(feature, true);
    }
    return model;
  }
  if (typed == "base") {
    model.level = 0;
    model.extendedLevel = 0;
    return model;
  }
  const Definition* definition = findDefinition(typed);
  if (definition == nullptr) definition = findDefinition(withoutVersion(typed));
  if (definition == nullptr) {
    std::vector<std::string> known = modelNames();
    return Error(fmt::format("CPU model '{}' is not known", typed)).candidates(nearestNames(typed, known));
  }
  model.vendor = definition->vendor;
  model.description = definition->description;
  model.family = definition->family;
  model.modelNumber = definition->model;
  model.stepping = definition->stepping;
  model.level = definition->level;
  model.extendedLevel = definition->extendedLevel;
  addDefinition(model, *definition);
  model.set(*findFeature("hypervisor"), true);
  // What T0 does not execute is not offered; x2APIC and deadline timer come with every model, as with other
  // accelerators.
  for (const Feature& feature : kFeatures) {
    if (!feature.implemented) model.set(feature, false);
  }
  model.set(*findFeature("x2apic"), true);
  return model;
}

Result<void> applyFeature(Model& model, std::string_view word) {
  bool on = true;
  std::string_view name = word;
  if (word.starts_with("+") || word.starts_with("-")) {
    on = word[0] == '+';
    name = word.substr(1);
  } else if (const std::size_t equals = word.find('='); equals != std::string_view::npos) {
    name = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (name == "model-id") {
      model.description = value;
      return success();
    }
    if (name == "vendor") {
      if (value.size() != 12)
        return Error(fmt::format("-cpu: vendor has 12 characters, '{}' has {}", value, value.size()));
      model.vendor = value;
      return success();
    }
    if (value != "on" && value != "off") return Error(fmt::format("-cpu: '{}' is on or off, not '{}'", name, value));
    on = value == "on";
  }
  if (name == "check" || name == "enforce" || name == "migratable") return success();
  const Feature* feature = findFeature(name);
  if (feature == nullptr) {
    std::vector<std::string> known;
    for (const Feature& f : kFeatures) known.emplace_back(f.name);
    return Error(fmt::format("-cpu: feature '{}' is not known", name)).candidates(nearestNames(name, known));
  }
  if (on && !feature->implemented)
    return Error(fmt::format("-cpu: feature '{}' is not there: the interpreter does not execute it", feature->name));
  model.set(*feature, on);
  if (std::string_view(feature->name) == "hypervisor") model.hypervisor = on;
  return success();
}

}  // namespace

Result<Model> findModel(std::string_view text) {
  const std::size_t comma = text.find(',');
  RHEA_TRY(Model model, modelNamed(text.substr(0, comma)));
  while (comma != std::string_view::npos && !text.empty()) {
    const std::size_t next = text.find(',');
    if (next == std::string_view::npos) break;
    text = text.substr(next + 1);
    RHEA_CHECK(applyFeature(model, text.substr(0, text.find(','))));
  }
  return model;
}

}  // namespace rhea::x86
