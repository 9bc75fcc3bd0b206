"""Networks and their released files; the only room that may import torch."""
