"""Four-bit weights, and the reference they are held to."""
