"""The people's edge, tested over real Redis, real sockets and a real browser."""
