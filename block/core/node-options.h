// NodeOptions: what a node is to be, as blockdev-add and -drive say it, free of JSON.
//
// The part that every node has is spelled out here; the driver's own options are its generated struct, carried
// opaquely.
#pragma once

#include <typeinfo>

#include "block/core/write-flags.h"
#include "emu/base/base.h"

namespace rhea::block {

// A driver's own options of whatever struct the driver reads (qapi::BlockdevOptionsFile, ...). Cheap to copy,
// immutable.
class DriverOptions {
 public:
  DriverOptions() = default;
  template <class T>
  static DriverOptions of(T value) {
    DriverOptions options;
    options.value_ = std::make_shared<const T>(std::move(value));
    options.type_ = &typeid(T);
    return options;
  }
  bool empty() const { return value_ == nullptr; }
  // Null when it is of another type.
  template <class T>
  const T* find() const {
    return type_ != nullptr && *type_ == typeid(T) ? static_cast<const T*>(value_.get()) : nullptr;
  }
  // The type must match: that of a node's driver always does.
  template <class T>
  const T& as() const {
    const T* value = find<T>();
    if (value == nullptr) std::terminate();
    return *value;
  }

 private:
  std::shared_ptr<const void> value_;
  const std::type_info* type_ = nullptr;
};

enum class DiscardPolicy : std::uint8_t { kIgnore, kUnmap };
enum class DetectZeroes : std::uint8_t { kOff, kOn, kUnmap };
std::string_view toString(DiscardPolicy policy);  // "ignore", "unmap"
std::string_view toString(DetectZeroes policy);   // "off", "on", "unmap"

struct NodeOptions;

// One child, by name ("file", "backing"): a reference to an existing node, an inline node that its parent owns, or
// expressly none (`backing: null`).
struct ChildOptions {
  static ChildOptions reference(std::string child, std::string nodeName);
  static ChildOptions inlineNode(std::string child, NodeOptions options);
  static ChildOptions none(std::string child);

  std::string name;
  std::string referenced;                      // node name; empty where inline or none
  std::shared_ptr<const NodeOptions> inlined;  // null where referenced or none
};

struct NodeOptions {
  NodeOptions() = default;
  NodeOptions(std::string driverName, DriverOptions own) : driver(std::move(driverName)), specific(std::move(own)) {}

  std::string driver;
  std::string nodeName;  // empty: generated
  // Not said: an inline child takes its parent's, everything else is off.
  std::optional<bool> readOnly;
  std::optional<bool> autoReadOnly;
  std::optional<bool> direct;
  std::optional<bool> noFlush;
  std::optional<bool> forceShare;
  std::optional<DiscardPolicy> discard;
  std::optional<DetectZeroes> detectZeroes;
  std::vector<ChildOptions> children;
  DriverOptions specific;
};

// The switches in force when a driver opens or reopens.
struct OpenFlags {
  bool readOnly = false;
  bool autoReadOnly = false;  // open for writing only while somebody needs to write
  bool direct = false;
  bool noFlush = false;
  bool forceShare = false;
  DiscardPolicy discard = DiscardPolicy::kIgnore;

  friend bool operator==(const OpenFlags&, const OpenFlags&) = default;
};

}  // namespace rhea::block
