// The reference manual in Markdown and as rhea-qmp-ref(7), the parts of rhea(1) and rhea-shell(1) that the schema
// knows, and the examples, which are run by tests/system.
#include "emu/base/json-writer.h"
#include "qapi/gen/emit.h"
#include "qapi/gen/page.h"

namespace rhea::gen {

namespace {

std::string useText(const TypeUse& use) { return use.list ? "array of " + use.name : use.name; }

std::string memberNote(const Member& member) {
  std::string note = useText(member.type);
  if (member.optional) note += ", optional";
  if (member.defaultValue) note += fmt::format(", {} when left out", member.defaultValue->text());
  if (member.secret) note += ", kept out of logs";
  return note;
}

std::string withFeatures(std::string doc, const std::vector<Feature>& features) {
  for (const Feature& feature : features) doc += fmt::format(" Feature `{}`: {}.", feature.name, feature.doc);
  return doc;
}

std::vector<Item> memberItems(const Entry& entry) {
  std::vector<Item> items;
  for (const Member* member : allMembers(entry)) {
    items.push_back({member->name, memberNote(*member), withFeatures(member->doc, member->features)});
  }
  return items;
}

std::string exampleLine(json::View step) {
  const bool request = step.find("execute") || step.find("exec-oob");
  return (request ? "-> " : "<- ") + step.text();
}

// A long JSON text over several lines, broken behind commas outside of strings.
void putWrapped(std::vector<std::string>& lines, std::string text) {
  constexpr std::size_t kWidth = 74;
  while (text.size() > kWidth) {
    std::size_t cut = 0;
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\\') {
        ++at;
      } else if (text[at] == '"') {
        quoted = !quoted;
      } else if (!quoted && text[at] == ' ') {
        if (at > kWidth && cut > 6) break;
        cut = at;
      }
    }
    if (cut <= 6) break;
    lines.push_back(text.substr(0, cut));
    text = "      " + text.substr(cut + 1);
  }
  lines.push_back(std::move(text));
}

class Reference {
 public:
  Reference(const Program& program, Page& page) : program_(program), page_(page) {}

  void run() {
    for (const auto& file : program_.schema.files) {
      if (!isShown(*file)) continue;
      page_.section(file->subject);
      page_.text(file->doc);
      for (const auto& entry : file->entries) {
        if (entry->kind == EntryKind::kHumanCommand || entry->kind == EntryKind::kOption) continue;
        if (!entry->isType() && !runs(*entry)) continue;
        show(*entry);
      }
    }
  }

 private:
  bool runs(const Entry& entry) const {
    return std::ranges::find(entry.programs, program_.name) != entry.programs.end();
  }

  bool isShown(const File& file) const {
    return std::ranges::any_of(file.entries, [this](const auto& entry) {
      return entry->isType() ||
             ((entry->kind == EntryKind::kCommand || entry->kind == EntryKind::kEvent) && runs(*entry));
    });
  }

  void show(const Entry& entry) {
    constexpr std::string_view kWhat[] = {"struct", "union", "alternate", "enum", "command", "event"};
    page_.entry(entry.name, kWhat[static_cast<std::size_t>(entry.kind)]);
    page_.text(withFeatures(entry.doc, entry.features));
    switch (entry.kind) {
      case EntryKind::kEnum:
        return values(entry);
      case EntryKind::kAlternate:
        return page_.items("One of", branchItems(entry));
      case EntryKind::kUnion:
        page_.items("Members", memberItems(entry));
        return page_.items(fmt::format("Further members by `{}`", entry.discriminator), branchItems(entry));
      case EntryKind::kCommand:
        return command(entry);
      case EntryKind::kEvent:
        data(entry, "Data");
        if (entry.rateLimit > 0) {
          page_.text(fmt::format("Sent at most once in {} ms{}; the newest is always sent.", entry.rateLimit,
                                 entry.rateKey.empty() ? "" : fmt::format(" for each `{}`", entry.rateKey)));
        }
        return example(entry);
      default:
        return page_.items("Members", memberItems(entry));
    }
  }

