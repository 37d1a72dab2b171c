"""What all rooms share: the Snapshot, the Plan, gates, names, labels, kinds. Pure."""
