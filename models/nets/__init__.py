"""Networks: audio to pitch salience, pitch salience to one embedding."""
