#!/bin/sh
# On a host with systemd that libvirtd serves: lodged comes beside it, takes over and gives back, while a machine runs.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -eux
trap 'code=$?; [ $code = 0 ] || { journalctl -b --no-pager -u libvirtd -u lodged | tail -n 60; tail -n 20 /var/log/libvirt/qemu/m.log; }' EXIT
systemctl unmask libvirtd.service libvirtd.socket || true
systemctl enable --now libvirtd.socket libvirtd.service
cat >/tmp/m.xml <<'XML'
<domain type='qemu'><name>m</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><serial type='pty'/></devices></domain>
XML
virsh -c qemu:///system define /tmp/m.xml
virsh -c qemu:///system start m
pid=$(cat /run/libvirt/qemu/m.pid)

same() {
    test "$(cat /run/libvirt/qemu/m.pid)" = "$pid"
    test -d "/proc/$pid"
    virsh -c qemu:///system domstate m | grep -x running
    virsh -c qemu:///system suspend m
    virsh -c qemu:///system domstate m | grep -x paused
    virsh -c qemu:///system resume m
}

# Beside a libvirtd nothing changes.
dpkg -i /debs/lodge_*.deb /debs/lodged_*.deb
systemctl is-active libvirtd.socket
! systemctl is-active lodged.service
! systemctl is-enabled lodged.socket
lodge-switch status | grep 'libvirtd serves'
same

lodge-switch lodged
systemctl is-active lodged.service
systemctl is-enabled lodged.socket
! systemctl is-active libvirtd.service
! systemctl is-enabled libvirtd.socket
lodge-switch status | grep 'lodged serves'
lodge version --daemon | grep -i lodge
same
lodge-switch lodged 2>&1 | grep already
# A new version of the package: the daemon is another, the machine is the same.
daemon=$(systemctl show -P MainPID lodged)
dpkg -i /debs/lodged_*.deb
test "$(systemctl show -P MainPID lodged)" != "$daemon"
same

lodge-switch libvirtd
systemctl is-active libvirtd.service
systemctl is-enabled libvirtd.socket
! systemctl is-active lodged.service
! systemctl is-enabled lodged.socket
same

# What does not start is taken back.
mkdir -p /etc/systemd/system/lodged.service.d
printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >/etc/systemd/system/lodged.service.d/broken.conf
systemctl daemon-reload
! lodge-switch lodged
systemctl is-active libvirtd.socket
! systemctl is-enabled lodged.socket
same
rm -r /etc/systemd/system/lodged.service.d
systemctl daemon-reload

# Without libvirtd's package it starts by itself; removing it leaves the machine alone.
lodge-switch lodged
dpkg --purge lodged
test -d "/proc/$pid"
systemctl disable --now libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket || true
dpkg -i /debs/lodged_*.deb
systemctl is-active lodged.service
same
virsh -c qemu:///system destroy m
