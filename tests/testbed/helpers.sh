# What the scenarios' lines of shell can call. SPDX-License-Identifier: LGPL-2.1-or-later

# testbed-nfs start|squash|stop: exports /srv/pool
testbed-nfs() {
    case $1 in
    start)
        mkdir -p /srv/pool /var/lib/nfs
        chmod 777 /srv/pool
        if ! grep -q nfsd /proc/mounts; then
            rpcbind -w
            modprobe nfsd
            mount -t nfsd nfsd /proc/fs/nfsd
            mount -t tmpfs tmpfs /var/lib/nfs
        fi
        mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery
        touch /var/lib/nfs/rmtab /var/lib/nfs/etab /var/lib/nfs/state
        exportfs -o rw,sync,no_root_squash,insecure,fsid=1,no_subtree_check '*:/srv/pool'
        rpc.nfsd --grace-time 1 --lease-time 10 4 || rpc.nfsd 4
        pidof rpc.statd >/dev/null || rpc.statd
        pidof rpc.mountd >/dev/null || rpc.mountd
        ;;
    squash)
        exportfs -ua
        chmod 755 /srv/pool
        exportfs -o rw,sync,root_squash,insecure,fsid=1,no_subtree_check '*:/srv/pool'
        ;;
    stop)
        exportfs -ua
        rpc.nfsd 0
        kill "$(pidof rpc.mountd)"
        ;;
    esac
}

# testbed-iscsi start|chap|nochap|stop: a target with two disks
testbed-iscsi() {
    local iqn=iqn.2000-01.org.example:lodge
    case $1 in
    start)
        modprobe iscsi_tcp
        mkdir -p /run/lock/iscsi
        [ -s /etc/iscsi/initiatorname.iscsi ] || echo InitiatorName=iqn.1993-08.org.debian:01:testbed >/etc/iscsi/initiatorname.iscsi
        pidof iscsid >/dev/null || iscsid
        targetcli <<CMDS
/backstores/fileio create disk0 /var/tmp/disk0 32M
/backstores/fileio create disk1 /var/tmp/disk1 16M
/iscsi create $iqn
/iscsi/$iqn/tpg1/luns create /backstores/fileio/disk0
/iscsi/$iqn/tpg1/luns create /backstores/fileio/disk1
/iscsi/$iqn/tpg1 set attribute authentication=0 demo_mode_write_protect=0 generate_node_acls=1 cache_dynamic_acls=1
exit
CMDS
        ;;
    chap)
        targetcli "/iscsi/$iqn/tpg1" set attribute authentication=1
        targetcli "/iscsi/$iqn/tpg1" set auth userid=user password=secretpassword
        ;;
    nochap) targetcli "/iscsi/$iqn/tpg1" set attribute authentication=0 ;;
    stop)
        targetcli clearconfig confirm=True
        rm -f /var/tmp/disk0 /var/tmp/disk1
        ;;
    esac
}

# testbed-mpath start|stop: multipath devices of the disks of scsi_debug
testbed-mpath() {
    case $1 in
    start)
        printf 'defaults {\n user_friendly_names yes\n find_multipaths no\n}\nblacklist {\n devnode "^(vd|loop|sr)"\n}\n' >/etc/multipath.conf
        modprobe dm_multipath
        pidof multipathd >/dev/null || multipathd
        multipath
        udevadm settle
        ;;
    stop)
        kill "$(pidof multipathd)" 2>/dev/null
        multipath -F
        dmsetup remove_all -f >/dev/null 2>&1
        udevadm settle
        ;;
    esac
}

# testbed-ceph: a cluster of one monitor, one manager and one OSD in memory; the key of client.lodge in /tmp/ceph/key
testbed-ceph() {
    local fsid osd
    fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
    mkdir -p /etc/ceph /tmp/ceph/mon /tmp/ceph/mgr /tmp/ceph/osd /var/run/ceph /var/log/ceph
    cat >/etc/ceph/ceph.conf <<CONF
[global]
fsid = $fsid
mon_host = [v1:127.0.0.1:6789]
ms_bind_msgr2 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_objectstore = memstore
memstore_device_bytes = 536870912
mgr_initial_modules =
CONF
    ceph-authtool --create-keyring /tmp/ceph/keyring --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool --create-keyring /etc/ceph/ceph.client.admin.keyring --gen-key -n client.admin --cap mon 'allow *' \
        --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool /tmp/ceph/keyring --import-keyring /etc/ceph/ceph.client.admin.keyring
    monmaptool --create --addv a '[v1:127.0.0.1:6789]' --fsid "$fsid" /tmp/ceph/monmap
    ceph-mon --mkfs -i a --monmap /tmp/ceph/monmap --keyring /tmp/ceph/keyring --mon-data /tmp/ceph/mon
    ceph-mon -i a --mon-data /tmp/ceph/mon
    ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' -o /tmp/ceph/mgr/keyring
    ceph-mgr -i x --mgr-data /tmp/ceph/mgr
    ceph osd new "$osd"
    ceph auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd' -o /tmp/ceph/osd/keyring
    ceph-osd -i 0 --mkfs --osd-data /tmp/ceph/osd --osd-uuid "$osd"
    ceph-osd -i 0 --osd-data /tmp/ceph/osd
    ceph osd pool create rbd 1
    ceph osd pool application enable rbd rbd
    ceph auth get-or-create client.lodge mon 'profile rbd' osd 'profile rbd'
    ceph auth get-key client.lodge >/tmp/ceph/key
}

