#include "emu/object/tree.h"

#include "emu/base/names.h"

namespace rhea::object {

namespace {

// Every object below and with `at`.
void collect(Object& at, std::vector<Object*>& list) {
  list.push_back(&at);
  for (const auto& child : at.children()) collect(*child, list);
}

// Whether `path` ends in the whole parts of `tail`: "/objects/io0" in "io0".
bool endsInParts(std::string_view path, std::string_view tail) {
  return path.size() > tail.size() && path.ends_with(tail) && path[path.size() - tail.size() - 1] == '/';
}

std::vector<std::string_view> namesOf(const std::vector<const Property*>& properties) {
  std::vector<std::string_view> names;
  for (const Property* property : properties) names.push_back(property->name);
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

// What describes the object itself.
constexpr std::array<std::string_view, 2> kNoProperties = {"qom-type", "id"};

Result<std::string> requiredString(json::View options, std::string_view key, std::string_view example) {
  const std::optional<json::View> value = options.find(key);
  if (!value) return Error(fmt::format("'{}' is missing", key)).expected(std::string(example));
  if (!value->isString()) {
    return Error(fmt::format("'{}' is no string but {}", key, json::describe(value->kind()))).where(std::string(key));
  }
  return std::string(value->asString());
}

}  // namespace

ObjectTree::ObjectTree(const ClassTable& classes, const Services& services)
    : classes_(classes), services_(services), root_(std::make_unique<Object>(*classes.find("container"))) {
  container("objects");
}

ObjectTree::~ObjectTree() = default;

Object& ObjectTree::container(const std::string& name) {
  if (Object* found = root_->child(name); found != nullptr) return *found;
  return root_->adopt(name, std::make_unique<Object>(*classes_.find("container")));
}

Result<Object*> ObjectTree::find(std::string_view path) {
  constexpr std::size_t kLongest = 4096;
  if (path.size() > kLongest) {
    return Error(ErrorClass::kDeviceNotFound, fmt::format("a path of {} bytes leads to no object", path.size()));
  }
  std::string_view rest = path;
  while (rest.size() > 1 && rest.ends_with('/')) rest.remove_suffix(1);
  if (rest == "/" || rest.empty()) return root_.get();
  std::vector<Object*> everything;
  collect(*root_, everything);
  if (rest.starts_with('/')) {
    const auto found =
        std::find_if(everything.begin(), everything.end(), [rest](Object* object) { return object->path() == rest; });
    if (found != everything.end()) return *found;
  } else {
    std::vector<std::string> matches;
    Object* match = nullptr;
    for (Object* object : everything) {
      if (std::string full = object->path(); endsInParts(full, rest)) {
        match = object;
        matches.push_back(std::move(full));
      }
    }
    if (matches.size() == 1) return match;
    if (matches.size() > 1) {
      return Error(fmt::format("path '{}' is ambiguous: {}", path, listed(matches))).candidates(matches);
    }
  }
  std::vector<std::string> paths;
  for (const Object* object : everything) paths.push_back(object->path());
  return Error(ErrorClass::kDeviceNotFound, fmt::format("there is no object at '{}'", path))
      .candidates(nearestNames(path, std::span<const std::string>(paths)))
      .hint("qom-list shows what is below a path");
}

Result<Object*> ObjectTree::madeBy(std::string_view id) {
  if (Object* found = objects().child(id); found != nullptr) return found;
  std::vector<std::string> ids;
  for (const auto& child : objects().children()) ids.push_back(child->name());
  return Error(fmt::format("there is no object '{}'", id))
      .candidates(nearestNames(id, std::span<const std::string>(ids)))
      .hint("object-add or -object makes one");
}

Task<Result<void>> ObjectTree::create(json::Value options, json::Spelling spelling) {
  if (!options.isObject()) co_return Error("an object's properties are no JSON object").expected("an object");
  RHEA_CO_TRY(const std::string typeName, requiredString(options, "qom-type", "the type of the object to make"));
  const Class* type = classes_.find(typeName);
  if (type == nullptr) co_return ClassTable::unknown(typeName, classes_.creatable());
  if (const auto known = classes_.creatable(); std::ranges::find(known, typeName) == known.end()) {
    Error refused = Error(fmt::format("objects of type {} cannot be made by a user", typeName))
                        .expected("one of " + listed(std::vector<std::string>(known.begin(), known.end())));
    if (classes_.implements(*type, "device")) co_return std::move(refused).hint("-device and device_add make devices");
    co_return refused;
  }
  RHEA_CO_TRY(const std::string id, requiredString(options, "id", "a name for the new object"));
  RHEA_CO_CHECK(checkId(id));
  if (objects().child(id) != nullptr || std::find(beingMade_.begin(), beingMade_.end(), id) != beingMade_.end()) {
    co_return Error(fmt::format("there is an object '{}' already", id))
        .hint("choose another id, or object-del it first");
  }
  std::unique_ptr<Object> object = type->make(*type, services_);
  const std::string description = fmt::format("object '{}' of type {}", id, typeName);
  if (Result<void> set = setAll(*object, options, spelling, kNoProperties); !set.ok())
    co_return set.takeError().context(description);
  object->setName(id);
  beingMade_.push_back(id);
  Result<void> completed = co_await object->complete();
  std::erase(beingMade_, id);
  if (!completed.ok()) co_return completed.takeError().context(description);
  objects().adopt(id, std::move(object));
  co_return success();
}

Result<void> ObjectTree::setAll(Object& object, json::View options, json::Spelling spelling,
                                std::span<const std::string_view> without) const {
  for (const json::Member& member : options.members()) {
    if (std::ranges::find(without, member.key) != without.end()) continue;
    RHEA_TRY(const Property* property, propertyOf(object, member.key));
    if (property->settable == Settable::kReadOnly) {
      return Error(fmt::format("'{}' can only be read", member.key)).where(std::string(member.key));
    }
    RHEA_CHECK(property->set(object, member.value, json::Path(member.key), spelling));
  }
  return success();
}

Task<Result<void>> ObjectTree::remove(std::string id) {
  RHEA_CO_TRY(Object * object, madeBy(id));
  if (const std::vector<std::string> users = object->users(); !users.empty()) {
    co_return Error(fmt::format("object '{}' is in use by {}", id, listed(users))).hint("remove what uses it first");
  }
  const std::unique_ptr<Object> taken = objects().release(*object);
  co_await taken->retire();
  co_return success();
}

Task<void> ObjectTree::removeAll() {
  while (!objects().children().empty()) {
    retired_.push_back(objects().release(*objects().children().back()));
    co_await retired_.back()->retire();
  }
}

Result<const Property*> ObjectTree::propertyOf(const Object& object, std::string_view name) const {
  const std::vector<const Property*> properties = classes_.properties(object.type());
  for (const Property* property : properties) {
    if (property->name == name) return property;
  }
  const std::vector<std::string_view> names = namesOf(properties);
  return Error(fmt::format("{} has no property '{}'", object.type().name, name))
      .where(std::string(name))
      .candidates(nearestNames(name, std::span<const std::string_view>(names)))
      .hint(fmt::format("qom-list-properties {} lists what it has", object.type().name));
}

Result<json::Text> ObjectTree::get(Object& object, std::string_view property) const {
  if (const Object* child = object.child(property); child != nullptr) {
    json::Text text;
    text.push_back('"');
    text.append(child->path());
    text.push_back('"');
    return text;
  }
  RHEA_TRY(const Property* found, propertyOf(object, property));
  if (found->get == nullptr) {
    return Error(fmt::format("'{}' of {} can be given, but is never shown", property, object.path()));
  }
  return found->get(object);
}

Result<void> ObjectTree::set(Object& object, std::string_view property, json::View value,
                             json::Spelling spelling) const {
  RHEA_TRY(const Property* found, propertyOf(object, property));
  if (found->settable == Settable::kReadOnly) {
    return Error(fmt::format("'{}' of {} can only be read", property, object.path()));
  }
  if (found->settable == Settable::kAtCreation) {
    return Error(fmt::format("'{}' of {} can only be given when the object is made", property, object.path()))
        .hint("delete the object and make it anew");
  }
  Result<void> set = found->set(object, value, json::Path(property), spelling);
  if (!set.ok()) return set.takeError().context(object.path());
  return success();
}

}  // namespace rhea::object
