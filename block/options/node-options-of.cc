#include "block/options/node-options-of.h"

namespace rhea::block {

namespace {

// BlockdevRef, BlockdevRefOrNull.
template <class Reference>
ChildOptions childOf(std::string name, const Reference& reference) {
  if (const std::string* nodeName = std::get_if<std::string>(&reference.u)) {
    return ChildOptions::reference(std::move(name), *nodeName);
  }
  if constexpr (std::is_same_v<Reference, qapi::BlockdevRefOrNull>) {
    if (std::holds_alternative<std::monostate>(reference.u)) return ChildOptions::none(std::move(name));
  }
  return ChildOptions::inlineNode(std::move(name),
                                  nodeOptionsOf(*std::get<json::Box<qapi::BlockdevOptions>>(reference.u)));
}

// The children that each driver's struct names, and the struct itself for the driver.
struct Specific {
  NodeOptions& node;

  void operator()(const qapi::Empty&) const {}
  void operator()(const qapi::BlockdevOptionsFile& own) const { keep(own); }
  void operator()(const qapi::BlockdevOptionsNull& own) const { keep(own); }
  void operator()(const qapi::BlockdevOptionsQcow2& own) const {
    add("file", own.file);
    if (own.backing) add("backing", *own.backing);
    if (own.dataFile) add("data-file", *own.dataFile);
    keep(own);
  }
  void operator()(const qapi::BlockdevOptionsRaw& own) const {
    add("file", own.file);
    keep(own);
  }
  void operator()(const qapi::BlockdevOptionsSheepdog& own) const { keep(own); }
  void operator()(const qapi::BlockdevOptionsThrottle& own) const {
    add("file", own.file);
    keep(own);
  }
  void operator()(const qapi::BlockdevOptionsCor& own) const {
    add("file", own.file);
    keep(own);
  }
  void operator()(const qapi::BlockdevOptionsBlklogwrites& own) const {
    add("file", own.file);
    add("log", own.log);
    keep(own);
  }
  void operator()(const qapi::BlockdevOptionsBlkdebug& own) const {
    add("image", own.image);
    keep(own);
  }

 private:
  template <class Reference>
  void add(std::string name, const Reference& reference) const {
    node.children.push_back(childOf(std::move(name), reference));
  }
  template <class T>
  void keep(const T& own) const {
    node.specific = DriverOptions::of(own);
  }
};

}  // namespace

NodeOptions nodeOptionsOf(const qapi::BlockdevOptions& options) {
  NodeOptions node;
  node.driver = toString(options.driver);
  node.nodeName = options.nodeName.value_or("");
  node.readOnly = options.readOnly;
  node.autoReadOnly = options.autoReadOnly;
  node.forceShare = options.forceShare;
  if (options.cache) {
    node.direct = options.cache->direct;
    node.noFlush = options.cache->noFlush;
  }
  if (options.discard) {
    node.discard =
        *options.discard == qapi::BlockdevDiscardOptions::unmap ? DiscardPolicy::kUnmap : DiscardPolicy::kIgnore;
  }
  if (options.detectZeroes) {
    static constexpr std::array<DetectZeroes, 3> kPolicies = {DetectZeroes::kOff, DetectZeroes::kOn,
                                                              DetectZeroes::kUnmap};
    node.detectZeroes = kPolicies[static_cast<std::size_t>(*options.detectZeroes)];
  }
  std::visit(Specific{node}, options.u);
  return node;
}

}  // namespace rhea::block
