package a.b

p := 1

q[x] := 1 if some x in [1, 2]

s contains 1

f(x) := x

g(x, y) := x + y

c.d := 1

c.e[x] := 2 if some x in input.xs

h if p == f(1)

i if g(1, 2) == 3

j := [x | some x in s]

k if {
	x := input
	x.y == p
	count(j) == 1
}
