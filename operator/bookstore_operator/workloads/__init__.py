"""The state of Pods and Jobs, and the manifests that all of them share. Pure."""
