#!/bin/sh
# Finishes the root file system of the node image. $1 is the root. The node's own files are a
# layer above it.
set -eu
root=$1

mkdir -p "$root/opt/cni" "$root/etc/cni/net.d" "$root/etc/containerd/certs.d" \
  "$root/etc/kubernetes/manifests" "$root/var/lib/kubelet" "$root/kind/images"
ln -sfn /usr/lib/cni "$root/opt/cni/bin"
chroot "$root" systemctl --quiet enable containerd.service
chroot "$root" systemctl --quiet set-default multi-user.target
chroot "$root" systemctl --quiet mask systemd-logind.service systemd-udevd.service \
  systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
  systemd-remount-fs.service systemd-firstboot.service systemd-pstore.service getty.target \
  console-getty.service getty@.service dev-hugepages.mount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer tmp.mount

# What the kube-proxy image needs beside the program: "path in the image <tab> file in here".
# shellcheck disable=SC2016  # expanded in there
chroot "$root" sh -c '
  plugins=$(ls -d /usr/lib/*/xtables)
  printf "%s\t%s\n" /usr/sbin/xtables-nft-multi /usr/sbin/xtables-nft-multi
  for plugin in "$plugins"/*.so; do printf "%s\t%s\n" "$plugin" "$(readlink -f "$plugin")"; done
  ldd /usr/sbin/xtables-nft-multi "$plugins"/*.so |
    awk "\$3 ~ /^\// {print \$3} \$1 ~ /^\/lib/ && \$2 ~ /^\(/ {print \$1}" | sort -u |
    while read -r library; do printf "%s\t%s\n" "$library" "$(readlink -f "$library")"; done
' >"$root/kind/kube-proxy-files"

rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/run/* \
  "$root/etc/machine-id" "$root/etc/resolv.conf" "$root/etc/hostname"
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
# The network plugins that the node uses.
find "$root/usr/lib/cni" -type f ! -name ptp ! -name host-local ! -name portmap ! -name loopback -delete
# containerd's shims of old.
rm -f "$root"/usr/bin/containerd-shim "$root"/usr/bin/containerd-shim-runc-v1
find "$root"/usr/lib/*/gconv -name '*.so' ! -name 'ISO8859-1.so' ! -name 'UTF-*.so' -delete
