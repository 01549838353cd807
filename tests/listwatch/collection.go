package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// collection is the objects of a kind in a cluster, and the events that led to them.
type collection struct {
	kind
	cluster *cluster

	mutex   sync.Mutex
	objects map[string]*object
	// Keys in the order of lists.
	keys []string
	// The events that are still kept, oldest first: event i has the number first + i.
	events []event
	first  int
	// resourceVersion before which nothing is known of the history.
	forgotten uint64
	// Closed and made anew at each event.
	news chan struct{}
	// Counted up to end every watch.
	round int
	next  int
	// Lists that somebody reads page by page, the oldest of them number firstPage.
	pages     []snapshot
	firstPage int
}

// object is one state of an object. It is never changed.
type object struct {
	key     string
	number  int
	version uint64
	// The object's JSON from `{"metadata"` on; what lists leave out stands before it.
	rest []byte
}

// event is a line of a watch.
type event struct {
	key     string
	version uint64
	line    []byte
}

func newCollection(cluster *cluster, of kind) *collection {
	made := &collection{kind: of, cluster: cluster, objects: map[string]*object{}, news: make(chan struct{})}
	for number := range of.Objects {
		one := made.state(number, cluster.nextVersion())
		made.objects[one.key] = one
		made.keys = append(made.keys, one.key)
	}
	slices.Sort(made.keys)
	made.forgotten = cluster.version.Load()
	return made
}

// state is an object as of a version. It says when it was made, for whoever measures how long that takes to arrive.
func (c *collection) state(number int, version uint64) *object {
	name, namespace := c.name(number), ""
	var text bytes.Buffer
	fmt.Fprintf(&text, `"metadata":{"name":%q,`, name)
	if c.Namespaced {
		namespace = fmt.Sprintf("team-%d", number%max(c.Namespaces, 1))
		fmt.Fprintf(&text, `"namespace":%q,`, namespace)
	}
	fmt.Fprintf(&text, `"uid":%q,"resourceVersion":"%d","creationTimestamp":"2026-01-02T03:04:05Z",`,
		c.cluster.uid(c.Plural, number), version)
	fmt.Fprintf(&text, `"annotations":{"listwatch/at":"%d"}}`, time.Now().UnixNano())
	if fields := bytes.TrimSpace(c.Fields); len(fields) > 2 {
		filled := strings.NewReplacer("@CLUSTER@", c.cluster.name, "@N@", strconv.Itoa(number)).Replace(string(fields))
		text.WriteByte(',')
		text.WriteString(strings.TrimPrefix(filled, "{"))
	} else {
		text.WriteByte('}')
	}
	return &object{key: namespace + "/" + name, number: number, version: version, rest: text.Bytes()}
}

func (c *collection) name(number int) string {
	switch {
	case c.Kind != "Namespace":
		return fmt.Sprintf("%s-%06d", strings.ToLower(c.Kind), number)
	case number == 0:
		return "kube-system"
	default:
		return fmt.Sprintf("team-%d", number-1)
	}
}

// whole is an object's JSON as watches have it.
func (c *collection) whole(one *object) []byte {
	text := fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,`, c.apiVersion(), c.Kind)
	return append(text, one.rest...)
}

// change makes the next event: objects change in turn, and one of sixteen goes and comes back.
func (c *collection) change() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.Objects == 0 {
		return
	}
	number := c.next % c.Objects
	c.next++
	one := c.state(number, c.cluster.nextVersion())
	_, there := c.objects[one.key]
	switch {
	case !there:
		c.put("ADDED", one)
	case c.next%16 == 0 && !c.Stays:
		c.remove(one)
	default:
		c.put("MODIFIED", one)
	}
	if len(c.events) > 2*c.cluster.history {
		c.forget(len(c.events) - c.cluster.history)
	}
	close(c.news)
	c.news = make(chan struct{})
}

func (c *collection) put(what string, one *object) {
	if _, there := c.objects[one.key]; !there {
		at, _ := slices.BinarySearch(c.keys, one.key)
		c.keys = slices.Insert(c.keys, at, one.key)
	}
	c.objects[one.key] = one
	c.tell(what, one)
}

func (c *collection) remove(one *object) {
	delete(c.objects, one.key)
	if at, there := slices.BinarySearch(c.keys, one.key); there {
		c.keys = slices.Delete(c.keys, at, at+1)
	}
	// The next change of this number brings it back, so that nothing is lost for good.
	c.next--
	c.tell("DELETED", one)
}

func (c *collection) tell(what string, one *object) {
	line := fmt.Appendf(nil, `{"type":%q,"object":`, what)
	line = append(append(line, c.whole(one)...), "}\n"...)
	c.events = append(c.events, event{one.key, one.version, line})
	c.cluster.told.Add(1)
}

// forget drops the oldest events.
func (c *collection) forget(count int) {
	if count > 0 {
		c.forgotten = c.events[count-1].version
		c.events = append([]event(nil), c.events[count:]...)
		c.first += count
	}
}

// expire drops the whole history and ends every watch, as a restart of an API server does: who comes back lists anew.
func (c *collection) expire() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.first += len(c.events)
	c.events = nil
	// Nobody's position is as new as this.
	c.forgotten = c.cluster.nextVersion()
	c.round++
	close(c.news)
	c.news = make(chan struct{})
}

// snapshot is a consistent list.
type snapshot struct {
	version uint64
	objects []*object
}

func (c *collection) list(keep func(*object) bool) snapshot {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	found := snapshot{version: c.cluster.version.Load(), objects: make([]*object, 0, len(c.keys))}
	for _, key := range c.keys {
		if one := c.objects[key]; keep(one) {
			found.objects = append(found.objects, one)
		}
	}
	return found
}
