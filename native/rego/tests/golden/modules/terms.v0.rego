package terms

p = [1, -2, 3.5e-7, "a\n\u00e4", `raw\n`, null, true, [], {}, set(), {1, 1.0, 2}, {"k": {"l": [x]}}]
q { a - b - c * d / e % f == (g | h) & i }
r { x := [y | y := input.xs[_]; y > 1]; {z: w | w := x[z]}; {u | u = x[_]} }
s { not input.a.b["c"][_].d; input.x
	(1 + 2) >= 3
}
t { walk(input, [path, value]); f(g(1), [h(2)][0]).y == data.z with input.a as 1 with data.b as [2] }
u { [a | b, c] == 1; -x.y > - 3; 0.5 < 1 }
v { some i, j; input[i][j] = data[j]; [k, {"l": l}] := input.m }
