package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

var versions = map[string]ast.RegoVersion{"v0": ast.RegoV0, "v1": ast.RegoV1}

// parse answers {"ast": …} or {"errors": …} in the form of the OPA oracle, for Gatekeeper's OPA.
func parse(raw json.RawMessage) (map[string]any, error) {
	var request struct {
		Module  string `json:"module"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	version, known := versions[request.Version]
	if !known {
		return nil, fmt.Errorf("unknown version %q", request.Version)
	}
	module, err := ast.ParseModuleWithOpts("module.rego", request.Module, ast.ParserOptions{RegoVersion: version})
	if err != nil {
		return refusal(err), nil
	}
	module.Comments = nil
	tree, err := json.Marshal(module)
	if err != nil {
		// OPA accepts numbers such as `.5` that its own JSON cannot show.
		return map[string]any{"accepted": true}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(tree))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	return map[string]any{"ast": numbersAsText(plain)}, nil
}

// numbersAsText replaces the value of every number term by its text, so that no digit is lost by the reader.
func numbersAsText(node any) any {
	switch node := node.(type) {
	case []any:
		for i := range node {
			node[i] = numbersAsText(node[i])
		}
	case map[string]any:
		if number, ok := node["value"].(json.Number); ok && node["type"] == "number" {
			node["value"] = number.String()
			return node
		}
		for key := range node {
			node[key] = numbersAsText(node[key])
		}
	}
	return node
}

// check compiles the modules together with Gatekeeper's OPA: {"ok": true} or {"errors": …} in the form of the OPA oracle.
func check(raw json.RawMessage) (map[string]any, error) {
	var request struct {
		Modules []string `json:"modules"`
		Version string   `json:"version"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	version, known := versions[request.Version]
	if !known {
		return nil, fmt.Errorf("unknown version %q", request.Version)
	}
	modules := make(map[string]*ast.Module, len(request.Modules))
	for i, text := range request.Modules {
		name := fmt.Sprintf("module%d.rego", i)
		module, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: version})
		if err != nil {
			return refusal(err), nil
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler().WithDefaultRegoVersion(version)
	compiler.Compile(modules)
	if compiler.Failed() {
		return refusal(compiler.Errors), nil
	}
	return map[string]any{"ok": true}, nil
}

func refusal(err error) map[string]any {
	var many ast.Errors
	if !errors.As(err, &many) {
		var one *ast.Error
		if errors.As(err, &one) {
			many = ast.Errors{one}
		}
	}
	list := []map[string]any{}
	for _, e := range many {
		located := map[string]any{"code": e.Code, "message": e.Message}
		if e.Location != nil {
			located["row"], located["col"] = e.Location.Row, e.Location.Col
		}
		if e.Details != nil {
			located["details"] = e.Details.Lines()
		}
		list = append(list, located)
	}
	return map[string]any{"errors": list}
}
