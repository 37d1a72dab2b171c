# PostgreSQL (RDS): private, encrypted, with backups and, if wanted, a standby in another zone.

locals {
  database_types = { small = "db.t4g.medium", medium = "db.m7g.large", large = "db.m7g.xlarge" }

  database_host = aws_db_instance.this.address
  database_name = aws_db_instance.this.db_name
  # The certificate is not verified: its authority is RDS' own. See docs/how-to/clouds.md.
  database_uri = format(
    "postgresql://%s:%s@%s:5432/%s?sslmode=require",
    aws_db_instance.this.username, random_password.database.result, local.database_host, local.database_name
  )
}

resource "random_password" "database" {
  length  = 40
  special = false # it becomes part of a URI
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "PostgreSQL, from the cluster's nodes and Pods"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "PostgreSQL from the cluster"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_157:A standby is a matter of size: production and staging have one
  # checkov:skip=CKV_AWS_293:Deletion protection is off in the size "small" only
  identifier     = var.name
  engine         = "postgres"
  engine_version = "17" # no minor: AWS raises it, and an older one is refused
  instance_class = local.database_types[var.database.size]

  db_name  = "books"
  username = "bookstore"
  password = random_password.database.result
  port     = 5432

  storage_type      = "gp3"
  allocated_storage = var.database.storage_gib
  # It grows by itself before it is full.
  max_allocated_storage = var.database.storage_gib * 4
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this.arn

  multi_az               = var.database.high_availability
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false

  backup_retention_period  = var.database.backup_days
  backup_window            = "02:00-02:30"
  maintenance_window       = "sun:04:00-sun:05:00"
  copy_tags_to_snapshot    = true
  delete_automated_backups = false
  deletion_protection      = var.deletion_protection

  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  auto_minor_version_upgrade          = true
  iam_database_authentication_enabled = true
  parameter_group_name                = aws_db_parameter_group.this.name
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]

  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.this.arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.database_monitoring.arn
}

data "aws_iam_policy_document" "assume_database_monitoring" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "database_monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.assume_database_monitoring.json
}

resource "aws_iam_role_policy_attachment" "database_monitoring" {
  role       = aws_iam_role.database_monitoring.name
  policy_arn = "${local.arn_prefix}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
