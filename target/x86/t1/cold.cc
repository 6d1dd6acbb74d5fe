// What lies behind the hot code: where it leads when a probe misses, when somebody asks for something, and over edges
// that have not been linked.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

// The flags are where they were before the probe. Behind it they are where the hot code has them.
void Translator::singly(const Shared& shared) {
  flags_ = shared.flagsBefore;
  recipe_ = shared.recipe;
  for (unsigned n = 0; n < shared.count; ++n) {
    index_ = shared.first + n;
    instruction(index_);
  }
  if (shared.back == 0) return;
  if (shared.flags == Flags::kState || shared.flags == Flags::kBoth) saveFlags();
  if (shared.flags == Flags::kHost || shared.flags == Flags::kBoth) needFlags();
  e_.jumpTo(shared.back);
}

namespace {

// Of what counts an edge's passes: a subtraction and a jump.
constexpr std::uint32_t kCounting = 9 + 6;

}  // namespace

// Edges of the hot code are behind it, not far away: most code is passed too seldom for anything better.
void Translator::edges() {
  for (const Cold& cold : cold_) {
    if (cold.kind != Cold::kEdge) continue;
    e_.patch(cold.jump, e_.here());
    passEdge(cold);
  }
  std::erase_if(cold_, [](const Cold& cold) { return cold.kind == Cold::kEdge; });
}

// The flags go to the state, and on to where Engine::link() says.
void Translator::passEdge(const Cold& cold) {
  engine_.siteAt(cold.site).cold = e_.here();
  if (cold.recipe == kNoRecipe)
    emitFlagsToState(e_);
  else
    repeatCold(cold.recipe);
  e_.op(0x83, 5, Mem::state(area(&cpu_.area.heat[cold.site % Area::kHeats])), false);  // sub
  e_.byte(1);
  const std::uint32_t hot = e_.jumpIf(4);
  const std::uint32_t via = e_.jump();
  e_.patch(via, e_.here());
  e_.patch(hot, e_.here());
  engine_.siteAt(cold.site).via = via;
  leaveFor(cold);
}

void Translator::stopCounting(const CodeCache& cache, const Site& edge) {
  const std::uint32_t jump = edge.via - 1;
  std::uint8_t* const counting = cache.writable(jump - kCounting);
  counting[0] = 0xeb;
  counting[1] = kCounting - 2;
}

// Behind a probe's miss: the same instruction once more, which writes to a copy of its operand.
void Translator::writeCopy(std::uint32_t miss, std::uint32_t start) {
  const auto written = std::ranges::find(written_, start, &Written::start);
  if (written == written_.end()) return e_.dword(0);
  e_.dword(e_.here() + 8 - miss);
  e_.dword(written->bytes);
  const std::uint8_t* const code = engine_.cache_->writable(start);
  // It raises what it raises there.
  for (std::size_t n = 0, count = cold_.size(); engine_.raises_ && n < count; ++n) {
    Cold raise = cold_[n];
    if (raise.kind != Cold::kRaise || raise.jump < start || raise.jump >= written->end) continue;
    raise.jump += e_.here() - start;
    cold_.push_back(raise);
  }
  for (std::uint32_t n = 0; n < written->end - start; ++n) e_.byte(code[n]);
  e_.bytes({0x4c, 0x8d, 0x1d});  // lea r11, [rip + distance]
  e_.dword(written->end - (e_.here() + 4));
  e_.op(0xff, 4, Mem::state(area(cpu_.area.mover.data())), false);  // jmp
}

// The flags are in the state.
void Translator::leaveFor(const Cold& cold) {
  if (cold.kind == Cold::kVectors || cold.kind == Cold::kX87) {
    e_.constant(kTemp0, cold.rip);
    e_.store(Mem::state(gprOffset(kRipRegister)), kTemp0);
    // lea r11, [rip + distance]: where to go on.
    e_.bytes({0x4c, 0x8d, 0x1d});
    e_.dword(cold.site - (e_.here() + 4));
    return e_.jumpTo(cold.kind == Cold::kX87 ? engine_.gates_.loadX87 : engine_.gates_.loadVectors);
  }
  const bool link = cold.kind == Cold::kLink || cold.kind == Cold::kEdge;
  e_.constant(kTemp0, link ? cold.site : native_->number);
  e_.jumpTo(engine_.gates_.leave);
}

