package shop.rules

import data.lib.money as cash

default open := false

open if input.hour in numbers.range(8, 19)

open if { input.owner } else := false if input.holiday

deny contains msg if { some i; msg := sprintf("%d: %v", [i, input.guests[i]]) }

deny contains "always"

stock[item][size] := n if n := data.stock[item][size]

price(item, _) := cash.round(item.cost) if item.cost > 0

price(item, 0)

names.first := "a"

names["se cond"] := "b"
