// Random numbers of the kinds that find bugs: extremes, near misses, and in vectors the special numbers of each format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rhea::x86::test {

// splitmix64: short, good enough, the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T, std::size_t kCount>
  T pick(const T (&from)[kCount]) {
    return from[below(kCount)];
  }

 private:
  std::uint64_t state_;
};

std::uint64_t randomInteger(Random& random);
// Singles, doubles, halves, integers or text, one kind for the whole of `to`.
void randomLanes(Random& random, std::span<std::uint8_t> to);
// Ten bytes, also of the encodings that no instruction makes.
void randomExtended(Random& random, std::uint8_t* to);

}  // namespace rhea::x86::test
