// A steady load as a server has it: the same work as bench/workloads/server.c, which says what it is.
// server MEGABYTES SECONDS MEGABYTES_A_SECOND
package main

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

const (
	lookups      = 24
	indexLength  = 512
	answerBytes  = 16384
	replaceEvery = 1000
	recordBytes  = 304
)

type field struct {
	next        *field
	of          *record
	name, value uint64
}
type record struct {
	next, other *record
	fields      *field
	body        []byte
	key, sum    uint64
}
type result struct {
	next        *result
	found       *record
	details     *field
	text        []byte
	score, rank uint64
}
type response struct {
	results *result
	index   []*result
	answer  []byte
}

var (
	bodySizes  = [8]int{16, 32, 48, 64, 96, 128, 192, 256}
	buckets    []*record
	bucketBits int
	records    uint64
	live       uint64
	state      = uint64(88172645463325252)
	bytes      uint64
	answered   *response
)

func random() uint64 {
	r := state
	r ^= r << 13
	r ^= r >> 7
	r ^= r << 17
	state = r
	return r
}

func bucketOf(key uint64) **record {
	return &buckets[key*0x9E3779B97F4A7C15>>(64-bucketBits)]
}

func find(key uint64) *record {
	r := *bucketOf(key)
	for r.key != key {
		r = r.next
	}
	return r
}

func addFields(r *record, count uint64, other *record) {
	for i := range count {
		f := &field{next: r.fields, of: r, name: i, value: random() & 0xFFFF}
		if i == 0 {
			f.of = other
		}
		r.fields = f
	}
	live += count * 32
}

func makeRecord(key, among uint64) *record {
	draw := random()
	r := &record{key: key, body: make([]byte, bodySizes[draw%8])}
	for i := range r.body {
		r.body[i] = byte(draw >> 8)
	}
	r.other = r
	if among > 0 {
		r.other = find(random() % among)
	}
	first := r
	if among > 0 {
		first = find(random() % among)
	}
	addFields(r, 1+(draw>>16)%7, first)
	live += 64 + uint64(len(r.body))
	return r
}

func build(megabytes uint64) {
	records = megabytes << 20 / recordBytes
	bucketBits = max(1, bits.Len64(records-1))
	buckets = make([]*record, 1<<bucketBits)
	live = 8 << bucketBits
	for key := range records {
		r := makeRecord(key, key)
		bucket := bucketOf(key)
		r.next = *bucket
		*bucket = r
	}
}

func replace() {
	key := random() % records
	place, fresh := bucketOf(key), makeRecord(key, records)
	for (*place).key != key {
		place = &(*place).next
	}
	fresh.next = (*place).next
	*place = fresh
}

func lookUp(key uint64) *result {
	found := find(key)
	r := &result{found: found, text: make([]byte, len(found.body)), score: found.other.key}
	copy(r.text, found.body)
	for f := found.fields; f != nil; f = f.next {
		r.details = &field{next: r.details, of: f.of, name: f.name, value: f.value}
		r.score += f.value + f.of.key
		bytes += 32
	}
	bytes += 64 + uint64(len(r.text))
	return r
}

func writeAnswer(r *response) {
	r.answer = make([]byte, answerBytes)
	length := 0
	for one := r.results; one != nil && length+len(one.text) <= answerBytes; one = one.next {
		copy(r.answer[length:], one.text)
		length += len(one.text)
	}
	r.answer = r.answer[:length]
}

func checkOf(r *response) uint64 {
	sum := uint64(len(r.answer))
	for i := 0; i < len(r.answer); i += 16 {
		sum += uint64(r.answer[i])
	}
	for _, one := range r.index {
		if one != nil {
			sum += one.score + one.rank + one.details.value
		}
	}
	return sum
}

//go:noinline
func serve() uint64 {
	r := &response{index: make([]*result, indexLength)}
	for i := range uint64(lookups) {
		one := lookUp(random() % records)
		one.rank = i
		one.next = r.results
		r.results = one
		r.index[one.score%indexLength] = one
	}
	writeAnswer(r)
	bytes += 32 + indexLength*8 + answerBytes
	answered = r
	return checkOf(r)
}

