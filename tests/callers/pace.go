package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pace makes the calls of a run, the payloads in turn, and keeps the answers to those that count.
type pace struct {
	client       *client
	payloads     [][]byte
	begin, count time.Time
	end          time.Time
	next         atomic.Uint64

	lock    sync.Mutex
	answers []answer
}

func newPace(client *client, payloads [][]byte, warmup, duration time.Duration) *pace {
	begin := time.Now()
	count := begin.Add(warmup)
	return &pace{client: client, payloads: payloads, begin: begin, count: count, end: count.Add(duration)}
}

// openLoop makes call k at begin + k / rate and returns once all are answered.
func (p *pace) openLoop(rate float64) {
	// Go's timers are late by up to a millisecond where nothing else runs; a thread's sleep is not.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var calls sync.WaitGroup
	for k := 0; ; k++ {
		due := p.begin.Add(time.Duration(float64(k) / rate * float64(time.Second)))
		if !due.Before(p.end) {
			break
		}
		sleepUntil(due)
		calls.Go(func() { p.one(due) })
	}
	calls.Wait()
}

// closedLoop keeps so many callers busy.
func (p *pace) closedLoop(callers int) {
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for now := time.Now(); now.Before(p.end); now = time.Now() {
				p.one(now)
			}
		})
	}
	running.Wait()
}

func (p *pace) one(due time.Time) {
	turn := p.next.Add(1) - 1
	got := p.client.call(p.payloads[turn%uint64(len(p.payloads))])
	got.latency = time.Since(due)
	if due.Before(p.count) {
		return
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.answers = append(p.answers, got)
}

func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		span := syscall.NsecToTimespec(left.Nanoseconds())
		// A signal ends it early: what is left is slept in the next turn.
		_ = syscall.Nanosleep(&span, nil)
	}
}
