# Runs in a guest whose disk has grown: lets the last partition of the disk, and what is on it, grow along.
# $1: the disk's size in bytes, $2: its likely name. Prints what it did; what it cannot do ends it with a reason.
# SPDX-License-Identifier: LGPL-2.1-or-later
die() { echo "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
disk=
for dir in /sys/block/*; do
    name=${dir##*/}
    case $name in loop* | ram* | zram* | dm-* | md* | sr* | fd* | nbd*) continue ;; esac
    [ "$(cat "$dir/size")" = $(($1 / 512)) ] || continue
    [ -z "$disk" ] || [ "$name" = "$2" ] || { [ "$disk" = "$2" ] && continue; } || die "several disks are of that size"
    disk=$name
done
[ -n "$disk" ] || die "no disk of that size is there (yet)"
part= start=0
for dir in /sys/block/"$disk"/"$disk"*; do
    [ -f "$dir/partition" ] || continue
    [ "$(cat "$dir/start")" -lt $start ] || part=$dir start=$(cat "$dir/start")
done
device=/dev/$disk
if [ -n "$part" ]; then
    device=/dev/${part##*/} number=$(cat "$part/partition") before=$(cat "$part/size")
    if have growpart; then
        growpart "/dev/$disk" "$number" >/dev/null || [ $? = 1 ] || die "growpart failed"
    elif have sfdisk && have partx; then
        echo ', +' | sfdisk -q --force --no-reread -N "$number" "/dev/$disk" >/dev/null 2>&1 || die "sfdisk failed"
        partx -u --nr "$number" "/dev/$disk" || die "partx failed"
    else
        die "neither growpart nor sfdisk is there"
    fi
    [ "$(cat "$part/size")" = "$before" ] || echo "partition $device has grown"
fi
if [ "$(blkid -p -s TYPE -o value "$device")" = LVM2_member ]; then
    pvresize -q "$device" >/dev/null || die "pvresize failed"
    group=$(pvs --noheadings -o vg_name "$device" | tr -d ' ')
    volumes=$(lvs --noheadings -o lv_path "$group" | tr -d ' ')
    root=$(lvs --noheadings -o lv_path "$(awk '$2 == "/" { print $1 }' /proc/mounts | tail -n 1)" 2>/dev/null | tr -d ' ')
    case "
$volumes
" in *"
$root
"*) [ -z "$root" ] || volumes=$root ;; esac
    [ "$(echo "$volumes" | wc -l)" = 1 ] || die "group $group has grown; which of its volumes shall is for you to say"
    device=$volumes
    # That there is nothing to add is no failure.
    [ "$(vgs --noheadings -o vg_free_count "$group" | tr -d ' ')" = 0 ] || lvextend -q -l +100%FREE "$device" >/dev/null ||
        die "lvextend failed"
    echo "volume $device has grown"
fi
kind=$(blkid -p -s TYPE -o value "$device")
mounted=$(lsblk -n -o MOUNTPOINT "$device" | grep -m 1 ^/)
case $kind in
ext[234]) resize2fs "$device" >/dev/null 2>&1 || die "resize2fs failed" ;;
xfs) [ -n "$mounted" ] && xfs_growfs "$mounted" >/dev/null || die "xfs_growfs failed" ;;
btrfs) [ -n "$mounted" ] && btrfs filesystem resize max "$mounted" >/dev/null || die "btrfs failed" ;;
*) die "what is on $device (${kind:-nothing known}) has to grow by hand" ;;
esac
echo "file system on $device has grown"
