#!/usr/bin/env python3
"""Makes src/lang/unicode_tables.h: Unicode's general categories, case mappings and case folding, as Go's package
unicode has them (its tables.go lists the facts of the Unicode Character Database, https://www.unicode.org/Public/).

  scripts/unicode_tables.py .peers/go/src/unicode/tables.go | clang-format-14 >src/lang/unicode_tables.h

A set of characters is written as the sorted list of places where membership changes: r is in it if an odd number of
them is at or below r.
"""
import re
import sys

text = open(sys.argv[1], encoding="utf-8").read()
version = re.search(r'Version = "([^"]+)"', text).group(1)
HEX = r"0x([0-9A-Fa-f]+)"


def body(name):
    return re.search(r"^var %s = .*?\{\n(.*?)^\}" % name, text, re.M | re.S).group(1)


def category(*names):
    members = set()
    for name in names:
        for lo, hi, stride in re.findall(r"\{%s, %s, (\d+)\}" % (HEX, HEX), body(name)):
            members.update(range(int(lo, 16), int(hi, 16) + 1, int(stride)))
    return members


def put_set(name, comment, members):
    changes = [r for r in range(0x110001) if (r in members) != (r - 1 in members)]
    print("\n/* %s: %d characters. */" % (comment, len(members)))
    print("static const uint32_t unicode_%s[] = {%s};" % (name, ", ".join("0x%X" % r for r in changes)))


print("/* unicode_tables.h - Unicode %s, made by scripts/unicode_tables.py. */" % version)
print("#ifndef BURROW_UNICODE_TABLES_H\n#define BURROW_UNICODE_TABLES_H\n\n#include <stdint.h>")
put_set("letter", "L", category("_L"))
put_set("digit", "Nd", category("_Nd"))
put_set("upper", "Lu", category("_Lu"))
put_set("lower", "Ll", category("_Ll"))
put_set("punct", "P", category("_P"))
put_set("print", "L, M, N, P, S and the space", category("_L", "_M", "_N", "_P", "_S") | {0x20})
put_set("space", "White_Space", category("_White_Space"))

print("\n/* Characters lo to hi have their other cases at these distances; ALTERNATING: even ones (from lo) are upper")
print(" * case, each followed by its lower case. */")
print("enum { ALTERNATING = 0x110000 };")
print("static const struct {\n    uint32_t lo, hi;\n    int32_t to_upper, to_lower;\n} unicode_case[] = {")
for lo, hi, deltas in re.findall(r"\{%s, %s, d\{([^}]*)\}\}" % (HEX, HEX), body("_CaseRanges")):
    upper, lower, _ = [d.strip().replace("UpperLower", "ALTERNATING") for d in deltas.split(",")]
    print("{0x%X, 0x%X, %s, %s}," % (int(lo, 16), int(hi, 16), upper, lower))
print("};")

print("\n/* Characters that are more than an upper and a lower case of each other: the next one of the same folding,")
print(" * in a circle. */")
print("static const struct {\n    uint32_t from, to;\n} unicode_fold[] = {")
for a, b in re.findall(r"\{%s, %s\}" % (HEX, HEX), body("caseOrbit")):
    print("{0x%X, 0x%X}," % (int(a, 16), int(b, 16)))
print("};\n\n#endif")
