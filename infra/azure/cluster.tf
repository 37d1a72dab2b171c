# Kubernetes (AKS) with nodes in three zones.

locals {
  node_types = { small = "Standard_B2s_v2", medium = "Standard_D2ds_v5", large = "Standard_D4ds_v5" }

  cluster_name     = azurerm_kubernetes_cluster.this.name
  cluster_endpoint = "https://${azurerm_kubernetes_cluster.this.fqdn}"
  cluster_login    = "az aks get-credentials --subscription ${var.account} --resource-group ${azurerm_resource_group.this.name} --name ${azurerm_kubernetes_cluster.this.name}"
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  sku                 = "PerGB2018"
  retention_in_days   = 90
  tags                = local.tags
}

resource "azurerm_user_assigned_identity" "cluster" {
  name                = "${var.name}-cluster"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

# What the nodes pull images and mount the backups' storage with.
resource "azurerm_user_assigned_identity" "nodes" {
  name                = "${var.name}-nodes"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "cluster_nodes" {
  scope                = azurerm_user_assigned_identity.nodes.id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

# Load balancers with the reserved address, and nodes in the subnet.
resource "azurerm_role_assignment" "cluster_network" {
  scope                = azurerm_resource_group.this.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_role_assignment" "cluster_key" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Crypto User"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}

resource "azurerm_kubernetes_cluster" "this" {
  # checkov:skip=CKV_AZURE_6:The networks are a variable, which can be neither empty nor all
  # checkov:skip=CKV_AZURE_115:The API is public for the networks of api_access_cidrs only, which can't be all
  # checkov:skip=CKV_AZURE_117:Disks are encrypted by Azure; a disk encryption set is a matter of the company's rules
  # checkov:skip=CKV_AZURE_226:Ephemeral disks are not offered for each size of node
  # checkov:skip=CKV_AZURE_227:Encryption at the host must be switched on for the subscription first
  # checkov:skip=CKV_AZURE_232:One pool of nodes is enough for one shop
  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  dns_prefix          = var.name
  kubernetes_version  = var.kubernetes_version
  sku_tier            = "Standard"
  tags                = local.tags

  local_account_disabled            = true
  role_based_access_control_enabled = true
  azure_policy_enabled              = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  automatic_upgrade_channel         = "stable"
  node_os_upgrade_channel           = "NodeImage"

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = data.azurerm_client_config.this.tenant_id
  }

  api_server_access_profile {
    authorized_ip_ranges = var.api_access_cidrs
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.nodes.client_id
    object_id                 = azurerm_user_assigned_identity.nodes.principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.nodes.id
  }

  node_provisioning_profile {
    mode = "Manual"
  }

  default_node_pool {
    name                        = "nodes"
    vm_size                     = local.node_types[var.nodes.size]
    zones                       = ["1", "2", "3"]
    auto_scaling_enabled        = true
    min_count                   = var.nodes.min
    max_count                   = var.nodes.max
    vnet_subnet_id              = azurerm_subnet.cluster.id
    os_disk_size_gb             = 64
    max_pods                    = 110
    temporary_name_for_rotation = "rotating"

    upgrade_settings {
      max_surge = "1"
    }
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    load_balancer_sku   = "standard"
    outbound_type       = "userAssignedNATGateway"
    pod_cidr            = "192.168.0.0/16"
    service_cidr        = "172.20.0.0/16"
    dns_service_ip      = "172.20.0.10"
  }

  key_management_service {
    key_vault_key_id         = azurerm_key_vault_key.this.id
    key_vault_network_access = "Public"
  }

  key_vault_secrets_provider {
    secret_rotation_enabled = true
  }

  storage_profile {
    blob_driver_enabled = true
  }

  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.this.id
    msi_auth_for_monitoring_enabled = true
  }

  lifecycle {
    # The autoscaler and the upgrade channel change them.
    ignore_changes = [default_node_pool[0].node_count, kubernetes_version]
  }

  depends_on = [
    azurerm_role_assignment.cluster_network,
    azurerm_role_assignment.cluster_key,
    azurerm_role_assignment.cluster_nodes,
    azurerm_subnet_nat_gateway_association.this,
  ]
}

# What protects the others' deletion by a setting of their own is a lock here.
resource "azurerm_management_lock" "this" {
  for_each = var.deletion_protection ? {
    cluster  = azurerm_kubernetes_cluster.this.id
    database = azurerm_postgresql_flexible_server.this.id
    backups  = azurerm_storage_account.backups.id
  } : {}

  name       = "keep"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Set deletion_protection = false to delete it."
}
