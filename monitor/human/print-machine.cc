// Printers of the machine, its monitors, character devices, I/O threads, jobs and objects.
#include "monitor/human/print-rooms.h"
#include "monitor/human/table.h"
#include "qapi/commands-chardev.h"
#include "qapi/commands-control.h"
#include "qapi/commands-guest.h"
#include "qapi/commands-jobs.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-object.h"

namespace rhea::monitor {

namespace {

Result<std::string> printVersion(const PrintRequest& request) {
  RHEA_TRY(const auto version, json::readJson<qapi::VersionInfo>(request.reply));
  return fmt::format("{}.{}.{} ({})\n", version.qemu.major, version.qemu.minor, version.qemu.micro, version.package);
}

Result<std::string> printStatus(const PrintRequest& request) {
  RHEA_TRY(const auto status, json::readJson<qapi::StatusInfo>(request.reply));
  std::string text = status.running ? "VM status: running" : "VM status: paused";
  const std::string_view state = toString(status.status);
  if (!status.running && state != "paused") text += fmt::format(" ({})", state);
  return text + "\n";
}

Result<std::string> printName(const PrintRequest& request) {
  RHEA_TRY(const auto name, json::readJson<qapi::NameInfo>(request.reply));
  return name.name ? *name.name + "\n" : std::string("(the machine has no name: -name gives it one)\n");
}

Result<std::string> printUuid(const PrintRequest& request) {
  RHEA_TRY(const auto uuid, json::readJson<qapi::UuidInfo>(request.reply));
  return uuid.uuid + "\n";
}

Result<std::string> printChardevs(const PrintRequest& request) {
  RHEA_TRY(const auto chardevs, json::readJson<std::vector<qapi::ChardevInfo>>(request.reply));
  if (chardevs.empty()) return std::string("no character device\n");
  Table table({Column("id"), Column("in use"), Column("where", Align::kLeft, true)});
  for (const qapi::ChardevInfo& one : chardevs) {
    table.addRow({one.label, one.frontendOpen ? "yes" : "no", one.filename});
  }
  return table.render(request.dress);
}

Result<std::string> printIothreads(const PrintRequest& request) {
  RHEA_TRY(const auto threads, json::readJson<std::vector<qapi::IOThreadInfo>>(request.reply));
  if (threads.empty()) return std::string("no I/O thread: -object iothread,id=NAME makes one\n");
  Table table({Column("id"), Column("thread", Align::kRight), Column("poll-max-ns", Align::kRight)});
  for (const qapi::IOThreadInfo& one : threads) {
    table.addRow({one.id, std::to_string(one.threadId), std::to_string(one.pollMaxNs)});
  }
  return table.render(request.dress);
}

Result<std::string> printCpus(const PrintRequest& request) {
  RHEA_TRY(const auto cpus, json::readJson<std::vector<qapi::CpuInfoFast>>(request.reply));
  if (cpus.empty()) return std::string("no CPU: -machine q35 has some\n");
  Table table({Column("CPU", Align::kRight), Column("thread", Align::kRight), Column("socket", Align::kRight),
               Column("core", Align::kRight), Column("thread of core", Align::kRight)});
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string("-");
  };
  for (const qapi::CpuInfoFast& one : cpus) {
    const qapi::CpuInstanceProperties place = one.props.value_or(qapi::CpuInstanceProperties());
    table.addRow({std::to_string(one.cpuIndex), std::to_string(one.threadId), number(place.socketId),
                  number(place.coreId), number(place.threadId)});
  }
  return table.render(request.dress);
}

Result<std::string> printJobs(const PrintRequest& request) {
  RHEA_TRY(const auto jobs, json::readJson<std::vector<qapi::JobInfo>>(request.reply));
  if (jobs.empty()) return std::string("no job\n");
  Table table({Column("id"), Column("kind"), Column("state"), Column("progress", Align::kRight), Column("error")});
  for (const qapi::JobInfo& one : jobs) {
    const double total = static_cast<double>(one.totalProgress);
    const std::string progress =
        total > 0 ? fmt::format("{:.0f} %", 100 * static_cast<double>(one.currentProgress) / total) : std::string();
    table.addRow(
        {one.id, std::string(toString(one.type)), std::string(toString(one.status)), progress, one.error.value_or("")});
  }
  return table.render(request.dress);
}

Result<std::string> printObjects(const PrintRequest& request) {
  RHEA_TRY(const auto list, json::readJson<std::vector<qapi::ObjectPropertyInfo>>(request.reply));
  Table table({Column("name"), Column("type")});
  for (const qapi::ObjectPropertyInfo& one : list) table.addRow({one.name, one.type});
  return list.empty() ? std::string("(nothing)\n") : table.render(request.dress);
}

Result<std::string> printValue(const PrintRequest& request) {
  if (request.reply.isString()) return std::string(request.reply.asString()) + "\n";
  return printAny(request);
}

// Bytes as they are, a line of their own.
Result<std::string> printText(const PrintRequest& request) {
  if (!request.reply.isString()) return printAny(request);
  std::string text(request.reply.asString());
  if (!text.empty() && text.back() != '\n') text.push_back('\n');
  return text;
}

Result<std::string> printLines(const PrintRequest& request) {
  RHEA_TRY(const auto lines, json::readJson<qapi::HumanReadableText>(request.reply));
  return lines.humanReadableText;
}

constexpr PrinterRow kRows[] = {
    {"qom-get", printValue},          {"qom-list", printObjects},          {"query-cpus-fast", printCpus},
    {"query-chardev", printChardevs}, {"query-iothreads", printIothreads}, {"query-jobs", printJobs},
    {"query-name", printName},        {"query-status", printStatus},       {"query-uuid", printUuid},
    {"query-version", printVersion},  {"ringbuf-read", printText},         {"x-query-jit", printLines},
};

}  // namespace

std::span<const PrinterRow> machinePrinters() { return kRows; }

}  // namespace rhea::monitor
