// The precompiled base header: the standard headers that nearly every unit reads, and nothing of ours but Result.
// Heavy third-party headers (RapidJSON, libevent, readline) must never be added: each of them belongs to one unit.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "emu/base/result.h"
