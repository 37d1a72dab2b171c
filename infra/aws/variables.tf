# The same file in infra/aws, infra/google and infra/azure. The sizes in infra/sizes set the rest.

variable "name" {
  description = "Prefix of the names of all resources. Two environments in one account need two."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,16}[a-z0-9])?$", var.name))
    error_message = "The name must have at most 18 lowercase letters, digits and hyphens, and begin with a letter."
  }
}

variable "account" {
  description = "AWS account ID, Google Cloud project ID or Azure subscription ID: nothing is changed in another."
  type        = string
}

variable "region" {
  description = "Region of the cloud, with at least three zones."
  type        = string
}

variable "labels" {
  description = "Labels (tags) of all resources, in addition to those that say what they belong to."
  type        = map(string)
  default     = {}
}

variable "domain" {
  description = "DNS zone to create, such as shop.example.com. None if empty."
  type        = string
  default     = ""
}

variable "network_cidr" {
  description = "Addresses of the network, a /16."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && endswith(var.network_cidr, "/16")
    error_message = "The network must be a CIDR block ending in /16."
  }
}

variable "api_access_cidrs" {
  description = "Networks from which the Kubernetes API may be reached, such as an office or a VPN."
  type        = list(string)

  validation {
    condition     = length(var.api_access_cidrs) > 0 && !contains(var.api_access_cidrs, "0.0.0.0/0")
    error_message = "List the networks that may reach the Kubernetes API; 0.0.0.0/0 is not allowed."
  }
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, such as 1.34. The cloud's default if null."
  type        = string
  default     = null
}

variable "nodes" {
  description = "Nodes of the cluster: their size, and how many."
  type        = object({ size = string, min = number, max = number })

  validation {
    condition     = contains(["small", "medium", "large"], var.nodes.size)
    error_message = "The size of nodes must be small, medium or large."
  }
  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min
    error_message = "There must be at least one node, and nodes.max must not be less than nodes.min."
  }
}

variable "database" {
  description = "PostgreSQL: size, disk, a standby in another zone, and for how many days the cloud's own backups are kept."
  type = object({
    size              = string
    storage_gib       = number
    high_availability = bool
    backup_days       = number
  })

  validation {
    condition     = contains(["small", "medium", "large"], var.database.size)
    error_message = "The size of the database must be small, medium or large."
  }
  validation {
    condition     = contains([32, 64, 128, 256, 512, 1024], var.database.storage_gib)
    error_message = "The disk must be one that all clouds offer: 32, 64, 128, 256, 512 or 1024 GiB."
  }
  validation {
    condition     = var.database.backup_days >= 7 && var.database.backup_days <= 35
    error_message = "The cloud's backups must be kept for 7 to 35 days."
  }
}

variable "cache" {
  description = "Redis or Valkey: size, and a replica in another zone."
  type        = object({ size = string, high_availability = bool })

  validation {
    condition     = contains(["small", "medium", "large"], var.cache.size)
    error_message = "The size of the cache must be small, medium or large."
  }
}

variable "backup_days" {
  description = "For how many days an object in the backups' storage can be recovered after it was deleted."
  type        = number

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 365
    error_message = "Deleted backups must be recoverable for 7 to 365 days."
  }
}

variable "deletion_protection" {
  description = "Whether the cloud refuses to delete the database and the cluster."
  type        = bool
  default     = true
}

variable "budget" {
  description = "Monthly budget in the currency of the account (AWS: USD), and who is told at 80 % and 100 % of it."
  type        = object({ amount = number, emails = list(string) })

  validation {
    condition     = var.budget.amount > 0 && length(var.budget.emails) > 0
    error_message = "The budget needs an amount and at least one e-mail address."
  }
}

variable "bookstore" {
  description = "BookStore that the outputs are for: its namespace and name, tag of the API's image, number of Pods."
  type = object({
    namespace    = optional(string, "bookstore")
    name         = optional(string, "shop")
    image_tag    = optional(string, "0.1.0")
    min_replicas = number
    max_replicas = number
  })
}
