#!/usr/bin/env python3
"""Makes src/lang/float_powers.h: the powers of ten that the shortest form of a floating-point number is found with.

  scripts/float_powers.py | clang-format-14 >src/lang/float_powers.h

g(k) is 10**k scaled by a power of two to 128 bits, rounded up: 2**127 <= g(k) < 2**128.
"""
FIRST, LAST = -292, 324


def scaled(k):
    if k >= 0:
        power = 10**k
        shift = power.bit_length() - 128
        return -(-power >> shift) if shift > 0 else power << -shift
    power = 10**-k
    bits = power.bit_length() + 127  # 2**bits / power has 128 bits, or 128 and a fraction
    quotient = -(-(1 << bits) // power)
    return quotient


print("/* float_powers.h - powers of ten, made by scripts/float_powers.py. */")
print("#ifndef BURROW_FLOAT_POWERS_H\n#define BURROW_FLOAT_POWERS_H\n\n#include <stdint.h>\n")
print("#define FLOAT_POWERS_FIRST (%d)" % FIRST)
print("#define FLOAT_POWERS_LAST %d\n" % LAST)
print("/* 10**k, from the first k on, scaled by a power of two to 128 bits and rounded up. */")
print("static const struct {\n    uint64_t hi, lo;\n} float_powers[] = {")
for k in range(FIRST, LAST + 1):
    g = scaled(k)
    assert 1 << 127 <= g < 1 << 128, k
    print("{0x%016X, 0x%016X}," % (g >> 64, g & (1 << 64) - 1))
print("};\n\n#endif")
