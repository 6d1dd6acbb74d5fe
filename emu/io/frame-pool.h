// Memory of coroutine frames: a list per thread and size, because every request of a disk makes and frees a dozen of
// them. Bounded, and given back when its thread ends. Under sanitizers each frame is an allocation of its own, so that
// they see what happens to it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace rhea::detail {

class FramePool {
 public:
  static void* take(std::size_t bytes) {
    const std::size_t place = placeOf(bytes);
    if (!kUsed || place >= kSizes) return ::operator new(bytes);
    List& list = lists_[place];
    Free* const frame = list.first;
    if (frame == nullptr) return takeNew(place);
    list.first = frame->next;
    list.count--;
    return frame;
  }

  static void give(void* memory, std::size_t bytes) noexcept {
    const std::size_t place = placeOf(bytes);
    if (!kUsed || place >= kSizes) return ::operator delete(memory);
    List& list = lists_[place];
    if (list.count >= kMost) return ::operator delete(memory);
    list.first = new (memory) Free{list.first};
    list.count++;
  }

 private:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr bool kUsed = false;
#else
  static constexpr bool kUsed = true;
#endif
  static constexpr std::size_t kStep = 64;    // bytes between sizes
  static constexpr std::size_t kSizes = 16;   // up to 1 KiB
  static constexpr std::uint32_t kMost = 64;  // frames kept of each

  struct Free {
    Free* next;
  };
  struct List {
    Free* first;
    std::uint32_t count;  // kMost once the thread ends, so that nothing is kept any more
  };
  struct AtThreadEnd {
    ~AtThreadEnd();
  };

  static std::size_t placeOf(std::size_t bytes) { return (bytes - 1) / kStep; }
  static void* takeNew(std::size_t place);

  static thread_local constinit std::array<List, kSizes> lists_;
};

inline thread_local constinit std::array<FramePool::List, FramePool::kSizes> FramePool::lists_{};

}  // namespace rhea::detail
