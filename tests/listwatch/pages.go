package main

import (
	"fmt"
	"strconv"
	"strings"
)

// keptPages is how many lists a collection remembers for whoever reads them page by page.
const keptPages = 16

// keep remembers a list, and gives a token for what follows from an index on.
func (c *collection) keep(list snapshot, from int) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for at, each := range c.pages {
		if each.version == list.version && len(each.objects) == len(list.objects) {
			return fmt.Sprintf("%d.%d", c.firstPage+at, from)
		}
	}
	c.pages = append(c.pages, list)
	if len(c.pages) > keptPages {
		c.pages = c.pages[1:]
		c.firstPage++
	}
	return fmt.Sprintf("%d.%d", c.firstPage+len(c.pages)-1, from)
}

// kept is the list of a token, and the index from which on it was not read yet.
func (c *collection) kept(token string) (snapshot, int, bool) {
	number, from, _ := strings.Cut(token, ".")
	at, err := strconv.Atoi(number)
	if err != nil {
		return snapshot{}, 0, false
	}
	index, err := strconv.Atoi(from)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	at -= c.firstPage
	if err != nil || at < 0 || at >= len(c.pages) || index > len(c.pages[at].objects) {
		return snapshot{}, 0, false
	}
	return c.pages[at], index, true
}
