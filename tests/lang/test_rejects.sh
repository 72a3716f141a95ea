#!/bin/bash
# What the headers say the compiler rejects or warns about is rejected, by gcc and by clang, with the warnings that the
# README asks for; and what is right is not. Each wrong use stands beside a right one that differs in just that.
#
# timeout: 300
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

cat >prelude.h <<'END'
#include <burrow.h>
#include <stdio.h>
BW_STRUCT(point, (int, x), (int, y));
BW_STRUCT(other, (double, z));
struct undescribed { int a; char b; };
BW_SLICE(point);
typedef point *point_ptr;
BW_SLICE(point_ptr);
BW_MAP(counts, bw_string, int);
BW_MAP(places, bw_string, point);
BW_MAP(by_point, point, int);
BW_INTERFACE(Shape, (double, area), (void, scale, double));
BW_INTERFACE(Named, (bw_string, name));
BW_STRUCT(circle, (double, radius));
BW_STRUCT(square, (double, side));
double circle_area(circle *c);
void circle_scale(circle *c, double by);
double square_area(square *c);
void square_scale(square *c, int by, int more);
BW_IMPL(Shape, circle, (double, area), (void, scale, double));
struct large { long words[4]; };
struct large returns_large(int a);
void takes(int a, const char *b);
double real(double a);
static int by_x(const point *a, const point *b) { return a->x - b->x; }
static int by_z(const other *a, const other *b) { return a->z < b->z; }
void use(const void *p, ...);
END

compilers=()
for compiler in gcc "$(command -v clang-14 || echo clang)"; do
    command -v "$compiler" >/dev/null && compilers+=("$compiler")
