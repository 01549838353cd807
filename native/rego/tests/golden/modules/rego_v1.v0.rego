package compat

import rego.v1

p contains x if x := input.a
q := y if { every z in input.b { z }; y := 1 } else := 2 if input.c
