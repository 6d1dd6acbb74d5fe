#include "emu/mem/flatten.h"

namespace rhea::mem {

namespace {

// The part of a range from `first` to `last`.
FlatRange cut(const FlatRange& range, GuestAddress first, GuestAddress last) {
  FlatRange part = range;
  part.target.offset += first - range.first;
  part.first = first;
  part.last = last;
  return part;
}

// Adds to `view` what of `range` is not taken yet; `view` stays sorted.
void addBelow(std::vector<FlatRange>& view, const FlatRange& range) {
  std::vector<FlatRange> parts;
  GuestAddress next = range.first;
  bool covered = false;
  for (const FlatRange& taken : view) {
    if (taken.last < next) continue;
    if (taken.first > range.last) break;
    if (taken.first > next) parts.push_back(cut(range, next, taken.first - 1));
    if (taken.last >= range.last) {
      covered = true;
      break;
    }
    next = taken.last + 1;
  }
  if (!covered) parts.push_back(cut(range, next, range.last));
  view.insert(view.end(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  std::ranges::sort(view, {}, &FlatRange::first);
}

}  // namespace

std::vector<FlatRange> flatten(std::vector<FlatRange> hidingFirst) {
  std::vector<FlatRange> view;
  for (const FlatRange& range : hidingFirst) addBelow(view, range);
  return view;
}

}  // namespace rhea::mem
