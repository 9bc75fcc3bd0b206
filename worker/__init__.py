"""The live edge: capture, leases, the process that runs the line."""
