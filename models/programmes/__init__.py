"""Long programmes with known truth, made from scores: what the stream benchmark plays to the recognizer."""
