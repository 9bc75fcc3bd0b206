"""The catalogue edge: ingest, build, publish and search references."""
