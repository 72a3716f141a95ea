// Makes print_cases.h, what Go prints:   go run print_cases.go >print_cases.h
// Each case is an expected text, a format, and arguments as C has them; the values' types are declared in test_print.c.
package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

type pair struct {
	A int
	B string
}
type nest struct {
	P  pair
	S  []int
	Ok bool
	F  float64
	M  map[string]int
}
type holder struct {
	E error
	X any
	P *pair
}
type celsius struct{ Degrees float64 }
type named struct{ C celsius }

func (c celsius) String() string { return fmt.Sprintf("%.1f°C", c.Degrees) }

// As a C string literal. Octal escapes end after three digits, hexadecimal ones do not.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '?':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString("\\n")
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func emit(expected, format, arguments string) {
	// C's names of types have no package.
	expected = strings.ReplaceAll(expected, "main.", "")
	if arguments != "" {
		arguments = ", " + arguments
	}
	fmt.Printf("PRINTS(%s, %s%s)\n", literal(expected), literal(format), arguments)
}

func c(format, arguments string, values ...any) {
	emit(fmt.Sprintf(format, values...), format, arguments)
}

func plain(arguments string, values ...any) {
	fmt.Printf("SPRINT(%s, %s)\n", literal(fmt.Sprint(values...)), arguments)
	fmt.Printf("SPRINTLN(%s, %s)\n", literal(fmt.Sprintln(values...)), arguments)
}

type value struct {
	c     string
	v     any
	verbs string // "": all
}

const all = "vTtbcdoOqxXUefgsp"
const noAddress = "vTtbcdoOqxXUefgs"
const floating = "vTtdqxXbeEfFgG"

var values = []value{
	{"0", 0, ""},
	{"-42", -42, ""},
	{"65", 65, ""},
	{"0x1F600", 0x1F600, ""},
	{"INT64_MIN", int64(math.MinInt64), ""},
	{"(uint8_t)200", uint8(200), ""},
	{"UINT64_MAX", uint64(math.MaxUint64), ""},
	{"(short)-7", int16(-7), ""},
	{"(bool)true", true, ""},
	{"0.0", 0.0, floating},
	{"-1.5", -1.5, floating},
	{"123456789.0", 123456789.0, floating},
	{"1e-7", 1e-7, floating},
	{"0.1f", float32(0.1), floating},
	{"(double)INFINITY", math.Inf(1), floating},
	{"(double)NAN", math.NaN(), floating},
	{"bw_str(\"\")", "", ""},
	{"bw_str(\"h\\303\\251llo\")", "héllo", ""},
	{"bw_str(\"a\\\"`\\n\\377\")", "a\"`\n\xff", ""},
	{"bytes", []byte("hi\x00"), noAddress},
	{"(bw_slice(uint8_t)){0}", []byte(nil), ""},
	{"ints", []int{1, -2, 3}, noAddress},
	{"(bw_slice(int)){0}", []int(nil), ""},
	{"strings", []string{"x", "", "y z"}, noAddress},
	{"floats", []float64{1, 2.5, math.NaN()}, noAddress},
	{"bw_v(int[3], triple)", [3]int{1, 2, 3}, ""},
	{"bw_v(uint8_t[4], four)", [4]byte{'a', 'b', 0, 255}, ""},
	{"bw_v(pair, a_pair)", pair{7, "seven"}, ""},
	{"pair_ptr", &pair{7, "seven"}, noAddress},
	{"bw_v(nest, a_nest)", nest{pair{-1, "in"}, []int{4, 5}, true, 0.25, map[string]int{"b": 2, "a": 1}}, ""},
	{"bw_v(holder, nothing)", holder{}, ""},
	{"pairs", []pair{{1, "one"}, {2, "two"}}, noAddress},
	{"anys", []any{1, "two", nil, 3.5, []int{6}}, noAddress},
	{"by_name_map", map[string]int{"z": 26, "a": 1, "": 0}, noAddress},
	{"by_number_map", map[int]string{10: "ten", -1: "minus", 2: "two"}, noAddress},
	{"by_float_map", map[float64]bool{2: true, math.Inf(-1): false, -1: true}, noAddress},
	{"bw_v(by_name, ((by_name){0}))", map[string]int(nil), ""},
	{"bw_v(celsius, ((celsius){36.6}))", celsius{36.6}, ""},
	{"celsius_ptr", &celsius{-40}, noAddress},
	{"bw_v(named, ((named){{20}}))", named{celsius{20}}, ""},
	{"warm", []celsius{{1}, {2}}, noAddress},
	{"failure", errors.New("it failed"), "vtbcdoOqxXUefgs"},
	{"1.0F + 2.0F * _Complex_I", complex64(1 + 2i), floating},
	{"-0.5 - 1e30 * _Complex_I", complex(-0.5, -1e30), floating},
}

