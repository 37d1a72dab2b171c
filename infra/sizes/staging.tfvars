# Shaped like production, with smaller machines.
nodes               = { size = "small", min = 3, max = 6 }
database            = { size = "small", storage_gib = 64, high_availability = true, backup_days = 7 }
cache               = { size = "small", high_availability = true }
backup_days         = 14
deletion_protection = true
bookstore           = { min_replicas = 2, max_replicas = 6 }
