// 2 GiB of objects of ten types, from 16 bytes to 8 KiB, PERCENT of them dropped at random, and what stays resident after
// runtime.GC and debug.FreeOSMemory.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

type object16 struct {
	next  unsafe.Pointer
	value uint64
}
type sized[R any] struct {
	object16
	rest R
}

func resident() uint64 {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

func make16(size uint) *object16 {
	switch size {
	case 16:
		return new(object16)
	case 32:
		return &new(sized[[2]uint64]).object16
	case 64:
		return &new(sized[[6]uint64]).object16
	case 128:
		return &new(sized[[14]uint64]).object16
	case 256:
		return &new(sized[[30]uint64]).object16
	case 512:
		return &new(sized[[62]uint64]).object16
	case 1024:
		return &new(sized[[126]uint64]).object16
	case 2048:
		return &new(sized[[254]uint64]).object16
	case 4096:
		return &new(sized[[510]uint64]).object16
	default:
		return &new(sized[[1022]uint64]).object16
	}
}

var kept []*object16

//go:noinline
func build(percent uint64) (live uint64, made int) {
	seed := uint64(88172645463325252)
	next := func() uint64 { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed }
	objects := make([]*object16, 0, 2000000)
	sizes := make([]uint16, 0, 2000000)
	var total uint64
	for total < 2<<30 {
		size := uint(16) << (next() % 10)
		o := make16(size)
		*(*uint64)(unsafe.Add(unsafe.Pointer(o), size-8)) = uint64(len(objects))
		o.value = uint64(len(objects))
		objects = append(objects, o)
		sizes = append(sizes, uint16(size))
		total += uint64(size)
	}
	made = len(objects)
	left := 0
	for i := range objects {
		if next()%100 >= percent {
			objects[left] = objects[i]
			left++
			live += uint64(sizes[i])
		}
	}
	kept = make([]*object16, left)
	copy(kept, objects)
	return live + uint64(left)*8, made
}

func main() {
	percent, err := strconv.ParseUint(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	live, made := build(percent)
	start := time.Now()
	runtime.GC()
	collected := time.Since(start)
	start = time.Now()
	debug.FreeOSMemory()
	released := time.Since(start)
	after := resident()
	var sum uint64
	for _, o := range kept {
		sum += o.value
	}
	fmt.Printf("R compact_drop%d n=%d kept=%d sum=%d live=%d rss_after=%d gc_ms=%.1f release_ms=%.1f\n",
		percent, made, len(kept), sum, live, after, float64(collected.Microseconds())/1e3, float64(released.Microseconds())/1e3)
}