var modifiers = []string{"", "+", "#", " ", "07", "-12.1", "+# 12.3"}

func main() {
	fmt.Println("/* Made by print_cases.go: what Go prints. */\n/* clang-format off */")
	for _, val := range values {
		for _, modifier := range modifiers {
			verbs := val.verbs
			if verbs == "" {
				verbs = all
			}
			var format strings.Builder
			arguments := val.c
			var vs []any
			for i, verb := range verbs {
				if i > 0 {
					format.WriteByte('|')
				}
				if strings.HasPrefix(val.c, "failure") && strings.Contains(modifier, "#") && verb == 'v' {
					continue // shows an address
				}
				if verb == 'T' && strings.ContainsAny(modifier, "123456789") && strings.Contains(fmt.Sprintf("%T", val.v), "main.") {
					continue // has another length in C
				}
				format.WriteString("%" + modifier + "[1]" + string(verb))
			}
			vs = append(vs, val.v)
			c(format.String(), arguments, vs...)
		}
	}
	// Without a format.
	plain("")
	plain("1, 2", 1, 2)
	plain("\"a\", 1, 2, \"b\", \"c\", 3.5, (bool)true, bw_nil, bw_nil, \"d\"", "a", 1, 2, "b", "c", 3.5, true, nil, nil, "d")
	plain("ints, pair_ptr, bw_str(\"x\"), by_name_map, failure", []int{1, -2, 3}, &pair{7, "seven"}, "x", map[string]int{"z": 26, "a": 1, "": 0}, errors.New("it failed"))
	plain("celsius_ptr, bw_v(celsius, ((celsius){36.6})), 1e6f, -0.0, 1e21", &celsius{-40}, celsius{36.6}, float32(1e6), math.Copysign(0, -1), 1e21)
	// Formats.
	c("", "")
	c("plain text, 100%%", "")
	c("%", "")
	c("%-", "")
	c("%z %!", "1, 2", 1, 2)
	c("%d %d", "1", 1)
	c("%d", "1, 2, bw_str(\"x\"), bw_nil, 2.5", 1, 2, "x", nil, 2.5)
	c("none", "bw_v(pair, a_pair), pair_ptr, ints", pair{7, "seven"}, &pair{7, "seven"}, []int{1, -2, 3})
	c("%d", "bw_str(\"hi\")", "hi")
	c("%d %s", "\"hi\", \"there\"", "hi", "there")
	c("%s", "bw_nil", nil)
	c("%v %T %10v|%-10T|", "bw_nil, bw_nil, bw_nil, bw_nil", nil, nil, nil, nil)
	c("%[2]d %[1]d", "11, 22", 11, 22)
	c("%[3]*.[2]*[1]f|", "12.0, 2, 6", 12.0, 2, 6)
	c("%d %d %#[1]x %#x", "16, 17", 16, 17)
	c("%[2]*[1]d|", "2, 5", 2, 5)
	c("%6.2f|", "12.0", 12.0)
	c("%[x]d %[]d %[d", "1", 1)
	c("%[-1]d %[0]d %[99]d %[1", "1", 1)
	c("%[5]d %[2]d %d", "1, 2, 3", 1, 2, 3)
	c("%[1][2]d", "1, 2", 1, 2)
	c("%[3]2d %[1].2d %.[2]d", "7, 8, 9", 7, 8, 9)
	c("%.[]", "3", 3)
	c("%*d|%-*d|%.*f|%*.*f", "5, 42, 5, 42, 2, 2.71828, 8, 3, 3.14159", 5, 42, 5, 42, 2, 2.71828, 8, 3, 3.14159)
	c("%*d|%0*d|", "-5, 42, -5, 42", -5, 42, -5, 42)
	c("%.*d|", "-5, 42", -5, 42)
	c("%*s|%.*s|", "4.5, \"hi\", 4.5, \"hi\"", 4.5, "hi", 4.5, "hi")
	c("%*d", "10000000, 42", 10000000, 42)
	c("%*d", "(uint8_t)3, 42", uint8(3), 42)
	c("%*d", "UINT64_MAX, 42", uint64(math.MaxUint64), 42)
	c("%*", "4", 4)
	c("%*d", "4", 4)
	c("%100000001d", "1", 1)
	c("%.100000001d", "1", 1)
	c("%é|%日", "1, 2", 1, 2)
	c("%\xff", "1", 1)
	c("%-+# 0v", "1", 1)
	c("%v", "bw_str(\"100%\")", "100%")
	c("%w", "1", 1)
	c("%w", "bw_v(pair, a_pair)", pair{7, "seven"})
	c("%i %u %ld", "1, 2, 3", 1, 2, 3)
	c("%s|%q|%x|% X|%#x", "\"C\", \"C\", \"C\", \"CC\", \"C\"", "C", "C", "C", "CC", "C")
	c("%5t|%-7t|%05t", "(bool)true, (bool)false, (bool)true", true, false, true)
	c("%s", "bw_v(holder, ((holder){failure, bw_any_of(5), NULL}))", holder{errors.New("it failed"), 5, nil})
	c("%+v", "bw_v(holder, ((holder){failure, bw_any_of(5), NULL}))", holder{errors.New("it failed"), 5, nil})
	c("%#v", "bw_v(nest, million)", nest{F: 1e6})
	c("%06d %06d %x", "ints, bw_v(pair, a_pair), strings", []int{1, -2, 3}, pair{7, "seven"}, []string{"x", "", "y z"})
	c("%6.2f %+q %08b", "floats, strings, bytes", []float64{1, 2.5, math.NaN()}, []string{"x", "", "y z"}, []byte("hi\x00"))
	c("%v %v", "by_any_map, errs", map[any]int{2: 2, nil: 3, 1: 4}, []error{errors.New("it failed"), nil})
	c("%#v %#v", "anys, errs_nil", []any{1, "two", nil, 3.5, []int{6}}, []error{nil})
	c("%v", "(char)'a'", int8('a'))
	c("%c%c", "(char)'a', 'b'", 'a', 'b')
	for _, f := range []float64{1e20, 1e21, 1e5, 1e6, 123456, 1234567, 0.0001, 0.00001, 5e-324, math.MaxFloat64, 100, 0.3, 2.0 / 3, math.Pi, 1 << 53, 1.0 / (1 << 44)} {
		c("%v %g %G %e %.3g %#g %#.3g %b %x %.2x %+.3e %010.2f", strings.Repeat(", "+strconv.FormatFloat(f, 'x', -1, 64), 12)[2:], f, f, f, f, f, f, f, f, f, f, f, f)
	}
	for _, f := range []float32{0.1, 16777216, 3.4028235e38, 1e-45, 1.17549435e-38, 0.3} {
		c("%v %g %.3g %b %x %f", strings.Repeat(", "+strconv.FormatFloat(float64(f), 'x', -1, 64)+"f", 6)[2:], f, f, f, f, f, f)
	}
	for _, s := range []string{"\a\b\f\n\r\t\v\\", "\x00\x7f\u0080\u00ad", "日本\u2028\U0001F600\U000F0000", "\ufeff", "tab\there", "a\xe6\x97", "\ufffd"} {
		c("%q %+q %#q %+#q %x % x %.2q %10q|%-10q|%010q", strings.Repeat(", bw_str("+literal(s)+")", 10)[2:], s, s, s, s, s, s, s, s, s, s)
	}
	for _, r := range []int64{0, 'x', '\'', '\\', '\n', 0x7f, 0xe9, 0xad, 0xd800, 0xfffd, 0x10ffff, 0x110000, -1, 1 << 40} {
		c("%c %q %+q %#q %U %#U %#.6U %5c|%-5c|%05c|%12U|%-12U|%-#12U|", strings.Repeat(fmt.Sprintf(", INT64_C(%d)", r), 13)[2:], r, r, r, r, r, r, r, r, r, r, r, r, r)
	}
}
