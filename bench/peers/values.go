// values.go - what Go's values cost in Go: calls through interfaces, type switches, errors, deferred calls, panics, and the
// bytes that an entry of a map takes. The rows are those of values.c.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"
	"time"
)

type shape interface {
	area() float64
}
type circle struct{ radius float64 }
type square struct{ side float64 }

//go:noinline
func (c *circle) area() float64 { return c.radius * 3 }

//go:noinline
func (s *square) area() float64 { return s.side * s.side }

var sink float64
var count int

const rounds = 5

// The best of some rounds, nanoseconds for each of n steps.
func report(name string, n int, work func(n int)) {
	best := time.Duration(1 << 62)
	for i := 0; i < rounds; i++ {
		start := time.Now()
		work(n)
		if took := time.Since(start); took < best {
			best = took
		}
	}
	fmt.Printf("R values_%s ns/op %.2f\n", name, float64(best.Nanoseconds())/float64(n))
}

//go:noinline
func classify(v any) int {
	switch x := v.(type) {
	case int32:
		return int(x)
	case string:
		return len(x)
	case float64:
		return int(x)
	case *circle:
		return int(x.radius)
	case *square:
		return int(x.side)
	}
	return 0
}

type myError struct{ code int }

func (e *myError) Error() string { return "my error" }

//go:noinline
func deferred(n *int) { *n++ }

//go:noinline
func with_defer(n *int) {
	defer deferred(n)
}

//go:noinline
func with_recover(n *int) {
	defer func() {
		if recover() != nil {
			*n++
		}
	}()
	panic("text")
}

//go:noinline
func fails(deep int) {
	if deep == 0 {
		panic("text")
	}
	fails(deep - 1)
	count++
}

//go:noinline
func with_recover_deep(n *int) {
	defer func() {
		if recover() != nil {
			*n++
		}
	}()
	fails(10)
}

func mix(x uint64) uint64 { x *= 0x9E3779B97F4A7C15; return x ^ x>>29 }

func bytes_per_entry(n int) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := make(map[uint64]uint64)
	for i := 0; i < n; i++ {
		k := mix(uint64(i)) >> 1
		m[k] = k
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	fmt.Printf("R values_map_%d_bytes B %.1f\n", n, float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(n))
	runtime.KeepAlive(m)
}

func main() {
	shapes := []shape{}
	for i := 0; i < 1024; i++ {
		if mix(uint64(i))&1 == 0 {
			shapes = append(shapes, &circle{float64(i)})
		} else {
			shapes = append(shapes, &square{float64(i)})
		}
	}
	report("interface_call", 20_000_000, func(n int) {
		total := 0.0
		for i := 0; i < n; i++ {
			total += shapes[i&1023].area()
		}
		sink += total
	})
	anys := []any{}
	for i := 0; i < 1024; i++ {
		switch mix(uint64(i)) % 5 {
		case 0:
			anys = append(anys, int32(i))
		case 1:
			anys = append(anys, "text")
		case 2:
			anys = append(anys, float64(i))
		case 3:
			anys = append(anys, &circle{1})
		default:
			anys = append(anys, &square{1})
		}
	}
	report("type_switch", 20_000_000, func(n int) {
		total := 0
		for i := 0; i < n; i++ {
			total += classify(anys[i&1023])
		}
		count += total
	})
	sentinel := errors.New("sentinel")
	wrapped := fmt.Errorf("third: %w", fmt.Errorf("second: %w", fmt.Errorf("first: %w", sentinel)))
	report("errors_is", 2_000_000, func(n int) {
		for i := 0; i < n; i++ {
			if errors.Is(wrapped, sentinel) {
				count++
			}
		}
	})
	typed := fmt.Errorf("third: %w", fmt.Errorf("second: %w", fmt.Errorf("first: %w", &myError{7})))
	report("errors_as", 2_000_000, func(n int) {
		for i := 0; i < n; i++ {
			var e *myError
			if errors.As(typed, &e) {
				count += e.code
			}
		}
	})
	report("errors_new", 2_000_000, func(n int) {
		for i := 0; i < n; i++ {
			if errors.New("text") != nil {
				count++
			}
		}
	})
	report("errorf", 500_000, func(n int) {
		for i := 0; i < n; i++ {
			if fmt.Errorf("step %d of %s: %w", i, "all", sentinel) != nil {
				count++
			}
		}
	})
	path := error(&fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT})
	report("errors_is_not_exist", 2_000_000, func(n int) {
		for i := 0; i < n; i++ {
			if errors.Is(path, fs.ErrNotExist) {
				count++
			}
		}
	})
	report("defer", 20_000_000, func(n int) {
		calls := 0
		for i := 0; i < n; i++ {
			with_defer(&calls)
		}
		count += calls
	})
	report("panic_recover", 1_000_000, func(n int) {
		calls := 0
		for i := 0; i < n; i++ {
			with_recover(&calls)
		}
		count += calls
	})
	report("panic_recover_10_frames", 1_000_000, func(n int) {
		calls := 0
		for i := 0; i < n; i++ {
			with_recover_deep(&calls)
		}
		count += calls
	})
	report("sprintf", 500_000, func(n int) {
		for i := 0; i < n; i++ {
			count += len(fmt.Sprintf("%s: %d of %5.2f, %v", "name", i, 2.5, true))
		}
	})
	for _, n := range []int{1000, 100_000, 10_000_000} {
		bytes_per_entry(n)
	}
	fmt.Println("CHECK done")
}
