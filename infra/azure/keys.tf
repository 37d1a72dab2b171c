# One key encrypts what is stored: database, cache, backups and Secrets in etcd.

resource "azurerm_key_vault" "this" {
  # checkov:skip=CKV_AZURE_189:The key is created from the networks of api_access_cidrs, and from no other
  name                          = "${var.name}-${random_string.suffix.result}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  tenant_id                     = data.azurerm_client_config.this.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = true
  tags                          = local.tags

  # Whoever runs OpenTofu comes from the networks that may reach the cluster's API.
  network_acls {
    default_action = "Deny"
    bypass         = "AzureServices"
    ip_rules       = var.api_access_cidrs
  }
}

resource "azurerm_role_assignment" "key_creator" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = data.azurerm_client_config.this.object_id
}

resource "azurerm_key_vault_key" "this" {
  # checkov:skip=CKV_AZURE_112:It is in an HSM (RSA-HSM)
  # checkov:skip=CKV_AZURE_40:The rotation policy gives each version its end
  name         = "everything"
  key_vault_id = azurerm_key_vault.this.id
  key_type     = "RSA-HSM"
  key_size     = 3072
  key_opts     = ["wrapKey", "unwrapKey", "encrypt", "decrypt"]

  rotation_policy {
    expire_after = "P2Y"

    automatic {
      time_after_creation = "P3M"
    }
  }

  depends_on = [azurerm_role_assignment.key_creator]
}

# The identity that services read the key with.
resource "azurerm_user_assigned_identity" "keys" {
  name                = "${var.name}-keys"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "keys" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.keys.principal_id
}
