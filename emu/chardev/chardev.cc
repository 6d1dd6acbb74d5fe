#include "emu/chardev/chardev.h"

namespace rhea::chardev {

std::string_view toString(Role role) { return role == Role::kFull ? "full" : "read-only"; }

std::optional<Role> roleFromString(std::string_view name) {
  for (const Role role : {Role::kFull, Role::kReadOnly}) {
    if (toString(role) == name) return role;
  }
  return std::nullopt;
}

Task<Result<void>> Backend::waitForClient(CancelToken /*cancel*/) { co_return success(); }

Chardev::~Chardev() {
  while (!frontEnds_.empty()) detach(*frontEnds_.back());
}

bool Chardev::frontEndOpen() const {
  return std::ranges::any_of(frontEnds_, [](const FrontEnd* frontEnd) { return frontEnd->isOpen(); });
}

Result<void> Chardev::attach(FrontEnd& frontEnd) {
  if (frontEnds_.size() >= backend_->mostFrontEnds()) {
    return Error(fmt::format("chardev '{}' is in use by {}", id_, frontEnds_.back()->description()))
        .hint(backend_->mostFrontEnds() == 1 ? "a chardev with mux=on serves several" : "");
  }
  frontEnds_.push_back(&frontEnd);
  backend_->attach(frontEnd);
  return success();
}

void Chardev::detach(FrontEnd& frontEnd) {
  if (std::erase(frontEnds_, &frontEnd) > 0) backend_->detach(frontEnd);
}

void Chardev::change(std::string_view kind, std::unique_ptr<Backend> backend) {
  for (FrontEnd* frontEnd : frontEnds_) backend_->detach(*frontEnd);
  kind_ = kind;
  backend_ = std::move(backend);
  for (FrontEnd* frontEnd : frontEnds_) backend_->attach(*frontEnd);
}

}  // namespace rhea::chardev
