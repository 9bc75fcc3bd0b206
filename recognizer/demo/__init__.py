"""The demonstration: synthesised covers broadcast over a real HTTP stream."""
