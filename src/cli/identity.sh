# Runs in a guest that goes on from the memory of another machine: makes new what tells the two apart.
# $1: its host name; $2: "seed" if its seed is to be read by cloud-init again. Prints what could not be done.
# SPDX-License-Identifier: LGPL-2.1-or-later
have() { command -v "$1" >/dev/null 2>&1; }
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
old=$(cat /proc/sys/kernel/hostname)
rm -f /etc/machine-id /var/lib/dbus/machine-id /var/lib/dhcp/* /var/lib/systemd/random-seed 2>/dev/null
if have systemd-machine-id-setup; then
    systemd-machine-id-setup >/dev/null 2>&1
else
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
fi
[ -d /var/lib/dbus ] && ln -sf /etc/machine-id /var/lib/dbus/machine-id
echo "$1" >/etc/hostname
have hostnamectl && hostnamectl set-hostname "$1" 2>/dev/null || echo "$1" >/proc/sys/kernel/hostname
[ -f /etc/hosts ] && sed -i "s/\([[:space:]]\)$old\([[:space:]]\|\$\)/\1$1\2/g" /etc/hosts
if [ -d /etc/ssh ] && have ssh-keygen; then
    rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
    ssh-keygen -A >/dev/null 2>&1 || echo "there are no new host keys"
    for service in ssh sshd; do have systemctl && systemctl try-restart "$service" 2>/dev/null; done
fi
echo 1 >/proc/sys/vm/drop_caches # the disc in the drive is another one
if [ "$2" = seed ] && have cloud-init; then
    cloud-init clean >/dev/null 2>&1
    for stage in "init --local" init "modules --mode=config" "modules --mode=final"; do
        # shellcheck disable=SC2086
        cloud-init $stage >/dev/null 2>&1 || echo "cloud-init $stage failed"
    done
    if have netplan; then netplan apply 2>/dev/null; fi
fi
# Whoever asked for an address with the old card asks with the new one.
for service in systemd-networkd NetworkManager networking; do
    have systemctl && systemctl try-restart "$service" 2>/dev/null
done
true