// By the kernel's call, as the C program does. Where no goroutine can run, time.Sleep rounds up to a millisecond, which
// would be most of what is measured.
func waitUntil(began time.Time, due int64) {
	for {
		left := due - time.Since(began).Nanoseconds()
		if left <= 0 {
			return
		}
		wait := syscall.NsecToTimespec(left)
		syscall.Nanosleep(&wait, nil)
	}
}

// ---- how long it took: the histogram of bench/workloads/latency.h ----

type histogram struct {
	classes [64 * 16]uint64
	count   uint64
	longest int64
}

func (h *histogram) add(ns int64) {
	u := uint64(max(ns, 0))
	h.longest = max(h.longest, ns)
	h.count++
	if u >= 16 {
		exponent := bits.Len64(u) - 1
		u = uint64(exponent-3)*16 + u>>(exponent-4)&15
	}
	h.classes[u]++
}

func lowerEnd(class int) float64 {
	if class < 16 {
		return float64(class)
	}
	return float64(uint64(16+class%16) << (class/16 + 3 - 4))
}

func (h *histogram) quantile(share float64) float64 {
	wanted, sum := uint64(share*float64(h.count)), uint64(0)
	for class, count := range h.classes {
		sum += count
		if sum > wanted {
			return lowerEnd(class)
		}
	}
	return float64(h.longest)
}

func (h *histogram) print() {
	fmt.Print("LATENCY")
	for class, count := range h.classes {
		if count > 0 {
			fmt.Printf(" %.0f:%d", lowerEnd(class), count)
		}
	}
	fmt.Println()
}

// ---- what the collector did ----

func collectorFigures() []metrics.Sample {
	s := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(s)
	return s
}

func longestPause(before, after *metrics.Float64Histogram) float64 {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] != before.Counts[i] {
			return after.Buckets[i+1] * 1e6
		}
	}
	return 0
}

func printCollector(before []metrics.Sample) {
	after := collectorFigures()
	seconds := func(i int) float64 { return after[i].Value.Float64() - before[i].Value.Float64() }
	fmt.Printf(" numgc=%d live_MB=%d gccpu_s=%.3f idle_s=%.3f assist_s=%.3f stw_max_us=%.1f\n",
		after[0].Value.Uint64()-before[0].Value.Uint64(), after[4].Value.Uint64()>>20, seconds(1), seconds(2), seconds(3),
		longestPause(before[5].Value.Float64Histogram(), after[5].Value.Float64Histogram()))
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		fmt.Fprintf(os.Stderr, "'%s' is not a number above 0\n", text)
		os.Exit(2)
	}
	return n
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: server MEGABYTES SECONDS MEGABYTES_A_SECOND")
		os.Exit(2)
	}
	megabytes, seconds, rate := number(os.Args[1]), number(os.Args[2]), number(os.Args[3])
	build(megabytes)
	runtime.GC()
	took := &histogram{}
	var sum uint64
	before := collectorFigures()
	began := time.Now()
	now := int64(0)
	for {
		due := int64(bytes * 1000 / rate)
		if due >= int64(seconds)*1e9 {
			break
		}
		waitUntil(began, due)
		sum += serve()
		if (took.count+1)%replaceEvery == 0 {
			replace()
		}
		now = time.Since(began).Nanoseconds()
		took.add(now - due)
	}
	fmt.Printf("CHECK server %dMB %dMB/s records=%d live=%d requests=%d sum=%d\n", megabytes, rate, records, live, took.count, sum)
	us := func(share float64) float64 { return took.quantile(share) / 1e3 }
	fmt.Printf("R server_%dMB requests=%d wall_ms=%.0f p50_us=%.1f p99_us=%.1f p99.9_us=%.1f p99.99_us=%.1f max_us=%.1f",
		megabytes, took.count, float64(now)/1e6, us(.5), us(.99), us(.999), us(.9999), float64(took.longest)/1e3)
	printCollector(before)
	took.print()
	runtime.KeepAlive(buckets)
}