# testbed-cifs start|stop: a share "pool" of /srv/share, for guests
testbed-cifs() {
    case $1 in
    start)
        mkdir -p /srv/share /run/samba /var/lib/samba/private /var/log/samba /var/cache/samba
        chmod 777 /srv/share
        printf '[global]\n map to guest = Bad User\n guest account = root\n interfaces = lo\n bind interfaces only = yes\n' \
            >/etc/samba/smb.conf
        printf ' load printers = no\n disable spoolss = yes\n[pool]\n path = /srv/share\n guest ok = yes\n read only = no\n' \
            >>/etc/samba/smb.conf
        modprobe cifs
        smbd -D
        for try in $(seq 100); do
            smbstatus -b >/dev/null 2>&1 && (exec 3<>/dev/tcp/127.0.0.1/445) 2>/dev/null && break
            sleep 0.2
        done
        ;;
    stop) kill "$(cat /run/samba/smbd.pid)" ;;
    esac
}

# testbed-gluster: a volume gv0 of one brick, with an image, a folder and a hidden file in it
testbed-gluster() {
    glusterd
    mkdir -p /srv/brick
    for try in $(seq 100); do
        gluster --mode=script volume list >/dev/null 2>&1 && break
        sleep 0.3
    done
    gluster --mode=script volume create gv0 127.0.0.1:/srv/brick force ||
        gluster --mode=script volume create gv0 testbed:/srv/brick force
    gluster --mode=script volume set gv0 server.allow-insecure on
    gluster --mode=script volume start gv0
    for try in $(seq 100); do
        mount -t glusterfs 127.0.0.1:/gv0 /mnt 2>/dev/null && break
        sleep 0.5
    done
    mkdir /mnt/folder
    qemu-img create -q -f qcow2 /mnt/a.qcow2 8M
    truncate -s 1M /mnt/b.img
    truncate -s 1M /mnt/folder/deep.img
    truncate -s 1M /mnt/.hidden
    umount /mnt
}

# The PCI device with these numbers: its address, its name for virsh, the driver that has it.
testbed-address() {
    lspci -Dn -d "$1" | cut -d' ' -f1 | head -1
}
testbed-device() {
    echo "pci_$(testbed-address "$1" | tr :. __)"
}
testbed-driver() {
    basename "$(readlink "/sys/bus/pci/devices/$(testbed-address "$1")/driver")"
}

# testbed-machine NAME XML: a document of a small machine in /tmp/NAME.xml
testbed-machine() {
    cat >"/tmp/$1.xml" <<X
<domain type='qemu'><name>$1</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu><iothreads>1</iothreads>$2
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='/tmp/$1.img'/><target dev='vda' bus='virtio'/></disk></devices></domain>
X
}

# The group that holds the limits of a machine.
testbed-group-path() {
    local pid
    pid=$(pgrep -f "guest=$1,") && sed 's,^0::\(.*\)/emulator$,/sys/fs/cgroup\1,' "/proc/$pid/cgroup"
}

# testbed-group NAME FILE...: what the files of that group hold
testbed-group() {
    local group file
    group=$(testbed-group-path "$1")
    shift
    for file in "$@"; do
        echo "$file: $(cat "$group/$file" 2>/dev/null | tr '\n' ' ')"
    done
}

# Its weight among other machines, wherever it stands.
testbed-weight() {
    local group
    group=$(testbed-group-path "$1")
    sort -n "$group/cpu.weight" "$group/../cpu.weight" | grep -v '^100$'
}

# Which group, scheduler and CPUs each vCPU and I/O thread of a machine has.
testbed-threads() {
    local task
    for task in /proc/"$(pgrep -f "guest=$1,")"/task/*; do
        case $(cat "$task/comm" 2>/dev/null) in # others come and go
        CPU* | IO\ iothread*) echo "$(cat "$task/comm") $(sed 's,.*/,,' "$task/cgroup") $(chrt -p "${task##*/}" | sed 's/.*: //' | tr '\n' ' ')$(taskset -cp "${task##*/}" | sed 's/.*: //')" ;;
        esac
    done | sort
}

# testbed-nested OUT SCRIPT MODULE... [-- PROGRAM...]: the initramfs of a guest in the guest; programs come with their
# libraries.
testbed-nested() {
    local out=$1 script=$2 modules=() dir file
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do modules+=("$1"); shift; done
    shift
    /usr/lib/testbed/mkinitrd "$out" "$script" "${modules[@]}"
    [ $# -gt 0 ] || return 0
    dir=$(mktemp -d)
    for file; do
        file=$(command -v "$file")
        { echo "$file"; ldd "$file" | grep -oE '/[^ ]+'; } | while read -r part; do
            mkdir -p "$dir$(dirname "$part")"
            cp -Lu "$part" "$dir$part"
        done
    done
    (cd "$dir" && find . | busybox cpio -o -H newc 2>/dev/null) >>"$out"
    rm -rf "$dir"
}

# testbed-wait SECONDS COMMAND...: until it succeeds
testbed-wait() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "never: $*" >&2; return 1; }
        sleep 0.5
    done
}

# testbed-client NAME BRIDGE: a host of that name in a network namespace, on the bridge; prints the address that it
# was given
testbed-client() {
    ip netns list | grep -qw "$1" || {
        ip netns add "$1"
        ip link add "$1-up" type veth peer name eth0 netns "$1"
        ip netns exec "$1" ip link set lo up
        ip netns exec "$1" ip link set eth0 up
    }
    ip link set "$1-up" master "$2" up
    cat >/tmp/bound <<'BOUND'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev $interface
ip addr add $ip/24 dev $interface
ip route replace default via $router
echo $ip >/tmp/given
BOUND
    chmod +x /tmp/bound
    rm -f /tmp/given
    ip netns exec "$1" busybox udhcpc -i eth0 -n -q -f -t 15 -T 1 -x "hostname:$1" -s /tmp/bound >/dev/null 2>&1
    cat /tmp/given
}
