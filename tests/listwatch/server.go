package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// bookmarkInterval is that of a real API server.
	bookmarkInterval = time.Minute
	longestWatch     = 10 * time.Minute
)

func (c *cluster) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]string{"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "linux/amd64"})
	})
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) { c.discovery(w, true) })
	mux.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) { c.discovery(w, false) })
	for _, each := range c.collections {
		root := "/apis/" + each.Group + "/" + each.Version
		if each.Group == "" {
			root = "/api/" + each.Version
		}
		mux.HandleFunc("GET "+root+"/"+each.Plural, each.serve)
		mux.HandleFunc("GET "+root+"/"+each.Plural+"/{name}", each.get)
		if each.Namespaced {
			mux.HandleFunc("GET "+root+"/namespaces/{namespace}/"+each.Plural, each.serve)
			mux.HandleFunc("GET "+root+"/namespaces/{namespace}/"+each.Plural+"/{name}", each.get)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			fail(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func write(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	// The client may be gone.
	_ = json.NewEncoder(w).Encode(document)
}

func status(code int, reason, message string) map[string]any {
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": message, "reason": reason, "code": code,
	}
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status(code, reason, message))
}

// discovery tells what is served, in the aggregated form.
func (c *cluster) discovery(w http.ResponseWriter, core bool) {
	type resource = map[string]any
	groups, order := map[string][]resource{}, []string{}
	for _, each := range c.collections {
		if (each.Group == "") != core {
			continue
		}
		scope := "Cluster"
		if each.Namespaced {
			scope = "Namespaced"
		}
		name := each.Group + "/" + each.Version
		if groups[name] == nil {
			order = append(order, name)
		}
		groups[name] = append(groups[name], resource{
			"resource":         each.Plural,
			"responseKind":     map[string]string{"group": "", "version": "", "kind": each.Kind},
			"scope":            scope,
			"singularResource": strings.ToLower(each.Kind),
			"verbs":            []string{"get", "list", "watch"},
		})
	}
	items := []any{}
	for _, name := range order {
		group, version, _ := strings.Cut(name, "/")
		items = append(items, map[string]any{
			"metadata": map[string]any{"name": group, "creationTimestamp": nil},
			"versions": []any{map[string]any{"version": version, "resources": groups[name], "freshness": "Current"}},
		})
	}
	w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": map[string]any{},
		"items": items,
	})
}

func (c *collection) get(w http.ResponseWriter, r *http.Request) {
	c.mutex.Lock()
	one := c.objects[r.PathValue("namespace")+"/"+r.PathValue("name")]
	c.mutex.Unlock()
	if one == nil {
		fail(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", c.Plural, r.PathValue("name")))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(c.whole(one))
}

// serve lists or watches.
func (c *collection) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("labelSelector") != "" || query.Get("fieldSelector") != "" {
		fail(w, http.StatusBadRequest, "BadRequest", "listwatch knows no selectors")
		return
	}
	prefix := ""
	if namespace := r.PathValue("namespace"); namespace != "" {
		prefix = namespace + "/"
	}
	if query.Get("watch") == "true" || query.Get("watch") == "1" {
		c.watch(w, r, prefix)
		return
	}
	c.page(w, query.Get("limit"), query.Get("continue"), prefix)
}

// page answers a list. What follows a page is read from the same state as that page, as etcd does it.
func (c *collection) page(w http.ResponseWriter, limit, follows, prefix string) {
	found, from := snapshot{}, 0
	if follows == "" {
		found = c.list(func(one *object) bool { return strings.HasPrefix(one.key, prefix) })
		// A page of one is a question for the collection's resourceVersion.
		if limit != "1" {
			c.cluster.listed(c.Plural)
		}
	} else {
		kept, at, ok := c.kept(follows)
		if !ok {
			fail(w, http.StatusGone, "Expired", "The provided continue parameter is too old")
			return
		}
		found, from = kept, at
	}
	end := len(found.objects)
	if count, err := strconv.Atoi(limit); err == nil && count > 0 {
		end = min(end, from+count)
	}
	text := fmt.Appendf(nil, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"%d"`, c.Kind,
		c.apiVersion(), found.version)
	if left := len(found.objects) - end; left > 0 {
		text = fmt.Appendf(text, `,"continue":%q,"remainingItemCount":%d`, c.keep(found, end), left)
	}
	text = append(text, `},"items":[`...)
	for at, one := range found.objects[from:end] {
		if at > 0 {
			text = append(text, ',')
		}
		text = append(append(text, '{'), one.rest...)
	}
	text = append(text, "]}\n"...)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}
