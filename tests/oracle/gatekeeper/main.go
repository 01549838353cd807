// Command gatekeeper answers what Gatekeeper 3.23.1 decides: the oracle of the decision's tests.
//
// It runs Gatekeeper's own packages with the Rego engine alone, so native validation (CEL) is off. It reads one JSON
// request per line and writes one JSON answer per line, in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/version"
)

// The language differs by OPA release, so an oracle built on another one would answer another question.
const opaVersion = "1.17.1"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if version.Version != opaVersion {
		return fmt.Errorf("built with OPA %s, Gatekeeper 3.23.1 pins %s", version.Version, opaVersion)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	decoder := json.NewDecoder(in)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for decoder.More() {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if err := encoder.Encode(answer(raw)); err != nil {
			return err
		}
		// Whoever waits for this answer may ask nothing before it has come.
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// answer never fails: what goes wrong is {"failure": …} and the requests after it are still answered.
func answer(raw json.RawMessage) (result map[string]any) {
	var head struct {
		ID json.RawMessage `json:"id,omitempty"`
		Op string          `json:"op"`
	}
	defer func() {
		if r := recover(); r != nil {
			result = map[string]any{"failure": fmt.Sprintf("panic: %v", r)}
		}
		if head.ID != nil {
			result["id"] = head.ID
		}
	}()
	if err := json.Unmarshal(raw, &head); err != nil {
		return map[string]any{"failure": err.Error()}
	}
	var err error
	switch head.Op {
	case "review":
		result, err = review(raw)
	case "match":
		result, err = match(raw)
	case "parse":
		result, err = parse(raw)
	case "webhook":
		result, err = answerWebhook(raw)
	case "requirements":
		result, err = requirements(raw)
	case "crd":
		result, err = crd(raw)
	case "check":
		result, err = check(raw)
	default:
		err = fmt.Errorf("unknown op %q", head.Op)
	}
	if err != nil {
		return map[string]any{"failure": err.Error()}
	}
	return result
}
