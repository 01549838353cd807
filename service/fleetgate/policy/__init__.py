"""Where policies come from (directories, ApplyPolicies) and how they become the published generation."""
