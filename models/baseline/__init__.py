"""Model v0: an untrained, key-invariant baseline written as an ONNX graph from waveform to embedding."""
