#include "emu/base/names.h"

#include <cctype>

namespace rhea {

namespace {

char folded(char letter) {
  if (letter == '_' || letter == '.' || letter == ' ') return '-';
  return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

std::string fold(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), folded);
  return text;
}

// Optimal string alignment distance: insert, delete, replace, swap neighbours. Stops counting above `bound`.
std::size_t distance(std::string_view a, std::string_view b, std::size_t bound) {
  if (a.size() > b.size() + bound || b.size() > a.size() + bound) return bound + 1;
  std::vector<std::size_t> older(b.size() + 1);
  std::vector<std::size_t> old(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) old[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, old[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], older[j - 2] + 1);
    }
    std::swap(older, old);
    std::swap(old, row);
  }
  return old[b.size()];
}

template <class Names>
std::vector<std::string> nearest(std::string_view typed, const Names& known, std::size_t most) {
  // Names longer than this are no typing slips, and comparing them is quadratic.
  constexpr std::size_t kLongest = 128;
  if (typed.empty() || typed.size() > kLongest) return {};
  const std::string wanted = fold(typed);
  const std::size_t bound = wanted.size() <= 2 ? 1 : wanted.size() <= 5 ? 2 : wanted.size() / 3 + 1;
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  for (const std::string_view name : known) {
    if (name.size() > kLongest) continue;
    const std::string candidate = fold(name);
    std::size_t rank = distance(wanted, candidate, bound);
    if (rank > bound && wanted.size() >= 3 && candidate.starts_with(wanted)) rank = bound;
    if (rank <= bound) ranked.emplace_back(rank, name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ranked.size() && i < most; ++i) names.emplace_back(ranked[i].second);
  return names;
}

bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isIdCharacter(char c) { return isLetter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; }

}  // namespace

std::vector<std::string> nearestNames(std::string_view typed, std::span<const std::string_view> known,
                                      std::size_t most) {
  return nearest(typed, known, most);
}

std::vector<std::string> nearestNames(std::string_view typed, std::span<const std::string> known, std::size_t most) {
  return nearest(typed, known, most);
}

bool isWellFormedId(std::string_view id) {
  return !id.empty() && isLetter(id.front()) && std::all_of(id.begin(), id.end(), isIdCharacter);
}

Result<void> checkId(std::string_view id) {
  constexpr std::string_view kRule = "a letter, then letters, digits, '-', '.' and '_'";
  if (isWellFormedId(id)) return success();
  if (id.empty()) return Error("an id cannot be empty").expected(std::string(kRule));
  if (!isLetter(id.front())) {
    return Error(fmt::format("'{}' is no id: it begins with '{}'", id, id.front())).expected(std::string(kRule));
  }
  const auto* const wrong = std::find_if_not(id.begin(), id.end(), isIdCharacter);
  return Error(fmt::format("'{}' is no id: '{}' is not allowed in it", id, *wrong)).expected(std::string(kRule));
}

}  // namespace rhea
