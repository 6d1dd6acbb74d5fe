// rhea-img create: a new image.
#include "block/tool/img/new-vdi.h"
#include "block/tool/img/progress.h"
#include "block/tool/img/verbs.h"
#include "emu/base/size.h"

namespace rhea::block {

Task<Result<int>> imgCreate(ImgSession& session, ImgCall call) {
  const std::string format = call.valueOr("format", "raw");
  const std::string made = call.words.empty() ? format : targetFormat(call.words[0], format);
  RHEA_CO_TRY(const CreateForm* form, createFormOf(made));
  const std::vector<std::string> texts = call.values("options");
  if (wantsOptionHelp(texts)) {
    session.print(optionHelp(*form));
    co_return 0;
  }
  if (call.words.empty()) {
    co_return Error("create: the file name is missing").hint(fmt::format("usage: {}", synopsis(*call.command)));
  }
  NewImage image(call.words[0], format);
  RHEA_CO_TRY(image.options, readCreateOptions(*form, texts));
  const std::vector<std::pair<std::string_view, std::string_view>> classic = {{"backing", "backing_file"},
                                                                              {"backing-format", "backing_fmt"}};
  for (const auto& [option, key] : classic) {
    const std::optional<std::string> value = call.value(option);
    if (!value) continue;
    // A clone's snapshot is raw, as everything there.
    if (made == "sheepdog" && option == "backing-format" && *value == "raw") continue;
    const bool known = std::any_of(form->keys.begin(), form->keys.end(),
                                   [key = key](const CreateKey& each) { return each.name == key; });
    if (!known) co_return Error(fmt::format("an image of format {} cannot have a backing file", format));
    if (image.options.find(key) != nullptr) {
      co_return Error(fmt::format("--{} and -o {} say the same", option, key)).expected("one of them");
    }
    image.options.set(std::string(key), *value);
  }
  if (call.words.size() > 1) {
    Result<std::uint64_t> size = parseSize(call.words[1]);
    if (!size) co_return size.takeError().context("create: size");
    if (image.options.find("size") != nullptr) co_return Error("the size is given twice").expected("once");
    image.size = *size;
  }
  image.trustBacking = call.has("unsafe");
  image.quiet = call.has("quiet");
  Progress progress;
  RHEA_CO_CHECK(co_await makeImage(session, std::move(image), progress));
  co_return 0;
}

}  // namespace rhea::block
