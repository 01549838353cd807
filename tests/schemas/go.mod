// Modules that hold published schemas; nothing of them is compiled. tests/e2e/test_audit_schemas.py validates outputs against them.
module fleetgate.dev/tests/schemas

go 1.26

require (
	github.com/kyverno/kyverno v1.12.0
	github.com/openreports/reports-api v0.2.1
	github.com/securego/gosec/v2 v2.30.0
)
