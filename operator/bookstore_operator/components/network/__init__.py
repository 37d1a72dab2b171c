"""Who may open connections to the Pods."""
