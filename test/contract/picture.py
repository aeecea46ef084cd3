# Prints one JSON line for each file below a folder, with everything that a change must leave alone.
import hashlib
import json
import os
import stat
import sys

root = sys.argv[1]
for base, dirs, files in os.walk(root):
    dirs.sort()
    for name in [""] * (base == root) + sorted(dirs + files):
        path = os.path.join(base, name) if name else base
        s = os.lstat(path)
        what = dict(mode=oct(s.st_mode), uid=s.st_uid, gid=s.st_gid, mtime=s.st_mtime_ns, ctime=s.st_ctime_ns)
        what["xattrs"] = {n: os.getxattr(path, n, follow_symlinks=False).hex()
                          for n in sorted(os.listxattr(path, follow_symlinks=False))}
        if stat.S_ISREG(s.st_mode):
            what.update(inode=s.st_ino, links=s.st_nlink, size=s.st_size,
                        sha=hashlib.sha256(open(path, "rb").read()).hexdigest())
        if stat.S_ISLNK(s.st_mode):
            what["target"] = os.readlink(path)
        print(json.dumps(["/" + os.path.relpath(path, root) if path != root else "/", what]))
