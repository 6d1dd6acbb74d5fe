// Aml: what ACPI's tables say in byte code, composed from the inside out. Source: ACPI 6.4, 20.2.
//
//   device("RTC_", {named("_HID", eisaId("PNP0B00")), named("_CRS", resources({io(0x70, 2), irq(8)}))})
#pragma once

#include "emu/base/base.h"

namespace rhea::hw::aml {

using Bytes = std::vector<std::uint8_t>;
using Parts = std::vector<Bytes>;

// --- data. The shortest form of each number.
Bytes integer(std::uint64_t value);
Bytes text(std::string_view value);
Bytes eisaId(std::string_view id);  // "PNP0A08"
Bytes buffer(const Bytes& content);
Bytes package(const Parts& elements);
// "33db4d5b-1ff7-401c-9657-7441c03dd766", as ToUUID gives it.
Bytes uuid(std::string_view form);

// --- names: segments of four characters, filled up with '_'; '\' and '.' as in ASL
Bytes path(std::string_view name);
Bytes named(std::string_view name, const Bytes& value);
Bytes scope(std::string_view name, const Parts& content);
Bytes device(std::string_view name, const Parts& content);
Bytes method(std::string_view name, unsigned arguments, const Parts& statements);

// --- statements and expressions
Bytes argument(unsigned n);
Bytes local(unsigned n);
Bytes dwordField(const Bytes& buffer, std::uint64_t byteOffset, std::string_view name);
Bytes store(const Bytes& value, const Bytes& to);
Bytes bitAnd(const Bytes& a, const Bytes& b, const Bytes& to);
Bytes bitOr(const Bytes& a, const Bytes& b, const Bytes& to);
Bytes equal(const Bytes& a, const Bytes& b);
Bytes different(const Bytes& a, const Bytes& b);
Bytes when(const Bytes& condition, const Parts& statements);
Bytes otherwise(const Parts& statements);
Bytes give(const Bytes& value);

// --- resources (6.4)
Bytes resources(const Parts& descriptors);  // with the end tag, as a buffer
Bytes io(std::uint16_t first, std::uint8_t count);
Bytes irq(unsigned number);
Bytes memory32(std::uint32_t base, std::uint32_t size);
Bytes busNumbers(std::uint16_t first, std::uint16_t last);
// Windows that a bridge hands on.
Bytes ioWindow(std::uint16_t first, std::uint16_t last);
Bytes memoryWindow(std::uint64_t first, std::uint64_t last, bool prefetchable);

}  // namespace rhea::hw::aml
