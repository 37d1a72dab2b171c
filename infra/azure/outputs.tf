# The same file in infra/aws, infra/google and infra/azure.

output "cluster" {
  description = "Kubernetes cluster: its name, the API's URL, and the command that gives kubectl access."
  value = {
    name          = local.cluster_name
    endpoint      = local.cluster_endpoint
    login_command = local.cluster_login
  }
}

output "registry" {
  description = "Registry for the images: what their names begin with, and the command that logs docker in."
  value = {
    url           = local.registry_url
    login_command = local.registry_login
  }
}

output "database" {
  description = "PostgreSQL server, which only the cluster's network reaches."
  value = {
    host = local.database_host
    port = 5432
    name = local.database_name
  }
}

output "cache" {
  description = "Redis or Valkey server, which only the cluster's network reaches."
  value = {
    host = local.cache_host
    port = local.cache_port
  }
}

output "backups" {
  description = "Storage for backups, and the cloud's identity that the BookStore's Pods use it with."
  value = {
    storage  = local.backups_storage
    identity = local.backups_identity
  }
}

output "load_balancer" {
  description = "Reserved public addresses, and the annotations of the ingress controller's Service that uses them."
  value = {
    addresses           = local.load_balancer_addresses
    service_annotations = local.load_balancer_annotations
  }
}

output "dns" {
  description = "DNS zone, and the name servers to enter at the registrar. Empty without a domain."
  value = {
    zone         = var.domain
    name_servers = local.name_servers
  }
}

output "secrets_manifest" {
  description = "Namespace, Secrets and ServiceAccount of the BookStore: tofu output -raw secrets_manifest | kubectl apply -f -"
  value       = join("---\n", [for manifest in local.support_manifests : yamlencode(manifest)])
  sensitive   = true
}

output "bookstore_manifest" {
  description = "BookStore that uses all of it: tofu output -raw bookstore_manifest | kubectl apply -f -"
  value       = yamlencode(local.bookstore_manifest)
}
