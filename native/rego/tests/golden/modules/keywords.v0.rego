package keywords

import future.keywords.every
import future.keywords.in
import future.keywords.contains
import future.keywords.if

p { every k, v in input.xs { k != v; 1, 2 in v } }
q contains x if some x in input.xs
r if { x := [1, 2 in [1]]; (1, 2 in [1]); not 3 in x }
s[x] if { x := {1 in [2], 3} }
t { input.if.in["every"].not.x; x := input.as }
