package language

import data.language.inner as other

default limit := 10

limit := input.limit if input.limit > 0

allow if {
	every k, v in input.pairs {
		v > limit
		k != ""
	}
	some i, item in input.items
	item.name in {"a", "b"}
	i in [1, 2]
	not denied
}

denied if input.user in other.banned

names contains item.name if some item in input.items

names contains lower(name) if {
	some name
	input.more[name].enabled
}

by.kind[kind] := sorted if {
	some kind in input.kinds
	sorted := sort([x | x := input.items[_].name])
}

by.kind.fixed := ["a"]

describe(item) := $"{item.name} is {item.size + 1}" if item.size

describe(item) := "unknown" if not item.size

chain := 1 if {
	input.a
} else := 2 if {
	input.b
} else := 3

constants := {"a": [1, 2], "b": {"c": set()}}

first := constants.a[0] + count(constants.b.c)

text := concat(", ", names)
