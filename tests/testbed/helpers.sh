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
