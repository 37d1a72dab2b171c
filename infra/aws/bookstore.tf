# The same file in infra/aws, infra/google and infra/azure: what a BookStore takes, from what the
# cloud's own files made. Each of those sets the locals that are used here.

locals {
  store = var.bookstore.name

  metadata = { namespace = var.bookstore.namespace }

  secrets = merge(
    {
      "${local.store}-external-database" = { uri = local.database_uri }
      "${local.store}-external-cache"    = { uri = local.cache_uri }
    },
    local.backup_keys
  )

  support_manifests = concat(
    [{ apiVersion = "v1", kind = "Namespace", metadata = { name = var.bookstore.namespace } }],
    [
      for name, content in local.secrets : {
        apiVersion = "v1"
        kind       = "Secret"
        metadata   = merge(local.metadata, { name = name })
        stringData = content
      }
    ],
    [{
      apiVersion = "v1"
      kind       = "ServiceAccount"
      metadata   = merge(local.metadata, { name = local.store, annotations = local.service_account_annotations })
    }],
    local.storage_manifests
  )

  bookstore_manifest = {
    apiVersion = "bookstore.dev/v1alpha1"
    kind       = "BookStore"
    metadata   = merge(local.metadata, { name = local.store })
    spec = {
      image              = "${local.registry_url}/bookstore-api:${var.bookstore.image_tag}"
      serviceAccountName = local.store
      podMetadata        = { labels = local.pod_labels }
      autoscaling = {
        minReplicas = var.bookstore.min_replicas
        maxReplicas = var.bookstore.max_replicas
      }
      database = { external = { secretName = "${local.store}-external-database" } }
      cache    = { external = { secretName = "${local.store}-external-cache" } }
      backup = {
        schedule  = "17 3 * * *"
        target    = local.backup_target
        retention = { keepLast = 7, keepDaily = 14, keepWeekly = 8, keepMonthly = 12 }
      }
    }
  }
}
