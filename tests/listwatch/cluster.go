package main

import (
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// tick is how often events are made: as many as are due by then.
const tick = 5 * time.Millisecond

// cluster is one API server.
type cluster struct {
	name        string
	url         string
	history     int
	collections []*collection
	// resourceVersion of the last change of anything.
	version atomic.Uint64
	told    atomic.Uint64
	// Collections that were read whole, by their names in URLs.
	lists   sync.Map
	watches atomic.Int64

	mutex sync.Mutex
	// Ends what makes events now.
	stop chan struct{}
}

// definitions is watched by whoever wants to know of kinds that appear; here none do.
var definitions = kind{
	Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition", Plural: "customresourcedefinitions",
}

func newCluster(name string, plan *plan) *cluster {
	made := &cluster{name: name, history: plan.History, stop: make(chan struct{})}
	for _, kind := range append([]kind{definitions}, plan.Kinds...) {
		made.collections = append(made.collections, newCollection(made, kind))
	}
	return made
}

func (c *cluster) nextVersion() uint64 { return c.version.Add(1) }

// uid is made of what it names, so that a run is like another.
func (c *cluster) uid(plural string, number int) string {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s/%s/%d", c.name, plural, number)
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(hash.Sum64()>>32), hash.Sum64()&0xffffffffffff)
}

// listen serves on a free port until the process ends.
func (c *cluster) listen(certificate tls.Certificate) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.url = "https://" + listener.Addr().String()
	server := &http.Server{
		Handler:   c.handler(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	return nil
}

// change makes events at a rate from now on, kinds by their share. A rate of 0 makes none.
func (c *cluster) change(perSecond float64) {
	var turns []*collection
	for left := true; left; {
		left = false
		// Round by round, so that no kind's events come in a heap.
		for _, each := range c.collections {
			if count(turns, each) < each.Share {
				turns = append(turns, each)
				left = true
			}
		}
	}
	c.repeat(func(elapsed time.Duration, made int) int {
		due := int(elapsed.Seconds()*perSecond) - made
		for at := range due {
			turns[(made+at)%len(turns)].change()
		}
		return due
	}, perSecond > 0 && len(turns) > 0)
}

func count(turns []*collection, one *collection) int {
	found := 0
	for _, each := range turns {
		if each == one {
			found++
		}
	}
	return found
}

// repeat lets `step` do what is due at each tick, given the time since it began and what it has done by then.
func (c *cluster) repeat(step func(time.Duration, int) int, goes bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	close(c.stop)
	stop := make(chan struct{})
	c.stop = stop
	if !goes {
		return
	}
	go func() {
		began, made := time.Now(), 0
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
				made += step(time.Since(began), made)
			}
		}
	}()
}

func (c *cluster) expire() {
	for _, each := range c.collections {
		each.expire()
	}
}

func (c *cluster) listed(plural string) {
	count, _ := c.lists.LoadOrStore(plural, new(atomic.Uint64))
	count.(*atomic.Uint64).Add(1)
}
