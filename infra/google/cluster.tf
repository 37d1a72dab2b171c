# Kubernetes (GKE), regional, with a pool of nodes in three zones.

locals {
  node_types = { small = "e2-medium", medium = "n2-standard-2", large = "n2-standard-4" }

  cluster_name     = google_container_cluster.this.name
  cluster_endpoint = "https://${google_container_cluster.this.endpoint}"
  cluster_login    = "gcloud container clusters get-credentials ${google_container_cluster.this.name} --region ${var.region} --project ${var.account}"
}

data "google_compute_zones" "available" {
  status = "UP"

  depends_on = [google_project_service.this]
}

resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12:Dataplane V2 (ADVANCED_DATAPATH) enforces them; the older add-on excludes it
  # checkov:skip=CKV_GCP_65:Groups of Google Workspace are the company's
  # checkov:skip=CKV_GCP_66:Binary Authorization needs attestations by the company's own pipeline
  name                = var.name
  location            = var.region
  min_master_version  = var.kubernetes_version
  deletion_protection = var.deletion_protection

  network           = google_compute_network.this.id
  subnetwork        = google_compute_subnetwork.this.id
  networking_mode   = "VPC_NATIVE"
  datapath_provider = "ADVANCED_DATAPATH" # enforces NetworkPolicies

  remove_default_node_pool    = true
  initial_node_count          = 1
  enable_shielded_nodes       = true
  enable_intranode_visibility = true
  resource_labels             = merge(var.labels, { environment = var.name })

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
    master_ipv4_cidr_block  = cidrsubnet(var.network_cidr, 12, 768)
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.api_access_cidrs

      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  release_channel {
    channel = "REGULAR"
  }

  workload_identity_config {
    workload_pool = "${var.account}.svc.id.goog"
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.this.id
  }

  # Of the pool that is removed at once: it is created with these.
  node_config {
    service_account = google_service_account.nodes.email

    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }

  lifecycle {
    ignore_changes = [node_config]
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

resource "google_container_node_pool" "this" {
  name           = "nodes"
  cluster        = google_container_cluster.this.id
  node_locations = slice(data.google_compute_zones.available.names, 0, 3)

  # Limits for all zones together.
  autoscaling {
    total_min_node_count = var.nodes.min
    total_max_node_count = var.nodes.max
    location_policy      = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type      = local.node_types[var.nodes.size]
    disk_size_gb      = 50
    disk_type         = "pd-balanced"
    boot_disk_kms_key = google_kms_crypto_key.this.id
    image_type        = "COS_CONTAINERD"
    service_account   = google_service_account.nodes.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]

    metadata = { disable-legacy-endpoints = "true" }

    # A Pod can't reach the node's credentials.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
}
