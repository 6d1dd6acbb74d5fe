// The bodies of rhea-img's subcommands; table.cc says what each takes.
#pragma once

#include "block/tool/img/session.h"

namespace rhea::block {

Task<Result<int>> imgAmend(ImgSession& session, ImgCall call);
Task<Result<int>> imgBench(ImgSession& session, ImgCall call);
Task<Result<int>> imgBitmap(ImgSession& session, ImgCall call);
Task<Result<int>> imgCheck(ImgSession& session, ImgCall call);
Task<Result<int>> imgCommit(ImgSession& session, ImgCall call);
Task<Result<int>> imgCompare(ImgSession& session, ImgCall call);
Task<Result<int>> imgConvert(ImgSession& session, ImgCall call);
Task<Result<int>> imgCreate(ImgSession& session, ImgCall call);
Task<Result<int>> imgDd(ImgSession& session, ImgCall call);
Task<Result<int>> imgInfo(ImgSession& session, ImgCall call);
Task<Result<int>> imgMap(ImgSession& session, ImgCall call);
Task<Result<int>> imgMeasure(ImgSession& session, ImgCall call);
Task<Result<int>> imgProve(ImgSession& session, ImgCall call);
Task<Result<int>> imgRebase(ImgSession& session, ImgCall call);
Task<Result<int>> imgResize(ImgSession& session, ImgCall call);
Task<Result<int>> imgSnapshot(ImgSession& session, ImgCall call);

}  // namespace rhea::block
