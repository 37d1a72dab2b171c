# One zone, no standby: to try it out. What the cloud bills by the hour stays small.
nodes               = { size = "small", min = 2, max = 3 }
database            = { size = "small", storage_gib = 32, high_availability = false, backup_days = 7 }
cache               = { size = "small", high_availability = false }
backup_days         = 7
deletion_protection = false
bookstore           = { min_replicas = 2, max_replicas = 3 }
