# PostgreSQL (flexible server): private, encrypted, with backups and, if wanted, a standby in another zone.

locals {
  database_types = { small = "B_Standard_B2s", medium = "GP_Standard_D2ds_v5", large = "GP_Standard_D4ds_v5" }
  # A standby is not offered for the burstable sizes.
  database_type = var.database.high_availability && var.database.size == "small" ? local.database_types.medium : local.database_types[var.database.size]

  database_host = azurerm_postgresql_flexible_server.this.fqdn
  database_name = azurerm_postgresql_flexible_server_database.this.name
  database_uri = format(
    "postgresql://%s:%s@%s:5432/%s?sslmode=verify-full&sslrootcert=system",
    azurerm_postgresql_flexible_server.this.administrator_login, random_password.database.result,
    local.database_host, local.database_name
  )
}

resource "random_password" "database" {
  length      = 40
  special     = false # it becomes part of a URI
  min_lower   = 1
  min_upper   = 1
  min_numeric = 1
}

resource "azurerm_postgresql_flexible_server" "this" {
  # checkov:skip=CKV2_AZURE_57:It is in a subnet of the network, which takes the place of an endpoint
  # checkov:skip=CKV_AZURE_136:A copy of backups in another region costs as much again: a decision for each company
  name                          = "${var.name}-${random_string.suffix.result}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  version                       = "17"
  sku_name                      = local.database_type
  administrator_login           = "bookstore"
  administrator_password        = random_password.database.result
  delegated_subnet_id           = azurerm_subnet.database.id
  private_dns_zone_id           = azurerm_private_dns_zone.this["database"].id
  public_network_access_enabled = false
  tags                          = local.tags

  storage_mb        = var.database.storage_gib * 1024
  auto_grow_enabled = true

  backup_retention_days = var.database.backup_days

  dynamic "high_availability" {
    for_each = var.database.high_availability ? [1] : []

    content {
      mode = "ZoneRedundant"
    }
  }

  maintenance_window {
    day_of_week  = 0
    start_hour   = 4
    start_minute = 0
  }

  customer_managed_key {
    key_vault_key_id                  = azurerm_key_vault_key.this.id
    primary_user_assigned_identity_id = azurerm_user_assigned_identity.keys.id
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.keys.id]
  }

  lifecycle {
    # After a failover the zones are exchanged, and the server would be created again; it grows by itself.
    ignore_changes = [zone, high_availability[0].standby_availability_zone, storage_mb]
  }

  depends_on = [
    azurerm_private_dns_zone_virtual_network_link.this,
    azurerm_role_assignment.keys,
    azurerm_subnet_network_security_group_association.this,
  ]
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = "books"
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  lifecycle {
    # The server's lock does not cover what is in it.
    prevent_destroy = true
  }
}

resource "azurerm_postgresql_flexible_server_configuration" "this" {
  for_each = {
    "log_min_duration_statement" = "1000"
    "log_statement"              = "ddl"
    "require_secure_transport"   = "on"
  }

  server_id = azurerm_postgresql_flexible_server.this.id
  name      = each.key
  value     = each.value
}
