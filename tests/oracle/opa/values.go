package main

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	operand "github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// float answers what Go's big.Float makes of two numbers: {"results": [a, a+b, a-b, a*b, a/b]}, each as OPA writes it; the
// quotient by zero is null.
func float(r *request) (map[string]any, error) {
	var operands [2]*big.Float
	for i := range operands {
		f, ok := new(big.Float).SetString(r.Numbers[i])
		if !ok {
			return nil, fmt.Errorf("no number: %q", r.Numbers[i])
		}
		operands[i] = f
	}
	a, b := operands[0], operands[1]
	text := func(f *big.Float) string { return string(operand.FloatToNumber(f)) }
	results := []any{
		text(a),
		text(new(big.Float).Add(a, b)),
		text(new(big.Float).Sub(a, b)),
		text(new(big.Float).Mul(a, b)),
		nil,
	}
	if b.Sign() != 0 {
		results[4] = text(new(big.Float).Quo(a, b))
	}
	order := ast.Number(r.Numbers[0]).Compare(ast.Number(r.Numbers[1]))
	return map[string]any{"results": results, "order": order}, nil
}

// double answers the text of the doubles of two texts: {"results": […]}; null where one is beyond a double.
func double(r *request) (map[string]any, error) {
	results := make([]any, len(r.Numbers))
	for i, text := range r.Numbers {
		f, err := strconv.ParseFloat(text, 64)
		if err == nil && !math.IsInf(f, 0) {
			results[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	return map[string]any{"results": results}, nil
}

// printable answers the runs of characters that Go's strconv does not escape: {"results": [[first, last], …]}.
func printable() map[string]any {
	runs := [][2]rune{}
	for r := rune(0); r <= 0x10ffff; r++ {
		if !strconv.IsPrint(r) {
			continue
		}
		if last := len(runs) - 1; last >= 0 && runs[last][1] == r-1 {
			runs[last][1] = r
		} else {
			runs = append(runs, [2]rune{r, r})
		}
	}
	return map[string]any{"results": runs}
}
