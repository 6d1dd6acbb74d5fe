// The host's SSE2 arithmetic as functions, to be called within a MxcsrScope (see there why all of it is volatile asm).
// Packed functions take and give 128 bits; scalar ones keep the upper lanes of their first operand.
#pragma once

#include "target/x86/simd/lanes.h"

namespace rhea::x86::simd {

#define RHEA_HOST_BINARY(name)                        \
  inline Vec name(Vec a, Vec b) {                     \
    asm volatile(#name " %1, %0" : "+x"(a) : "x"(b)); \
    return a;                                         \
  }
#define RHEA_HOST_ARITHMETIC(name) \
  RHEA_HOST_BINARY(name##ps)       \
  RHEA_HOST_BINARY(name##pd)       \
  RHEA_HOST_BINARY(name##ss)       \
  RHEA_HOST_BINARY(name##sd)
RHEA_HOST_ARITHMETIC(add)
RHEA_HOST_ARITHMETIC(sub)
RHEA_HOST_ARITHMETIC(mul)
RHEA_HOST_ARITHMETIC(div)
RHEA_HOST_ARITHMETIC(min)
RHEA_HOST_ARITHMETIC(max)
#undef RHEA_HOST_ARITHMETIC
// Lane 0 from the second operand.
RHEA_HOST_BINARY(sqrtss)
RHEA_HOST_BINARY(sqrtsd)
RHEA_HOST_BINARY(rcpss)
RHEA_HOST_BINARY(rsqrtss)
RHEA_HOST_BINARY(cvtss2sd)
RHEA_HOST_BINARY(cvtsd2ss)
#undef RHEA_HOST_BINARY

#define RHEA_HOST_UNARY(name)                         \
  inline Vec name(Vec a) {                            \
    Vec r;                                            \
    asm volatile(#name " %1, %0" : "=x"(r) : "x"(a)); \
    return r;                                         \
  }
RHEA_HOST_UNARY(sqrtps)
RHEA_HOST_UNARY(sqrtpd)
RHEA_HOST_UNARY(rcpps)
RHEA_HOST_UNARY(rsqrtps)
RHEA_HOST_UNARY(cvtps2pd)
RHEA_HOST_UNARY(cvtpd2ps)
RHEA_HOST_UNARY(cvtdq2ps)
RHEA_HOST_UNARY(cvtdq2pd)
RHEA_HOST_UNARY(cvtps2dq)
RHEA_HOST_UNARY(cvttps2dq)
RHEA_HOST_UNARY(cvtpd2dq)
RHEA_HOST_UNARY(cvttpd2dq)
#undef RHEA_HOST_UNARY

// Integer to scalar and back, 32 and 64 bits.
#define RHEA_HOST_FROM_INTEGER(name, suffix, Integer)      \
  inline Vec name(Vec a, Integer value) {                  \
    asm volatile(suffix " %1, %0" : "+x"(a) : "r"(value)); \
    return a;                                              \
  }
RHEA_HOST_FROM_INTEGER(singleFromInteger, "cvtsi2ssl", std::int32_t)
RHEA_HOST_FROM_INTEGER(singleFromInteger, "cvtsi2ssq", std::int64_t)
RHEA_HOST_FROM_INTEGER(doubleFromInteger, "cvtsi2sdl", std::int32_t)
RHEA_HOST_FROM_INTEGER(doubleFromInteger, "cvtsi2sdq", std::int64_t)
#undef RHEA_HOST_FROM_INTEGER
#define RHEA_HOST_TO_INTEGER(name, instruction, Integer)    \
  template <>                                               \
  inline Integer name<Integer>(Vec a) {                     \
    Integer r;                                              \
    asm volatile(instruction " %1, %0" : "=r"(r) : "x"(a)); \
    return r;                                               \
  }
#define RHEA_HOST_TO_INTEGERS(name, instruction)         \
  template <class Integer>                               \
  Integer name(Vec a);                                   \
  RHEA_HOST_TO_INTEGER(name, instruction, std::uint32_t) \
  RHEA_HOST_TO_INTEGER(name, instruction, std::uint64_t)
RHEA_HOST_TO_INTEGERS(integerFromSingle, "cvtss2si")
RHEA_HOST_TO_INTEGERS(integerFromDouble, "cvtsd2si")
RHEA_HOST_TO_INTEGERS(truncatedFromSingle, "cvttss2si")
RHEA_HOST_TO_INTEGERS(truncatedFromDouble, "cvttsd2si")
#undef RHEA_HOST_TO_INTEGERS
#undef RHEA_HOST_TO_INTEGER

// MMX operands and results without MMX registers: the packed conversions on the lower half, the upper half harmless.
inline Vec cvtpi2ps(Vec a, Vec b) { return pair(cvtdq2ps(low(b[0]))[0], a[1]); }
inline Vec cvtps2pi(Vec a) { return cvtps2dq(low(a[0])); }
inline Vec cvttps2pi(Vec a) { return cvttps2dq(low(a[0])); }

// ZF, PF and CF as comis* and ucomis* set them, in their places in EFLAGS; OF, SF and AF become zero.
#define RHEA_HOST_COMPARE(name)                                                                      \
  inline std::uint64_t name(Vec a, Vec b) {                                                          \
    bool zero;                                                                                       \
    bool parity;                                                                                     \
    bool carry;                                                                                      \
    asm volatile(#name " %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b)); \
    return std::uint64_t{zero} << 6 | std::uint64_t{parity} << 2 | std::uint64_t{carry};             \
  }
RHEA_HOST_COMPARE(comiss)
RHEA_HOST_COMPARE(comisd)
RHEA_HOST_COMPARE(ucomiss)
RHEA_HOST_COMPARE(ucomisd)
#undef RHEA_HOST_COMPARE

}  // namespace rhea::x86::simd
