"""The streams: `endpoints` has the concrete classes, the other modules what they share."""
