"""The API: Deployments of two colors, the Service, the autoscaler, the disruption budget."""
