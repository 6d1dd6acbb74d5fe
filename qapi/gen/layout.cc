// Which types hold which by value: boxes where a type would hold itself, and an order that C++ accepts.
#include "qapi/gen/check.h"

namespace rhea::gen {

namespace {

// One member or branch that holds another type by value.
struct Edge {
  Entry* owner;
  const Entry* held;
  bool* boxed;
  int priority;  // which edge of a cycle is boxed: the lowest
};

class Layout {
 public:
  Layout(Schema& schema, Complaints& complaints) : schema_(schema), complaints_(complaints) {}

  void run() {
    collect();
    std::ranges::stable_sort(edges_, {}, &Edge::priority);
    for (const Edge& edge : edges_) {
      if (!leadsTo(edge.held, edge.owner)) continue;
      *edge.boxed = true;
      if (edge.priority == kMandatory) {
        complaints_.add(edge.owner->place, fmt::format("it holds '{}', which must hold '{}' again, without end",
                                                       edge.held->name, edge.owner->name));
      }
    }
    for (const auto& file : schema_.files) sort(*file);
  }

 private:
  static constexpr int kMandatory = 3;

  void collect() {
    for (const auto& file : schema_.files) {
      for (const auto& entry : file->entries) {
        for (Member& member : entry->members) {
          if (member.type.entry == nullptr || member.type.list) continue;
          edges_.push_back({entry.get(), member.type.entry, &member.boxed, member.optional ? 1 : kMandatory});
        }
        const bool isUnion = entry->kind == EntryKind::kUnion;
        for (Branch& branch : entry->branches) {
          if (branch.type.entry == nullptr || branch.type.list) continue;
          edges_.push_back({entry.get(), branch.type.entry, &branch.boxed, isUnion ? 2 : 0});
        }
      }
    }
  }

  // Types held by value, those of the base's members included: a base is copied into the struct.
  std::vector<const Entry*> heldBy(const Entry& entry) const {
    std::vector<const Entry*> held;
    for (const Member* member : allMembers(entry)) {
      if (member->type.entry != nullptr && !member->type.list && !member->boxed) held.push_back(member->type.entry);
    }
    for (const Branch& branch : entry.branches) {
      if (branch.type.entry != nullptr && !branch.type.list && !branch.boxed) held.push_back(branch.type.entry);
    }
    return held;
  }

  bool leadsTo(const Entry* from, const Entry* to) const {
    std::vector<const Entry*> seen;
    std::vector<const Entry*> open{from};
    while (!open.empty()) {
      const Entry* at = open.back();
      open.pop_back();
      if (at == to) return true;
      if (std::ranges::find(seen, at) != seen.end()) continue;
      seen.push_back(at);
      for (const Entry* next : heldBy(*at)) open.push_back(next);
    }
    return false;
  }

  void sort(File& file) {
    std::vector<std::unique_ptr<Entry>> before = std::move(file.entries);
    file.entries.clear();
    std::vector<const Entry*> visited;
    const auto place = [&](const auto& self, std::size_t index) -> void {
      if (!before[index] || std::ranges::find(visited, before[index].get()) != visited.end()) return;
      visited.push_back(before[index].get());
      for (const Entry* held : heldBy(*before[index])) {
        const auto found = std::ranges::find(before, held, [](const auto& entry) { return entry.get(); });
        if (found != before.end()) self(self, static_cast<std::size_t>(found - before.begin()));
      }
      file.entries.push_back(std::move(before[index]));
    };
    for (std::size_t index = 0; index < before.size(); ++index) place(place, index);
  }

  Schema& schema_;
  Complaints& complaints_;
  std::vector<Edge> edges_;
};

}  // namespace

void layOut(Schema& schema, Complaints& complaints) { Layout(schema, complaints).run(); }

}  // namespace rhea::gen
