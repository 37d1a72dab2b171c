# Who the BookStore's Pods are: the cluster's nodes pull images, the Pods use the backups' storage.

locals {
  service_account_annotations = { "azure.workload.identity/client-id" = azurerm_user_assigned_identity.backups.client_id }
  # Without the label on the Pod, the annotation of the ServiceAccount does nothing.
  pod_labels = { "azure.workload.identity/use" = "true" }
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.nodes.principal_id
}

resource "azurerm_user_assigned_identity" "backups" {
  name                = "${var.name}-backups"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

# Workload identity: one ServiceAccount of the cluster is this identity, and no other.
resource "azurerm_federated_identity_credential" "backups" {
  name                      = "bookstore"
  user_assigned_identity_id = azurerm_user_assigned_identity.backups.id
  audience                  = ["api://AzureADTokenExchange"]
  issuer                    = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject                   = "system:serviceaccount:${var.bookstore.namespace}:${local.store}"
}

resource "azurerm_role_assignment" "backups" {
  scope                = azurerm_storage_container.backups.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.backups.principal_id
}

# The volume's driver on the nodes mounts the container.
resource "azurerm_role_assignment" "backups_volume" {
  scope                = azurerm_storage_container.backups.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.nodes.principal_id
}
