#include "emu/object/object.h"

namespace rhea::object {

Object::Use::~Use() {
  if (object_ != nullptr) object_->users_.erase(user_);
}

Object::~Object() = default;

Task<Result<void>> Object::complete() { co_return success(); }
Task<void> Object::retire() { co_return; }

std::string Object::path() const {
  if (parent_ == nullptr) return "/";
  std::string above = parent_->path();
  if (above.size() > 1) above.push_back('/');
  return above + name_;
}

Object* Object::child(std::string_view name) const {
  for (const auto& child : children_) {
    if (child->name_ == name) return child.get();
  }
  return nullptr;
}

Object& Object::adopt(std::string name, std::unique_ptr<Object> child) {
  child->name_ = std::move(name);
  child->parent_ = this;
  return *children_.emplace_back(std::move(child));
}

std::unique_ptr<Object> Object::release(Object& child) {
  const auto found =
      std::find_if(children_.begin(), children_.end(), [&child](const auto& mine) { return mine.get() == &child; });
  std::unique_ptr<Object> taken = std::move(*found);
  children_.erase(found);
  taken->parent_ = nullptr;
  return taken;
}

Object::Use Object::use(std::string user) {
  const std::uint64_t number = nextUser_++;
  users_.emplace(number, std::move(user));
  return Use(*this, number);
}

std::vector<std::string> Object::users() const {
  std::vector<std::string> names;
  for (const auto& [number, user] : users_) names.push_back(user);
  return names;
}

}  // namespace rhea::object