void Translator::coldCode() {
  windows_ = hot_ = false;
  if (loopsItself_ && (native_->vector || native_->x87)) {
    native_->checked = e_.here();
    atEntry();
    liveChecks();
    e_.jumpTo(body_);
  }
  // Others look at their start, and leave there first of all.
  if (entryFlags_.inHost) {
    native_->left = e_.here();
    emitFlagsToState(e_);
    leaveFor({Cold::kLeave, 0, 0, rip_});
  }
  // What is translated here leaves more of its own.
  for (std::size_t n = 0; n < cold_.size(); ++n) {
    const Cold cold = cold_[n];
    // From the hot code, or from what was translated here. Whoever leaves at the start with the flags in the state
    // leaves alike.
    const bool again = cold.kind == Cold::kLeave && entryFlags_.inState() && native_->left != 0;
    const std::uint32_t distance = (again ? native_->left : e_.here()) - (cold.jump + 4);
    if (cold.kind != Cold::kBehind && cold.kind != Cold::kRaise)
      std::memcpy(engine_.cache_->writable(cold.jump), &distance, 4);
    if (again) continue;
    switch (cold.kind) {
      case Cold::kRaise:
        engine_.generations_[engine_.cache_->now()].raising[cold.jump] = e_.here();
        if (cold.fixed)
          emitFlagsToState(e_);
        else
          repeatCold(cold.recipe);
        e_.constant(kTemp0, cold.site);
        e_.jumpTo(engine_.gates_.step);
        [[fallthrough]];
      case Cold::kBehind:
        engine_.siteAt(cold.site).where = e_.here();
        e_.constant(kTemp0, cold.rip);
        e_.store(Mem::state(gprOffset(kRipRegister)), kTemp0);
        e_.constant(kTemp0, Engine::kNoSite);
        e_.jumpTo(engine_.gates_.leave);
        break;
      case Cold::kStep:
        repeatCold(cold.recipe);
        e_.constant(kTemp0, cold.site);
        e_.jumpTo(engine_.gates_.step);
        break;
      case Cold::kMissRead:
      case Cold::kMissWrite: {
        repeatCold(cold.recipe);
        if (cold.fixed) e_.move(kTemp2, kTemp0);
        const std::uint32_t self = e_.here();
        e_.bytes({0x4c, 0x8d, 0x1d});  // lea r11, [rip - 7]: this
        e_.dword(static_cast<std::uint32_t>(-7));
        e_.jumpTo(engine_.gates_.refill[cold.kind == Cold::kMissWrite ? 1 : 0]);
        e_.dword(cold.site);
        e_.dword(static_cast<std::uint32_t>(cold.rip) - self);
        if (cold.kind == Cold::kMissRead || cold.copied == 0)
          e_.dword(cold.copied == 0 ? 0 : cold.copied - self);
        else
          writeCopy(self, cold.copied);
        break;
      }
      case Cold::kWindow: {
        const WindowMiss missed = windowMisses_[cold.site];
        if (missed.second != 0) {
          const std::uint32_t other = e_.here() - (missed.second + 4);
          std::memcpy(engine_.cache_->writable(missed.second), &other, 4);
        }
        missed.access.stack ? stackMissed(missed) : windowMissed(missed);
        break;
      }
      case Cold::kTarget: {
        repeatCold(cold.recipe);
        e_.store(Mem::state(area(&cpu_.area.missedTag)), kTemp2);
        const std::uint32_t self = e_.here();
        e_.bytes({0x4c, 0x8d, 0x3d});  // lea r15, [rip - 7]: this
        e_.dword(static_cast<std::uint32_t>(-7));
        e_.jumpTo(engine_.gates_.lookAgain);
        e_.dword(cold.site);
        e_.dword(static_cast<std::uint32_t>(cold.rip) - self);
        break;
      }
      case Cold::kSingly:
        singly(shared_[cold.site]);
        break;
      case Cold::kArrival:
        e_.bytes({0x65, 0x83});
        e_.modrm(7, Mem::state(offsetof(State, pending)));
        e_.byte(0);
        cold_.push_back({Cold::kLeave, e_.jumpIf(5), 0, rip_, cold.recipe});
        // Who need not look at requests comes here.
        native_->checked = e_.here();
        lookForVectors();
        cold_.push_back({Cold::kVectors, e_.jumpIf(5), native_->live, rip_, cold.recipe});
        e_.jumpTo(native_->live);
        break;
      case Cold::kCount:
        repeatCold(cold.recipe);
        e_.bytes({0x65, 0x48, 0x83});  // add
        e_.modrm(0, Mem::state(area(&cpu_.area.budget)));
        e_.byte(block_.count);
        leaveFor(cold);
        break;
      case Cold::kEdge:
        passEdge(cold);
        break;
      case Cold::kLink:
        engine_.siteAt(cold.site).cold = e_.here();
        leaveFor(cold);
        break;
      case Cold::kLeave:
        if (native_->left == 0) native_->left = e_.here();
        [[fallthrough]];
      case Cold::kVectors:
      case Cold::kX87:
        repeatCold(cold.recipe);
        leaveFor(cold);
        break;
    }
  }
}

}  // namespace rhea::x86::t1