  void values(const Entry& entry) {
    std::vector<Item> items;
    for (const EnumValue& value : entry.values)
      items.push_back({value.name, "", withFeatures(value.doc, value.features)});
    page_.items("Values", items);
  }

  static std::vector<Item> branchItems(const Entry& entry) {
    std::vector<Item> items;
    for (const Branch& branch : entry.branches) {
      items.push_back(
          {branch.name, "",
           branch.doc.empty() ? useText(branch.type) : fmt::format("{}: {}", useText(branch.type), branch.doc)});
    }
    return items;
  }

  void data(const Entry& entry, std::string_view title) {
    if (entry.base.entry != nullptr) {
      page_.text(fmt::format("{}: the members of {}.", title, entry.base.name));
    } else {
      page_.items(title, memberItems(entry));
    }
  }

  void command(const Entry& entry) {
    data(entry, "Arguments");
    if (entry.returns) page_.text(fmt::format("Returns {}.", useText(*entry.returns)));
    std::vector<Item> errors;
    for (const auto& [name, when] : entry.errors) errors.push_back({name, "", when});
    page_.items("Errors", errors);
    std::string notes = entry.changes ? "Changes something: read-only sessions may not run it." : "Changes nothing.";
    if (entry.allowOob) notes += " May be sent by `exec-oob`.";
    if (entry.allowPreconfig) notes += " Runs before the machine is made, too.";
    if (entry.isNew) notes += " No other emulator has this command.";
    if (entry.deadline > 0) notes += fmt::format(" Without `timeout` it is given {} seconds.", entry.deadline);
    if (entry.human) notes += fmt::format(" Typed by people: `{}`.", entry.human->usage);
    if (!entry.since.empty()) notes += fmt::format(" Since {}.", entry.since);
    page_.text(notes);
    example(entry);
  }

  void example(const Entry& entry) {
    if (!entry.example) return;
    std::vector<std::string> lines;
    for (const json::View step : entry.example->items()) putWrapped(lines, exampleLine(step));
    page_.code(lines);
  }

  const Program& program_;
  Page& page_;
};

void putHumanCommands(const Program& program, Page& page) {
  std::vector<const Entry*> entries;
  for (const Entry* entry : program.commands) {
    if (entry->human) entries.push_back(entry);
  }
  entries.insert(entries.end(), program.humanCommands.begin(), program.humanCommands.end());
  std::ranges::sort(entries, {}, [](const Entry* entry) { return entry->human->words; });
  for (const Entry* entry : entries) {
    const HumanForm& form = *entry->human;
    page.entry(form.usage, "");
    std::string doc = form.doc;
    for (const std::string& alias : form.aliases) doc += fmt::format(" Also `{}`.", alias);
    page.text(doc);
    std::vector<Item> items;
    for (const FormArgument& argument : form.arguments) {
      const std::string term = argument.flag != 0 ? fmt::format("-{}", argument.flag) : argument.member;
      std::string doc2 = argument.doc;
      if (argument.kind == "enum") {
        std::string names;
        for (const EnumValue& value : argument.enumType.entry->values)
          names += (names.empty() ? "" : ", ") + value.name;
        doc2 += fmt::format("{}one of {}", doc2.empty() ? "" : "; ", names);
      }
      if (doc2.empty()) doc2 = argument.kind;
      items.push_back({term, argument.optional && argument.flag == 0 ? "may be left out" : "", doc2});
    }
    page.items("", items);
    if (!form.examples.empty()) page.code(form.examples);
  }
}

