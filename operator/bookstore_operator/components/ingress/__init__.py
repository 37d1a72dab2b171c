"""How users reach the API from outside of the cluster."""
