package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// printed gathers what print writes.
type printed []string

func (p *printed) Print(_ print.Context, line string) error {
	*p = append(*p, line)
	return nil
}

// call answers what one built-in makes of operands, past the compiler: {"result": a Rego term}, {"error": …} or, where the
// call has no value, {}.
func call(r *request) (map[string]any, error) {
	function := topdown.GetBuiltin(r.Name)
	if function == nil {
		return nil, fmt.Errorf("unknown built-in %q", r.Name)
	}
	terms := make([]*ast.Term, len(r.Args))
	for i, text := range r.Args {
		var plain any
		if err := unmarshal(text, &plain); err != nil {
			return nil, err
		}
		value, err := operand(plain)
		if err != nil {
			return nil, err
		}
		terms[i] = ast.NewTerm(value)
	}
	answer := map[string]any{}
	lines := printed{}
	surroundings := topdown.BuiltinContext{Context: context.Background(), PrintHook: &lines}
	err := function(surroundings, terms, func(term *ast.Term) error {
		if term != nil {
			answer["result"] = term.Value.String()
		}
		return nil
	})
	if len(lines) > 0 {
		answer["printed"] = []string(lines)
	}
	if err != nil {
		refused, err := refusal(err)
		if err != nil {
			return nil, err
		}
		answer["error"] = refused["errors"]
	}
	return answer, nil
}

// operand reads JSON in which {"$set": […]} is a set and {"$object": [[key, value], …]} an object of any keys.
func operand(plain any) (ast.Value, error) {
	list := func(of any) ([]*ast.Term, error) {
		items, ok := of.([]any)
		if !ok {
			return nil, fmt.Errorf("no list: %v", of)
		}
		terms := make([]*ast.Term, len(items))
		for i, item := range items {
			value, err := operand(item)
			if err != nil {
				return nil, err
			}
			terms[i] = ast.NewTerm(value)
		}
		return terms, nil
	}
	switch plain := plain.(type) {
	case []any:
		terms, err := list(plain)
		return ast.NewArray(terms...), err
	case map[string]any:
		if members, ok := plain["$set"]; ok {
			terms, err := list(members)
			return ast.NewSet(terms...), err
		}
		if pairs, ok := plain["$object"].([]any); ok {
			object := ast.NewObject()
			for _, pair := range pairs {
				terms, err := list(pair)
				if err != nil || len(terms) != 2 {
					return nil, fmt.Errorf("no pair: %v", pair)
				}
				object.Insert(terms[0], terms[1])
			}
			return object, nil
		}
		object := ast.NewObject()
		for key, item := range plain {
			value, err := operand(item)
			if err != nil {
				return nil, err
			}
			object.Insert(ast.StringTerm(key), ast.NewTerm(value))
		}
		return object, nil
	case json.Number:
		return ast.Number(plain), nil
	}
	return ast.InterfaceToValue(plain)
}
