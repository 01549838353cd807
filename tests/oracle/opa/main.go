// Command opa answers what Open Policy Agent makes of a piece of Rego: the oracle of the Rego front end's tests.
//
// It reads one JSON request per line and writes one JSON answer per line, in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// request is one question; which fields count depends on Op.
type request struct {
	ID      json.RawMessage `json:"id,omitempty"`
	Op      string          `json:"op"`
	Version string          `json:"version"` // "v0" or "v1"

	// parse
	Module string `json:"module"`

	// check, eval
	Modules []string         `json:"modules"`
	Query   string           `json:"query"`
	Input   *json.RawMessage `json:"input"`
	Data    map[string]any   `json:"data"`
	Strict  bool             `json:"strict"` // built-in errors are errors

	// call
	Name string            `json:"name"`
	Args []json.RawMessage `json:"args"`

	// float, double
	Numbers [2]string `json:"numbers"`

	// cases, templates: a directory
	Dir string `json:"dir"`
}

// located is one error as OPA reports it; Row is 0 where it has no place.
type located struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Details []string `json:"details,omitempty"`
	Row     int      `json:"row,omitempty"`
	Col     int      `json:"col,omitempty"`
}

func answer(r *request) (map[string]any, error) {
	switch r.Op {
	case "parse":
		return parse(r)
	case "check":
		return check(r)
	case "eval":
		return eval(r)
	case "call":
		return call(r)
	case "float":
		return float(r)
	case "double":
		return double(r)
	case "printable":
		return printable(), nil
	case "builtins":
		return builtins()
	case "cases":
		return languageCases(r.Dir)
	case "templates":
		return templates(r.Dir)
	}
	return nil, fmt.Errorf("unknown op %q", r.Op)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	decoder := json.NewDecoder(in)
	decoder.UseNumber()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for decoder.More() {
		var r request
		if err := decoder.Decode(&r); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		a, err := answer(&r)
		if err != nil {
			a = map[string]any{"failure": err.Error()}
		}
		if r.ID != nil {
			a["id"] = r.ID
		}
		if err := encoder.Encode(a); err != nil {
			return err
		}
		// Whoever waits for this answer may ask nothing before it has come.
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}
