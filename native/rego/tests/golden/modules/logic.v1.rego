package logic

import future.keywords.and
import future.keywords.not
import future.keywords.or

p if input.a or input.b and not input.c
q if { {x := 1; x > 0} and (input.a or {input.b; input.c}) }
r if not { input.a; input.b }
s if { not (input.a or input.b); ({1, 2} | {3}) == input.s }
t if { (input.a and input.b with input.c as 1) with input.d as 2 }
