terraform {
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.0"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.account
  storage_use_azuread = true

  features {}
}

data "azurerm_client_config" "this" {}

locals {
  tags = merge(var.labels, { environment = var.name, managed-by = "opentofu" })
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.region
  tags     = local.tags
}

# Names of vaults, storage and registries are unique in the world, and some stay taken for a while.
resource "random_string" "suffix" {
  length  = 5
  upper   = false
  special = false
}
