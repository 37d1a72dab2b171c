"""Every version that is pinned, in one place, and why it is this one."""

# The newest whose kubelet takes a cgroup v1 host and containerd 1.6 (Debian 12's) with no flags.
KUBERNETES = "v1.34.4"

# What kubeadm of that Kubernetes asks for; the same module builds the etcd program.
ETCD = "v3.6.5"
# The first after kubeadm's v1.12.1 that compiles with the libraries of that Kubernetes.
COREDNS = "v1.12.2"

# The oldest kind that publishes a node image of Kubernetes 1.34.
KIND = "v0.30.0"

# v0.8.0 needs the libraries of Kubernetes 1.36; the stages here are written for this one.
KWOK = "v0.7.0"

# v0.8.0 of the module does not match the checksum database.
METRICS_SERVER = "v0.9.0"

# Tried with the queue of Debian 12's iptables; its own rules need a module that kernels may lack.
NETWORK_POLICIES = "v0.8.0"

# The last v2. Tried with Debian 12's engine, whose API is 1.41.
COMPOSE = "v2.40.3"

# For `make lint`: reads .github/workflows.
ACTIONLINT = "v1.7.12"

# For the tests of backups: the object store that is strict about keys and checksums.
VERSITYGW = "v1.8.0"

# For tests/packaging: installs charts/bookstore-operator.
HELM = "v4.3.1"

# For tests/packaging, at night: judges manifests.
KUBE_SCORE = "v1.20.0"

# For tests/workflows, at night: runs .github/workflows.
ACT = "v0.2.89"

# For `make nightly-clouds`: checks infra/.
OPENTOFU = "v1.12.6"
# The framework of data/go/schema-provider.
TERRAFORM_PLUGIN_GO = "v0.31.0"

# Ours: raised when data/go/pause changes.
PAUSE = "v1"

# What the newest of the modules above asks for. An older `go` (from 1.21) fetches it by itself.
GO = "1.26"
