"""The people's edge: dashboard, kiosk, REST and the live channel."""
