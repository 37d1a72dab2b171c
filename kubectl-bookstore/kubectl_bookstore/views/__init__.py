"""What is shown, computed from observations by the operator's own code. Pure."""
