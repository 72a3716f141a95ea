#!/bin/bash
# The picture of bw_heap_map is well-formed XML whatever the types are called, has all that is drawn within its edges, is
# below a megabyte, and no locale changes it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/program.c" <<'END'
#include <burrow.h>
#include <locale.h>
#include <stdlib.h>
BW_STRUCT(small, BW_MOVABLE, (struct small *, next), (long, value));
BW_STRUCT(a_type_with_a_name_that_is_much_longer_than_what_there_is_room_for_in_the_table, (long[300], data));
typedef a_type_with_a_name_that_is_much_longer_than_what_there_is_room_for_in_the_table long_name;
typedef const char *text;
BW_MAP(table, bw_string, bw_slice(bw_string));
static void *volatile kept[200000];
int main(int argc, char **argv) {
    setlocale(LC_ALL, "");
    table t = bw_make_map(table);
    size_t count = argc > 2 ? (size_t)atol(argv[2]) : 0;
    unsigned seed = 1;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1103515245 + 12345;
        void **place = (void **)&kept[seed >> 8 & 131071];
        switch (seed >> 28) {
        case 0: *place = bw_new(a_type_with_a_name_that_is_much_longer_than_what_there_is_room_for_in_the_table); break;
        case 1: *place = bw_new_array(void (*)(struct small *, int), 10); break;
        case 2: *place = bw_alloc_noscan(seed >> 12 & 8191); break;
        case 3: *place = bw_alloc(seed >> 8 & 65535); break;
        case 4: *place = NULL; break;
        case 5: bw_put(t, bw_sprintf("%d", (int)i % 1000)) = bw_make_slice(bw_string, i % 100); break;
        default: *place = bw_new(small); break;
        }
    }
    return !bw_is_nil(bw_heap_map(argv[1]));
}
END
flags=(-I"$BURROW_SOURCE_DIR/include")
[ -z "${BURROW_SANITIZE:-}" ] || flags+=("-fsanitize=$BURROW_SANITIZE")
gcc -O1 "${flags[@]}" "$work/program.c" "$BURROW_BUILD_DIR/lib/libburrow.a" -lpthread -ldl -lm -o "$work/program"
cat >"$work/check.py" <<'END'
import re, sys
import xml.etree.ElementTree as tree

root = tree.parse(sys.argv[1]).getroot()
space = "{http://www.w3.org/2000/svg}"
assert root.tag == space + "svg", root.tag
width, height = int(root.get("width")), int(root.get("height"))
number = {name[5:]: int(value) for name, value in root.attrib.items() if name.startswith("data-")}
assert number["span-bytes"] + number["free-bytes"] + number["released-bytes"] == number["range-bytes"]
rows = [g for g in root.iter(space + "g") if g.get("data-layout") is not None]
for name in ("live-bytes", "objects", "span-bytes"):
    assert sum(int(row.get("data-" + name)) for row in rows) == number[name], name
for rect in root.iter(space + "rect"):
    if rect.get("width").endswith("%") or rect.get("x") is None:
        continue
    x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    assert 0 <= x and x + w <= width and 0 <= y and y + h <= height, rect.attrib
area = 0
for path in root.iter(space + "path"):
    shape = re.compile(r"M(\d+) (\d+)h(\d+)v-(\d+)h-(\d+)z")
    assert shape.sub("", path.get("d")) == "", path.get("d")[:100]
    for x, y, w, h, back in (map(int, found) for found in shape.findall(path.get("d"))):
        assert w == back and w > 0 and h > 0 and x + w <= 2 * 1152 and y <= 2 * height, (x, y, w, h)
        area += 1
for text in root.iter(space + "text"):
    assert 0 <= int(text.get("x")) <= width and 0 <= int(text.get("y")) <= height
assert area > 0 or number["range-bytes"] == 0
print(f"{len(rows)} layouts, {area} rectangles")
END
comma=$(locale -a | grep -m 1 -iE '^(de|fr)_' || echo C) # a locale that writes 1,5, if there is one
for count in 0 100 5000 300000; do
    LC_ALL=$comma "$work/program" "$work/map.svg" "$count"
    bytes=$(stat -c %s "$work/map.svg")
    [ "$bytes" -lt 1000000 ] || { echo "FAILED: $bytes bytes"; exit 1; }
    if command -v python3 >/dev/null; then
        python3 "$work/check.py" "$work/map.svg"
    elif command -v xmllint >/dev/null; then
        xmllint --noout "$work/map.svg"
    else
        echo "neither python3 nor xmllint is installed"
        exit 77
    fi
done
# Nothing of it is in a program that does not call it.
echo '#include <burrow.h>
int main(void) { return bw_new(int) == NULL; }' >"$work/without.c"
gcc -O1 "${flags[@]}" "$work/without.c" "$BURROW_BUILD_DIR/lib/libburrow.a" -lpthread -ldl -lm -o "$work/without"
if nm "$work/without" | grep -qE ' (heap_picture|bw_heap_map)$'; then
    echo "FAILED: a program that does not use it has it"
    exit 1
fi
