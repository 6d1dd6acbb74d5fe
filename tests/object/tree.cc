#include "emu/object/tree.h"

#include <gtest/gtest.h>

#include "tests/object/run-now.h"

namespace rhea::object {
namespace {

using test::runNow;

// An object with one property of each kind.
class Lamp final : public Object {
 public:
  explicit Lamp(const Class& type) : Object(type) {}

  Task<Result<void>> complete() override {
    if (watts_ > 100) co_return Error("the fuse blew");
    co_return success();
  }

  bool on() const { return on_; }
  std::int64_t watts() const { return watts_; }
  std::string colour() const { return colour_; }
  Size memory() const { return memory_; }
  Result<void> setOn(bool on) {
    on_ = on;
    return success();
  }
  Result<void> setWatts(std::int64_t watts) {
    if (watts < 0) return Error("a lamp takes power, it gives none");
    watts_ = watts;
    return success();
  }
  Result<void> setColour(std::string colour) {
    colour_ = std::move(colour);
    return success();
  }
  Result<void> setMemory(Size memory) {
    memory_ = memory;
    return success();
  }
  Result<void> setCode(std::string code) {
    code_ = std::move(code);
    return success();
  }

 private:
  bool on_ = false;
  std::int64_t watts_ = 40;
  std::string colour_ = "white";
  Size memory_;
  std::string code_;
};

const Property kLampProperties[] = {
    property<&Lamp::on, &Lamp::setOn>("on", Settable::kAnyTime, "false", "whether it shines"),
    property<&Lamp::watts, &Lamp::setWatts>("watts", Settable::kAnyTime, "40", "power"),
    property<&Lamp::colour, &Lamp::setColour>("colour", Settable::kAtCreation, "\"white\"", "its light"),
    property<&Lamp::memory, &Lamp::setMemory>("memory", Settable::kAtCreation, "0", "a clever lamp"),
    secretProperty<&Lamp::setCode>("code", "what opens it"),
};

class ObjectTreeTest : public ::testing::Test {
 protected:
  ObjectTreeTest() : tree_(classes_, services_) {
    Class lamp;
    lamp.name = "lamp";
    lamp.parent = "object";
    lamp.properties = kLampProperties;
    lamp.interfaces = {"user-creatable"};
    lamp.make = [](const Class& type, const Services&) -> std::unique_ptr<Object> {
      return std::make_unique<Lamp>(type);
    };
    classes_.add(std::move(lamp));
  }

  std::string add(std::string_view json, json::Spelling spelling = json::Spelling::kJson) {
    Result<void> made = runNow(tree_.create(*json::parse(json), spelling));
    return made.ok() ? "ok" : made.error().message();
  }
  std::string get(std::string_view path, std::string_view property) {
    Result<Object*> object = tree_.find(path);
    if (!object.ok()) return object.error().message();
    Result<json::Text> value = tree_.get(**object, property);
    return value.ok() ? *value : value.error().message();
  }
  std::string set(std::string_view path, std::string_view property, std::string_view value) {
    Result<void> done = tree_.set(**tree_.find(path), property, *json::parse(value));
    return done.ok() ? "ok" : done.error().message();
  }

  ClassTable classes_;
  Services services_;
  ObjectTree tree_;
};

TEST_F(ObjectTreeTest, ObjectIsFoundByPathAndByItsEnd) {
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "watts": 60})"), "ok");
  EXPECT_EQ(get("/objects/l0", "watts"), "60");
  EXPECT_EQ(get("l0", "type"), "\"lamp\"");
  EXPECT_EQ(get("objects/l0/", "on"), "false");
  EXPECT_EQ(get("/objects", "l0"), "\"/objects/l0\"");
  EXPECT_EQ(get("/", "type"), "\"container\"");
  EXPECT_EQ((*tree_.find("l0"))->path(), "/objects/l0");
}

TEST_F(ObjectTreeTest, AmbiguousEndOfPathNamesTheCandidates) {
  add(R"({"qom-type": "lamp", "id": "l0"})");
  tree_.container("attic").adopt("l0", std::make_unique<Lamp>(*classes_.find("lamp")));
  EXPECT_EQ(get("l0", "watts"), "path 'l0' is ambiguous: /objects/l0, /attic/l0");
}

TEST_F(ObjectTreeTest, UnknownPathIsDeviceNotFoundWithTheNearest) {
  add(R"({"qom-type": "lamp", "id": "lamp0"})");
  Result<Object*> found = tree_.find("/objects/lamp1");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().errorClass(), ErrorClass::kDeviceNotFound);
  EXPECT_EQ(found.error().candidateNames(), std::vector<std::string>{"/objects/lamp0"});
}

