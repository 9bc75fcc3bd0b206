"""Training by ear: performances become spectra on the training device; front end and embedding learn together."""
