#!/bin/sh
# Finishes the root file system of the Python base image. $1 is the root.
set -eu
root=$1

ln -s python3 "$root/usr/bin/python"
# The machine's certificates: they may hold those of a company's own proxy.
if [ -s "${CA_BUNDLE:-}" ]; then cp "$CA_BUNDLE" "$root/etc/ssl/certs/ca-certificates.crt"; fi

rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/run/* \
  "$root"/usr/lib/python3*/pydoc_data "$root"/usr/lib/python3*/lib2to3 "$root"/usr/lib/python3*/__pycache__ \
  "$root"/etc/machine-id "$root"/etc/resolv.conf "$root"/etc/hostname
find "$root/usr/lib/python3" "$root"/usr/lib/python3.* -name __pycache__ -prune -exec rm -rf {} +
# Character sets that nobody asks for; Unicode's are compiled into the C library.
find "$root"/usr/lib/*/gconv -name '*.so' ! -name 'ISO8859-1.so' ! -name 'UTF-*.so' ! -name 'UNICODE.so' -delete
# Docker mounts its own over these.
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
