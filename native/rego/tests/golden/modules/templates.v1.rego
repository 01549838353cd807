package templates

p := $"a {input.x} \{b} {"c"} {1}{f(2)[_]}"
q := $`raw {input.y + 1} \n {`inner`}`
r := $"{$"nested {input.z}"}"
s := $""
