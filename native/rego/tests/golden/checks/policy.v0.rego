package template


violation[{"msg": msg, "details": {"missing": missing}}] {
	provided := {label | input.review.object.metadata.labels[label]}
	required := {label | label := input.parameters.labels[_].key}
	missing := required - provided
	count(missing) > 0
	msg := message(input.parameters, sprintf("you must provide labels: %v", [missing]))
}

violation[{"msg": msg}] {
	container := input.review.object.spec.containers[i]
	not is_exempt(container)
	cpu := canonify(container.resources.limits.cpu)
	cpu > canonify(input.parameters.cpu)
	msg := sprintf("container %v, number %d: %s", [container.name, i, trim_left(container.name, "a")])
}

message(parameters, otherwise) = parameters.message {
	parameters.message
} else = otherwise

canonify(orig) = new {
	is_number(orig)
	new := orig * 1000
}

canonify(orig) = new {
	not is_number(orig)
	endswith(orig, "m")
	new := to_number(replace(orig, "m", ""))
}

is_exempt(container) {
	startswith(container.image, input.parameters.exempt[_])
}

default allowed = false

allowed {
	some i
	input.parameters.allowed[i] == data.inventory.cluster.v1.Namespace[_].metadata.name
}
