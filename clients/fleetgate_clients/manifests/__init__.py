"""Kubernetes objects and policies in files: YAML, JSON, Lists, JSON lines, Terraform plans."""
