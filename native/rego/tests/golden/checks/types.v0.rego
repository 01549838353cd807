package types

numbers = [1, 2, 3]

names = {"a": {"b": 1, "c": "x"}, "d": {"e": null}}

mixed = {1, "a", true}

empty = {}

pairs[[x, y]] {
	x = numbers[_]
	y = names[k].b
	k == "a"
}

by_name[name] = value {
	value = names[name]
}

lookup(key) = names[key].b

total = sum([n | n = numbers[_]; n > 1])

nested[x] = {"list": [1, {"y": y}]} {
	x = names[y].c
	walk(names, [path, z])
	z == path[0]
}

f([x, {"k": y}], z) = {y: [x, z]} {
	x == y
}

use = v {
	v := f([1, {"k": 2}], "s")
	names.a.b == 1
	mixed[_] == "a"
	empty == {}
	replaced with input as {"x": 1}
	lookup("a") with data.types.names as {"a": {"b": 2}}
}

replaced {
	input.x == 1
	count([1]) == 5 with count as 5
}
