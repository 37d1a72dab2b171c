# The same file in infra/aws, infra/google and infra/azure: the interface, as a user meets it.

variables {
  name             = "shop-test"
  account          = "123456789012"
  region           = "eu-central-1"
  domain           = "shop.example.com"
  api_access_cidrs = ["198.51.100.0/24"]
  budget           = { amount = 100, emails = ["ops@example.com"] }
  nodes            = { size = "small", min = 2, max = 3 }
  database         = { size = "small", storage_gib = 32, high_availability = false, backup_days = 7 }
  cache            = { size = "small", high_availability = false }
  backup_days      = 7
  bookstore        = { min_replicas = 2, max_replicas = 3 }
}

run "outputs_are_what_a_bookstore_takes" {
  assert {
    condition     = output.database.port == 5432 && output.database.name == "books"
    error_message = "The database must be reached under its default port and be called books."
  }

  assert {
    condition     = yamldecode(output.bookstore_manifest).spec.serviceAccountName == "shop"
    error_message = "The BookStore must run as the ServiceAccount that has the cloud's identity."
  }

  assert {
    condition     = output.dns.zone == "shop.example.com" && length(output.load_balancer.addresses) > 0
    error_message = "The domain must have a zone, and the load balancer an address."
  }

  assert {
    condition     = strcontains(output.secrets_manifest, "postgresql://bookstore:") && strcontains(output.secrets_manifest, "rediss://")
    error_message = "The Secrets must have the URIs of the database and, encrypted, of the cache."
  }
}

run "an_open_kubernetes_api_is_refused" {
  command = plan

  variables {
    api_access_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.api_access_cidrs]
}

run "a_size_that_is_not_offered_is_refused" {
  command = plan

  variables {
    database = { size = "huge", storage_gib = 33, high_availability = false, backup_days = 7 }
  }

  expect_failures = [var.database]
}

run "a_name_that_is_too_long_for_a_cloud_is_refused" {
  command = plan

  variables {
    name = "a-name-of-nineteen-x"
  }

  expect_failures = [var.name]
}

run "a_budget_without_a_reader_is_refused" {
  command = plan

  variables {
    budget = { amount = 100, emails = [] }
  }

  expect_failures = [var.budget]
}
