// Object: a thing with a class, a name, a place in the tree, properties and children.
//
// Objects live on the main loop: everything here is called there. What an object gives to other threads (an I/O
// thread's loop, a secret's bytes) it says in its own header.
#pragma once

#include "emu/base/base.h"
#include "emu/io/task.h"
#include "emu/object/class.h"

namespace rhea::object {

class Object {
 public:
  // Somebody who needs the object: while a Use lives, the object cannot be deleted, and the refusal names the user.
  class Use {
   public:
    Use() = default;
    Use(Use&& other) noexcept : object_(std::exchange(other.object_, nullptr)), user_(other.user_) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(object_, other.object_);
      std::swap(user_, other.user_);
      return *this;
    }
    ~Use();

   private:
    friend class Object;
    Use(Object& object, std::uint64_t user) : object_(&object), user_(user) {}
    Object* object_ = nullptr;
    std::uint64_t user_ = 0;
  };

  explicit Object(const Class& type) : type_(type) {}
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // Second half of making an object that a user asked for: its name and properties are set, it is not in the tree yet.
  virtual Task<Result<void>> complete();
  // First half of deleting it: nobody uses it any more, it is out of the tree already.
  virtual Task<void> retire();

  const Class& type() const { return type_; }
  std::string typeName() const { return std::string(type_.name); }
  const std::string& name() const { return name_; }  // the last part of its path; an id for what users made
  std::string path() const;                          // "/objects/io0"; "/" is the root
  Object* parent() const { return parent_; }

  const std::vector<std::unique_ptr<Object>>& children() const { return children_; }
  Object* child(std::string_view name) const;
  Object& adopt(std::string name, std::unique_ptr<Object> child);
  // Before adoption only: what complete() may need to know.
  void setName(std::string name) { name_ = std::move(name); }
  std::unique_ptr<Object> release(Object& child);

  // `user` as an error will name it: "node 'disk0'", "drive 'd0'".
  [[nodiscard]] Use use(std::string user);
  // Those that hold a Use, and those that only the class knows of.
  virtual std::vector<std::string> users() const;

 private:
  const Class& type_;
  std::string name_;
  Object* parent_ = nullptr;
  std::vector<std::unique_ptr<Object>> children_;  // in the order in which they came
  std::map<std::uint64_t, std::string> users_;
  std::uint64_t nextUser_ = 1;
};

}  // namespace rhea::object
