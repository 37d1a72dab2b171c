# Survives the loss of a zone.
nodes               = { size = "medium", min = 3, max = 12 }
database            = { size = "large", storage_gib = 256, high_availability = true, backup_days = 35 }
cache               = { size = "medium", high_availability = true }
backup_days         = 90
deletion_protection = true
bookstore           = { min_replicas = 3, max_replicas = 20 }
