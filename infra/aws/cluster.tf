# Kubernetes (EKS) with a group of nodes in three zones.

locals {
  node_types = { small = "t4g.medium", medium = "m7g.large", large = "m7g.xlarge" }

  cluster_name     = aws_eks_cluster.this.name
  cluster_endpoint = aws_eks_cluster.this.endpoint
  cluster_login    = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name}"
}

resource "aws_cloudwatch_log_group" "cluster" {
  # EKS would create it without encryption and keep it for ever.
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_eks_cluster" "this" {
  # checkov:skip=CKV_AWS_38:The networks are a variable, which refuses 0.0.0.0/0
  # checkov:skip=CKV_AWS_39:The API is public for the networks of api_access_cidrs only, which can't be all
  name                = var.name
  version             = var.kubernetes_version
  role_arn            = aws_iam_role.cluster.arn
  deletion_protection = var.deletion_protection

  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.this.arn
    }
  }

  vpc_config {
    subnet_ids              = aws_subnet.private[*].id
    endpoint_private_access = true
    endpoint_public_access  = true
    public_access_cidrs     = var.api_access_cidrs
  }

  depends_on = [aws_cloudwatch_log_group.cluster, aws_iam_role_policy_attachment.cluster]
}

resource "aws_launch_template" "nodes" {
  name = "${var.name}-nodes"

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # One hop: a Pod can't reach the node's credentials.
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 50
      volume_type           = "gp3"
      encrypted             = true
      kms_key_id            = aws_kms_key.this.arn
      delete_on_termination = true
    }
  }
}

resource "aws_eks_node_group" "this" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "nodes"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = aws_subnet.private[*].id
  ami_type        = "AL2023_ARM_64_STANDARD"
  instance_types  = [local.node_types[var.nodes.size]]

  launch_template {
    id      = aws_launch_template.nodes.id
    version = aws_launch_template.nodes.latest_version
  }

  scaling_config {
    min_size     = var.nodes.min
    max_size     = var.nodes.max
    desired_size = var.nodes.min
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The cluster autoscaler changes it.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.nodes]
}

resource "aws_eks_addon" "this" {
  for_each = {
    "vpc-cni"            = { enableNetworkPolicy = "true" }
    "kube-proxy"         = null
    "coredns"            = null
    "metrics-server"     = null
    "aws-ebs-csi-driver" = null
  }

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = each.value == null ? null : jsonencode(each.value)
  service_account_role_arn    = each.key == "aws-ebs-csi-driver" ? aws_iam_role.disks.arn : null
  resolve_conflicts_on_update = "PRESERVE"

  depends_on = [aws_eks_node_group.this]
}
