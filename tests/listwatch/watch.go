package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// watch answers a watch, after a streaming list where that is asked for.
func (c *collection) watch(w http.ResponseWriter, r *http.Request, prefix string) {
	query := r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	c.cluster.watches.Add(1)
	defer c.cluster.watches.Add(-1)

	from, bookmarks := query.Get("resourceVersion"), query.Get("allowWatchBookmarks") == "true"
	version, _ := strconv.ParseUint(from, 10, 64)
	initial := query.Get("sendInitialEvents") == "true"
	c.mutex.Lock()
	round, position := c.round, c.first+len(c.events)
	var begin snapshot
	if initial || from == "" || from == "0" {
		begin = snapshot{version: c.cluster.version.Load()}
		for _, key := range c.keys {
			if strings.HasPrefix(key, prefix) {
				begin.objects = append(begin.objects, c.objects[key])
			}
		}
		version = begin.version
	} else {
		for position > c.first && c.events[position-c.first-1].version > version {
			position--
		}
	}
	expired := version < c.forgotten
	c.mutex.Unlock()
	if expired {
		c.tooOld(w, version)
		return
	}

	lines := &bundle{w: w, flush: http.NewResponseController(w)}
	for _, one := range begin.objects {
		lines.add(fmt.Appendf(nil, `{"type":"ADDED","object":`), c.whole(one), []byte("}\n"))
	}
	if initial {
		c.cluster.listed(c.Plural)
		lines.add(c.bookmark(version, `,"annotations":{"k8s.io/initial-events-end":"true"}`))
	}
	if lines.send() != nil {
		return
	}
	seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
	over := time.NewTimer(longestWatch)
	if seconds > 0 {
		over = time.NewTimer(time.Duration(seconds) * time.Second)
	}
	defer over.Stop()
	marks := time.NewTicker(bookmarkInterval)
	defer marks.Stop()
	for {
		c.mutex.Lock()
		news, current := c.news, c.round
		behind := position < c.first
		var waiting []event
		if !behind {
			waiting = c.events[position-c.first:]
		}
		position += len(waiting)
		c.mutex.Unlock()
		if current != round {
			return
		}
		if behind {
			// It reads slower than things happen: the server closes such a watch.
			return
		}
		for _, each := range waiting {
			if strings.HasPrefix(each.key, prefix) {
				lines.add(each.line)
			}
			version = each.version
		}
		if lines.send() != nil {
			return
		}
		select {
		case <-news:
		case <-marks.C:
			if bookmarks {
				c.mutex.Lock()
				isCurrent := position == c.first+len(c.events)
				now := c.cluster.version.Load()
				c.mutex.Unlock()
				if isCurrent {
					lines.add(c.bookmark(now, ""))
				}
			}
		case <-over.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (c *collection) bookmark(version uint64, annotations string) []byte {
	return fmt.Appendf(nil, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"%d"%s}}}`+"\n",
		c.Kind, c.apiVersion(), version, annotations)
}

func (c *collection) tooOld(w http.ResponseWriter, version uint64) {
	gone := status(http.StatusGone, "Expired", fmt.Sprintf("too old resource version: %d (%d)", version, c.forgotten))
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "ERROR", "object": gone})
}

// bundle sends lines, as many at a time as there are.
type bundle struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	text  []byte
}

func (b *bundle) add(parts ...[]byte) {
	for _, part := range parts {
		b.text = append(b.text, part...)
	}
}

func (b *bundle) send() error {
	if len(b.text) == 0 {
		return b.flush.Flush()
	}
	if _, err := b.w.Write(b.text); err != nil {
		return err
	}
	b.text = b.text[:0]
	return b.flush.Flush()
}
