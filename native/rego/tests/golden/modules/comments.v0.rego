# METADATA
# title: a package
package comments # trailing

p { # opening
	x := 1 # one
	# alone
	x == 1
} # closing
# METADATA
# description: a rule
q[x] { x := { # inside
	"a": 1, # after a comma
} }