TEST_F(ObjectTreeTest, CreationRefusesWhatDoesNotFitAndLeavesNothing) {
  EXPECT_EQ(add(R"({"id": "l0"})"), "'qom-type' is missing");
  EXPECT_EQ(add(R"({"qom-type": "lamp"})"), "'id' is missing");
  EXPECT_EQ(add(R"({"qom-type": "lampp", "id": "l0"})"), "there is no type 'lampp'");
  EXPECT_EQ(add(R"({"qom-type": "container", "id": "l0"})"), "objects of type container cannot be made by a user");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "9"})"), "'9' is no id: it begins with '9'");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "wats": 1})"),
            "object 'l0' of type lamp: lamp has no property 'wats'");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "watts": "1"})"),
            R"(object 'l0' of type lamp: 'watts' must be an integer, not the string "1")");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "watts": -1})"),
            "object 'l0' of type lamp: watts: a lamp takes power, it gives none");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "watts": 500})"), "object 'l0' of type lamp: the fuse blew");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0", "type": "x"})"),
            "object 'l0' of type lamp: 'type' can only be read");
  EXPECT_TRUE(tree_.objects().children().empty());
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0"})"), "ok");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l0"})"), "there is an object 'l0' already");
}

TEST_F(ObjectTreeTest, TextValuesAreReadAsThePropertysType) {
  EXPECT_EQ(
      add(R"({"qom-type": "lamp", "id": "l0", "on": "on", "watts": "0x10", "memory": "64k"})", json::Spelling::kKeyval),
      "ok");
  EXPECT_EQ(get("l0", "on"), "true");
  EXPECT_EQ(get("l0", "watts"), "16");
  EXPECT_EQ(get("l0", "memory"), "65536");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l1", "on": "maybe"})", json::Spelling::kKeyval),
            R"(object 'l1' of type lamp: 'on' must be on or off, not the string "maybe")");
  EXPECT_EQ(
      add(R"({"qom-type": "lamp", "id": "l1", "memory": "17000000T"})", json::Spelling::kKeyval),
      R"(object 'l1' of type lamp: 'memory' must be a size in bytes, or with a unit such as 512M, not the string "17000000T")");
  EXPECT_EQ(add(R"({"qom-type": "lamp", "id": "l1", "colour": true})", json::Spelling::kKeyval),
            "object 'l1' of type lamp: 'colour' must be a string, not true");
}

TEST_F(ObjectTreeTest, SettingHoldsTheRulesOfTheProperty) {
  add(R"({"qom-type": "lamp", "id": "l0", "code": "4711"})");
  EXPECT_EQ(set("l0", "watts", "75"), "ok");
  EXPECT_EQ(get("l0", "watts"), "75");
  EXPECT_EQ(set("l0", "watts", "\"75\""), R"(/objects/l0: 'watts' must be an integer, not the string "75")");
  EXPECT_EQ(set("l0", "colour", "\"red\""), "'colour' of /objects/l0 can only be given when the object is made");
  EXPECT_EQ(set("l0", "type", "\"x\""), "'type' of /objects/l0 can only be read");
  EXPECT_EQ(set("l0", "wats", "1"), "lamp has no property 'wats'");
  EXPECT_EQ(get("l0", "code"), "'code' of /objects/l0 can be given, but is never shown");
}

TEST_F(ObjectTreeTest, ObjectInUseIsNotDeletedAndTheRefusalNamesTheUser) {
  add(R"({"qom-type": "lamp", "id": "l0"})");
  {
    const Object::Use first = (*tree_.find("l0"))->use("node 'disk0'");
    const Object::Use second = (*tree_.find("l0"))->use("drive 'd0'");
    Result<void> removed = runNow(tree_.remove("l0"));
    EXPECT_EQ(removed.error().message(), "object 'l0' is in use by node 'disk0', drive 'd0'");
  }
  EXPECT_TRUE(runNow(tree_.remove("l0")).ok());
  EXPECT_EQ(runNow(tree_.remove("l0")).error().message(), "there is no object 'l0'");
}

TEST_F(ObjectTreeTest, ObjectsAreMadeOfTheAskedType) {
  add(R"({"qom-type": "lamp", "id": "l0"})");
  EXPECT_TRUE(tree_.made<Lamp>("l0", "lamp").ok());
  EXPECT_FALSE(tree_.made<Lamp>("l1", "lamp").ok());
}

TEST(ClassTable, KnowsWhatImplementsWhat) {
  ClassTable classes;
  const Class* container = classes.find("container");
  ASSERT_NE(container, nullptr);
  EXPECT_TRUE(classes.implements(*container, "object"));
  EXPECT_TRUE(classes.implements(*container, "container"));
  EXPECT_FALSE(classes.implements(*container, "user-creatable"));
  EXPECT_TRUE(classes.implements(*classes.find("user-creatable"), "interface"));
  EXPECT_EQ(classes.properties(*container).size(), 1U);
  EXPECT_TRUE(classes.creatable().empty());
}

}  // namespace
}  // namespace rhea::object
