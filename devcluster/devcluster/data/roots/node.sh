#!/bin/sh
# Finishes the root file system of the node image. $1 is the root; FILES the folder with the
# node's own files; PROXY_TOOLS where to put what the kube-proxy image needs beside the program.
set -eu
root=$1

cp -a --no-preserve=ownership "$FILES/." "$root/"
chmod 0755 "$root"/usr/local/sbin/* "$root"/usr/local/bin/*
mkdir -p "$root/opt/cni" "$root/etc/cni/net.d" "$root/etc/containerd/certs.d" \
  "$root/etc/kubernetes/manifests" "$root/var/lib/kubelet" "$root/kind/images"
ln -sfn /usr/lib/cni "$root/opt/cni/bin"
chroot "$root" systemctl --quiet enable containerd.service kubelet.service
chroot "$root" systemctl --quiet set-default multi-user.target
chroot "$root" systemctl --quiet mask systemd-logind.service systemd-udevd.service \
  systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
  systemd-remount-fs.service systemd-firstboot.service systemd-pstore.service getty.target \
  console-getty.service getty@.service dev-hugepages.mount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer tmp.mount

rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/run/* \
  "$root/etc/machine-id" "$root/etc/resolv.conf" "$root/etc/hostname"
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
# The network plugins that the node uses are ptp, host-local and portmap.
find "$root/usr/lib/cni" -type f ! -name ptp ! -name host-local ! -name portmap ! -name loopback \
  ! -name bridge -delete
# containerd's shim of old, and what only Debian's own boot uses.
rm -f "$root"/usr/bin/containerd-shim "$root"/usr/bin/containerd-shim-runc-v1
find "$root"/usr/lib/*/gconv -name '*.so' ! -name 'ISO8859-1.so' ! -name 'UTF-*.so' -delete
