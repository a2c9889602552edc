#!/bin/sh
# On a Debian that has nothing but its base: bare.sh install FOLDER_OF_PACKAGES, then bare.sh try
# SPDX-License-Identifier: LGPL-2.1-or-later
set -eux
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
if [ "$1" = install ]; then
    apt-get -qq -y install --no-install-recommends "$2"/lodge_*.deb "$2"/lodged_*.deb "$2"/lodge-doc_*.deb
    exit
fi

# What belongs where.
for file in /usr/bin/lodge /usr/sbin/lodged /usr/sbin/lodge-switch /usr/libexec/lodge/lodge-media \
    /usr/share/bash-completion/completions/lodge* /usr/share/zsh/site-functions/_lodge \
    /usr/share/polkit-1/actions/lodge.policy /usr/share/polkit-1/rules.d/60-lodge.rules /etc/logrotate.d/lodged \
    /usr/share/doc/lodge/README.md* /usr/share/doc/lodged/copyright; do
    test -e "$file"
done
for unit in lodged.service lodged.socket lodged-ro.socket; do
    test -e /lib/systemd/system/$unit || test -e /usr/lib/systemd/system/$unit
done
dpkg -L lodge lodged | grep -c 'man/man[18]/' | grep -qx 3
id libvirt-qemu | grep -w kvm | grep -w libvirt-qemu
getent group libvirt

# It runs: a machine of emulated firmware, from definition to the end.
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /dev/pts
mount -t devpts -o ptmxmode=0666 none /dev/pts
mount -t tmpfs none /run
ip link set lo up 2>/dev/null || true
lodged --foreground >/tmp/daemon.log 2>&1 &
daemon=$!
for _ in $(seq 300); do
    if lodge list >/dev/null 2>&1; then break; fi
    kill -0 $daemon || { cat /tmp/daemon.log; exit 1; }
    sleep 0.1
done
cat >/tmp/m.xml <<'XML'
<domain type='qemu'><name>m</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><serial type='pty'/></devices></domain>
XML
lodge define /tmp/m.xml
lodge start m
lodge list | grep -w running
test "$(awk '$1 == "Uid:" { print $2 }' "/proc/$(cat /run/libvirt/qemu/m.pid)/status")" = "$(id -u libvirt-qemu)"
lodge destroy m
lodge undefine m
lodge doctor | grep ' 0 failed'
kill $daemon
wait $daemon

# Removed: nothing of the packages is left but what an administrator may have changed.
dpkg --purge lodged lodge lodge-doc
for file in /usr/bin/lodge /usr/sbin/lodged /usr/libexec/lodge /etc/logrotate.d/lodged /usr/share/polkit-1/actions/lodge.policy; do
    test ! -e "$file"
done
