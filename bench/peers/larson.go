// Objects that another goroutine drops than the one that allocated them: the same work as bench/workloads/larson.c.
// larson THREADS ROUNDS
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	slots        = 5000
	replacements = 100000
	seed         = 88172645463325252
)

type table struct {
	slots [][]byte
	seed  uint64
	check uint64
	owner uint32 // the goroutine that works on it this round
}

func (t *table) random() uint64 {
	r := t.seed
	r ^= r << 13
	r ^= r >> 7
	r ^= r << 17
	t.seed = r
	return r
}

func (t *table) put(slot uint64) {
	size := uint32(16 + t.random()%497)
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, size)
	binary.LittleEndian.PutUint32(b[4:], t.owner)
	b[size-1] = byte(size)
	t.slots[slot] = b
}

func (t *table) take(slot uint64) {
	b := t.slots[slot]
	size := binary.LittleEndian.Uint32(b)
	if b[size-1] != byte(size) {
		fmt.Fprintln(os.Stderr, "a block was overwritten")
		os.Exit(1)
	}
	t.check = t.check*31 + uint64(size) + uint64(binary.LittleEndian.Uint32(b[4:]))
}

func (t *table) round() {
	for range replacements {
		slot := t.random() % slots
		t.take(slot)
		t.put(slot)
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: larson THREADS ROUNDS")
		os.Exit(2)
	}
	threads, _ := strconv.Atoi(os.Args[1])
	rounds, _ := strconv.Atoi(os.Args[2])
	tables := make([]*table, threads)
	for i := range tables {
		t := &table{slots: make([][]byte, slots), seed: seed + uint64(i), owner: uint32(i)}
		for slot := range uint64(slots) {
			t.put(slot)
		}
		tables[i] = t
	}
	start := time.Now()
	for round := range rounds {
		var wg sync.WaitGroup
		for i, t := range tables {
			t.owner = uint32((i + round + 1) % threads)
			wg.Go(t.round)
		}
		wg.Wait()
	}
	seconds := time.Since(start).Seconds()
	var check uint64
	for _, t := range tables {
		for slot := range uint64(slots) {
			t.take(slot)
		}
		check ^= t.check
	}
	fmt.Printf("CHECK larson threads=%d rounds=%d sum=%d\n", threads, rounds, check)
	fmt.Printf("R larson Mop/s=%.3f\n", float64(threads)*float64(rounds)*replacements/seconds/1e6)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("STAT numgc=%d pausetotal_ms=%.3f\n", m.NumGC, float64(m.PauseTotalNs)/1e6)
}
