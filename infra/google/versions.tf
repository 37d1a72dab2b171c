terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.0"
    }
  }
}

provider "google" {
  project = var.account
  region  = var.region

  # Budgets are the billing account's: their API wants to know whom to charge for the call.
  billing_project       = var.account
  user_project_override = true

  default_labels = merge(var.labels, { environment = var.name, managed-by = "opentofu" })
}

data "google_project" "this" {
  project_id = var.account
}
