package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// plan says what there is. All clusters serve the same kinds.
type plan struct {
	// Names of the clusters.
	Clusters []string `json:"clusters"`
	Kinds    []kind   `json:"kinds"`
	// Events of a collection that are kept for watches that come late.
	History int `json:"history"`
}

// kind is a collection in every cluster, and what its objects look like.
type kind struct {
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Plural     string `json:"plural"`
	Namespaced bool   `json:"namespaced"`
	// How many objects each cluster has at first.
	Objects int `json:"objects"`
	// Objects are spread over so many namespaces.
	Namespaces int `json:"namespaces"`
	// The fields of an object beside apiVersion, kind and metadata: a JSON object. @CLUSTER@ and @N@ in it become the
	// cluster's name and the object's number.
	Fields json.RawMessage `json:"fields"`
	// Weight of the kind among the events of a cluster; 0 for none.
	Share int `json:"share"`
	// Objects only change; otherwise some of them go and come back.
	Stays bool `json:"stays"`
}

func (k kind) apiVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

func readPlan(path string) (*plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := &plan{History: 10_000}
	if err := json.Unmarshal(text, read); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return read, nil
}
