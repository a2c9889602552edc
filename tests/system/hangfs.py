#!/usr/bin/python3
"""A FUSE file system that passes everything through and stops answering while a file exists; while FLAG.broken does,
nothing can be written. FLAG.lengths gets the names of files that were truncated, with their new lengths.

usage: hangfs.py BACKING MOUNTPOINT FLAG [squash]

squash: root is nobody there, as on NFS with root_squash; others have the rights that modes and owners give them.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import errno
import os
import sys
import time

import fusepy as fuse

STAT = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
STATVFS = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize",
           "f_namemax")


class Passthrough(fuse.Operations):
    def __init__(self, backing, flag, squash):
        self.backing = backing
        self.flag = flag
        self.squash = squash

    def judge(self, path, bit):
        """Raises unless the caller has the right (4 to read, 2 to write)."""
        if not self.squash:
            return
        uid, gid, _ = fuse.fuse_get_context()
        status = os.lstat(self.real(path))
        shift = 0 if uid == 0 else 6 if uid == status.st_uid else 3 if gid == status.st_gid else 0
        if not status.st_mode >> shift & bit:
            raise fuse.FuseOSError(errno.EACCES)

    def gate(self):
        while os.path.exists(self.flag):
            time.sleep(0.05)

    def real(self, path):
        self.gate()
        return self.backing + path

    def getattr(self, path, fh=None):
        try:
            status = os.lstat(self.real(path))
        except OSError as error:
            raise fuse.FuseOSError(error.errno) from error
        return {key: getattr(status, key) for key in STAT}

    def readdir(self, path, fh):
        return [".", ".."] + os.listdir(self.real(path))

    def open(self, path, flags):
        self.judge(path, 4 if flags & os.O_ACCMODE == os.O_RDONLY else 2)
        return os.open(self.real(path), flags & ~os.O_DIRECT)

    def create(self, path, mode, fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        self.gate()
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        self.gate()
        if os.path.exists(self.flag + ".broken"):
            raise fuse.FuseOSError(errno.EIO)
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        with open(self.flag + ".lengths", "a") as lengths:
            print(path, length, file=lengths)
        os.truncate(self.real(path), length)

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def chown(self, path, uid, gid):
        if self.squash:
            raise fuse.FuseOSError(errno.EPERM)
        os.chown(self.real(path), uid, gid)

    def release(self, path, fh):
        os.close(fh)
        return 0

    def unlink(self, path):
        os.unlink(self.real(path))

    def rename(self, old, new):
        os.rename(self.real(old), self.real(new))

    def link(self, target, source):
        os.link(self.real(source), self.real(target))

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def statfs(self, path):
        status = os.statvfs(self.real(path))
        return {key: getattr(status, key) for key in STATVFS}


if __name__ == "__main__":
    fuse.FUSE(Passthrough(sys.argv[1], sys.argv[3], "squash" in sys.argv[4:]), sys.argv[2], foreground=True, nothreads=False,
              allow_other=True, attr_timeout=0, entry_timeout=0)
