#include "block/driver/qcow2/repair.h"

#include "block/driver/qcow2/image.h"

namespace rhea::block::qcow2 {

Task<Result<void>> repairRefcounts(Image&) {
  co_return Error("the image was not closed when it was last used, and its refcounts are to be made anew")
      .hint("repair it with check -r all while nobody uses it");
}

}  // namespace rhea::block::qcow2
