// timers.go - what timers cost in Go: starting, stopping, setting anew, firing, and many goroutines that sleep. The rows
// are those of timers.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func report(name string, n int, d time.Duration) {
	fmt.Printf("R %s_p%d ns/op %.2f\n", name, runtime.GOMAXPROCS(0), float64(d.Nanoseconds())/float64(n))
}

func mustBe(what string, is, expected int) {
	if is != expected {
		fmt.Fprintf(os.Stderr, "%s: %d where %d is right\n", what, is, expected)
		os.Exit(1)
	}
}

func nothing() {}

func main() {
	{ // with a channel that nobody waits on
		const n = 3_000_000
		stopped := 0
		t := time.Now()
		for i := 0; i < n; i++ {
			timer := time.NewTimer(time.Hour)
			if timer.Stop() {
				stopped++
			}
		}
		report("timer_start_stop", n, time.Since(t))
		mustBe("stopped", stopped, n)
	}
	{
		const n = 3_000_000
		stopped := 0
		t := time.Now()
		for i := 0; i < n; i++ {
			timer := time.AfterFunc(time.Hour, nothing)
			if timer.Stop() {
				stopped++
			}
		}
		report("timer_func_start_stop", n, time.Since(t))
		mustBe("stopped", stopped, n)
	}
	{
		const n = 5_000_000
		timer := time.AfterFunc(time.Hour, nothing)
		pending := 0
		t := time.Now()
		for i := 0; i < n; i++ {
			if timer.Reset(time.Hour + time.Duration(i)) {
				pending++
			}
		}
		report("timer_reset", n, time.Since(t))
		mustBe("pending", pending, n)
		timer.Stop()
	}
	{ // among many others: each is set anew in turn, to another place in the order
		const n, timers = 5_000_000, 10_000
		all := make([]*time.Timer, timers)
		for i := range all {
			all[i] = time.AfterFunc(time.Hour+time.Duration(i)*time.Second, nothing)
		}
		pending := 0
		t := time.Now()
		for i := 0; i < n; i++ {
			if all[i%timers].Reset(time.Hour + time.Duration(i*7919%timers)*time.Second) {
				pending++
			}
		}
		report("timer_reset_among_10k", n, time.Since(t))
		mustBe("pending", pending, n)
		for _, timer := range all {
			timer.Stop()
		}
	}
	{
		const n = 300_000
		t := time.Now()
		for i := 0; i < n; i++ {
			<-time.After(0)
		}
		report("timer_after0", n, time.Since(t))
	}
	{
		const n = 500_000
		var wg sync.WaitGroup
		t := time.Now()
		for i := 0; i < n; i++ {
			wg.Add(1)
			time.AfterFunc(0, wg.Done)
		}
		wg.Wait()
		report("timer_after_func0", n, time.Since(t))
	}
	{ // each sleeps for 1 to 2 ms, twenty times
		const sleepers, times = 10_000, 20
		var wg sync.WaitGroup
		t := time.Now()
		for i := 0; i < sleepers; i++ {
			wg.Add(1)
			go func() {
				for k := 0; k < times; k++ {
					time.Sleep(time.Millisecond + time.Duration((i+k)*7919%1000)*time.Microsecond)
				}
				wg.Done()
			}()
		}
		wg.Wait()
		report("sleep_10k_goroutines", sleepers*times, time.Since(t))
	}
	{ // alone: how late it wakes
		const n = 2_000
		t := time.Now()
		for i := 0; i < n; i++ {
			time.Sleep(100 * time.Microsecond)
		}
		report("sleep_100us_late", n, time.Since(t)-n*100*time.Microsecond)
	}
}
