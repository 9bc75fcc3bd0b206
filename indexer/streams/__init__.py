"""The stream benchmark: programmes played to the recognizer, and how well it followed them."""
