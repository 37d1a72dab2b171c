"""What serves users: Pods of two colours, the Service, the autoscaler."""
