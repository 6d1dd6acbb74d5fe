// The rows that CPU models are made of.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

// `changes` in both: features that come on, and behind a '-' those that go, one blank apart.
struct ModelRow {
  const char* name;
  const char* vendor;
  unsigned family, model, stepping;
  std::uint32_t level, extendedLevel;  // last basic and last extended leaf
  const char* base;                    // the row whose features it begins with, or ""
  const char* changes;
  const char* description;  // CPUID 0x80000002 and on
};
std::span<const ModelRow> modelRows();

// NAME-v2 and so on, each built on the one before; NAME and NAME-v1 are the row itself.
struct ModelVersion {
  const char* of;
  unsigned number;
  const char* alias;  // a name of its own, or ""
  unsigned model, stepping;
  const char* changes;
  const char* description;  // "": as before
};
std::span<const ModelVersion> modelVersions();

}  // namespace rhea::x86
