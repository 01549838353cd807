package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"
)

func version(name string) (ast.RegoVersion, error) {
	switch name {
	case "v0":
		return ast.RegoV0, nil
	case "v1":
		return ast.RegoV1, nil
	}
	return 0, fmt.Errorf("unknown version %q", name)
}

// parse answers {"ast": …}, without comments and places, or {"errors": […]}; {"accepted": true} where there is no JSON.
func parse(r *request) (map[string]any, error) {
	v, err := version(r.Version)
	if err != nil {
		return nil, err
	}
	module, err := ast.ParseModuleWithOpts("module.rego", r.Module, ast.ParserOptions{RegoVersion: v})
	if err != nil {
		return refusal(err)
	}
	module.Comments = nil
	tree, err := json.Marshal(module)
	if err != nil {
		// OPA accepts numbers such as `.5` that its own JSON cannot show.
		return map[string]any{"accepted": true}, nil
	}
	var plain any
	if err := unmarshal(tree, &plain); err != nil {
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

// check compiles the modules together: {"ok": true} or {"errors": […]}.
func check(r *request) (map[string]any, error) {
	v, err := version(r.Version)
	if err != nil {
		return nil, err
	}
	modules := make(map[string]*ast.Module, len(r.Modules))
	for i, text := range r.Modules {
		name := fmt.Sprintf("module%d.rego", i)
		module, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: v})
		if err != nil {
			return refusal(err)
		}
		modules[name] = module
	}
	compiler := ast.NewCompiler().WithDefaultRegoVersion(v)
	compiler.Compile(modules)
	if compiler.Failed() {
		return refusal(compiler.Errors)
	}
	return map[string]any{"ok": true}, nil
}

// eval answers {"result": [bindings, …]} or {"errors": […]}.
func eval(r *request) (map[string]any, error) {
	v, err := version(r.Version)
	if err != nil {
		return nil, err
	}
	options := []func(*rego.Rego){
		rego.Query(r.Query),
		rego.SetRegoVersion(v),
		rego.StrictBuiltinErrors(r.Strict),
	}
	for i, text := range r.Modules {
		options = append(options, rego.Module(fmt.Sprintf("module%d.rego", i), text))
	}
	if r.Input != nil {
		var input any
		if err := unmarshal(*r.Input, &input); err != nil {
			return nil, err
		}
		options = append(options, rego.Input(input))
	}
	if r.Data != nil {
		options = append(options, rego.Data(r.Data))
	}
	results, err := rego.New(options...).Eval(context.Background())
	if err != nil {
		return refusal(err)
	}
	rows := make([]map[string]any, 0, len(results))
	for _, result := range results {
		row := map[string]any{}
		maps.Copy(row, result.Bindings)
		for _, expression := range result.Expressions {
			if len(result.Bindings) == 0 {
				row[expression.Text] = expression.Value
			}
		}
		rows = append(rows, row)
	}
	return map[string]any{"result": rows}, nil
}

// refusal turns OPA's error into {"errors": […]}.
func refusal(err error) (map[string]any, error) {
	var many ast.Errors
	var one *ast.Error
	var run *topdown.Error
	var list []located
	switch {
	case errors.As(err, &many):
		for _, e := range many {
			list = append(list, place(e))
		}
	case errors.As(err, &one):
		list = append(list, place(one))
	case errors.As(err, &run):
		e := located{Code: run.Code, Message: run.Message}
		if run.Location != nil {
			e.Row, e.Col = run.Location.Row, run.Location.Col
		}
		list = append(list, e)
	default:
		list = append(list, located{Code: "unknown", Message: err.Error()})
	}
	return map[string]any{"errors": list}, nil
}

func place(e *ast.Error) located {
	l := located{Code: e.Code, Message: e.Message}
	if e.Location != nil {
		l.Row, l.Col = e.Location.Row, e.Location.Col
	}
	if e.Details != nil {
		l.Details = e.Details.Lines()
	}
	return l
}

// gatekeepersVersion is the release whose built-ins are told apart: the one that Gatekeeper pins.
const gatekeepersVersion = "v1.17.1"

// builtins answers each built-in of this OPA with the number of its arguments and its type.
func builtins() (map[string]any, error) {
	old, err := ast.LoadCapabilitiesVersion(gatekeepersVersion)
	if err != nil {
		return nil, err
	}
	declared := map[string]*ast.Builtin{}
	for _, b := range old.Builtins {
		declared[b.Name] = b
	}
	list := []map[string]any{}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		before := declared[b.Name]
		list = append(list, map[string]any{
			"name":       b.Name,
			"arity":      b.Decl.Arity(),
			"void":       b.Decl.Result() == nil,
			"infix":      b.Infix,
			"relation":   b.Relation,
			"deprecated": b.IsDeprecated(),
			"new":        before == nil,
			"before":     formerResult(before, b),
			"signature":  signature(b),
		})
	}
	return map[string]any{"builtins": list}, nil
}

// signature is the type as OPA writes it in errors, names of arguments included.
func signature(b *ast.Builtin) string {
	text := b.Decl.NamedFuncArgs().String()
	if result := b.Decl.NamedResult(); result != nil {
		text += " => " + result.String()
	}
	return text
}

// formerResult is the type of the result where it differed before; nothing else may have changed. The record of an
// older release leaves the names out.
func formerResult(before, b *ast.Builtin) any {
	if before == nil || types.Compare(before.Decl.Result(), b.Decl.Result()) == 0 {
		return nil
	}
	if before.Decl.FuncArgs().String() != b.Decl.FuncArgs().String() {
		panic(b.Name + " takes other arguments")
	}
	return types.Sprint(before.Decl.Result())
}
