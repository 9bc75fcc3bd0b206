"""Fetching from the network without trusting it: addresses, connections, bodies, playlists."""
