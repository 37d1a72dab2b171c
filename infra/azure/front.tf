# How users get in: a fixed address for the load balancer of an ingress controller, and its name.

locals {
  load_balancer_addresses = [azurerm_public_ip.load_balancer.ip_address]
  load_balancer_annotations = {
    "service.beta.kubernetes.io/azure-load-balancer-resource-group" = azurerm_resource_group.this.name
    "service.beta.kubernetes.io/azure-pip-name"                     = azurerm_public_ip.load_balancer.name
  }

  name_servers = flatten([for zone in azurerm_dns_zone.this : tolist(zone.name_servers)])
}

resource "azurerm_public_ip" "load_balancer" {
  name                = "${var.name}-load-balancer"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = ["1", "2", "3"]
  tags                = local.tags
}

resource "azurerm_dns_zone" "this" {
  count = var.domain == "" ? 0 : 1

  name                = var.domain
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_dns_a_record" "this" {
  count = var.domain == "" ? 0 : 1

  name                = "@"
  zone_name           = azurerm_dns_zone.this[0].name
  resource_group_name = azurerm_resource_group.this.name
  ttl                 = 300
  records             = local.load_balancer_addresses
  tags                = local.tags
}
