#include "emu/cpu/vcpu-set.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace rhea::cpu {

namespace {

// Signals belong to other threads; a fault of our own code still ends the program.
void blockSignals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// Completes when as many have arrived as were awaited.
struct Arrivals {
  explicit Arrivals(std::size_t count) : left(count) {}
  void arrive() {
    if (left.fetch_sub(1) == 1) all.set();
  }
  std::atomic<std::size_t> left;
  Event all;
};

}  // namespace

VcpuSet::VcpuSet(object::RunState& runState, object::VirtualClock& clock) : runState_(runState), clock_(clock) {
  runState_.observe(*this, object::RunState::Layer::kCpus);
}

VcpuSet::~VcpuSet() {
  runState_.forget(*this);
  for (const auto& place : places_) place->vcpu->post(kEnd);
  for (const auto& place : places_) {
    if (place->thread.joinable()) place->thread.join();
  }
}

void VcpuSet::add(std::unique_ptr<Vcpu> vcpu) {
  places_.push_back(std::make_unique<Place>());
  places_.back()->vcpu = std::move(vcpu);
  places_.back()->vcpu->onSleep([this] { clock_.settle(); });
  if (turns_ != nullptr) turns_->add(*places_.back()->vcpu);
  places_.back()->vcpu->post(kPause);
}

void VcpuSet::start() {
  started_ = true;
  if (turns_ != nullptr) {
    places_.front()->thread = std::thread([this] { threadOfAll(); });
  } else {
    for (const auto& place : places_) place->thread = std::thread([this, at = place.get()] { thread(*at); });
  }
  if (runState_.running()) machineResumed();
}

void VcpuSet::thread(Place& place) {
  blockSignals();
  pthread_setname_np(pthread_self(), fmt::format("CPU {}/rhea", place.vcpu->index()).c_str());
  place.vcpu->setHostThread(::gettid());
  for (;;) {
    place.paused.store(true);
    changed_.set();
    if (!place.vcpu->waitWhilePaused()) return;
    place.paused.store(false);
    place.vcpu->run();
  }
}

void VcpuSet::threadOfAll() {
  blockSignals();
  pthread_setname_np(pthread_self(), "CPUs/rhea");
  for (const auto& place : places_) place->vcpu->setHostThread(::gettid());
  const auto all = [this](bool paused) {
    for (const auto& place : places_) place->paused.store(paused);
    changed_.set();
  };
  turns_->run([&all] { all(true); }, [&all] { all(false); });
}

bool VcpuSet::allPaused() const {
  return std::all_of(places_.begin(), places_.end(), [](const auto& place) { return place->paused.load(); });
}

Task<Result<void>> VcpuSet::machineStopped() {
  const unsigned resumes = resumes_;
  for (const auto& place : places_) place->vcpu->post(kPause);
  while (started_ && resumes == resumes_ && !allPaused()) {
    changed_.reset();
    if (allPaused()) break;
    static_cast<void>(co_await changed_.wait());
  }
  if (resumes == resumes_) clock_.stop();
  co_return success();
}

void VcpuSet::machineResumed() {
  if (held_) return;
  ++resumes_;
  changed_.set();
  clock_.start();
  if (!started_) return;
  for (const auto& place : places_) place->vcpu->unpause();
}

Task<void> VcpuSet::onEach(std::function<void(Vcpu&)> work) {
  if (!started_) {
    for (const auto& place : places_) work(*place->vcpu);
    co_return;
  }
  auto arrivals = std::make_shared<Arrivals>(places_.size());
  for (const auto& place : places_) {
    place->vcpu->runOn([work, arrivals, vcpu = place->vcpu.get()] {
      work(*vcpu);
      arrivals->arrive();
    });
  }
  if (!places_.empty()) static_cast<void>(co_await arrivals->all.wait());
}

Task<void> VcpuSet::on(std::size_t index, std::function<void(Vcpu&)> work) {
  Vcpu& vcpu = *places_[index]->vcpu;
  if (!started_) {
    work(vcpu);
    co_return;
  }
  auto arrivals = std::make_shared<Arrivals>(1);
  vcpu.runOn([work, arrivals, &vcpu] {
    work(vcpu);
    arrivals->arrive();
  });
  static_cast<void>(co_await arrivals->all.wait());
}

// One that rests is not woken: many processors of a guest are halted while one of them starts programs, and each page
// of new code would wake them all. It owes the drop. Why none of its stores goes unseen: whoever asks has marked the
// page and left his note before he finds that it rests, and the vCPU says that it rests no more before it reads its
// requests. So it finds the note, and by it the marks: its next store to the page goes where they are looked at. What
// it stored before it rested is there for whoever has found that it does.
void VcpuSet::dropWritesOfOthers(Vcpu& self) {
  if (turns_ != nullptr) {
    for (const auto& place : places_) {
      if (place->vcpu.get() != &self) place->vcpu->dropWrites();
    }
    return;
  }
  auto left = std::make_shared<std::atomic<unsigned>>(0);
  for (const auto& place : places_) {
    Vcpu& other = *place->vcpu;
    if (&other == &self || other.noteToOneThatRests(kWrites)) continue;
    left->fetch_add(1);
    // Which drops the writes first.
    other.runOn([&self, left] {
      left->fetch_sub(1);
      self.post(kWork);  // wakes it
    });
  }
  // At the program's end threads leave without an answer.
  while (left->load() != 0 && !self.ending()) self.workOrWait([&] { return left->load() == 0; });
}

void WriteRounds::Round::complete(Vcpu& self) {
  rounds_.count_.fetch_add(1, std::memory_order_relaxed);
  rounds_.set_.dropWritesOfOthers(self);
}

void VcpuSet::alone(Vcpu& self, const std::function<void()>& work) {
  if (turns_ != nullptr) return work();  // the others stand
  // One at a time: two that hold one another would wait for ever. Whoever waits here lets itself be held.
  while (oneIsAlone_.exchange(true)) {
    if (self.ending()) return work();
    self.workOrWait([&] { return !oneIsAlone_.load(); });
  }
  auto released = std::make_shared<std::atomic<bool>>(false);
  auto standing = std::make_shared<std::atomic<std::size_t>>(0);
  const std::size_t others = places_.size() - 1;
  for (const auto& place : places_) {
    if (place->vcpu.get() == &self) continue;
    place->vcpu->runOn([released, standing, &self] {
      standing->fetch_add(1);
      self.post(kWork);  // wakes it
      released->wait(false);
    });
  }
  while (standing->load() != others && !self.ending()) self.workOrWait([&] { return standing->load() == others; });
  work();
  released->store(true);
  released->notify_all();
  oneIsAlone_.store(false);
  for (const auto& place : places_) {
    if (place->vcpu.get() != &self) place->vcpu->post(kWork);  // those that wait for their turn
  }
}

void VcpuSet::reset() {
  for (const auto& place : places_) place->vcpu->post(kReset);
}

}  // namespace rhea::cpu
