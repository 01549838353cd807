package shop.rules

default open = false
open { input.hour >= 8; input.hour < 20 }
open = true { input.owner } else = false { input.holiday }
price[item] = cost { cost := data.prices[item] }
deny[msg] { msg := "closed"; not open } { msg := "full"; count(input.guests) > 10 }
label["fixed"]
limits["a"] = 1
area(w, h) = s { s := w * h }
area(_, 0) = 0
same(x, x)
a.b.c = 1
default rate(_) = 0
