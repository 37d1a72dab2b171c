"""What serves users: Pods of two colors, the Service, the autoscaler."""
