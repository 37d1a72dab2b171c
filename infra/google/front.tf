# How users get in: a fixed address for the load balancer of an ingress controller, and its name.

locals {
  load_balancer_addresses = [google_compute_address.load_balancer.address]
  load_balancer_annotations = {
    "networking.gke.io/load-balancer-ip-addresses" = google_compute_address.load_balancer.name
  }

  name_servers = flatten(google_dns_managed_zone.this[*].name_servers)
}

resource "google_compute_address" "load_balancer" {
  name         = "${var.name}-load-balancer"
  address_type = "EXTERNAL"
  network_tier = "PREMIUM"

  depends_on = [google_project_service.this]
}

resource "google_dns_managed_zone" "this" {
  count = var.domain == "" ? 0 : 1

  name     = replace(var.domain, ".", "-")
  dns_name = "${var.domain}."

  dnssec_config {
    state = "on"

    default_key_specs {
      algorithm  = "rsasha256"
      key_length = 2048
      key_type   = "keySigning"
    }

    default_key_specs {
      algorithm  = "rsasha256"
      key_length = 1024
      key_type   = "zoneSigning"
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_dns_record_set" "this" {
  count = var.domain == "" ? 0 : 1

  managed_zone = google_dns_managed_zone.this[0].name
  name         = google_dns_managed_zone.this[0].dns_name
  type         = "A"
  ttl          = 300
  rrdatas      = local.load_balancer_addresses
}
