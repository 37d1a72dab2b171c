# Redis (Azure Managed Redis): private, encrypted at rest and on the wire, with a key.

locals {
  cache_types = { small = "Balanced_B0", medium = "Balanced_B5", large = "Balanced_B10" }

  cache_host = azurerm_managed_redis.this.hostname
  cache_port = azurerm_managed_redis.this.default_database[0].port
  cache_uri = format(
    "rediss://:%s@%s:%d/0",
    urlencode(azurerm_managed_redis.this.default_database[0].primary_access_key), local.cache_host, local.cache_port
  )
}

resource "azurerm_managed_redis" "this" {
  name                      = "${var.name}-${random_string.suffix.result}"
  resource_group_name       = azurerm_resource_group.this.name
  location                  = azurerm_resource_group.this.location
  sku_name                  = local.cache_types[var.cache.size]
  high_availability_enabled = var.cache.high_availability
  public_network_access     = "Disabled"
  tags                      = local.tags

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    clustering_policy                  = "NoCluster"
    eviction_policy                    = "VolatileLRU"
  }

  customer_managed_key {
    key_vault_key_id          = azurerm_key_vault_key.this.id
    user_assigned_identity_id = azurerm_user_assigned_identity.keys.id
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.keys.id]
  }

  depends_on = [azurerm_role_assignment.keys]
}
