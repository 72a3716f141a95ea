// Resident memory beside live bytes: the same work as bench/workloads/resident.c.
// resident mixed|queue
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	slotCount    = 400000
	replacements = 8000000
	queueLength  = 4000000
	queuePasses  = 40000000
)

type node struct {
	next  *node
	value int64
}

var (
	sizes      = [...]int{16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 1536, 2048}
	slots      [][]byte
	head, tail *node
	state      = uint64(88172645463325252)
	live       int64
)

func random() uint64 {
	r := state
	r ^= r << 13
	r ^= r >> 7
	r ^= r << 17
	state = r
	return r
}

func replace(slot uint64) {
	n := sizes[random()%uint64(len(sizes))]
	live += int64(n - len(slots[slot]))
	b := make([]byte, n)
	b[0] = byte(n)
	slots[slot] = b
}

func runMixed() (check int64) {
	slots = make([][]byte, slotCount)
	for i := range slots {
		replace(uint64(i))
	}
	for range replacements {
		replace(random() % slotCount)
	}
	for _, b := range slots {
		check += int64(b[0])
	}
	live += slotCount * 24
	return check
}

func runQueue() (check int64) {
	head = &node{}
	tail = head
	for i := int64(1); i < queuePasses; i++ {
		n := &node{value: i}
		tail.next = n
		tail = n
		if i >= queueLength {
			gone := head
			check += gone.value
			head = gone.next
		}
	}
	live = queueLength * 16
	return check
}

func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	var total, pages int64
	if err == nil {
		_, err = fmt.Sscan(string(b), &total, &pages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "/proc/self/statm cannot be read:", err)
		os.Exit(1)
	}
	return pages * int64(os.Getpagesize())
}

func main() {
	var check int64
	switch strings.Join(os.Args[1:], " ") {
	case "mixed":
		check = runMixed()
	case "queue":
		check = runQueue()
	default:
		fmt.Fprintln(os.Stderr, "usage: resident mixed|queue")
		os.Exit(2)
	}
	running := resident()
	runtime.GC()
	debug.FreeOSMemory()
	released := resident()
	fmt.Printf("CHECK resident %s live=%d sum=%d\n", os.Args[1], live, check)
	fmt.Printf("R live=%d running=%d released=%d\n", live, running, released)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("STAT numgc=%d pausetotal_ms=%.3f\n", m.NumGC, float64(m.PauseTotalNs)/1e6)
	runtime.KeepAlive(slots)
	runtime.KeepAlive(head)
}
