// CreatePlan: what the options of a new image come to: its header, and where its first tables are.
#pragma once

#include "block/driver/qcow2/header.h"
#include "qapi/types-block-options.h"

namespace rhea::block::qcow2 {

struct CreatePlan {
  // Checks the options against the format and one another. Errors name the option.
  static Result<CreatePlan> of(const qapi::BlockdevCreateOptionsQcow2& options);

  // Complete, with the places of the tables: header, refcount table, refcount blocks, L1 table, in this order.
  Header header;
  std::uint64_t refcountBlocks = 0;  // clusters, from behind the refcount table on
  std::uint64_t l1Clusters = 0;
  std::uint64_t clusters = 0;  // all of them

  std::uint64_t bytes() const { return clusters << header.clusterBits; }
};

}  // namespace rhea::block::qcow2
