package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"
)

// command is a line of the input. It is answered by a line of JSON: what each of the chosen clusters has done so far.
type command struct {
	// Which clusters; all where there is none.
	Clusters []string `json:"clusters"`
	// Events per second of each of them from now on.
	Rate *float64 `json:"rate"`
	// Forget the history and end every watch: now, and then each time so many seconds have passed. 0 ends that.
	ExpireEvery *float64 `json:"expireEvery"`
	// Forget the history and end every watch, once.
	Expire bool `json:"expire"`
}

type done struct {
	Events  uint64            `json:"events"`
	Watches int64             `json:"watches"`
	Lists   map[string]uint64 `json:"lists"`
}

// obey carries out commands until the input ends.
func obey(input io.Reader, output io.Writer, fleet []*cluster) error {
	answers := json.NewEncoder(output)
	loops := map[string]chan struct{}{}
	for lines := bufio.NewScanner(input); lines.Scan(); {
		var given command
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		answer := map[string]done{}
		for _, each := range fleet {
			if len(given.Clusters) > 0 && !slices.Contains(given.Clusters, each.name) {
				continue
			}
			if given.Rate != nil {
				each.change(*given.Rate)
			}
			if given.Expire {
				each.expire()
			}
			if given.ExpireEvery != nil {
				if stop := loops[each.name]; stop != nil {
					close(stop)
				}
				loops[each.name] = expiring(each, *given.ExpireEvery)
			}
			answer[each.name] = each.done()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// expiring forgets a cluster's history again and again; closing what it gives ends that.
func expiring(each *cluster, seconds float64) chan struct{} {
	if seconds <= 0 {
		return nil
	}
	stop := make(chan struct{})
	go func() {
		ticks := time.NewTicker(time.Duration(seconds * float64(time.Second)))
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
				each.expire()
			}
		}
	}()
	return stop
}

func (c *cluster) done() done {
	lists := map[string]uint64{}
	c.lists.Range(func(plural, count any) bool {
		lists[plural.(string)] = count.(*atomic.Uint64).Load()
		return true
	})
	return done{Events: c.told.Load(), Watches: c.watches.Load(), Lists: lists}
}
