#include "qapi/gen/emit.h"
namespace rhea::gen {
void emitOptions(const Program& /*program*/, Output& /*output*/) {}
void emitReference(const Program& /*program*/, Output& /*output*/) {}
void emitExamples(const Program& /*program*/, Output& /*output*/) {}
}  // namespace rhea::gen
