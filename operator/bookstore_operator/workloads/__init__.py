"""What Kubernetes says of Pods and Jobs, and what all of them have in common. Pure."""
