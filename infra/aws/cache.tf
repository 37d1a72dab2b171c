# Valkey (ElastiCache): private, encrypted at rest and on the wire, with a password.

locals {
  cache_types = { small = "cache.t4g.micro", medium = "cache.m7g.large", large = "cache.m7g.xlarge" }

  cache_host = aws_elasticache_replication_group.this.primary_endpoint_address
  cache_port = 6379
  cache_uri  = format("rediss://:%s@%s:%d/0", random_password.cache.result, local.cache_host, local.cache_port)
}

resource "random_password" "cache" {
  length  = 40
  special = false # it becomes part of a URI
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_security_group" "cache" {
  name        = "${var.name}-cache"
  description = "Valkey, from the cluster's nodes and Pods"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  security_group_id            = aws_security_group.cache.id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Valkey from the cluster"
  ip_protocol                  = "tcp"
  from_port                    = local.cache_port
  to_port                      = local.cache_port
}

resource "aws_elasticache_replication_group" "this" {
  # checkov:skip=CKV2_AWS_50:Failover is a matter of size: production and staging have it
  replication_group_id = var.name
  description          = "${var.name}: what the API's processes share"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = local.cache_types[var.cache.size]
  port                 = local.cache_port

  num_cache_clusters         = var.cache.high_availability ? 2 : 1
  automatic_failover_enabled = var.cache.high_availability
  multi_az_enabled           = var.cache.high_availability

  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [aws_security_group.cache.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this.arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = random_password.cache.result

  auto_minor_version_upgrade = true
  maintenance_window         = "sun:05:00-sun:06:00"
}