void putOptions(const Program& program, Page& page) {
  std::vector<Item> refused;
  for (const Entry* entry : program.options) {
    if (!entry->refusal.empty()) {
      refused.push_back({"-" + entry->name, "", entry->refusal});
      continue;
    }
    std::string title = "-" + entry->name;
    for (const std::string& alias : entry->aliases) title += ", -" + alias;
    if (!entry->argumentsHelp.empty()) title += " " + entry->argumentsHelp;
    page.entry(title, "");
    page.text(entry->doc + (entry->repeats ? " May be given several times." : ""));
    std::vector<Item> items;
    for (const Parameter& parameter : entry->parameters) {
      std::string note = parameter.type;
      if (!parameter.defaultText.empty()) note += fmt::format(", {} when left out", parameter.defaultText);
      items.push_back({parameter.name, note, parameter.doc});
    }
    page.items("", items);
    if (!entry->lines.empty()) page.code(entry->lines);
  }
  if (refused.empty()) return;
  page.entry("Options of other emulators", "");
  page.text("These are known and refused, with the reason:");
  page.items("", refused);
}

constexpr std::string_view kIntroduction =
    "A client connects, reads the greeting, ends the negotiation with `qmp_capabilities`, and then sends commands as "
    "JSON "
    "objects: `execute` names the command, `arguments` holds its arguments, and `id`, of any type, comes back with the "
    "reply. Replies come in the order of the commands; `exec-oob` overtakes. `timeout`, in seconds, bounds how long "
    "the "
    "reply may take. In the examples `...` stands for anything.";

constexpr std::string_view kManual = R"(.Dd November 22, 2026
.Dt RHEA-QMP-REF 7
.Os
.Sh NAME
.Nm rhea-qmp-ref
.Nd commands, events and types of the monitor protocol of rhea
.Sh DESCRIPTION
)";

}  // namespace

void emitReference(const Program& program, Output& output) {
  const std::string note = "Generated by qapi-gen from qapi/*.json; do not edit.";
  MarkdownPage markdown;
  put(markdown.result(), "<!-- {} -->\n# QMP reference of {}\n\n{}\n", note, program.name, kIntroduction);
  Reference(program, markdown).run();
  output.file("docs/qmp-reference.md") = markdown.result();

  MdocPage manual;
  put(manual.result(), ".\\\" {}\n{}", note, kManual);
  manual.text(kIntroduction);
  Reference(program, manual).run();
  manual.result() += ".Sh SEE ALSO\n.Xr rhea 1 ,\n.Xr rhea-shell 1\n";
  output.file("docs/rhea-qmp-ref.7") = manual.result();

  // Parts of pages that are written by hand.
  MdocPage options;
  putOptions(program, options);
  output.file("docs/rhea-options.mdoc") = options.result();
  MdocPage human;
  putHumanCommands(program, human);
  output.file("docs/rhea-commands.mdoc") = human.result();
  MarkdownPage humanMarkdown;
  put(humanMarkdown.result(), "<!-- {} -->\n# Commands of the human monitor\n", note);
  putHumanCommands(program, humanMarkdown);
  output.file("docs/human-commands.md") = humanMarkdown.result();
}

void emitExamples(const Program& program, Output& output) {
  json::Writer writer(json::Writer::Style::kPretty);
  const auto add = [&writer](const Entry& entry, std::string_view kind) {
    writer.beginObject();
    writer.member("name", entry.name);
    writer.member("kind", kind);
    writer.key("example");
    if (entry.example) {
      writer.value(*entry.example);
    } else {
      writer.beginArray();
      for (const std::string& line : entry.human->examples) writer.string(line);
      writer.endArray();
    }
    writer.endObject();
  };
  writer.beginArray();
  for (const Entry* entry : program.commands) {
    if (entry->example) add(*entry, "command");
  }
  for (const Entry* entry : program.events) {
    if (entry->example) add(*entry, "event");
  }
  for (const Entry* entry : program.humanCommands) {
    if (!entry->human->examples.empty()) add(*entry, "human-command");
  }
  writer.endArray();
  output.file("examples.json") = writer.take() + "\n";
}

}  // namespace rhea::gen
