// What Go itself says, as hashes for test_string.c and test_number.c, which go through the same loops:
//
//	go run tests/lang/golden.go
//
//go:build ignore

package main

import (
	"fmt"
	"math"
	"strconv"
	"unicode"
)

var state uint64

func next() uint64 { // splitmix64, as random_next of tests/support.h
	state += 0x9e3779b97f4a7c15
	z := state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

var hash uint64

func begin() { state, hash = 1, 0xcbf29ce484222325 }
func add(s string) { // FNV-1a, with a newline
	for _, c := range []byte(s + "\n") {
		hash = (hash ^ uint64(c)) * 0x100000001b3
	}
}
func end(name string) { fmt.Printf("#define %s 0x%016x\n", name, hash) }

func main() {
	begin()
	for r := rune(0); r <= 0x110000; r++ {
		bits := 0
		for i, f := range []func(rune) bool{unicode.IsLetter, unicode.IsDigit, unicode.IsUpper, unicode.IsLower, unicode.IsPunct, unicode.IsSpace, unicode.IsPrint} {
			if f(r) {
				bits |= 1 << i
			}
		}
		add(fmt.Sprintf("%d %d %d %d", bits, unicode.ToUpper(r), unicode.ToLower(r), unicode.SimpleFold(r)))
	}
	end("GO_UNICODE")

	begin()
	for r := rune(0); r <= 0x110000; r++ {
		add(strconv.QuoteRune(r))
		add(strconv.QuoteRuneToASCII(r))
	}
	end("GO_QUOTED_RUNES")

	begin()
	for i := 0; i < 50000; i++ {
		v := math.Float64frombits(next())
		if i%4 == 1 {
			v = float64(next()%2000000) / math.Pow10(int(next()%8))
		} else if i%4 == 2 {
			v = math.Float64frombits(next() % 2048 << 52)
		} else if i%4 == 3 {
			v = float64(next() >> (next() % 64))
		}
		for _, f := range []byte("efgGxb") {
			add(strconv.FormatFloat(v, f, -1, 64))
			add(strconv.FormatFloat(v, f, int(next()%20), 64))
		}
	}
	end("GO_FLOATS_64")

	begin()
	for i := 0; i < 50000; i++ {
		v := float64(math.Float32frombits(uint32(next())))
		if i%4 == 1 {
			v = float64(math.Float32frombits(uint32(next() % 256 << 23)))
		}
		for _, f := range []byte("efgGxb") {
			add(strconv.FormatFloat(v, f, -1, 32))
			add(strconv.FormatFloat(v, f, int(next()%20), 32))
		}
	}
	end("GO_FLOATS_32")

	begin()
	for i := 0; i < 100000; i++ {
		text := ""
		for n := next()%22 + 1; n > 0; n-- {
			text += string(rune('0' + next()%10))
		}
		text += "."
		for n := next() % 6; n > 0; n-- {
			text += string(rune('0' + next()%10))
		}
		text += "e" + strconv.Itoa(int(next()%680)-350)
		for _, bits := range []int{64, 32} {
			v, err := strconv.ParseFloat(text, bits)
			add(strconv.FormatUint(math.Float64bits(v), 16))
			if err != nil {
				add(err.Error())
			}
		}
	}
	end("GO_PARSED_FLOATS")

	begin()
	for i := 0; i < 100000; i++ {
		v := int64(next()) >> (next() % 64)
		base := int(next()%35) + 2
		text := strconv.FormatInt(v, base)
		add(text)
		add(strconv.FormatUint(uint64(v), base))
		bits := int(next()%63) + 2
		w, err := strconv.ParseInt(text, base, bits)
		add(strconv.FormatInt(w, 10))
		if err != nil {
			add(err.Error())
		}
		u, err := strconv.ParseUint(text, int(next()%37), bits)
		add(strconv.FormatUint(u, 10))
		if err != nil {
			add(err.Error())
		}
	}
	end("GO_INTEGERS")
}