done
[ ${#compilers[@]} -gt 0 ] || exit 77

checks=0
failures=0
variables='int i = 0; double d = 0; bw_string s = bw_str("x"); bw_slice(int) ints = {0}; bw_slice(double) reals = {0};
    bw_slice(point) points = {0}; bw_slice(point_ptr) pointers = {0}; counts m = {0}; places p = {0}; by_point bp = {0};
    point at = {0, 0}; other o = {0}; struct undescribed u = {0, 0}; circle *c = NULL; square *q = NULL; Shape shape = {0};
    Named named = {0}; bw_any any = {0}; bw_error err = {0}; int array[4] = {0}; bw_chan(int) ch = NULL; bw_chan(point) pch = NULL;
    use(&i, &d, &s, &ints, &reals, &points, &pointers, &m, &p, &bp, &at, &o, &u, &c, &q, &shape, &named, &any, &err, array, by_x, by_z, &ch, &pch);'

compiles() { # compiles COMPILER WHERE CODE
    {
        echo '#include "prelude.h"'
        if [ "$2" = body ]; then
            printf 'void f(void);\nvoid f(void) {\n%s\n%s\n}\n' "$variables" "$3"
        else
            printf '%s\n' "$3"
        fi
    } >case.c
    "$1" -std=gnu11 -O1 -Wall -Wextra -Wno-unused -Werror -I"$root/include" -I. -c case.c -o case.o >output 2>&1
}

pair() { # pair WHERE WHAT RIGHT WRONG
    for compiler in "${compilers[@]}"; do
        checks=$((checks + 2))
        if ! compiles "$compiler" "$1" "$3"; then
            failures=$((failures + 1))
            echo "FAILED: $2, $compiler: this should compile: $3"
            head -n 8 output
        fi
        if compiles "$compiler" "$1" "$4"; then
            failures=$((failures + 1))
            echo "FAILED: $2, $compiler: this should be told: $4"
        fi
    done
}
within() { pair body "$@"; }
outside() { pair file "$@"; }

# ---- slices
within "an element of another type" 'points = bw_append(points, at);' 'points = bw_append(points, o);'
within "a number for a pointer" 'pointers = bw_append(pointers, &at);' 'pointers = bw_append(pointers, 5);'
within "a pointer to another type" 'pointers = bw_append(pointers, &at);' 'pointers = bw_append(pointers, &o);'
within "a slice of other elements appended" 'ints = bw_append_slice(ints, ints);' 'ints = bw_append_slice(ints, reals);'
within "a slice of other elements copied" 'bw_copy(ints, ints);' 'bw_copy(ints, reals);'
within "a slice of other elements assigned" 'ints = bw_make_slice(int, 3);' 'ints = bw_make_slice(double, 3);'
within "an index that is no number" 'i = bw_at(ints, i);' 'i = bw_at(ints, s);'
within "an index that is a pointer" 'i = bw_at(ints, i);' 'i = bw_at(ints, &i);'
within "bw_at of what is no slice" 'i = bw_at(ints, i);' 'i = bw_at(at, i);'
within "an assignment to a string's byte" 'i = bw_at(s, 0);' "bw_at(s, 0) = 'a';"
within "an element assigned from another type" 'bw_at(points, 0) = at;' 'bw_at(points, 0) = o;'
within "bw_sub of a string" 's = bw_substr(s, 0, 1);' 's = bw_sub(s, 0, 1);'
within "a comparison of other elements" 'bw_sort(points, by_x);' 'bw_sort(points, by_z);'
within "sorting structs by value" 'bw_sort_values(ints);' 'bw_sort_values(points);'
within "a length of what has none" 'i = (int)bw_len(ints);' 'i = (int)bw_len(at);'
outside "a slice type that is not declared" 'void g(bw_slice(point) *a);' 'void g(bw_slice(other) *a);'

# ---- strings
within "a literal that is none" 's = bw_str("abc");' 'char *t = array[0] ? "a" : "b"; s = bw_str(t);'
within "a string for a C string" 'puts(bw_cstr(s));' 'puts(s);'
within "comparing strings with ==" 'i = bw_str_eq(s, s);' 'i = s == s;'
within "writing through a string" 'i = s.ptr[0];' "s.ptr[0] = 'x';"

# ---- maps
within "a key of another type" 'bw_put(m, s) = 1;' 'bw_put(m, 5) = 1;'
within "a literal as a string key" 'i = bw_get(m, bw_str("a"));' 'i = bw_get(m, "a");'
within "a value of another type" 'bw_put(p, s) = at;' 'bw_put(p, s) = o;'
within "a struct key of another type" 'i = bw_get(bp, at);' 'i = bw_get(bp, o);'
within "a result variable of another type" 'bw_lookup(m, s, &i);' 'bw_lookup(m, s, &d);'
within "another map" 'm = bw_make_map(counts);' 'm = bw_make_map(places);'
within "a map where none is" 'bw_delete(m, s);' 'bw_delete(ints, s);'
outside "keys of an alignment of 16" 'BW_MAP(a_map, long, int);' 'BW_MAP(a_map, long double, int);'

# ---- interfaces
within "a pointer to another type as an interface" 'shape = bw_as(Shape, circle, c);' 'shape = bw_as(Shape, circle, q);'
within "a type that does not implement it" 'shape = bw_as(Shape, circle, c);' 'shape = bw_as(Shape, point, &at);'
within "a call with a wrong argument" 'bw_call(shape, scale, 2.0);' 'bw_call(shape, scale, s);'
within "a call with too few arguments" 'bw_call(shape, scale, 2.0);' 'bw_call(shape, scale);'
within "a call of no method" 'd = bw_call(shape, area);' 'd = bw_call(shape, perimeter);'
within "an interface for another" 'shape = bw_as(Shape, circle, c);' 'named = bw_as(Shape, circle, c);'
outside "a missing method" 'BW_STRUCT(t, (int, a)); double t_area(t *a); void t_scale(t *a, double b); BW_IMPL(Shape, t, (double, area), (void, scale, double));' \
    'BW_STRUCT(t, (int, a)); double t_area(t *a); BW_IMPL(Shape, t, (double, area));'
outside "a method twice" 'BW_STRUCT(t, (int, a)); double t_area(t *a); void t_scale(t *a, double b); BW_IMPL(Shape, t, (double, area), (void, scale, double));' \
    'BW_STRUCT(t, (int, a)); double t_area(t *a); BW_IMPL(Shape, t, (double, area), (double, area));'
outside "a method of another signature" 'BW_STRUCT(t, (int, a)); double t_area(t *a); void t_scale(t *a, double b); BW_IMPL(Shape, t, (double, area), (void, scale, double));' \
    'BW_STRUCT(t, (int, a)); double t_area(t *a); void t_scale(t *a, char *b); BW_IMPL(Shape, t, (double, area), (void, scale, char *));'
outside "a method's function of another type" 'BW_STRUCT(t, (int, a)); bw_string t_name(t *a); BW_IMPL(Named, t, (bw_string, name));' \
    'BW_STRUCT(t, (int, a)); bw_string t_name(point *a); BW_IMPL(Named, t, (bw_string, name));'
outside "a method's function with other parameters" 'bw_string circle_name(circle *c); BW_IMPL(Named, circle, (bw_string, name));' \
    'BW_IMPL(Shape, square, (double, area), (void, scale, double));'
sed -i 's/^BW_IMPL(Shape, circle/bw_string circle_name(circle *c);\n&/' prelude.h
outside "a method that is not the interface's" 'BW_IMPL(Named, circle, (bw_string, name));' \
    'bw_string circle_title(circle *c); BW_IMPL(Named, circle, (bw_string, title));'

# ---- values of any type
within "bw_any_of a struct" 'any = bw_any_as(point, at);' 'any = bw_any_of(at);'
within "bw_any_of an undescribed struct" 'any = bw_any_as(struct undescribed, u);' 'any = bw_any_of(u);'
within "bw_any_of a pointer" 'any = bw_any_as(circle *, c);' 'any = bw_any_of(c);'
within "bw_any_as another type" 'any = bw_any_as(point, at);' 'any = bw_any_as(point, o);'
within "an assertion's result of another type" 'i = bw_assert_type(int, any);' 'c = bw_assert_type(square *, any);'
within "a result variable of another type for bw_assert_ok" 'bw_assert_ok(int, any, &i);' 'bw_assert_ok(int, any, &d);'
within "an assertion on what is no interface" 'i = bw_is(int, any);' 'i = bw_is(int, at);'
within "comparing what is no interface" 'i = bw_eq(any, any);' 'i = bw_eq(at, at);'
within "comparing interfaces with ==" 'i = bw_eq(shape, shape);' 'i = shape == shape;'

# ---- errors, panics, deferred calls
within "an error that is none" 'err = bw_errors_new("x");' 'err = "x";'
within "bw_errors_as with another variable" 'bw_errors_as(circle *, err, &c);' 'bw_errors_as(circle *, err, &q);'
within "a wrong argument deferred" 'bw_defer(takes, 1, "a");' 'bw_defer(takes, "a", 1);'
within "too few arguments deferred" 'bw_defer(takes, 1, "a");' 'bw_defer(takes, 1);'
within "a large struct returned" 'bw_defer(real, 1);' 'bw_defer(returns_large, 1);'
within "too few arguments protected" 'any = bw_protect(takes, 1, "a");' 'any = bw_protect(takes, 1);'
within "a panic with a struct" 'bw_panic(bw_any_as(point, at));' 'bw_panic(at);'

# ---- goroutines, channels
within "a goroutine with a wrong argument" 'bw_go(takes, 1, "a");' 'bw_go(takes, "a", 1);'
within "a goroutine with too few arguments" 'bw_go(takes, 1, "a");' 'bw_go(takes, 1);'
within "a goroutine that returns a large struct" 'bw_go(real, 1);' 'bw_go(returns_large, 1);'
within "a channel of other elements" 'ch = bw_make_chan(int, 1);' 'ch = bw_make_chan(long, 1);'
within "a channel for another" 'pch = bw_make_chan(point, 1);' 'pch = ch;'
within "a value of another type sent" 'bw_send(pch, at);' 'bw_send(pch, o);'
within "a pointer sent for a number" 'bw_send(ch, 1);' 'bw_send(ch, &i);'
within "receiving into another variable" 'bw_recv_ok(pch, &at);' 'bw_recv_ok(pch, &o);'
within "receiving from what is no channel" 'i = bw_recv(ch);' 'i = bw_recv(c);'
within "receiving another type" 'at = bw_recv(pch);' 'o = bw_recv(pch);'
within "sending to what is no channel" 'bw_send(ch, 1);' 'bw_send(i, 1);'
within "ranging over what is no channel" 'bw_chan_range(v, ch) i = v;' 'bw_chan_range(v, i) i = v;'
within "a select that receives from what is no channel" 'bw_select { bw_on_recv(ch, v) i = v; }' 'bw_select { bw_on_recv(i, v) i = v; }'
within "a select that sends to what is no channel" 'bw_select { bw_on_send(ch, 1) i = 1; }' 'bw_select { bw_on_send(i, 1) i = 1; }'
within "closing what is no channel" 'bw_close(ch);' 'bw_close(c);'
within "a select that sends another type" 'bw_select { bw_on_send(pch, at) i = 1; }' 'bw_select { bw_on_send(pch, o) i = 1; }'
within "a select that receives another type" 'bw_select { bw_on_recv(pch, v) at = v; }' 'bw_select { bw_on_recv(pch, v) o = v; }'

# ---- printing
within "a struct printed without its type" 'bw_println(bw_v(point, at));' 'bw_println(at);'
within "an undescribed struct printed without its type" 'bw_println(bw_v(struct undescribed, u));' 'bw_println(u);'
within "a value named as another type" 'bw_println(bw_v(point, at));' 'bw_println(bw_v(point, o));'
within "a format that is no text" 'bw_printf("%d", i);' 'bw_printf(i, "%d");'

# ---- types
outside "a field that is not one name" 'BW_STRUCT(t, (int[4], a));' 'BW_STRUCT(t, (int, a[4]));'
outside "a field that is not there" 'struct t { int a; }; BW_TYPE(t, a);' 'struct t { int a; }; BW_TYPE(t, b);'

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
