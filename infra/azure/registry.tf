# A registry for the images.

locals {
  registry_url   = azurerm_container_registry.this.login_server
  registry_login = "az acr login --name ${azurerm_container_registry.this.name}"
}

resource "azurerm_container_registry" "this" {
  # checkov:skip=CKV_AZURE_139:CI pushes from outside the network, with a token of its own
  # checkov:skip=CKV_AZURE_163:Defender for Cloud scans; it is the subscription's
  # checkov:skip=CKV_AZURE_164:Images are signed by cosign, which Azure's content trust is not
  # checkov:skip=CKV_AZURE_165:Copies in other regions are for shops in many regions
  # checkov:skip=CKV_AZURE_166:Quarantine needs a scanner that releases images
  # checkov:skip=CKV_AZURE_233:Zone redundancy is a property of the region for this tier
  # checkov:skip=CKV_AZURE_237:A dedicated data endpoint is for firewalls that list names
  name                   = "${replace(var.name, "-", "")}${random_string.suffix.result}"
  resource_group_name    = azurerm_resource_group.this.name
  location               = azurerm_resource_group.this.location
  sku                    = "Premium"
  admin_enabled          = false
  anonymous_pull_enabled = false
  # Layers that no tag has.
  retention_policy_in_days = 30
  tags                     = local.tags
}
