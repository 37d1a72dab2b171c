# PostgreSQL (Cloud SQL): private, encrypted, with backups and, if wanted, a standby in another zone.

locals {
  database_types = { small = "db-custom-1-3840", medium = "db-custom-2-8192", large = "db-custom-4-16384" }

  database_host = google_sql_database_instance.this.private_ip_address
  database_name = google_sql_database.this.name
  # The certificate is not verified: its authority is the server's own. See docs/how-to/clouds.md.
  database_uri = format(
    "postgresql://%s:%s@%s:5432/%s?sslmode=require",
    google_sql_user.this.name, random_password.database.result, local.database_host, local.database_name
  )
}

resource "random_password" "database" {
  length  = 40
  special = false # it becomes part of a URI
}

# The name of a deleted server stays taken for a week.
resource "random_id" "database" {
  byte_length = 3
}

resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY refuses connections without TLS; clients have passwords, no certificates
  # checkov:skip=CKV_GCP_57:Statements of a second and more are logged; the API sends values apart from them
  # checkov:skip=CKV_GCP_108:Names of hosts would be asked for at each connection, and all are Pods
  # checkov:skip=CKV2_GCP_13:The duration of statements of a second and more is logged
  # checkov:skip=CKV_GCP_79:A new major version is a decision of people
  name                = "${var.name}-${random_id.database.hex}"
  database_version    = "POSTGRES_17"
  encryption_key_name = google_kms_crypto_key.this.id
  # For OpenTofu; the cloud's own protection is in the settings.
  deletion_protection = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE"
    tier                        = local.database_types[var.database.size]
    availability_type           = var.database.high_availability ? "REGIONAL" : "ZONAL"
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    user_labels                 = var.labels

    disk_type             = "PD_SSD"
    disk_size             = var.database.storage_gib
    disk_autoresize       = true
    disk_autoresize_limit = var.database.storage_gib * 4

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.this.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.database.backup_days
        retention_unit   = "COUNT"
      }
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "1000"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
  }

  lifecycle {
    # It grows by itself.
    ignore_changes = [settings[0].disk_size]
  }

  depends_on = [google_service_networking_connection.this, google_kms_crypto_key_iam_member.this]
}

# The server's protection does not cover what is in it: a destroy leaves both where they are.
resource "google_sql_database" "this" {
  name            = "books"
  instance        = google_sql_database_instance.this.name
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "this" {
  name            = "bookstore"
  instance        = google_sql_database_instance.this.name
  password        = random_password.database.result
  deletion_policy = "ABANDON"
}
