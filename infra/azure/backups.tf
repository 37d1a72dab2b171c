# Storage for backups: private, encrypted, and what is deleted can be recovered for a while.

locals {
  backups_storage  = "${azurerm_storage_account.backups.name}/${azurerm_storage_container.backups.name}"
  backups_identity = azurerm_user_assigned_identity.backups.client_id

  # The backup tool speaks S3, which Azure does not: the container is mounted as a volume.
  backup_keys = {}
  storage_manifests = [{
    apiVersion    = "storage.k8s.io/v1"
    kind          = "StorageClass"
    metadata      = { name = "${var.name}-backups" }
    provisioner   = "blob.csi.azure.com"
    reclaimPolicy = "Retain"
    parameters = {
      protocol             = "fuse2"
      resourceGroup        = azurerm_resource_group.this.name
      storageAccount       = azurerm_storage_account.backups.name
      containerName        = azurerm_storage_container.backups.name
      AzureStorageAuthType = "MSI"
    }
    # Each read asks the container: a backup is read back from there, and not from the node's disk.
    mountOptions = ["-o allow_other", "--file-cache-timeout-in-seconds=0", "--use-adls=false"]
  }]
  backup_target = {
    volume = { storageClassName = "${var.name}-backups", size = "${var.database.storage_gib * 4}Gi" }
  }
}

resource "azurerm_storage_account" "backups" {
  # checkov:skip=CKV_AZURE_33:It has no queues
  # checkov:skip=CKV_AZURE_206:Copies in other zones; one in another region costs as much again
  # checkov:skip=CKV2_AZURE_40:The volume's driver uses the kubelet's identity, and no shared key
  name                             = "${replace(var.name, "-", "")}${random_string.suffix.result}"
  resource_group_name              = azurerm_resource_group.this.name
  location                         = azurerm_resource_group.this.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = "ZRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  public_network_access_enabled    = false
  allow_nested_items_to_be_public  = false
  shared_access_key_enabled        = false
  cross_tenant_replication_enabled = false
  tags                             = local.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.backup_days
    }

    container_delete_retention_policy {
      days = var.backup_days
    }
  }

  customer_managed_key {
    key_vault_key_id          = azurerm_key_vault_key.this.versionless_id
    user_assigned_identity_id = azurerm_user_assigned_identity.keys.id
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.keys.id]
  }

  depends_on = [azurerm_role_assignment.keys]
}

resource "azurerm_storage_container" "backups" {
  # checkov:skip=CKV2_AZURE_21:Diagnostic settings of the subscription are the place for access logs
  name                  = "backups"
  storage_account_id    = azurerm_storage_account.backups.id
  container_access_type = "private"
}

# Deleted versions go when the time to recover them is over.
resource "azurerm_storage_management_policy" "backups" {
  storage_account_id = azurerm_storage_account.backups.id

  rule {
    name    = "deleted"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }

    actions {
      version {
        delete_after_days_since_creation = var.backup_days
      }
    }
  }
}
