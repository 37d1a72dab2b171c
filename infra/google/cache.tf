# Valkey (Memorystore): private, encrypted at rest and on the wire.

locals {
  cache_types = { small = "SHARED_CORE_NANO", medium = "STANDARD_SMALL", large = "HIGHMEM_MEDIUM" }

  cache_host = google_memorystore_instance.this.endpoints[0].connections[0].psc_auto_connection[0].ip_address
  cache_port = 6379
  # Encrypted, and not verified: the certificate's authority is the server's own.
  cache_uri = format("rediss://%s:%d/0?ssl_cert_reqs=none", local.cache_host, local.cache_port)
}

resource "google_memorystore_instance" "this" {
  instance_id                 = var.name
  location                    = var.region
  engine_version              = "VALKEY_8_0"
  node_type                   = local.cache_types[var.cache.size]
  mode                        = "CLUSTER_DISABLED"
  shard_count                 = 1
  replica_count               = var.cache.high_availability ? 1 : 0
  deletion_protection_enabled = var.deletion_protection
  transit_encryption_mode     = "SERVER_AUTHENTICATION"
  # Who reaches it at all is decided by the network: there are no passwords, only Google's tokens,
  # which are valid for an hour and are no part of a URI.
  authorization_mode = "AUTH_DISABLED"
  kms_key            = google_kms_crypto_key.this.id

  desired_auto_created_endpoints {
    network    = google_compute_network.this.id
    project_id = var.account
  }

  depends_on = [
    google_network_connectivity_service_connection_policy.cache,
    google_kms_crypto_key_iam_member.this,
  ]
}
