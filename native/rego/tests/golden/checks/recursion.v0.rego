package r

p { q with input as 1 }

q { input.x; s["a"] }

s[x] { x = t[_] }

t = ["a", "b"]

u[x] = 1 { x = {"k": v}[_]; v = w }

w = 2 { not z }

z { false }

m { n[_] == 1 }

n[x] { y := 1; x := y }

o { data.r.m == data.r["n"] }
