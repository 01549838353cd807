package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	operand "github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// callTime is the time of every call, in nanoseconds since 1970.
const callTime = "1700000000123456789"

// call calls one built-in without compiling, so that operands of any type reach it. It answers {"result": …},
// {"undefined": true} or {"error": "code: message"}. JSON has no word for sets and for keys that are no strings:
// {"$set": […]} and {"$object": [[key, value], …]} stand for them, in operands and in the result. A number of
// the result that is beyond a double is {"$number": "text"}, because JSON readers refuse it.
func call(r *request) (map[string]any, error) {
	f := topdown.GetBuiltin(r.Name)
	if f == nil {
		return nil, fmt.Errorf("no built-in %q", r.Name)
	}
	operands := make([]*ast.Term, len(r.Args))
	for i, arg := range r.Args {
		var plain any
		if err := unmarshal(arg, &plain); err != nil {
			return nil, err
		}
		term, err := toTerm(plain)
		if err != nil {
			return nil, err
		}
		operands[i] = term
	}
	var result json.RawMessage
	bctx := topdown.BuiltinContext{
		Context: context.Background(),
		Time:    ast.NumberTerm(callTime),
		Seed:    rand.New(rand.NewSource(0)),
		Cache:   operand.Cache{},
	}
	err := f(bctx, operands, func(t *ast.Term) error {
		if t == nil {
			return nil
		}
		var err error
		result, err = fromTerm(t)
		return err
	})
	var known *topdown.Error
	switch {
	case errors.As(err, &known):
		return map[string]any{"error": known.Code + ": " + known.Message}, nil
	case err != nil:
		return nil, err
	case result == nil:
		return map[string]any{"undefined": true}, nil
	}
	return map[string]any{"result": result}, nil
}

func toTerm(plain any) (*ast.Term, error) {
	switch plain := plain.(type) {
	case []any:
		items, err := toTerms(plain)
		return ast.ArrayTerm(items...), err
	case map[string]any:
		if members, ok := plain["$set"].([]any); ok && len(plain) == 1 {
			items, err := toTerms(members)
			return ast.SetTerm(items...), err
		}
		object := ast.NewObject()
		if entries, ok := plain["$object"].([]any); ok && len(plain) == 1 {
			for _, entry := range entries {
				pair, err := toTerms(entry.([]any))
				if err != nil {
					return nil, err
				}
				object.Insert(pair[0], pair[1])
			}
			return ast.NewTerm(object), nil
		}
		for key, value := range plain {
			term, err := toTerm(value)
			if err != nil {
				return nil, err
			}
			object.Insert(ast.StringTerm(key), term)
		}
		return ast.NewTerm(object), nil
	}
	value, err := ast.InterfaceToValue(plain)
	return ast.NewTerm(value), err
}

func toTerms(list []any) ([]*ast.Term, error) {
	terms := make([]*ast.Term, len(list))
	for i, item := range list {
		term, err := toTerm(item)
		if err != nil {
			return nil, err
		}
		terms[i] = term
	}
	return terms, nil
}

// fromTerm writes a term; numbers keep their text.
func fromTerm(term *ast.Term) (json.RawMessage, error) {
	switch value := term.Value.(type) {
	case ast.Number:
		if _, ok := value.Float64(); !ok {
			return json.RawMessage(`{"$number":"` + string(value) + `"}`), nil
		}
		return json.RawMessage(value), nil
	case *ast.Array:
		items, err := fromTerms(value.Foreach)
		return join("[", items, "]"), err
	case ast.Set:
		items, err := fromTerms(func(f func(*ast.Term)) { value.Sorted().Foreach(f) })
		return join(`{"$set":[`, items, "]}"), err
	case ast.Object:
		var entries, pairs []string
		plain := true
		err := value.Iter(func(key, value *ast.Term) error {
			k, err := fromTerm(key)
			if err != nil {
				return err
			}
			v, err := fromTerm(value)
			_, isString := key.Value.(ast.String)
			plain = plain && isString
			entries = append(entries, string(k)+":"+string(v))
			pairs = append(pairs, "["+string(k)+","+string(v)+"]")
			return err
		})
		if plain {
			return join("{", entries, "}"), err
		}
		return join(`{"$object":[`, pairs, "]}"), err
	}
	plain, err := ast.JSON(term.Value)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(plain)
	return bytes.TrimSpace(text.Bytes()), err
}

func fromTerms(each func(func(*ast.Term))) ([]string, error) {
	var items []string
	var failure error
	each(func(term *ast.Term) {
		item, err := fromTerm(term)
		if err != nil {
			failure = err
		}
		items = append(items, string(item))
	})
	return items, failure
}

func join(open string, items []string, end string) json.RawMessage {
	return json.RawMessage(open + strings.Join(items, ",") + end)
}
